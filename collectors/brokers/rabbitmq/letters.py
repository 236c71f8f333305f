"""A message as it arrived, as a letter: its identity, how it died, and where it belongs."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from struct import unpack_from
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

from collectors.errors import BadAnswer
from collectors.letters import REPLAY_COUNT, REPLAY_ID, STAMPS, Death, Letter

from .fields import FIELDS, HEADERS, Fields, Header, value_of
from .frames import DELIVER, Arrived, read_short
from .inventory import sample_key

#: Where a copy keeps what RabbitMQ would act upon: the user that had sent it, and the further queues it was sent to.
KEPT_USER, KEPT_CC = "replay-user-id", "replay-cc"
#: Headers that change while a letter lies, or that a copy of Weir's has and its original has not.
VOLATILE = frozenset(
    name.encode() for name in ("x-delivery-count", "x-acquired-count", "CC", KEPT_USER, KEPT_CC, *STAMPS)
)
COUNTS = (b"x-delivery-count", b"x-acquired-count")
OFFSET = b"x-stream-offset"
_REPLAY_ID, _REPLAY_COUNT = REPLAY_ID.encode(), REPLAY_COUNT.encode()
#: What a calendar ends with.
LAST_SECOND = 253402300800
_REJECTED = ("rejected", "delivery_limit")


class Places(Protocol):
    """What is known of the queues of a virtual host."""

    def passes_on(self, vhost: str, queue: str) -> bool:
        """Whether messages only wait in this queue, and move on by themselves (a time to live and a way out)."""

    def only_queue(self, vhost: str, exchange: str, routing_key: str) -> str:
        """The one queue that a message reaches, "" = none, several, or not known."""


class Held:
    """A message in Weir's hands (`collectors.letters.Taken`). What takes time to read is read when it is asked for.

    `tag` is its delivery tag; `message` what arrived.
    """

    __slots__ = ("_fields", "_id", "_places", "message", "tag", "vhost")
    room, handle = len(STAMPS), ""

    def __init__(self, tag: int, message: Arrived, vhost: str, places: Places) -> None:
        self.tag, self.message, self.vhost = tag, message, vhost
        self._places = places
        self._fields: Fields | None = None
        self._id = ""

    @property
    def fields(self) -> Fields:
        """Its properties. Raises BadAnswer where they cannot be read."""
        if self._fields is None:
            self._fields = Fields.read(self.message.properties)
        return self._fields

    def told(self, name: bytes) -> Any:
        """The value of a header, None where there is none or it cannot be read."""
        if name not in self.message.properties:
            return None
        try:
            return self.fields.header(name)
        except BadAnswer:
            return None

    @property
    def wire(self) -> bytes:
        """Its properties, headers among them, as they came (`collectors.powers.Verbatim`)."""
        return self.message.properties

    @property
    def id(self) -> str:
        if not self._id:
            try:
                self._id = identity(self.fields, self.message)
            except BadAnswer:
                self._id = hashlib.sha256(self.message.properties + b"\x00" + self.message.body).hexdigest()[:32]
        return self._id

    @property
    def size(self) -> int:
        return self.message.size

    @property
    def stamped(self) -> bool:
        return _REPLAY_ID in self.message.properties and self.told(_REPLAY_ID) is not None

    @property
    def replay_id(self) -> str:
        return str(self.told(_REPLAY_ID) or "")

    @property
    def replayed(self) -> int:
        count = self.told(_REPLAY_COUNT)
        return max(0, count) if isinstance(count, int) else 0

    @property
    def origin(self) -> str:
        try:
            queue = origin_of(self.fields, self.vhost, self._places)
        except BadAnswer:
            return ""
        return sample_key(self.vhost, queue) if queue else ""

    @property
    def count(self) -> int:
        """How often it came back before, as the broker counts towards its limit.

        The higher of the two counts: half-way through an upgrade to 4.3 the limit still goes by what was acquired.
        """
        return max([value for name in COUNTS if isinstance(value := self.told(name), int)], default=0)

    @property
    def redelivered(self) -> bool:
        arguments = self.message.arguments
        at = read_short(arguments)[1] + 8 if self.message.name == DELIVER else 8
        return bool(arguments[at])

    def letter(self) -> Letter:
        try:
            fields = self.fields
        except BadAnswer as error:
            return Letter(self.id, self.message.body, self.message.size, properties=(("unreadable", str(error)),))
        headers = fields.values()
        deaths = deaths_of(headers)
        return Letter(
            id=self.id,
            body=self.message.body,
            size=self.message.size,
            headers=headers,
            properties=shown(fields),
            content_type=fields.text("content_type"),
            content_encoding=fields.text("content_encoding"),
            enqueued_at=_epoch(fields.parts.get("timestamp")),
            died_at=deaths[0].at if deaths and deaths[0].count == 1 else None,
            attempts=attempts_of(deaths),
            deliveries=self.count + 1 if self.count or not self.redelivered else None,
            deaths=deaths,
            origin=self.origin,
            replayed=self.replayed,
            replay_id=self.replay_id,
        )


def identity(fields: Fields, message: Arrived) -> str:
    """A fingerprint of what the producer wrote and how the letter died: equal letters have one.

    RabbitMQ sorts the headers when it adds one, so that their order says nothing.
    """
    told = sorted([raw for name, raw in fields.headers or () if name not in VOLATILE])
    told.append(b"\x00")
    for name, part in fields.parts.items():
        if name != "user_id":
            told += (name.encode(), part)
    told.append(message.digest or hashlib.sha256(message.body).digest())
    return hashlib.sha256(b"".join(told)).hexdigest()[:32]


def shown(fields: Fields) -> tuple[tuple[str, str], ...]:
    """The properties that are set, for people."""
    return tuple((name, fields.text(name)) for name, _ in FIELDS if name != HEADERS and name in fields.parts)


def _epoch(part: bytes | None) -> float | None:
    """A producer's `timestamp` as epoch seconds; some write milliseconds."""
    if part is None:
        return None
    (told,) = unpack_from(">Q", part)
    seconds = told / 1000 if told > 1 << 36 else float(told)
    return seconds if seconds < LAST_SECOND else None


