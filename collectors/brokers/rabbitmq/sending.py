"""Sending over one channel with pipelined confirmations: what each message became, told once.

A message counts as sent when the broker confirmed it *and* did not return it: for one that no queue takes RabbitMQ
sends `basic.return` first, and confirms it all the same. A `basic.nack` may come before the confirmation of earlier
messages, so that no high-water mark tells the truth by itself.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from struct import unpack_from

from collectors.errors import AccessRefused, BadAnswer, Busy, CollectorError
from collectors.letters import Outcome, Receipt
from collectors.url import BrokerURL

from . import frames
from .frames import Arrived, Said, read_short
from .link import Link

Target = tuple[str, str]  # exchange, routing key
#: The name of a queue that nobody has, to try whether sending is allowed.
NOWHERE = "weir.check.nowhere"
#: The tag of the message that tries it: nobody asks for its receipt.
TRIAL = -1
#: Targets whose first frame is kept.
MOST_TARGETS = 1000


@dataclass(slots=True)
class Posted:
    """A message of which the broker has not yet said what became of it."""

    tag: int
    target: Target
    properties: bytes
    body: bytes
    returned: str = ""
    refused: bool = False


class Sender:
    """Messages on their way to one virtual host. `receipts`: those that nobody has asked for yet."""

    def __init__(self, url: BrokerURL, vhost: str, says_no: Callable[[str], bool]) -> None:
        """`says_no`: whether a queue (by its name) refuses what comes when it is full, so that a nack means that."""
        self._url, self._vhost, self._says_no = url, vhost, says_no
        self.link: Link | None = None
        self._channel = 0
        self._first: dict[Target, bytes] = {}
        self._tried: set[str] = set()
        self._posted: dict[int, Posted] = {}  # by the number of its confirmation, in order
        self._number = 0
        self._lost = self._trying = ""
        self._barred: dict[str, str] = {}  # exchanges that cannot be used, and why
        self.receipts: deque[Receipt] = deque()

    @property
    def waiting(self) -> int:
        """How many messages have not been settled."""
        return len(self._posted)

    @property
    def blocked(self) -> str:
        """Why the broker takes no messages now, "" = it does."""
        if self.link is not None and self.link.blocked:
            self.hear(0.0)
        return self.link.blocked if self.link is not None else ""

    def open(self) -> None:
        """Connect, and ask for confirmations. What was on its way on a link that was lost is UNKNOWN."""
        if self.link is not None:
            return
        self.link = Link(self._url, self._vhost)
        self._barred.clear()
        self._open_channel()

    def _open_channel(self) -> None:
        assert self.link is not None
        self._channel = self.link.open_channel()
        self.link.call(frames.select_confirms(self._channel), self._channel, frames.CONFIRM_OK)
        self._first.clear()
        self._number = 0

    def prepare(self) -> None:
        """Connect, and try the default exchange with a message for nobody. Raises Busy when the broker takes none."""
        self.open()
        if "" in self._tried or "" in self._barred:
            return
        read_on = self._read_behind([self._written(Posted(TRIAL, ("", NOWHERE), b"\x00\x00", b""))])
        if self._posted or (self.link is not None and not read_on):
            self._lose("RabbitMQ takes no messages now, for want of memory or disk space.")
        if self.link is None:
            raise Busy(f"Nothing can be sent: {self._lost}")
        if "" not in self._barred:
            self._tried.add("")

    def _read_behind(self, trial: list[bytes]) -> bool:
        """Write a message, and whether the broker goes on reading behind it: under an alarm it passes, and then the
        broker says so, and reads no more. An answer to what was said after it tells that there is none."""
        assert self.link is not None
        link, before = self.link, self.link.prefetched
        self._write([*trial, frames.prefetch(self._channel, 0)])
        deadline = time.monotonic() + link.timeout
        while self.link is link and not link.blocked and (self._posted or link.prefetched == before):
            if (left := deadline - time.monotonic()) <= 0 or "" in self._barred:
                break
            self.hear(left)
        return link.prefetched > before or "" in self._barred

    def may_write(self) -> None:
        """Raise AccessRefused where the default exchange may not be written to; nothing is sent to any queue."""
        self.prepare()
        if "" in self._barred:
            raise AccessRefused(self._barred[""])

    def post(self, messages: list[Posted]) -> None:
        """Write messages, all at once but for the first one to an exchange, whose fate tells whether it can be used."""
        self.prepare()
        batch: list[bytes] = []
        stuck = False
        for message in messages:
            exchange = message.target[0]
            if self.link is None or stuck or exchange in self._barred:  # this one was never written
                why = self._lost if self.link is None else self._barred.get(exchange, "RabbitMQ takes nothing now.")
                self.receipts.append(Receipt(message.tag, Outcome.REFUSED, f"It was not sent: {why}"))
            elif exchange in self._tried:
                batch.append(self._written(message))
            else:
                self._write(batch)
                stuck = not self._try_exchange(message)
        self._write(batch)
        self._barred = {exchange: why for exchange, why in self._barred.items() if not exchange}

    def _try_exchange(self, message: Posted) -> bool:
        """Send the first message to an exchange and wait for what becomes of it; False = nothing does."""
        if not self._settle_all():
            self.receipts.append(Receipt(message.tag, Outcome.REFUSED, "It was not sent: RabbitMQ takes nothing now."))
            return False
        if self.link is None:
            self.receipts.append(Receipt(message.tag, Outcome.REFUSED, f"It was not sent: {self._lost}"))
            return True
        self._trying = exchange = message.target[0]
        self._write([self._written(message)])
        settled = self._settle_all()
        if settled and self.link is not None and exchange not in self._barred:
            self._tried.add(exchange)
        return settled

    def _written(self, message: Posted) -> bytes:
        assert self.link is not None
        first = self._first.get(message.target)
        if first is None:
            if len(self._first) > MOST_TARGETS:
                self._first.clear()
            first = self._first[message.target] = frames.publish(self._channel, *message.target)
        self._number += 1
        self._posted[self._number] = message
        return frames.content(first, self._channel, message.properties, message.body, self.link.frame_max)

    def _write(self, batch: list[bytes]) -> None:
        if batch and self.link is not None:
            try:
                self.link.send(b"".join(batch))
            except CollectorError as error:
                self._lose(str(error))
        batch.clear()

    def _settle_all(self) -> bool:
        """Wait until nothing is on its way; False = the broker says nothing, or takes nothing for now."""
        deadline = time.monotonic() + (self.link.timeout if self.link is not None else 0.0)
        while self._posted and self.link is not None:
            left = deadline - time.monotonic()
            if left <= 0 or self.link.blocked:
                return False
            self.hear(left)
        return True

    # --- what became of them -------------------------------------------------------------------------------------
    def hear(self, seconds: float) -> None:
        """Take in what the broker says, waiting at most so long; a link that is lost leaves receipts, not an error."""
        if self.link is None:
            return
        try:
            self.link.read(seconds)
        except CollectorError as error:
            self._take_events()
            self._lose(str(error))
            return
        self._take_events()
        if (refused := self.link.closed.get(self._channel)) is not None:
            self._channel_lost(refused)

    def next(self, seconds: float) -> Receipt:
        """The next receipt; UNKNOWN for tag 0 when none comes in time."""
        deadline = time.monotonic() + seconds
        while not self.receipts and self._posted:
            left = deadline - time.monotonic()
            self.hear(max(0.0, left))
            if left <= 0:
                break
        return self.receipts.popleft() if self.receipts else Receipt(0, Outcome.UNKNOWN, "RabbitMQ did not confirm it.")

    def _take_events(self) -> None:
        assert self.link is not None
        events = self.link.events
        while events:
            event = events.popleft()
            if isinstance(event, Arrived):
                self._returned(event)
            elif event.name in (frames.ACK, frames.NACK):
                self._confirmed(event)

    def _confirmed(self, event: Said) -> None:
        number, multiple = unpack_from(">QB", event.arguments)
        for one in self._numbers(number, multiple & 1):
            posted = self._posted.pop(one)
            posted.refused = event.name == frames.NACK
            if posted.tag != TRIAL:
                self.receipts.append(self._receipt(posted))

    def _numbers(self, number: int, multiple: int) -> list[int]:
        if not multiple:
            return [number] if number in self._posted else []
        found = []
        for one in self._posted:
            if one > number:
                break
            found.append(one)
        return found

    def _receipt(self, posted: Posted) -> Receipt:
        exchange, key = posted.target
        if posted.returned:
            return Receipt(posted.tag, Outcome.REFUSED, posted.returned)
        if not posted.refused:
            return Receipt(posted.tag, Outcome.SENT)
        if not exchange and self._says_no(key):
            return Receipt(posted.tag, Outcome.REFUSED, f"The queue '{key}' is full and refuses what comes.")
        where = f"the queue '{key}'" if not exchange else f"the exchange '{exchange}'"
        why = f"RabbitMQ did not take it into {where}, or not everywhere: a queue failed or is full."
        return Receipt(posted.tag, Outcome.UNKNOWN, why)

    def _returned(self, event: Arrived) -> None:
        """Mark the message that came back: the earliest of the same contents, for returns come in order."""
        text, at = read_short(event.arguments, 2)
        exchange, at = read_short(event.arguments, at)
        key, _ = read_short(event.arguments, at)
        target = (exchange, key)
        same = [p for p in self._posted.values() if p.target == target and not p.returned and p.body == event.body]
        exact = [posted for posted in same if posted.properties == event.properties]
        for posted in (exact or same)[:1]:
            where = (
                f"There is no queue '{key}'" if not exchange else f"The exchange '{exchange}' has no queue for '{key}'"
            )
            posted.returned = f"{where} ({text.lower().replace('_', ' ')})."

    # --- when it breaks ------------------------------------------------------------------------------------------
    def _channel_lost(self, error: CollectorError) -> None:
        """The broker closed the channel: a message alone on its way was refused, of several it cannot be told."""
        alone = len(self._posted) == 1 and isinstance(error, AccessRefused | BadAnswer)
        outcome = Outcome.REFUSED if alone else Outcome.UNKNOWN
        self._abandon(outcome, str(error))
        if alone:
            self._barred[self._trying] = str(error)
        self._tried.clear()
        try:
            self._open_channel()
        except CollectorError as lost:
            self._lose(str(lost))

    def _lose(self, why: str) -> None:
        """The link is gone: whether what was on its way arrived cannot be told."""
        self._lost = why
        self._abandon(Outcome.UNKNOWN, why)
        self._tried.clear()
        if self.link is not None:
            self.link.hang_up()
            self.link = None

    def _abandon(self, outcome: Outcome, why: str) -> None:
        posted, self._posted = self._posted, {}
        self.receipts.extend(
            Receipt(one.tag, Outcome.REFUSED if one.returned else outcome, one.returned or why)
            for one in posted.values()
            if one.tag != TRIAL
        )

    def close(self) -> None:
        if self.link is not None:
            self.link.close()
            self.link = None
