"""A stream and its consumer groups at one moment, as XINFO tells them, and the depth of a group from its ids. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ...protocol import Quality
from . import names
from .entries import EntryId, beyond

#: Deliveries from which on a pending entry is a dead letter: its consumers have failed at it so often.
POISON = 5


@dataclass(slots=True)
class Group:
    """One consumer group. `lag` as the server tells it; `depth` as it is known, with `quality`."""

    name: bytes
    consumers: int
    pending: int
    delivered: EntryId
    read: int | None
    lag: int | None
    depth: int | None = None
    quality: Quality = Quality.EXACT
    oldest_waiting: EntryId | None = None
    oldest_pending: EntryId | None = None
    deliveries: dict[bytes, int] = field(default_factory=dict)  # how often the oldest pending entries were delivered
    poison: int = 0  # pending entries that were delivered again and again
    poison_quality: Quality = Quality.EXACT
    by_delivered: bool = False  # the age is that of the last delivered entry, for the oldest waiting one


@dataclass(slots=True)
class Stream:
    """One stream at one moment. `added`: entries ever added, None before 7.0; `size`: bytes of an entry, about."""

    key: bytes
    length: int
    added: int | None
    first: EntryId | None
    last: EntryId
    size: int
    groups: list[Group] = field(default_factory=list)


def depth_at_once(stream: Stream, group: Group) -> tuple[int | None, Quality]:
    """The depth where it needs no count: told by the server, nothing follows, or everything does.

    A lag beyond the length is not believed: it counts entries that were trimmed before the group read them.
    """
    if group.lag is not None and 0 <= group.lag <= stream.length:
        return group.lag, Quality.EXACT
    if stream.length == 0 or group.delivered >= stream.last:
        return 0, Quality.EXACT
    if stream.first is not None and group.delivered < stream.first:
        return stream.length, Quality.EXACT
    return None, Quality.UNKNOWN


def take_count(stream: Stream, group: Group, count: int, entries: list[Any]) -> None:
    """The depth from the entries that follow the last delivered one, of which at most `count` were asked for."""
    group.depth, group.quality = len(entries), Quality.EXACT
    if not entries:
        return
    group.oldest_waiting = EntryId.of(entries[0][0])
    if len(entries) >= count and stream.first is not None:
        more = beyond(count, stream.length, stream.first, EntryId.of(entries[-1][0]), stream.last)
        group.depth, group.quality = (count, Quality.APPROXIMATE) if more is None else (more, Quality.ESTIMATED)


def group_name(stream: Stream, group: Group) -> str:
    return f"{names.text(stream.key)} · {names.text(group.name)}"


def stream_of(key: bytes, about: dict[bytes, Any]) -> Stream:
    first, last = about.get(b"first-entry"), about.get(b"last-entry")
    return Stream(
        key=key,
        length=whole(about[b"length"]),
        added=open_count(about.get(b"entries-added")),
        first=EntryId.of(first[0]) if first else None,
        last=EntryId.of(about[b"last-generated-id"]),
        size=max(_size(first), _size(last)),
    )


def group_of(about: dict[bytes, Any]) -> Group:
    return Group(
        name=raw(about[b"name"]),
        consumers=whole(about[b"consumers"]),
        pending=whole(about[b"pending"]),
        delivered=EntryId.of(about[b"last-delivered-id"]),
        read=open_count(about.get(b"entries-read")),
        lag=open_count(about.get(b"lag")),
    )


def whole(value: Any) -> int:
    """A count. Raises TypeError or ValueError for what is none."""
    if not isinstance(value, int):
        raise TypeError
    if value < 0:
        raise ValueError
    return value


def open_count(value: Any) -> int | None:
    """A number that the server may leave open, and gets wrong at times, below 0 too. Raises TypeError for none."""
    if value is not None and not isinstance(value, int):
        raise TypeError
    return value


def raw(value: Any) -> bytes:
    """A name. Raises TypeError for what is none."""
    if not isinstance(value, bytes):
        raise TypeError
    return value


def pairs(flat: list[Any]) -> dict[bytes, Any]:
    return dict(zip(flat[::2], flat[1::2], strict=True))


def _size(entry: Any) -> int:
    return 32 + sum(len(part) for part in entry[1] or ()) if entry else 32