# --- how it died -----------------------------------------------------------------------------------------------------
def deaths_of(headers: Mapping[str, Any]) -> tuple[Death, ...]:
    """`x-death` in its own order, the latest first. Its times are those of first deaths: nothing is sorted by them."""
    told = headers.get("x-death")
    return tuple(_death(row) for row in told if isinstance(row, Mapping)) if isinstance(told, list) else ()


def _death(row: Mapping[str, Any]) -> Death:
    at, count, keys = row.get("time"), row.get("count"), row.get("routing-keys")
    return Death(
        queue=str(row.get("queue", "")),
        reason=str(row.get("reason", "")),
        count=count if isinstance(count, int) else 1,
        at=at.timestamp() if isinstance(at, datetime) else None,
        exchange=str(row.get("exchange", "")),
        routing_keys=tuple(map(str, keys)) if isinstance(keys, list) else (),
    )


def attempts_of(deaths: Sequence[Death]) -> int | None:
    """How often it was handed out before it died, as far as its deaths tell: each rejection followed a delivery."""
    return sum(death.count for death in deaths if death.reason in _REJECTED) or None


# --- where it belongs ------------------------------------------------------------------------------------------------
def origin_of(fields: Fields, vhost: str, places: Places) -> str:
    """The queue in which it died: by its deaths, else by what the library wrote that moved it; "" = not known."""
    named = {header[0]: header for header in fields.headers or ()}
    if (death := named.get(b"x-death")) is not None:
        queues = [one.queue for one in deaths_of({"x-death": _value(death)}) if one.queue]
        if len(queues) == 1:
            return queues[0]
        first = _text(named, b"x-first-death-queue")
        return next((queue for queue in queues if not places.passes_on(vhost, queue)), first or "".join(queues[:1]))
    if failed := _text(named, b"NServiceBus.FailedQ"):
        return failed.partition("@")[0]
    if address := _text(named, b"MT-Fault-InputAddress"):
        return _last_part(address)
    if key := _text(named, b"x-original-routingKey"):
        exchange = _text(named, b"x-original-exchange")
        return places.only_queue(vhost, exchange, key) if exchange else key
    return ""


def _last_part(address: str) -> str:
    try:
        return unquote(urlsplit(address).path.rpartition("/")[2])
    except ValueError:
        return ""


def _text(named: Mapping[bytes, Header], name: bytes) -> str:
    value = _value(named[name]) if name in named else ""
    return value if isinstance(value, str) else ""


def _value(header: Header) -> Any:
    try:
        return value_of(header)
    except BadAnswer:
        return None


def cut(letter: Letter, most: int) -> Letter:
    """The same with at most so many bytes of its body."""
    return letter if len(letter.body) <= most else replace(letter, body=letter.body[:most])
