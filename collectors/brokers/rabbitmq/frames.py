"""Frames of AMQP 0.9.1: methods as bytes, and bytes as what arrived. Pure.

py-amqp makes the connection; from then on Weir speaks these frames itself. py-amqp knows no `basic.nack`, waits
for every confirmation, and encodes the types of headers anew; here properties stay the bytes that they were.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from struct import Struct, pack, unpack_from
from typing import Any

from amqp.exceptions import FrameSyntaxError
from amqp.serialization import dumps

from collectors.errors import BadAnswer

METHOD, HEADER, BODY, HEARTBEAT = 1, 2, 3, 8
END = b"\xce"
HEARTBEAT_FRAME = b"\x08\x00\x00\x00\x00\x00\x00\xce"

Name = tuple[int, int]  # the numbers of a class and of its method
CONNECTION_CLOSE, CONNECTION_CLOSE_OK, BLOCKED, UNBLOCKED = (10, 50), (10, 51), (10, 60), (10, 61)
CHANNEL_OPEN_OK, CHANNEL_CLOSE, CHANNEL_CLOSE_OK = (20, 11), (20, 40), (20, 41)
QUEUE_DECLARE_OK, CONFIRM_OK = (50, 11), (85, 11)
QOS_OK, CONSUME_OK, CANCEL, CANCEL_OK = (60, 11), (60, 21), (60, 30), (60, 31)
RETURN, DELIVER, GET_OK, GET_EMPTY, ACK, NACK = (60, 50), (60, 60), (60, 71), (60, 72), (60, 80), (60, 120)

_WITH_CONTENT = {pack(">HH", *name): name for name in (DELIVER, GET_OK, RETURN)}
_FRAME = Struct(">BHI")
_CONTENT = Struct(">HHQ")


@dataclass(slots=True)
class Said:
    """A method without content that the broker sent: its name and its arguments, as bytes."""

    channel: int
    name: Name
    arguments: bytes


@dataclass(slots=True)
class Arrived:
    """A message, whole: delivered, got, or returned.

    `body` is cut where the reader asked for it, `size` is not; `digest` is the SHA-256 of all of it when it was cut.
    """

    channel: int
    name: Name
    arguments: bytes
    properties: bytes = b""
    body: bytes = b""
    size: int = 0
    digest: bytes = b""


@dataclass(slots=True)
class Arriving:
    """A message of which not all has come."""

    message: Arrived
    headed: bool = False
    cut: bool = False
    missing: int = 0
    pieces: list[bytes] = field(default_factory=list)
    kept: int = 0
    digest: Any = None


Whole = Callable[[Arrived], bool]


class Reader:
    """Bytes of one connection, as they come, into what they say.

    `keep`: how many bytes of one body are kept, None = all; save of messages of which `whole` says, by their
    properties, that they are needed whole. Raises BadAnswer for what is no AMQP.
    """

    def __init__(self, frame_max: int, keep: int | None = None, whole: Whole = lambda message: False) -> None:
        self.keep, self.whole = keep, whole
        self.frame_max = frame_max
        self.arriving: dict[int, Arriving] = {}
        self._rest = b""

    def feed(self, data: bytes, take: Callable[[Said | Arrived], Any]) -> None:
        """Hand each thing that is complete to `take`, in order."""
        buffer = self._rest + data if self._rest else data
        at, end_of_buffer = 0, len(buffer)
        while end_of_buffer - at >= 8:
            kind, channel, size = _FRAME.unpack_from(buffer, at)
            if size > self.frame_max:
                raise BadAnswer("RabbitMQ sent a frame that is larger than was agreed; is it AMQP that is spoken?")
            end = at + 7 + size
            if end >= end_of_buffer:
                break
            if buffer[end] != 0xCE:
                raise BadAnswer("RabbitMQ sent a frame without its end; is it AMQP that is spoken there?")
            if kind == METHOD and buffer[at + 7 : at + 11] in _WITH_CONTENT:
                message = Arrived(channel, _WITH_CONTENT[buffer[at + 7 : at + 11]], buffer[at + 11 : end])
                at = end + 1
                if after := self._at_once(buffer, at, message):
                    at = after
                    take(message)
                else:
                    self.arriving[channel] = Arriving(message)
                continue
            self._frame(kind, channel, buffer[at + 7 : end], take)
            at = end + 1
        self._rest = buffer[at:] if at < end_of_buffer else b""

    def _at_once(self, buffer: bytes, at: int, message: Arrived) -> int:
        """Take in the rest of a message whose head and one body frame are there; where it ends, 0 = they are not.

        Most messages come so; what is odd in any way is left to the slow way, which judges it.
        """
        if len(buffer) - at < 30:
            return 0
        kind, channel, size = _FRAME.unpack_from(buffer, at)
        end = at + 7 + size
        body_at = end + 8
        if kind != HEADER or channel != message.channel or not 14 <= size <= self.frame_max or body_at > len(buffer):
            return 0
        length: int = _CONTENT.unpack_from(buffer, at + 7)[2]
        after = body_at + length
        if after >= len(buffer) or not length or (self.keep is not None and length > self.keep):
            return 0
        if (
            _FRAME.unpack_from(buffer, end + 1) != (BODY, channel, length)
            or buffer[end] != 0xCE
            or buffer[after] != 0xCE
        ):
            return 0
        message.size = length
        message.properties = buffer[at + 19 : end]
        message.body = buffer[body_at:after]
        return int(after) + 1

    def _frame(self, kind: int, channel: int, payload: bytes, take: Callable[[Said | Arrived], Any]) -> None:
        if kind == METHOD and len(payload) >= 4:
            take(Said(channel, unpack_from(">HH", payload), payload[4:]))
        elif kind in (HEADER, BODY) and (arriving := self.arriving.get(channel)) is not None:
            if self._content(kind, payload, arriving):
                del self.arriving[channel]
                take(arriving.message)
        elif kind != HEARTBEAT:
            raise BadAnswer("RabbitMQ sent a frame that belongs to no message.")

    def _content(self, kind: int, payload: bytes, arriving: Arriving) -> bool:
        """Take in a frame of content; whether the message is whole now."""
        message = arriving.message
        if (kind == HEADER) == arriving.headed or (kind == HEADER and len(payload) < 14):
            raise BadAnswer("RabbitMQ sent the frames of a message in an order that cannot be.")
        if kind == HEADER:
            arriving.headed = True
            arriving.missing = message.size = _CONTENT.unpack_from(payload)[2]
            message.properties = payload[12:]
            arriving.cut = self.keep is not None and message.size > self.keep and not self.whole(message)
            return not message.size
        arriving.missing -= len(payload)
        if arriving.missing < 0:
            raise BadAnswer("RabbitMQ sent more of a message than it had announced.")
        if arriving.cut and self.keep is not None:
            arriving.digest = arriving.digest or hashlib.sha256()
            arriving.digest.update(payload)
            payload = payload[: max(0, self.keep - arriving.kept)]
            arriving.kept += len(payload)
        if payload:
            arriving.pieces.append(payload)
        if arriving.missing:
            return False
        message.body = arriving.pieces[0] if len(arriving.pieces) == 1 else b"".join(arriving.pieces)
        if arriving.digest is not None:
            message.digest = arriving.digest.digest()
        return True


# --- what is said to the broker --------------------------------------------------------------------------------------
def short(text: str) -> bytes:
    """A short string. Raises BadAnswer for one of more than 255 bytes."""
    raw = text.encode("utf-8", "surrogateescape")
    if len(raw) > 255:
        raise BadAnswer(f"The name '{text[:40]}...' is longer than the 255 bytes that AMQP allows.")
    return bytes([len(raw)]) + raw


def read_short(arguments: bytes, at: int = 0) -> tuple[str, int]:
    """A short string, and where it ends."""
    end = at + 1 + arguments[at] if at < len(arguments) else len(arguments) + 1
    if end > len(arguments):
        raise BadAnswer("RabbitMQ sent a method that breaks off.")
    return arguments[at + 1 : end].decode("utf-8", "surrogateescape"), end


def table(values: dict[str, Any]) -> bytes:
    """A table of arguments."""
    try:
        return bytes(dumps("F", [values]))
    except FrameSyntaxError as error:
        raise BadAnswer(f"Arguments that AMQP has no type for: {error}") from error


def method(channel: int, name: Name, arguments: bytes = b"") -> bytes:
    return _FRAME.pack(METHOD, channel, 4 + len(arguments)) + pack(">HH", *name) + arguments + END


def open_channel(channel: int) -> bytes:
    return method(channel, (20, 10), b"\x00")


def close_channel(channel: int) -> bytes:
    return method(channel, CHANNEL_CLOSE, pack(">H", 200) + b"\x00" + bytes(4))


def close_connection() -> bytes:
    return method(0, CONNECTION_CLOSE, pack(">H", 200) + b"\x00" + bytes(4))


def declare_queue(channel: int, queue: str) -> bytes:
    """Passive: asks for the queue's numbers, makes none."""
    return method(channel, (50, 10), bytes(2) + short(queue) + b"\x01" + bytes(4))


