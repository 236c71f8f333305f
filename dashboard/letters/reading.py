"""One letter read: decoded, masked, and why it died. Pure but for the rules, which the caller brings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from collectors.causes import Cause, Failure, Reader, cause_of
from collectors.decoding import Decoded, decode
from collectors.letters import Letter
from collectors.registry import FAILURES, SHAPES

from .masking import Masked, Masking

#: Keys under which messages name their own kind, and under which wrappers keep the message.
TYPE_KEYS = ("type", "event_type", "eventType", "event", "message_type", "messageType", "detail-type", "action")
INNER_KEYS = ("message", "payload", "data", "original")


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
