"""Leases of letters: a consumer holds them, confirmed copies are sent on other connections, originals acknowledged.

Two connections at least, because a broker that is short of memory stops reading from whoever publishes, and would then
hear no acknowledgement either. What was measured, and why it is built so: `tests/bench/lease_rabbitmq.py`.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from struct import unpack_from
from typing import Any

from collectors.errors import BadAnswer, Busy, CollectorError, Expired, NotSupported
from collectors.letters import Destination, Outcome, Parcel, Receipt
from collectors.powers import RenewalBook
from collectors.url import BrokerURL

from . import frames
from .copies import Copier
from .frames import Arrived
from .inventory import queue_key, sample_key, sample_name
from .letters import Held, Places
from .link import Link, wait_for
from .price import Rules
from .prometheus import QueueKey
from .returning import Source
from .sending import Posted, Sender, Target

#: Letters that may be held at once, and bytes of their bodies by their mean size.
MOST_HELD, MOST_BYTES = 8000, 64 << 20
TAG = "weir"
TEND_EVERY = 5.0
#: How much longer than asked for a broker may take to send what it has.
SLOWEST, QUIET = 20.0, 0.1

RefusesWhenFull = Callable[[QueueKey], bool]


class RabbitLease:
    """Letters of one classic or quorum queue (`collectors.letters.Lease`)."""

    random, own_ids, atomic, keeps, lost_until = False, False, False, False, 0.0
    _as: type[Held] = Held

    def __init__(
        self,
        url: BrokerURL,
        where: QueueKey,
        rules: Rules,
        mean_size: float,
        until: float,
        places: Places,
        refuses_when_full: RefusesWhenFull,
    ) -> None:
        self.until = until
        self.most_held = max(1, min(MOST_HELD, int(MOST_BYTES / max(1.0, mean_size))))
        self._url, self._where, self._places, self._refuses = url, where, places, refuses_when_full
        self._name = sample_name(*where)
        self._held: dict[int, Held] = {}  # everything unsettled, in the order of its tags
        self._fresh: deque[Held] = deque()  # of these, what nobody has taken yet
        self._let_go: set[int] = set()  # of these, what goes back as soon as it can
        self._leaving: deque[list[int]] = deque()  # acknowledged together, and nobody was told yet that it was heard
        self._senders: dict[str, Sender] = {}
        self._renewer = Sender(url, where[0], lambda _: True)
        self._receipts: deque[Receipt] = deque()
        self._targets: dict[Destination, tuple[str, Target]] = {}
        self._ordered: tuple[tuple[str, str] | None, frozenset[str]] = (None, frozenset())
        self._copying = Copier()
        self._consuming = self._closed = self._empty = False
        self._asked = 0  # answers to basic.get that have not come
        self._tended_at = time.monotonic()
        link = Link(url, where[0])
        try:
            self._source = Source(link, link.open_channel(), where[1], rules)
            self._source.ready()  # says at once that the queue is not there, or not to be read
        except CollectorError:
            link.hang_up()
            raise

    def note_renewals(self, book: RenewalBook) -> None:
        self._source.key, self._source.book = sample_key(*self._where), book

    # --- taking --------------------------------------------------------------------------------------------------
    def take(self, most: int, seconds: float = 1.0) -> Sequence[Held]:
        self._alive()
        self._consume()
        self._tend()
        deadline = time.monotonic() + seconds
        room = max(0, min(most, self.most_held - (len(self._held) - len(self._fresh))))
        while not self._fresh and room:
            left = deadline - time.monotonic()
            self._read(max(0.0, left))
            if left <= 0 and (not seconds or self._fresh or not self._more_must_come(deadline)):
                break
        before = 0
        while before < len(self._fresh) < room:  # what has come meanwhile
            before = len(self._fresh)
            self._read(0.0)
        return [self._fresh.popleft() for _ in range(min(room, len(self._fresh)))]

    def _more_must_come(self, deadline: float) -> bool:
        """Whether letters lie in the queue that a busy broker has not sent yet: silence is not emptiness. None lie
        there either when all have been sent to us; those are read before the answer to a second question."""
        if time.monotonic() > deadline + SLOWEST:
            return False
        if not self._source.ready()[0]:
            self._source.ready()
            self._read(0.0)
            return bool(self._fresh)
        self._read(QUIET)
        return True

    def take_these(self, ids: Mapping[str, int]) -> Sequence[Held]:
        raise NotSupported("A queue of RabbitMQ is read in its order, not by ids.")

    def _consume(self) -> None:
        if not self._consuming:
            self._hear_removed()
            link, channel = self._source.link, self._source.channel
            link.call(frames.prefetch(channel, self.most_held), channel, frames.QOS_OK)
            link.call(frames.consume(channel, self._where[1], TAG), channel, frames.CONSUME_OK)
            self._consuming = True

    def _read(self, seconds: float) -> None:
        link = self._source.link
        if not link.events:
            link.read(seconds)
        link.check(self._source.channel)
        self._take_events()
        if self._source.rules.limit is not None:
            self._renew_worn()

    def _renew_worn(self) -> None:
        """Replace what is near its delivery limit before it is handed out: should this process die, it counts again."""
        worn = [held for held in self._fresh if self._source.rules.at_limit(held.count)]
        if worn:
            gone, _ = self._source.renew(worn, self._renewer)
            self._fresh = deque(held for held in self._fresh if held.tag not in gone)
            for tag in gone:
                del self._held[tag]

    def _take_events(self) -> None:
        events = self._source.link.events
        while events:
            event = events.popleft()
            if isinstance(event, Arrived):
                at = 1 + event.arguments[0] if event.name == frames.DELIVER else 0
                (tag,) = unpack_from(">Q", event.arguments, at)
                self._held[tag] = held = self._as(tag, event, self._where[0], self._places)
                self._fresh.append(held)
                self._asked -= 1
            elif event.name == frames.GET_EMPTY:
                self._asked, self._empty = self._asked - 1, True
            elif event.name == frames.CANCEL:
                raise BadAnswer(f"RabbitMQ no longer delivers from '{self._name}': the queue is gone, or its node.")

    # --- sending -------------------------------------------------------------------------------------------------
    def send(self, parcels: Sequence[Parcel]) -> None:
        """Raises Busy while the broker takes no messages (an alarm of its memory or disk)."""
        self._alive()
        self._hear_first()
        batches: dict[str, list[Posted]] = {}
        to: Destination | None = None
        for parcel in parcels:
            held = self._held.get(parcel.tag)
            if held is None:
                self._refuse(parcel, "This letter is not in the hands of this lease.")
                continue
            try:
                if parcel.to is not to:
                    vhost, target = self._target(parcel.to)
                    to = parcel.to
                properties = self._copier(parcel).copy(held.fields, parcel.headers)
            except BadAnswer as error:
                self._refuse(parcel, str(error))
                continue
            body = held.message.body if parcel.body is None else parcel.body
            batches.setdefault(vhost, []).append(Posted(parcel.tag, target, properties, body))
        for vhost in batches:
            self._sender(vhost).prepare()
        for vhost, posts in batches.items():
            self._sender(vhost).post(posts)

    def _hear_first(self) -> None:
        """Before something is sent: whether the originals are still ours, and the broker takes copies."""
        link = self._source.link
        link.read(0.0)
        link.check(self._source.channel)
        for sender in self._senders.values():
            if sender.blocked:
                raise Busy(f"RabbitMQ at {link.place} takes no messages now: {sender.blocked}.")

    def _refuse(self, parcel: Parcel, why: str) -> None:
        self._receipts.append(Receipt(parcel.tag, Outcome.REFUSED, why))

    def _copier(self, parcel: Parcel) -> Copier:
        """One for all parcels whose stamps differ in the number of the copy alone, one after the other."""
        stamp = parcel.stamp
        ordered = None if stamp is None else (stamp.at, stamp.by), parcel.options
        if self._ordered != ordered:
            self._ordered, self._copying = ordered, Copier(stamp, parcel.options)
        elif stamp is not None:
            self._copying.stamp(stamp)
        return self._copying

    def _target(self, to: Destination) -> tuple[str, Target]:
        """The virtual host, and the exchange and routing key in it."""
        found = self._targets.get(to)
        if found is None:
            found = target_of(to, self._where[0])
            frames.short(found[1][0]), frames.short(found[1][1])  # both fit
            if len(self._targets) < 1000:
                self._targets[to] = found
        return found

    def _sender(self, vhost: str) -> Sender:
        if vhost not in self._senders:
            self._senders[vhost] = Sender(self._url, vhost, lambda queue: self._refuses((vhost, queue)))
        return self._senders[vhost]

    def settled(self, seconds: float = 1.0) -> Sequence[Receipt]:
        self._tend()
        deadline = time.monotonic() + seconds
        while True:
            busy = [sender for sender in self._senders.values() if sender.waiting]
            for sender in busy:
                sender.hear(0.0)
            self._gather()
            left = deadline - time.monotonic()
            if self._receipts or left <= 0 or not busy:
                break
            self._listen(busy, min(left, 1.0))
        receipts = list(self._receipts)
        self._receipts.clear()
        return receipts

    def _listen(self, senders: Sequence[Sender], seconds: float) -> None:
        """Wait until there is something to hear; letters that come meanwhile are taken in, lest the broker has to wait.

        A source that is lost is said by whatever asks it next.
        """
        links = [self._source.link, *(sender.link for sender in senders if sender.link is not None)]
        wait_for([link for link in links if not link.lost], seconds)
        if not self._source.link.lost:
            with suppress(CollectorError):
                self._source.link.read(0.0)

    def _gather(self) -> None:
        for sender in self._senders.values():
            self._receipts.extend(sender.receipts)
            sender.receipts.clear()

    # --- settling ------------------------------------------------------------------------------------------------
    def remove(self, tags: Sequence[int], wait: bool = True) -> Sequence[Receipt]:
        if tags:
            self._alive()
        known = sorted(tag for tag in set(tags) if tag in self._held)
        receipts = [Receipt(tag, Outcome.UNKNOWN, "It is not held any more.") for tag in tags if tag not in self._held]
        try:
            if known:
                self._acknowledge(known)
            if wait:
                self._hear_removed()
        except CollectorError as error:
            receipts += self._left()
            unheard = [*(tag for batch in self._leaving for tag in batch), *(tag for tag in known if tag in self._held)]
            receipts += [Receipt(tag, Outcome.UNKNOWN, str(error)) for tag in unheard]
            self._leaving.clear()
        return receipts + self._left()

    def _acknowledge(self, tags: list[int]) -> None:
        """An answer to anything said after the acknowledgements tells that the broker has heard them."""
        link, channel = self._source.link, self._source.channel
        link.send(self._acks(tags) + frames.prefetch(channel, self.most_held))
        self._leaving.append(tags)
        for tag in tags:
            del self._held[tag]

    def _hear_removed(self) -> None:
        """Wait until the broker has heard of all that was removed: it answers in order."""
        if len(self._leaving) > self._source.link.prefetched:
            self._source.ready()

    def _left(self) -> list[Receipt]:
        """Of what was removed, what the broker has heard of since this was last asked."""
        link, receipts = self._source.link, []
        while link.prefetched and self._leaving:
            link.prefetched -= 1
            receipts += [Receipt(tag, Outcome.REMOVED) for tag in self._leaving.popleft()]
        return receipts

    def _acks(self, tags: Sequence[int]) -> bytes:
        """As few acknowledgements as can be: one for all that are held up to a tag, the rest one by one."""
        channel, together = self._source.channel, 0
        for held, tag in zip(self._held, tags, strict=False):
            if held != tag:
                break
            together += 1
        first = frames.ack(channel, tags[together - 1], multiple=True) if together else b""
        return first + b"".join(frames.ack(channel, tag) for tag in tags[together:])

    def give_back(self, tags: Sequence[int]) -> None:
        """Where a queue keeps places only when a channel is closed, they go back once nothing else is held."""
        self._hear_removed()
        self._let_go.update(tag for tag in tags if tag in self._held)
        self._stop_consuming()
        fresh = {held.tag for held in self._fresh}
        everything = len(self._let_go | fresh) == len(self._held)
        if self._source.rules.by_closing and not everything:
            return
        self._fresh.clear()
        self._return(sorted(self._let_go | fresh), everything)
        self._let_go.clear()

    def _stop_consuming(self) -> None:
        """Letters given back while a consumer waits would be delivered to it again."""
        if self._consuming:
            link, channel = self._source.link, self._source.channel
            link.call(frames.cancel(channel, TAG), channel, frames.CANCEL_OK)
            self._consuming = False
            self._take_events()

    def _return(self, tags: Sequence[int], everything: bool) -> None:
        if tags:
            limited = self._source.rules.limit is not None
            held = [self._held[tag] for tag in tags]
            self._source.give_back(held, self._renewer if limited else None, everything)
            for tag in tags:
                del self._held[tag]

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        try:
            self._hear_removed()
            self._stop_consuming()
            self._fresh.clear()
            self._return(list(self._held), everything=True)
        except CollectorError:  # a channel that the broker closed gave everything back
            if self._source.link.lost:  # which the broker may not have noticed yet
                raise
        finally:
            self._source.link.close()
            for sender in (*self._senders.values(), self._renewer):
                sender.close()

    # --- keeping it alive ----------------------------------------------------------------------------------------
    def _alive(self) -> None:
        if self._closed or time.time() >= self.until:
            raise Expired(f"The lease on '{self._name}' has passed its time.")

    def _tend(self) -> None:
        """Listen to the links that are not just being used, so that neither side takes the other for dead."""
        now = time.monotonic()
        if now - self._tended_at > TEND_EVERY:
            self._tended_at = now
            if not self._source.link.events:
                self._source.link.read(0.0)
            for sender in self._senders.values():
                sender.hear(0.0)


def target_of(to: Destination, vhost: str) -> tuple[str, Target]:
    """The virtual host, exchange and routing key of a destination. Raises BadAnswer for a key that is none."""
    if not to.queue:
        return vhost, (to.exchange or "", to.routing_key)
    where = queue_key(to.queue)
    if where is None:
        raise BadAnswer(f"'{to.queue}' is not the key of a queue of RabbitMQ.")
    return where[0], ("", where[1])


def mean_size(row: Mapping[str, Any]) -> float:
    """Bytes of a mean body in a queue, by its row in the management API; 64 KB where that is not counted."""
    size, count = row.get("message_bytes_ready"), row.get("messages_ready")
    if isinstance(size, int) and isinstance(count, int) and count > 0:
        return size / count
    return 65536.0 if not isinstance(count, int) or count else 1024.0
