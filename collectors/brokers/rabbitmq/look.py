"""Looks into queues that have no peek: letters are got one by one, and given back all at once.

`basic.get` and not a consumer: it adds no consumer, which would keep an auto-delete queue alive or end it, and it asks
for so many letters and no more. Requests are pipelined, twice as many each time, so that large bodies are met early.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from struct import unpack_from

from collectors.letters import Bounds, Look
from collectors.url import BrokerURL

from . import frames
from .frames import Arrived
from .letters import Held, Places, cut
from .link import Link
from .price import Rules
from .prometheus import QueueKey
from .returning import Source
from .sending import Sender

#: What was asked for beyond a look's bytes is read through, but no further than this.
SKIPPED = 64 << 20
#: After its time a look waits so much longer for what was asked already, before it hangs up.
GRACE = 2.0
STEP = 0.25
MOST_AT_ONCE = 64


class Looking:
    """One look into a classic or quorum queue."""

    def __init__(
        self, url: BrokerURL, where: QueueKey, rules: Rules, places: Places, bounds: Bounds, stop: Callable[[], bool]
    ) -> None:
        self._url, self._where, self._rules, self._places = url, where, rules, places
        self._bounds, self._stop = bounds, stop
        self._held: list[Held] = []
        self._asked = 0
        self._room = bounds.bytes
        self._empty = self._hung_up = False
        self._notes: list[str] = []
        self._renewed: set[int] = set()
        self._ends_at = 0.0

    def look(self) -> Look:
        vhost, queue = self._where
        at = time.time()
        link = Link(self._url, vhost, keep=self._kept_bytes())
        sender = Sender(self._url, vhost, lambda _: True)
        try:
            source = Source(link, link.open_channel(), queue, self._rules)
            of, _ = source.ready()
            if self._bounds.messages <= 0:
                return Look([], at, of)
            if self._rules.limit is not None:
                sender.may_write()  # before anything is taken: a letter at its limit could not be replaced
            self._ends_at = time.monotonic() + self._bounds.seconds
            self._get(source)
            self._give_back(source, sender)
            return self._result(at, of)
        finally:
            sender.close()
            link.close()

    def _kept_bytes(self) -> int:
        """How much of each body is kept: where letters may have to be replaced, as much as a look may read."""
        return (
            self._bounds.body_bytes if self._rules.limit is None else max(self._bounds.body_bytes, self._bounds.bytes)
        )

    # --- taking --------------------------------------------------------------------------------------------------
    def _get(self, source: Source) -> None:
        step = 1
        while self._wants_more():
            count = min(step, self._bounds.messages - len(self._held), MOST_AT_ONCE)
            source.link.send(frames.get(source.channel, source.queue) * count)
            self._asked = count
            while self._asked and not self._hung_up:
                self._read(source)
            step *= 2

    def _wants_more(self) -> bool:
        if self._empty or self._hung_up or len(self._held) >= self._bounds.messages or self._stop():
            return False
        if self._room <= 0:
            self._notes.append(f"The look ended after {len(self._held)} letters: they are as large as it may read.")
            return False
        if time.monotonic() >= self._ends_at:
            self._notes.append(f"The look ended after {len(self._held)} letters: its time was over.")
            return False
        return True

    def _read(self, source: Source) -> None:
        """Take in answers to what was asked; hang up when too much, or nothing, comes."""
        if self._stop():
            self._ends_at = min(self._ends_at, time.monotonic())
        source.link.read(STEP)
        source.link.check(source.channel)
        events = source.link.events
        while events:
            event = events.popleft()
            if event.name == frames.GET_EMPTY:
                self._asked -= 1
                self._empty = True
            elif isinstance(event, Arrived):
                self._asked -= 1
                self._take(event)
        if self._room <= 0:
            source.link.reader.keep = self._bounds.body_bytes
        arriving = source.link.reader.arriving.get(source.channel)
        if arriving is not None and arriving.message.size - self._room > SKIPPED:
            self._hang_up(source, arriving.message, b"".join(arriving.pieces))
        elif self._asked and time.monotonic() > self._ends_at + GRACE:
            self._hang_up(source, None, b"")

    def _take(self, message: Arrived) -> None:
        (tag,) = unpack_from(">Q", message.arguments)
        self._room -= message.size
        self._held.append(Held(tag, message, self._where[0], self._places))

    def _hang_up(self, source: Source, large: Arrived | None, begun: bytes) -> None:
        """End the connection: the broker gives everything back by itself, in order."""
        self._hung_up = True
        source.link.hang_up()
        if large is None:
            self._notes.append(f"The look was broken off after {len(self._held)} letters: the rest took too long.")
            return
        large.body = begun
        self._held.append(Held(0, large, self._where[0], self._places))
        size = f"{large.size / (1 << 20):.0f} MB"
        self._notes.append(f"The look was broken off at a letter of {size}, of which only the beginning was read.")

    # --- giving back ---------------------------------------------------------------------------------------------
    def _give_back(self, source: Source, sender: Sender) -> None:
        if self._hung_up or not self._held:
            return
        limited = self._rules.limit is not None
        self._renewed, notes = source.give_back(self._held, sender if limited else None, everything=True)
        self._notes += notes

    def _result(self, at: float, of: int) -> Look:
        return Look(
            letters=[cut(one.letter(), self._bounds.body_bytes) for one in self._held],
            at=at,
            of=of,
            deliveries=self._deliveries(),
            renewed=len(self._renewed),
            notes=self._notes,
        )

    def _deliveries(self) -> int | None:
        """The highest count that a letter has after this look: one that was replaced begins anew."""
        if self._rules.limit is None:
            return None
        more = 1 if self._rules.counts or self._hung_up else 0
        return max((one.count + more for one in self._held if one.tag not in self._renewed), default=0)
