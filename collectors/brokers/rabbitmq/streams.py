"""Looks into streams: read from any offset, nothing taken and nothing stored.

An AMQP consumer of a stream says where it begins; what it acknowledges only lets more come. Where a stream ends is
not told: another consumer asks for the last chunk; what is as far as that, and followed by nothing, is the end.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from struct import unpack_from
from typing import Any

from collectors.errors import BadAnswer
from collectors.letters import Bounds, Letter, Look
from collectors.url import BrokerURL

from . import frames
from .frames import Arrived, read_short
from .letters import OFFSET, Held, Places, cut
from .link import Link
from .prometheus import QueueKey

#: For `after`: not from an offset on, but the latest ones.
RECENT = "recent"
PREFETCH = 50
QUIET = 0.3
#: How long a stream of which nothing is counted may take to send its last chunk, before it is taken for empty.
FIRST_WITHIN = 1.0


class StreamLook:
    """One look into a stream. `of` is what the management API counts, which may be some seconds old."""

    def __init__(
        self, url: BrokerURL, where: QueueKey, of: int | None, places: Places, bounds: Bounds, stop: Callable[[], bool]
    ) -> None:
        self._url, self._where, self._of, self._places = url, where, of, places
        self._bounds, self._stop = bounds, stop
        self._notes: list[str] = []

    def look(self, after: str) -> Look:
        at = time.time()
        if after not in ("", RECENT) and not after.isdecimal():
            raise BadAnswer(f"'{after[:40]}' is no place in a stream: an offset is a number.")
        if self._bounds.messages <= 0:
            return Look([], at, self._of, exact=False)
        ends_at = time.monotonic() + self._bounds.seconds
        link = Link(self._url, self._where[0], keep=self._bounds.body_bytes)
        try:
            until = ends_at if self._of else min(ends_at, time.monotonic() + FIRST_WITHIN)
            last = last_chunk(link, self._where, self._places, until, self._stop)
            if last is None:
                notes = ["The look ended after 0 letters: its time was over."] if self._of else []
                return Look([], at, 0 if not self._of else self._of, exact=False, notes=notes)
            begin: Any = int(after) + 1 if after.isdecimal() else "first"
            if after == RECENT:
                begin = max(0, last - self._bounds.messages)
            found, more = self._read(link, begin, last, after == RECENT, ends_at)
        finally:
            link.close()
        return Look(
            letters=[self._letter(one) for one in found],
            at=at,
            of=self._of,
            exact=False,
            after=str(offset_of(found[-1])) if more and found else "",
            notes=self._notes,
        )

    def _read(self, link: Link, begin: Any, last: int, recent: bool, ends_at: float) -> tuple[list[Held], bool]:
        """Letters from `begin` on, and whether there may be more behind them."""
        channel = _consume(link, self._where[1], begin, min(PREFETCH, max(1, self._bounds.messages)))
        found: deque[Held] = deque(maxlen=self._bounds.messages if recent else None)
        room, heard = self._bounds.bytes, time.monotonic()
        while time.monotonic() < ends_at and not self._stop():
            link.read(0.1)
            link.check(channel)
            while link.events:
                event = link.events.popleft()
                if not isinstance(event, Arrived):
                    continue
                heard = time.monotonic()
                one = _held(event, self._where, self._places)
                if isinstance(begin, int) and offset_of(one) < begin:
                    continue  # a chunk begins where it begins
                found.append(one)
                room -= one.size
                link.send(frames.ack(channel, one.tag))
                if not recent and (len(found) >= self._bounds.messages or room <= 0):
                    return list(found), True
            at_end = offset_of(found[-1]) >= last if found else isinstance(begin, int) and begin > last
            if at_end and time.monotonic() - heard > QUIET:
                return list(found), False
        self._notes.append(f"The look ended after {len(found)} letters: its time was over.")
        return list(found), True

    def _letter(self, one: Held) -> Letter:
        """With its offset for an id: that stays the same."""
        offset = offset_of(one)
        return replace(cut(one.letter(), self._bounds.body_bytes), id=str(offset), place=f"offset {offset}")


def last_chunk(link: Link, where: QueueKey, places: Places, until: float, stop: Callable[[], bool]) -> int | None:
    """The offset at which the last chunk of a stream begins; None = it is empty, or says nothing until then.

    On a channel of its own, which is closed again where it was told; the link must have no events of another one.
    """
    channel = _consume(link, where[1], "last", 1)
    while True:
        link.read(0.1)
        link.check(channel)
        if (found := next((e for e in link.events if isinstance(e, Arrived)), None)) is not None:
            break
        if time.monotonic() >= until or stop():
            break
    link.call(frames.close_channel(channel), channel, frames.CHANNEL_CLOSE_OK)
    link.events.clear()
    return None if found is None else offset_of(_held(found, where, places))


def _consume(link: Link, queue: str, begin: Any, prefetch: int) -> int:
    channel = link.open_channel()
    link.call(frames.prefetch(channel, prefetch), channel, frames.QOS_OK)
    asked = frames.consume(channel, queue, "weir", {"x-stream-offset": begin})
    link.call(asked, channel, frames.CONSUME_OK)
    return channel


def _held(message: Arrived, where: QueueKey, places: Places) -> Held:
    (tag,) = unpack_from(">Q", message.arguments, read_short(message.arguments)[1])
    return Held(tag, message, where[0], places)


def offset_of(one: Held) -> int:
    """Where a letter lies in its stream."""
    offset = one.fields.header(OFFSET)
    if not isinstance(offset, int):
        raise BadAnswer("RabbitMQ sent a message of a stream without its offset.")
    return offset
