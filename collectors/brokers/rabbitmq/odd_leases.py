"""Leases of queues from which a consumer cannot take letters as from others: streams, and auto-delete queues.

A stream removes nothing before its time: letters are read from its beginning, copies are sent, originals stay. An
auto-delete queue is deleted when its last consumer leaves: a lease is none there, letters are got one by one
(`basic.get`), which neither keeps the queue alive nor ends it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from collectors.errors import NotSupported, TimedOut
from collectors.letters import Receipt

from . import frames
from .lease import QUIET, SLOWEST, TAG, RabbitLease
from .letters import Held
from .streams import FIRST_WITHIN, last_chunk, offset_of

PREFETCH = 500
AT_ONCE = 64
AGAIN = 0.1  # seconds between two looks into a queue that was empty


class StreamHeld(Held):
    """With its offset for an id, as looks have it."""

    __slots__ = ()

    @property
    def id(self) -> str:
        return str(offset_of(self))


class StreamLease(RabbitLease):
    """Letters of a stream, read from its beginning. They are kept here until the next ones are taken."""

    own_ids, keeps = True, True
    _as = StreamHeld

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.most_held = 1 << 40  # nothing is held
        self._handed: list[int] = []
        self._last, self._seen = -1, -1  # offsets: where the last chunk began at first, and the last one handed out

    def take(self, most: int, seconds: float = 1.0) -> Sequence[Held]:
        for tag in self._handed:
            del self._held[tag]
        taken = super().take(most, seconds)
        self._handed = [one.tag for one in taken]
        self._seen = offset_of(taken[-1]) if taken else self._seen
        if taken:  # which only lets more come
            self._source.link.send(frames.ack(self._source.channel, taken[-1].tag, multiple=True))
        return taken

    def _consume(self) -> None:
        if not self._consuming:
            link, channel = self._source.link, self._source.channel
            last = last_chunk(link, self._where, self._places, time.monotonic() + FIRST_WITHIN, lambda: False)
            self._last = -1 if last is None else last
            link.call(frames.prefetch(channel, PREFETCH), channel, frames.QOS_OK)
            asked = frames.consume(channel, self._where[1], TAG, {"x-stream-offset": "first"})
            link.call(asked, channel, frames.CONSUME_OK)
            self._consuming = True

    def _more_must_come(self, deadline: float) -> bool:
        """A stream does not tell where it ends, but where its last chunk began: as far as that it must come."""
        if self._seen >= self._last or time.monotonic() > deadline + SLOWEST:
            return False
        self._read(QUIET)
        return True

    def remove(self, tags: Sequence[int], wait: bool = True) -> Sequence[Receipt]:
        if tags:
            raise NotSupported("A stream keeps its messages: none can be removed from it.")
        return []

    def give_back(self, tags: Sequence[int]) -> None:
        """They were never taken away."""

    def close(self) -> None:
        self._closed = True
        self._source.link.close()
        for sender in self._senders.values():
            sender.close()


class GettingLease(RabbitLease):
    """Letters of an auto-delete queue, got one by one."""

    def take(self, most: int, seconds: float = 1.0) -> Sequence[Held]:
        self._alive()
        self._tend()
        deadline = time.monotonic() + seconds
        room = max(0, min(most, self.most_held - (len(self._held) - len(self._fresh))))
        while len(self._fresh) < room:
            self._get(min(AT_ONCE, room - len(self._fresh)))
            if self._empty and (self._fresh or time.monotonic() >= deadline):
                break
            if self._empty:
                time.sleep(AGAIN)
        return [self._fresh.popleft() for _ in range(min(room, len(self._fresh)))]

    def _get(self, count: int) -> None:
        link, channel = self._source.link, self._source.channel
        self._empty, self._asked = False, count
        link.send(frames.get(channel, self._where[1]) * count)
        deadline = time.monotonic() + link.timeout
        while self._asked:
            if time.monotonic() > deadline:
                raise TimedOut(f"RabbitMQ at {link.place} did not hand out what '{self._name}' holds.")
            self._read(1.0)
