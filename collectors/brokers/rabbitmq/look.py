"""Looks into queues that have no peek: letters are got one by one, and given back all at once.

`basic.get` where that can be: it adds no consumer, which would keep an auto-delete queue alive or end it, and it asks
for so many letters and no more. Quorum queues keep the order only of what one consumer holds, and know no auto-delete:
there each batch goes to a consumer. Batches are twice as large each time, and begin anew at a large body, so that
little is asked for that would be too much. A body is kept whole only where its letter may have to be replaced.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from struct import unpack_from

from collectors.letters import Bounds, Letter, Look
from collectors.powers import RenewalBook
from collectors.url import BrokerURL

from . import frames
from .frames import Arrived
from .inventory import sample_key
from .letters import Held, Places, cut
from .link import Link
from .price import Rules
from .prometheus import QueueKey
from .returning import Source
from .sending import Sender

#: Of letters that are too large to be kept the rest is read through, to see those behind them: so much in one look.
THROUGH = 256 << 20
#: After its time a look waits so much longer for what was asked already, before it hangs up.
GRACE = 2.0
STEP = 0.25
#: So long a queue must show nothing and send nothing, until what was asked for counts as taken by others.
QUIET = 1.0
MOST_AT_ONCE = 64


class Looking:
    """One look into a classic or quorum queue."""

    def __init__(
        self, url: BrokerURL, where: QueueKey, rules: Rules, places: Places, bounds: Bounds, stop: Callable[[], bool]
    ) -> None:
        self._url, self._where, self._rules, self._places = url, where, rules, places
        self._bounds, self._stop = bounds, stop
        self.book: RenewalBook | None = None
        self._held: list[Held] = []
        self._asked = 0
        self._room, self._through = bounds.bytes, THROUGH
        self._empty = self._hung_up = False
        self._notes: list[str] = []
        self._renewed: set[int] = set()
        self._ends_at = 0.0

    def look(self) -> Look:
        vhost, queue = self._where
        at = time.time()
        link = Link(self._url, vhost, keep=self._bounds.body_bytes, whole=self._must_be_whole)
        sender = Sender(self._url, vhost, lambda _: True)
        try:
            source = Source(link, link.open_channel(), queue, self._rules, sample_key(vhost, queue), self.book)
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

    # --- taking --------------------------------------------------------------------------------------------------
    def _get(self, source: Source) -> None:
        ask = self._by_consumer if self._rules.by_closing else self._by_get
        step = 1
        while self._wants_more():
            before = len(self._held)
            ask(source, min(step, self._bounds.messages - before, MOST_AT_ONCE))
            large = any(one.size > self._bounds.body_bytes for one in self._held[before:])
            step = 1 if large else step * 2

    def _by_get(self, source: Source, count: int) -> None:
        source.link.send(frames.get(source.channel, source.queue) * count)
        self._asked = count
        while self._asked and not self._hung_up:
            self._read(source)

    def _by_consumer(self, source: Source, count: int) -> None:
        """The next letters to a consumer of their own: when the channel is closed, each gives its back in order."""
        self._asked = min(count, source.ready()[0])
        self._empty = not self._asked
        if self._empty:
            return
        link, channel = source.link, source.channel
        tag = f"weir-{len(self._held):09}"  # RabbitMQ goes by the order of these names
        link.call(frames.prefetch(channel, self._asked), channel, frames.QOS_OK)
        link.call(frames.consume(channel, source.queue, tag), channel, frames.CONSUME_OK)
        heard = time.monotonic()
        while self._asked and not self._hung_up:
            before = self._asked
            self._read(source)
            if self._asked != before or source.link.reader.arriving:
                heard = time.monotonic()
            elif not self._hung_up and time.monotonic() - heard > QUIET and not source.ready()[0]:
                self._empty, self._asked = True, 0  # another consumer had them
        if not self._hung_up:
            link.call(frames.cancel(channel, tag), channel, frames.CANCEL_OK)

    def _wants_more(self) -> bool:
        if self._empty or self._hung_up or len(self._held) >= self._bounds.messages or self._stop():
            return False
        if self._room <= 0 or self._through <= 0:
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
        if not source.link.events:
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
        arriving = source.link.reader.arriving.get(source.channel)
        grace = GRACE
        if self._rules.limit is not None:  # hanging up would count, and what is near its limit must be replaced whole
            grace = source.link.timeout
        elif arriving is not None and self._beyond(arriving.message) > self._through:
            self._hang_up(source, arriving.message, b"".join(arriving.pieces))
        if self._asked and not self._hung_up and time.monotonic() > self._ends_at + grace:
            self._hang_up(source, None, b"")

    def _take(self, message: Arrived) -> None:
        at = 1 + message.arguments[0] if message.name == frames.DELIVER else 0
        (tag,) = unpack_from(">Q", message.arguments, at)
        self._room -= message.size - self._beyond(message)
        self._through -= self._beyond(message)
        self._held.append(Held(tag, message, self._where[0], self._places))

    def _beyond(self, message: Arrived) -> int:
        """How many bytes of it are read through, and not kept."""
        return max(0, message.size - self._bounds.body_bytes)

    def _must_be_whole(self, message: Arrived) -> bool:
        """A letter near its limit is replaced by a copy."""
        return self._rules.at_limit(Held(0, message, self._where[0], self._places).count)

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
            letters=[self._letter(one) for one in self._held],
            at=at,
            of=of,
            deliveries=self._deliveries(),
            renewed=len(self._renewed),
            notes=self._notes,
        )

    def _letter(self, one: Held) -> Letter:
        """What came here lives for the queue's own time, from its death on. What outlived that was replaced by a copy,
        since when is not known."""
        letter, kept = cut(one.letter(), self._bounds.body_bytes), self._rules.kept
        if kept is None or letter.died_at is None or letter.died_at + kept < time.time():
            return letter
        return replace(letter, expires_at=letter.died_at + kept)

    def _deliveries(self) -> int | None:
        """The highest count that a letter has after this look: one that was replaced begins anew."""
        if self._rules.limit is None:
            return None
        more = 1 if self._rules.counts or self._hung_up else 0
        return max((one.count + more for one in self._held if one.tag not in self._renewed), default=0)
