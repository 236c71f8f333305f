"""The cause of a letter's death, and its fingerprint."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .failure import Failure, Reader
from .frames import raised, top_frame
from .message import coarse, normalised, plain
from .readers import READERS, x_death

#: What the reasons of brokers mean, as a title; {queue} is " in QUEUE", {colon} ": QUEUE", or nothing.
REASONS = {
    "rejected": "Rejected by a consumer{queue}",
    "expired": "Expired{queue}",
    "maxlen": "Pushed out, the queue was full{colon}",
    "delivery_limit": "Delivered too often{queue}",
    "MaxDeliveryCountExceeded": "Delivered too often{queue}",
    "maxReceiveCount": "Received too often{queue}",
    "TTLExpiredException": "Expired{queue}",
    "HeaderSizeExceeded": "Its headers were too large{queue}",
    "MaxTransferHopCountExceeded": "Forwarded too often{queue}",
    "skipped": "No consumer for this type{queue}",
}

#: Paths of keys that tell the shape of a body, and how deep.
PATHS, DEEP = 40, 3
SHOWN_KEYS = 6

#: Characters of a title, and of the names of a class, a queue or a reason.
TITLE, LONGEST = 120, 200


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a letter died; letters with one fingerprint are one group. Texts are "" where nothing is told.

    fingerprint  16 hexadecimal digits, of class, message, frame, reason and queue; where no error is told, of
                 reason, queue, and the message's type or else its keys
    title        for a person: "CardDeclinedError in capture()"
    message      without what differs from letter to letter
    frame        file and function, or class and method, without line numbers
    reason       why it was given up, in the broker's or library's own word
    source       who wrote that down
    queue        where it died
    """

    fingerprint: str
    title: str
    error_class: str = ""
    message: str = ""
    frame: str = ""
    reason: str = ""
    source: str = ""
    queue: str = ""


def cause_of(
    headers: Mapping[str, Any],
    value: Any = None,
    *,
    queue: str = "",
    message_type: str = "",
    readers: Sequence[Reader] = (),
) -> Cause:
    """The cause of one letter.

    headers       as `Decoded.headers` has them; value: `Decoded.value` (anything without keys when there is none)
    queue         where it lies; what the letter itself says of where it died goes first
    message_type  what kind of message it is, if that is known
    readers       of dialects; tried before those of this package
    """
    told = [failure for reader in (*readers, *READERS) if (failure := reader(headers, value)) is not None]
    error = next((failure for failure in told if failure.names_error), None)
    death = x_death(headers, value) or next(iter(told), None) or Failure("")
    where = plain(((error.queue if error else "") or death.queue or queue)[:LONGEST])
    reason = plain(((error.reason if error else "") or death.reason)[:LONGEST])
    if error is None:
        return _without_error(death, reason, where, message_type, value)
    return _with_error(error, reason, where)


def _with_error(error: Failure, reason: str, queue: str) -> Cause:
    name, message = error.error_class, error.message
    if error.trace and not (name and message):
        found = raised(error.trace)
        name, message = name or found[0], message or found[1]
    name, message = plain(name[:LONGEST]), normalised(message)
    frame = top_frame(error.trace) if error.trace else None
    place = plain(str(frame or ""))
    short = name.replace("\\", ".").replace("::", ".").rpartition(".")[2].partition("`")[0]
    if frame and short:
        title = f"{short} in {frame.short}"
    elif error.reason and not short:
        title = _given_up(reason, queue) if reason in REASONS or not message else f"{reason}: {message}"
    else:
        title = ": ".join(part for part in (short, message) if part) or _given_up(reason, queue)
    return Cause(
        fingerprint=_hash("error", name, coarse(message), place, reason, queue),
        title=_cut(plain(title)),
        error_class=name,
        message=message,
        frame=place,
        reason=reason,
        source=error.source,
        queue=queue,
    )


def _without_error(death: Failure, reason: str, queue: str, message_type: str, value: Any) -> Cause:
    paths = _paths(value)
    shape = message_type or "\n".join(paths)
    title = _given_up(reason, queue) + (f": {message_type}" if message_type else "")
    return Cause(
        fingerprint=_hash("reason", reason, queue, shape),
        title=_cut(plain(title)),
        message="" if message_type else _keys(paths),
        reason=reason,
        source=death.source,
        queue=queue,
    )


def _cut(title: str) -> str:
    return title if len(title) <= TITLE else title[: TITLE - 1] + "…"


def _given_up(reason: str, queue: str) -> str:
    where = f" in {queue}" if queue else ""
    if reason in REASONS:
        return REASONS[reason].format(queue=where, colon=f": {queue}" if queue else "")
    return f"{reason}{where}" if reason else f"No reason told{where}"


def _keys(paths: Sequence[str]) -> str:
    """The outermost keys, by which groups are told apart that have nothing else: "keys: lines, order"."""
    names = [path[1:] for path in paths if path.count(".") == 1 and "[" not in path]
    more = ", …" if len(names) > SHOWN_KEYS else ""
    return plain(f"keys: {', '.join(name[:40] for name in names[:SHOWN_KEYS])}{more}") if names else ""


def _paths(value: Any) -> list[str]:
    """The paths of keys in a value, sorted: what letters of one kind have in common when nothing names their kind."""
    return sorted(set(_walk(value, "", DEEP)))[:PATHS]


def _walk(value: Any, path: str, deep: int) -> Iterator[str]:
    if isinstance(value, dict) and deep and len(value) <= PATHS:
        for key, item in value.items():
            yield f"{path}.{str(key)[:80]}"
            yield from _walk(item, f"{path}.{str(key)[:80]}", deep - 1)
    elif isinstance(value, list) and deep and value:
        yield from _walk(value[0], f"{path}[]", deep - 1)


def _hash(*parts: str) -> str:
    text = "\x1f".join(part.replace("\x1f", " ") for part in parts)
    return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).hexdigest()