def select_confirms(channel: int) -> bytes:
    return method(channel, (85, 10), b"\x00")


def prefetch(channel: int, count: int) -> bytes:
    return method(channel, (60, 10), pack(">IHB", 0, count, 0))


def consume(channel: int, queue: str, tag: str, arguments: dict[str, Any] | None = None) -> bytes:
    return method(channel, (60, 20), bytes(2) + short(queue) + short(tag) + b"\x00" + table(arguments or {}))


def cancel(channel: int, tag: str) -> bytes:
    return method(channel, CANCEL, short(tag) + b"\x00")


def get(channel: int, queue: str) -> bytes:
    return method(channel, (60, 70), bytes(2) + short(queue) + b"\x00")


def ack(channel: int, tag: int, multiple: bool = False) -> bytes:
    return method(channel, ACK, pack(">QB", tag, multiple))


def nack(channel: int, tag: int, multiple: bool = False) -> bytes:
    """Give back: into the queue again."""
    return method(channel, NACK, pack(">QB", tag, 2 | multiple))


def publish(channel: int, exchange: str, routing_key: str) -> bytes:
    """The first frame of a message, mandatory: where no queue takes it, it comes back."""
    return method(channel, (60, 40), bytes(2) + short(exchange) + short(routing_key) + b"\x01")


def content(first: bytes, channel: int, properties: bytes, body: bytes, frame_max: int) -> bytes:
    """All frames of a message whose first one is at hand."""
    head = _FRAME.pack(HEADER, channel, 12 + len(properties)) + _CONTENT.pack(60, 0, len(body)) + properties
    if len(body) <= frame_max - 8:
        if not body:
            return first + head + END
        return b"".join((first, head, END, _FRAME.pack(BODY, channel, len(body)), body, END))
    parts = [first, head, END]
    for at in range(0, len(body), frame_max - 8):
        piece = body[at : at + frame_max - 8]
        parts += [_FRAME.pack(BODY, channel, len(piece)), piece, END]
    return b"".join(parts)
