"""Where copies go on Redis, and how one is added there."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ...dialects.celery import SEPARATOR, STEPS
from ...dialects.keeping import Apart, Entrance
from ...errors import BadAnswer, NotSupported
from ...letters import REPLAY_COUNT, REPLAY_ID, REPLAYED_AT, REPLAYED_BY, Destination, Parcel
from . import names
from .items import ALL_FIELDS, BODY_FIELD, ID, Item, joined, object_fields
from .keys import where
from .list_shelf import oldest_right
from .relations import apart_of
from .scripts import MOST_ARGUMENTS
from .wire import AnyWire, pack

RIGHT_END, LEFT_END = "right_end", "left_end"
OPTIONS = {
    RIGHT_END: "Lists: add copies at the right end, for queues whose producers RPUSH and whose workers BLPOP.",
    LEFT_END: "Lists: add copies at the left end, for queues whose producers LPUSH and whose workers BRPOP.",
}
#: The field of a stream's entry that holds what was an element of a list.
BODY = b"body"


class Unfit(Exception):
    """A letter cannot go to a destination; the message says why."""


@dataclass(frozen=True, slots=True)
class Target:
    """A destination. `type` is "list", "zset" or "stream"; `left`: where the newest of a list are; `steps`: further
    lists of a Celery queue that hold something."""

    key: bytes
    type: str
    left: bool = True
    steps: frozenset[bytes] = frozenset()


@dataclass(frozen=True, slots=True)
class Copy:
    """How a copy of one letter is added: the key, the command, and its arguments after the key; and the set that has
    to know of that queue."""

    key: bytes
    command: str
    arguments: tuple[bytes, ...]
    entrance: Entrance | None = None

    @property
    def packed(self) -> bytes:
        return pack(self.command, self.key, *self.arguments)


def target_of(wire: AnyWire, to: Destination) -> Target:
    """The key that a destination means. Raises Unfit, or CollectorError when the server cannot be asked."""
    if to.exchange is not None:
        raise Unfit("Redis has no exchanges; name the queue that the copies are to go to.")
    if not to.queue:
        raise Unfit("Name the queue that the copies are to go to.")
    try:
        place = where(wire, to.queue)
    except (NotSupported, BadAnswer) as error:
        raise Unfit(str(error)) from error
    key = place.key
    if place.type in ("zset", "none") and apart_of(key) is not None:
        raise Unfit(f"'{names.text(key)}' holds ids whose messages lie apart; only its library can add to it.")
    if place.type in ("zset", "stream"):
        return Target(key, place.type)
    if place.type not in ("list", "none"):  # Redis removes an emptied list
        raise Unfit(f"'{names.text(key)}' is a {place.type} in Redis, in which no queue keeps its messages.")
    steps = [key + SEPARATOR + b"%d" % step for step in STEPS]
    there = wire.ask([pack("TYPE", one) for one in steps])
    holding = frozenset(one for one, kind in zip(steps, there, strict=True) if kind == b"list")
    return Target(key, "list", oldest_right(wire, key, small=place.type == "none" or _small(wire, key)), holding)


def copy_of(item: Item, parcel: Parcel, target: Target) -> Copy:
    """How a letter is added to a target. Raises Unfit."""
    if item.gone:
        raise Unfit("Its content is gone: the entry was deleted or trimmed while it was pending.")
    try:
        if item.fields:
            return _of_entry(item, parcel, target)
        return _of_element(item, parcel, target)
    except ValueError as error:
        raise Unfit(str(error)) from error


def new_message(
    target: Target, body: bytes, headers: Sequence[tuple[bytes, bytes]], properties: Mapping[str, str]
) -> Copy:
    """How one new message is added. An entry takes the properties that say which field its body is. Raises Unfit,
    NotSupported for a property that means nothing there."""
    known = (BODY_FIELD, ALL_FIELDS[0]) if target.type == "stream" else ()
    _only(properties, known)
    if target.type == "stream":
        fields = [(properties.get(BODY_FIELD, "body").encode(), body)]
        if ALL_FIELDS in properties.items():
            try:
                fields = object_fields(body)
            except ValueError as error:
                raise Unfit(str(error)) from error
        return _entry(target, [*fields, *headers])
    if headers:
        raise NotSupported("A message in a list or sorted set of Redis is its body alone and has no headers.")
    if target.type == "zset":
        return Copy(target.key, "ZADD", (b"NX", repr(time.time()).encode(), body))
    return Copy(target.key, "LPUSH" if target.left else "RPUSH", (body,))


def among_the_dead(
    key: bytes, apart: Apart, body: bytes, headers: Sequence[tuple[bytes, bytes]], properties: Mapping[str, str]
) -> list[bytes]:
    """The commands that put a message which lies apart among the dead again: first itself, then its id."""
    _only(properties, (ID,))
    if apart.score is None or ID not in properties:
        raise Unfit(apart.refused or f"A message of {apart.dialect} can only be put back there under its id.")
    id = properties[ID].encode()
    fields = [(apart.body or id, body), *(headers if apart.body else ())]
    flat = [part for pair in fields for part in pair]
    return [pack("HSET", apart.hash_of(id), *flat), pack("ZADD", key, "NX", repr(apart.score(time.time())), id)]


def _only(properties: Mapping[str, str], known: Sequence[str]) -> None:
    unknown = sorted(properties.keys() - set(known))
    if unknown:
        raise NotSupported(f"A message there has no '{unknown[0]}'.")


def _of_element(item: Item, parcel: Parcel, target: Target) -> Copy:
    if target.type == "stream":
        changed = dict(parcel.headers or {})
        fields = [(BODY, item.raw if parcel.body is None else parcel.body)]
        fields += [(k.encode(), v if isinstance(v, bytes) else str(v).encode()) for k, v in changed.items()]
        return _entry(target, [*fields, *_stamps(item, parcel)])
    if parcel.headers:
        raise Unfit("A message in a list or sorted set of Redis is its body alone: it has no headers to change.")
    body = item.raw if parcel.body is None else parcel.body
    if target.type == "zset":
        return Copy(target.key, "ZADD", (b"NX", repr(time.time()).encode(), body))
    entrance = None
    if item.returning is not None and parcel.body is None:
        try:
            body = item.returning.again(item.raw, target.key, time.time(), parcel.options)
        except ValueError:
            name = item.returning.dialect.capitalize()
            raise Unfit(f"{name} would change it on its way back, and its JSON is not understood.") from None
        entrance = item.returning.entrance(item.raw, target.key, target.steps)
    left = target.left or item.returning is not None
    if parcel.options & {LEFT_END, RIGHT_END}:
        left = LEFT_END in parcel.options
    return Copy(entrance.key if entrance else target.key, "LPUSH" if left else "RPUSH", (body,), entrance)


def _of_entry(item: Item, parcel: Parcel, target: Target) -> Copy:
    if target.type == "stream":
        return _entry(target, joined(item, parcel.body, parcel.headers, parcel.stamp))
    if len(item.fields) > 1 or parcel.headers:
        raise Unfit("Its fields beside the body would be lost in a list or sorted set; send it to a stream.")
    body = item.body if parcel.body is None else parcel.body
    if target.type == "zset":
        return Copy(target.key, "ZADD", (b"NX", repr(time.time()).encode(), body))
    left = LEFT_END in parcel.options or (target.left and RIGHT_END not in parcel.options)
    return Copy(target.key, "LPUSH" if left else "RPUSH", (body,))


def _entry(target: Target, fields: Sequence[tuple[bytes, bytes]]) -> Copy:
    flat = tuple(part for pair in fields for part in pair)
    if len(flat) > MOST_ARGUMENTS:
        raise Unfit(f"It has {len(fields):,} fields, more than can be sent in one step ({MOST_ARGUMENTS // 2:,}).")
    return Copy(target.key, "XADD", (b"*", *flat))


def _stamps(item: Item, parcel: Parcel) -> list[tuple[bytes, bytes]]:
    stamp = parcel.stamp
    if stamp is None:
        return []
    told = {REPLAY_ID: stamp.replay_id, REPLAY_COUNT: item.replayed + 1, REPLAYED_AT: stamp.at, REPLAYED_BY: stamp.by}
    return [(name.encode(), str(value).encode()) for name, value in told.items()]


def _small(wire: AnyWire, key: bytes) -> bool:
    """Whether the ends of a list may be looked at."""
    length, usage = wire.ask([pack("LLEN", key), pack("MEMORY", "USAGE", key, "SAMPLES", 50)])
    return isinstance(length, int) and isinstance(usage, int) and usage // max(1, length) <= 1 << 16
