"""One letter read: decoded, masked, and why it died. Pure but for the rules, which the caller brings."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from collectors.causes import Cause, Failure, Reader, cause_of
from collectors.decoding import Decoded, decode
from collectors.letters import Letter
from collectors.registry import FAILURES, SHAPES

from .masking import Masked, Masking

#: Keys under which messages name their own kind, and under which wrappers keep the message.
TYPE_KEYS = ("type", "event_type", "eventType", "event", "message_type", "messageType", "detail-type", "action")
INNER_KEYS = ("message", "payload", "data", "original")

#: Names under which letters themselves say how often they were tried, and when they were given up.
ATTEMPTS = ("attempts", "attempt", "x-attempts", "retry_count", "retries")
DIED = ("failed_at", "died_at", "x-failed-at", "failedAt", "failed-at")
_EARLIEST, _DAY = 946_684_800.0, 86_400.0  # the year 2000


@dataclass(frozen=True, slots=True)
class Read:
    """A letter, its layers, what of it may be shown, and its cause, which is found in that part alone."""

    letter: Letter
    decoded: Decoded
    masked: Masked
    cause: Cause

    @property
    def type(self) -> str:
        """What kind of message it is: in the words of its library, else as the message itself names it."""
        return self.decoded.message_type or named_type(self.masked.value)

    @property
    def attempts(self) -> int | None:
        """As the broker counted them, else as the letter says."""
        return self.letter.attempts if self.letter.attempts is not None else _count(self._told(ATTEMPTS))

    @property
    def died_at(self) -> float | None:
        """As the broker tells it, else as the letter says."""
        return self.letter.died_at if self.letter.died_at is not None else _time(self._told(DIED))

    def _told(self, names: Sequence[str]) -> Any:
        """What stands under one of these names, in the headers or on top of the value."""
        value = self.masked.value if isinstance(self.masked.value, dict) else {}
        return next((told[name] for told in (self.masked.headers, value) for name in names if name in told), None)


def named_type(value: Any) -> str:
    """The kind that a body names under one of the usual keys, also one level deeper; "" = it names none."""
    if not isinstance(value, Mapping):
        return ""
    for key in TYPE_KEYS:
        if isinstance(name := value.get(key), str) and 0 < len(name) <= 100 and name.isprintable():
            return name
    return next((named_type(inner) for key in INNER_KEYS if isinstance(inner := value.get(key), Mapping)), "")


def read(letter: Letter, masking: Masking, queue: str) -> Read:
    """Read a letter that lies in the queue of this name. Raises nothing for what is in it."""
    decoded = decode(letter.body, letter.headers, letter.content_type, letter.content_encoding, SHAPES)
    masked = masking.decoded(decoded, letter.body, letter.whole)
    cause = cause_of(
        masked.headers,
        masked.value,
        queue=letter.deaths[0].queue if letter.deaths else queue,
        message_type=decoded.message_type,
        readers=(*FAILURES, _by_death(letter)),
    )
    return Read(letter, decoded, masked, cause)


def _by_death(letter: Letter) -> Reader:
    """What the broker itself said, for letters whose headers do not."""

    def reader(headers: Mapping[str, Any], value: Any) -> Failure | None:
        death = letter.deaths[0] if letter.deaths else None
        return Failure("the broker", reason=death.reason, queue=death.queue) if death and death.reason else None

    return reader


def _count(told: Any) -> int | None:
    """A small whole number, or one as text."""
    if isinstance(told, bytes | str) and len(told) <= 6 and told.isdigit():
        told = int(told)
    return told if isinstance(told, int) and not isinstance(told, bool) and 0 <= told < 1_000_000 else None


def _time(told: Any) -> float | None:
    """Epoch seconds or milliseconds, or ISO 8601, of a time that has been."""
    if isinstance(told, bytes) and len(told) <= 40:
        told = told.decode("ascii", "replace")
    try:
        if isinstance(told, str) and 10 <= len(told) <= 40 and not told.replace(".", "").isdigit():
            read = datetime.fromisoformat(told)
            at = (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()
        elif isinstance(told, int | float) and not isinstance(told, bool):
            at = float(told)
        else:
            at = float(told) if isinstance(told, str) and len(told) <= 20 else 0.0
    except (ValueError, OverflowError):
        return None
    at = at / 1000 if at > 1e11 else at
    return at if _EARLIEST < at < time.time() + _DAY else None
