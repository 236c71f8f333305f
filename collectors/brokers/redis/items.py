"""One letter as it lies in Redis, and what the protocol calls it.

An element of a list and a member of a sorted set are their bytes, and nothing else: what they tell, they tell in their
payload, where a dialect knows it. An entry of a stream has fields: the one that is called like a body (`body`, `data`,
`payload` ...), or the only one, is the body and the others are headers; where none is, the body is a JSON object of
all of them, as text, and the copy of an edited one is taken from such an object again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

import orjson

from ...dialects import RETURNING
from ...dialects.keeping import Apart, Returning, Told
from ...letters import REPLAY_COUNT, REPLAY_ID, REPLAYED_AT, REPLAYED_BY, STAMPS, Death, Letter, Stamp
from . import names
from .entries import EARLIEST, EntryId
from .times import times

Fields = tuple[tuple[bytes, bytes], ...]

#: Fields of a stream's entries that are called like a body, the likeliest first.
BODIES = (b"body", b"data", b"payload", b"message", b"msg", b"event", b"value", b"json")
#: Properties by which a message can be written again as it was.
ID, BODY_FIELD, ALL_FIELDS = "id", "body field", ("fields", "all in the body")
_STAMPS = frozenset(name.encode() for name in STAMPS)
NOTHING = Told(b"")


@dataclass(slots=True)
class Item:
    """A letter, and once it has a number in a lease (`tag`) what `collectors.letters.Taken` is.

    raw        what it is found by: the element, the member, the entry's id, the job's id
    size       bytes of the whole body; `body` is b"" where that was not fetched because it is too large
    told       what it tells of itself
    returning  the dialect that knows how it goes back
    origin_key where it came from, `group` of a stream: in which it is pending
    fields     of an entry, all of them in order; of a job, those beside its body
    gone       there is no content any more (an entry that was trimmed while it was pending)
    lies_in    the list that an element lies in, `from_right`: whether its oldest is at the right end, and `at`: how
               many are older there
    """

    raw: bytes
    id: str
    body: bytes
    size: int
    told: Told = NOTHING
    returning: Returning | None = None
    fields: Fields = ()
    headers: Mapping[str, Any] | None = None
    deliveries: int | None = None
    properties: tuple[tuple[str, str], ...] = ()
    origin_key: bytes = b""
    group: bytes = b""
    place: str = ""
    gone: bool = False
    lies_in: bytes = b""
    from_right: bool = True
    at: int = 0
    tag: int = 0

    room, handle = len(STAMPS), ""

    @property
    def origin(self) -> str:
        if self.group:
            return names.group_identity(self.origin_key, self.group)
        return names.identity(self.origin_key) if self.origin_key else ""

    @property
    def stamped(self) -> bool:
        return bool(self.replay_id)

    @property
    def replay_id(self) -> str:
        return str((self.headers or {}).get(REPLAY_ID, ""))

    @property
    def replayed(self) -> int:
        count = str((self.headers or {}).get(REPLAY_COUNT, "0"))
        return int(count) if count.isascii() and count.isdigit() and len(count) < 10 else 0

    def letter(self, body_bytes: int | None = None) -> Letter:
        told = self.told
        sent, died = told.enqueued_at, told.died_at
        if not self.fields and self.returning is None:
            said = times(self.body)
            sent, died = sent or said[0], died or said[1]
        return Letter(
            id=self.id,
            body=self.body[:body_bytes],
            size=self.size,
            headers=self.headers or {},
            properties=(*told.properties, *self.properties),
            enqueued_at=sent,
            died_at=died,
            attempts=told.attempts if told.attempts is not None else self.deliveries,
            deliveries=self.deliveries,
            deaths=self._deaths(),
            origin=self.origin,
            replayed=self.replayed,
            replay_id=self.replay_id,
            expires_at=told.expires_at,
            place=self.place,
        )

    def _deaths(self) -> tuple[Death, ...]:
        """A group was handed it again and again: the broker tells no other reason."""
        if not (self.group and self.deliveries):
            return ()
        where = f"{names.text(self.origin_key)} · {names.text(self.group)}"
        return (Death(where, "delivery_limit", self.deliveries),)


def fingerprint(identity: bytes) -> str:
    return sha256(identity).hexdigest()[:32]


def element(raw: bytes, key: bytes, place: str, origin: bytes = b"", died_at: float | None = None) -> Item:
    """An element of a list or a member of a sorted set. `origin`: where letters of this key come from, by its name."""
    for returning in RETURNING:
        told = returning.told(raw, key)
        if told is not None:
            if died_at is not None:
                told = replace(told, died_at=died_at)
            whence = origin or told.origin
            identity = b"%s %s" % (returning.dialect.encode(), told.identity)
            return Item(raw, fingerprint(identity), raw, len(raw), told, returning, origin_key=whence, place=place)
    told = Told(b"", died_at=died_at) if died_at is not None else NOTHING
    return Item(raw, fingerprint(raw), raw, len(raw), told, origin_key=origin, place=place)


def entry(
    id: bytes, flat: Sequence[bytes], dead: bool, origin: bytes = b"", group: bytes = b"", deliveries: int | None = None
) -> Item:
    """An entry of a stream; `dead`: it was added when it died, else when it was first sent."""
    fields = tuple(zip(flat[::2], flat[1::2], strict=True))
    body, headers = divided(fields)
    named = body_field(fields)
    told_by = (BODY_FIELD, names.text(named)) if named is not None else ALL_FIELDS
    at = _moment(id)
    told = Told(b"", died_at=at) if dead else Told(b"", enqueued_at=at)
    text = id.decode("ascii", "replace")
    return Item(
        id,
        text,
        body,
        len(body),
        told,
        None,
        fields,
        headers,
        deliveries,
        (("entry", text), told_by),
        origin,
        group,
        f"entry {text}",
    )


def ghost(id: bytes, deliveries: int, origin: bytes, group: bytes) -> Item:
    """A pending entry whose content was trimmed or deleted."""
    text = id.decode("ascii", "replace")
    told = Told(b"", enqueued_at=_moment(id))
    note = ("content", "gone: the entry was deleted or trimmed while it was pending")
    return Item(
        id,
        text,
        b"",
        0,
        told,
        None,
        (),
        {},
        deliveries,
        (("entry", text), note),
        origin,
        group,
        f"entry {text}",
        gone=True,
    )


def job(id: bytes, score: float, body: bytes | None, size: int, fields: Mapping[bytes, bytes], apart: Apart) -> Item:
    """A message that lies apart from its id; `body` None = not fetched, or not there."""
    told = apart.told(id, {**fields, b"": body or b""}, score)
    text = names.text(id)
    headers = {names.text(name): readable(value) for name, value in fields.items()}
    return Item(
        id, fingerprint(b"%s %s" % (apart.dialect.encode(), id)), body or b"", size, told, None,
        tuple(fields.items()), headers, properties=((ID, text),), origin_key=told.origin or apart.queue,
        place=f"id {text}", gone=not size and not fields,
    )  # fmt: skip


def divided(fields: Fields) -> tuple[bytes, dict[str, Any]]:
    """Body and headers of a stream's entry."""
    own = [pair for pair in fields if pair[0] not in _STAMPS]
    named = body_field(fields)
    if named is not None:
        headers = {names.text(k): readable(v) for k, v in fields if k != named}
        return next(v for k, v in own if k == named), headers
    stamps = {names.text(k): readable(v) for k, v in fields if k in _STAMPS}
    shown = {k.decode("utf-8", "backslashreplace"): v.decode("utf-8", "backslashreplace") for k, v in own}
    return orjson.dumps(shown), stamps


def joined(
    item: Item, body: bytes | None, headers: Mapping[str, Any] | None, stamp: Stamp | None
) -> list[tuple[bytes, bytes]]:
    """The fields of a copy of an entry. Raises ValueError for a change that its fields cannot take."""
    fields = [pair for pair in item.fields if pair[0] not in _STAMPS or stamp is None]
    named = body_field(item.fields)
    if body is not None and named is not None:
        fields = [(k, body if k == named else v) for k, v in fields]
    elif body is not None:
        fields = [*object_fields(body), *(pair for pair in fields if pair[0] in _STAMPS)]
    for name, value in (headers or {}).items():
        key = name.encode()
        if key == named:
            raise ValueError(f"The field '{name}' is the body of this entry; edit it there.")
        here = [i for i, pair in enumerate(fields) if pair[0] == key]
        new = [] if value is None else [(key, value if isinstance(value, bytes) else str(value).encode())]
        at = here[0] if here else len(fields)
        fields = [*fields[:at], *new, *(pair for pair in fields[at:] if pair[0] != key)]
    if stamp is not None:
        told = {REPLAY_ID: stamp.replay_id, REPLAY_COUNT: item.replayed + 1, REPLAYED_AT: stamp.at}
        told[REPLAYED_BY] = stamp.by
        fields += [(name.encode(), str(value).encode()) for name, value in told.items()]
    return fields


def readable(value: bytes) -> str | bytes:
    """Text where it is some."""
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value


def body_field(fields: Sequence[tuple[bytes, bytes]]) -> bytes | None:
    """The name of the field that is the body; None = no single one is."""
    keys = [k for k, _ in fields if k not in _STAMPS]
    if len(keys) == 1:
        return keys[0]
    lower = [k.lower() for k in keys]
    for name in BODIES:
        if lower.count(name) == 1:
            return keys[lower.index(name)]
    return None


def object_fields(body: bytes) -> list[tuple[bytes, bytes]]:
    """The fields of an entry from its edited JSON object. Raises ValueError."""
    try:
        told = orjson.loads(body)
    except orjson.JSONDecodeError:
        told = None
    if not isinstance(told, dict) or not told or not all(isinstance(v, str) for v in told.values()):
        raise ValueError("The body of this entry is the JSON object of its fields; its values must be texts.")
    return [(k.encode(), v.encode()) for k, v in told.items()]


def _moment(id: bytes) -> float | None:
    """When an entry was added; None when its id is no time."""
    seconds = EntryId.of(id).milliseconds / 1000
    return seconds if EARLIEST < seconds < 4e9 else None
