"""One pass over a queue under one lease: take, send, wait for what is confirmed, remove; several batches at a time.

What is in the hands of a pass and is not sent stays there until the pass is over, because a broker without random
access would give the same letters again. Each round writes one transaction of the journal: what was removed since,
what is now sent, what is about to be sent. Only then does it send and remove.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from collectors.errors import Busy, CollectorError, Expired
from collectors.letters import Destination, Lease, Outcome, Receipt, Taken
from collectors.powers import PassesOver, Replicates

from . import clock
from .guards import REFUSED_IN_A_ROW, Pace
from .journal import Journal
from .sorting import OVER, Batch, Sorter
from .states import State
from .tasks import End, Task

BATCH = 500  # each costs a write to the disk, which takes milliseconds
#: Copies that are being sent at one time: as many as were confirmed in half a second, RabbitMQ confirms durable ones
#: every 0.2 seconds; but at least so many, and at most.
LEAST_UNDERWAY, MOST_UNDERWAY, HALF = 1000, 4000, 0.5
PATIENCE = 1.0  # seconds to wait for a letter before the queue counts as empty
SLOW = 3.0  # seconds until the next copy may be sent, beyond which no lease is held meanwhile
SETTLING = 30.0  # seconds to wait at the end for what became of copies
RIPENS = 0.2  # seconds after which what was confirmed is written down, however little it is
WRITES = 1.0  # seconds after which is written down what need not be before anything else is done
LEAST = 0.2  # of a batch: for less room nothing is taken as long as more may come
MARGIN = 5.0  # seconds before the end of a lease at which nothing more is taken


class Pass:
    """`run` until it ends. `go_on` is asked before each batch, and again right before it is sent: false = stop.

    It raises what the lease raises; then nothing is lost, and the journal says what is not known.
    """

    def __init__(
        self,
        lease: Lease,
        journal: Journal,
        task: Task,
        pace: Pace,
        go_on: Callable[[], bool] = lambda: True,
        limit: int | None = None,
        tell: Callable[[], None] = lambda: None,
    ) -> None:
        self.lease, self.journal, self.task, self.pace = lease, journal, task, pace
        self.go_on, self.tell = go_on, tell
        self.limit = limit
        self.sent = self.held = 0
        self.met = False  # whether there were letters to send or to remove
        self.why = ""
        self._sorter = Sorter(lease, journal, task, limit)
        self._underway: dict[int, int] = {}  # tag -> n
        self._removing: dict[int, int] = {}  # tag -> n: the broker has not yet said that the original is gone
        self._removed: list[int] = []
        self._confirmed: list[int] = []  # tags of those underway that were confirmed, and are not written down yet
        self._confirmed_at = 0.0
        self._written_at = clock.now()
        self._most_underway = LEAST_UNDERWAY
        self._counted, self._counted_at = 0, clock.now()  # confirmed since then
        self._ending = False
        self._alone: dict[int, str] = {}  # n -> why no replica has it: not written down yet
        self._lagging: list[int] = []  # those that are
        self._unsure = 0
        self._going: dict[int, Destination] = {}  # tag -> where its copy is sent
        self.refused: Counter[Destination] = Counter()  # in a row, by each; the next pass goes on with it
        self._empty = self._hidden = False
        self._asked: list[str] | None = None
        left = lease.until - time.time()
        self._ends = clock.now() + left
        self._margin = min(MARGIN, left / 4)

    # --- rounds --------------------------------------------------------------------------------------------------
    def run(self) -> End:
        """Rounds until there is a reason to end, then wait for what is underway."""
        try:
            while (end := self._reason()) is None:
                self._round(self._batch())
                self.tell()
            self._settle_all()
        except CollectorError:
            self._write_confirmed()
            self.journal.commit()
            raise
        return self._last_reason(end)

    def _reason(self) -> End | None:
        """Why nothing more is to be taken."""
        if not self.go_on():
            return End.ORDERS
        if self._barred and self.task.to is not None:
            return End.REFUSED
        if self._unsure:
            return End.BROKEN
        if self._sorter.at_limit and not self._sorter.open.unresolved:
            return End.LIMIT
        if self._empty or self._sorter.over:
            return End.OVER
        if clock.now() > self._ends - self._margin:
            return End.TIME
        if self.held + len(self._underway) >= self.lease.most_held:
            return End.FULL if not self._underway else None
        if not self._underway and not self.held and self.pace.wait() > SLOW:
            return End.SLOW
        return None

    def _last_reason(self, end: End) -> End:
        """What came of the last copies may be a better reason."""
        if self._unsure and end is not End.ORDERS:
            return End.BROKEN
        if self._barred and end in (End.OVER, End.FULL):
            return End.REFUSED
        return End.LIMIT if end is End.OVER and self._sorter.at_limit else end

    @property
    def _barred(self) -> set[Destination]:
        """Destinations that take nothing: where letters go to several, the others are served all the same."""
        return {to for to, count in self.refused.items() if count >= REFUSED_IN_A_ROW}

    @property
    def missing(self) -> int:
        """How many letters fewer were met than there should be: of all, where none are named."""
        return 0 if self.task.named else max(0, self._sorter.left or 0)

    def _round(self, batch: Batch) -> None:
        self._receipts(0.0 if batch.parcels else self._patience())
        removals = dict(batch.removals)
        if self._ripe:
            removals |= self._write_confirmed()
        if self.task.keeps:
            self._hold(list(removals))
            removals = {}
        if batch.numbers or removals or clock.now() - self._written_at > WRITES:
            self._write()
        if batch.parcels:
            self._send(batch)
        if removals or self._removing:
            self._remove(removals)

    def _write_confirmed(self) -> dict[int, int]:
        """Journal as SENT what was confirmed; its tags and numbers."""
        numbers = {tag: self._underway.pop(tag) for tag in self._confirmed}
        self.journal.move(list(numbers.values()), State.SENDING, State.SENT)
        self._confirmed = []
        return numbers

    @property
    def _ripe(self) -> bool:
        """Whether enough was confirmed to be written down and removed together."""
        confirmed = len(self._confirmed)
        late = clock.now() - self._confirmed_at > RIPENS
        return confirmed > 0 and (confirmed >= BATCH or confirmed == len(self._underway) or late or self._ending)

    def _patience(self) -> float:
        return min(0.5, max(0.01, self.pace.wait())) if self._underway else 0.0

    def _write(self) -> None:
        """One transaction: removed, sent and sending reach the disk together."""
        if self._removed:
            self.journal.move(self._removed, State.SENT, State.REMOVED)
            self._removed = []
        self.journal.unreplicated(self._alone)
        self._lagging += self._alone
        self._alone = {}
        self.journal.commit()
        self._written_at = clock.now()

    def _send(self, batch: Batch) -> None:
        numbers = batch.numbers
        if not self.go_on():  # asked again: writing to the disk may have taken long, or the process was stopped
            self._unsend(batch)
            return
        try:
            self.lease.send(batch.parcels)
        except (Busy, Expired):  # raised before anything was sent
            self._unsend(batch)
            self.journal.commit()
            raise
        self._underway.update(zip((parcel.tag for parcel in batch.parcels), numbers, strict=True))
        self._going.update((parcel.tag, parcel.to) for parcel in batch.parcels)
        self.sent += len(numbers)
        self.pace.spent(len(numbers))

    def _unsend(self, batch: Batch) -> None:
        self._sorter.unsent(batch)
        self.held += len(batch.numbers)

    def _remove(self, removals: Mapping[int, int], wait: bool = False) -> None:
        self._removing |= removals
        gone: list[int] = []
        for receipt in self.lease.remove(list(removals), wait):
            n = self._removing.pop(receipt.tag)
            if receipt.outcome is Outcome.REMOVED:
                gone.append(receipt.tag)
                self._removed += [n] if n != OVER else []
                if receipt.unreplicated and n != OVER:
                    self._alone[n] = receipt.why
            else:
                self._unsure += 1
                self.why = receipt.why
        if self._hidden:
            self.journal.let_go(gone)

    def _settle_all(self) -> None:
        """Wait for what is underway, and remove what was confirmed."""
        self._ending = True
        until = clock.now() + min(SETTLING, max(0.0, self._ends - clock.now()))
        while self._underway and clock.now() < until and not self._unsure:
            self._round(Batch())
        self._round(Batch())  # what was confirmed by then
        self._remove({}, wait=True)
        self._unsure += len(self._underway)
        self._write()
        if self._lagging and isinstance(self.lease, Replicates) and self.lease.caught_up():
            self.journal.replicated(self._lagging)
            self.journal.commit()

    def _hold(self, tags: Sequence[int]) -> None:
        """They are not to be sent (again) in this pass: they stay in our hands, where they would else be met again."""
        if self.lease.random and isinstance(self.lease, PassesOver):
            self.lease.pass_over(tags)
        else:
            self.held += len(tags)

    # --- receipts ------------------------------------------------------------------------------------------------
    def _receipts(self, seconds: float) -> None:
        """What became of copies: those that were confirmed ripen, the rest is journalled."""
        if len(self._underway) == len(self._confirmed):
            return
        moved: list[int] = []
        for receipt in self.lease.settled(seconds):
            n = self._underway.get(receipt.tag)
            if n is None:
                continue
            if receipt.unreplicated:
                self._alone[n] = receipt.why
            self._counted += 1
            to = self._going.pop(receipt.tag)
            if receipt.outcome in (Outcome.SENT, Outcome.REMOVED):
                self.refused.pop(to, None)
            if receipt.outcome is Outcome.SENT:
                if not self._confirmed:
                    self._confirmed_at = clock.now()
                self._confirmed.append(receipt.tag)
            elif receipt.outcome is Outcome.REMOVED:
                del self._underway[receipt.tag]
                moved.append(n)
            else:
                self._went_wrong(receipt, n, to)
        if moved:
            self.journal.move(moved, State.SENDING, State.REMOVED)
        if (passed := clock.now() - self._counted_at) > HALF:
            self._most_underway = max(LEAST_UNDERWAY, int(self._counted / passed * HALF))
            self._counted, self._counted_at = 0, clock.now()

    def _went_wrong(self, receipt: Receipt, n: int, to: Destination) -> None:
        del self._underway[receipt.tag]
        self.why = receipt.why
        if receipt.outcome is not Outcome.GONE:
            self._hold([receipt.tag])
        if receipt.outcome is Outcome.REFUSED:
            self.refused[to] += 1
            self.sent -= 1
            self._sorter.refused(n)
            self.journal.end(n, State.SENDING, State.FAILED, receipt.why or "The destination refused it.")
        elif receipt.outcome is Outcome.LATE:  # it is met again
            self.sent -= 1
            self._sorter.refused(n)
            if not self._sorter.resent(n):
                self.journal.move([n], State.SENDING, State.LEASED)
            self._unsure += self.lease.random  # nothing else keeps it from going round: the broker takes nothing now
        elif receipt.outcome is Outcome.GONE:
            self.sent -= 1
            self._sorter.refused(n)
            state = State.FAILED if self._sorter.resent(n) else State.SKIPPED  # an earlier try may have moved it
            self.journal.end(n, State.SENDING, state, receipt.why)
        else:
            self._unsure += 1

    # --- taking --------------------------------------------------------------------------------------------------
    def _batch(self) -> Batch:
        """The next letters to be sent, journalled as SENDING, as far as pace and room allow."""
        room = min(self._most_underway, MOST_UNDERWAY, self.lease.most_held - self.held) - len(self._underway)
        room = min(BATCH, room)
        if self._underway and room < LEAST * BATCH:
            room = 0
        if self.limit is not None and not self._sorter.open.unresolved:
            room = min(room, self.limit - self._sorter.fresh)
        room = self.pace.allowed(room) if room > 0 else 0
        if room <= 0:
            if not self._underway:
                time.sleep(min(0.05, self.pace.wait()))
            return Batch()
        taken = self._take(room)
        if handles := {one.tag: one.handle for one in taken if one.handle}:
            self._hidden = True
            self.journal.hold(handles)
        batch = self._without_barred(self._sorter.sort(taken))
        goes = {parcel.tag for parcel in batch.parcels} | batch.removals.keys()
        self._hold([one.tag for one in taken if one.tag not in goes])
        self.met |= bool(batch.parcels or batch.removals)
        return batch

    def _without_barred(self, batch: Batch) -> Batch:
        """What would go to where nothing is taken stays in our hands, and goes back at the end."""
        if not (barred := self._barred):
            return batch
        pairs = list(zip(batch.parcels, batch.numbers, strict=True))
        self._sorter.unsent(Batch([], [n for parcel, n in pairs if parcel.to in barred]))
        kept = [(parcel, n) for parcel, n in pairs if parcel.to not in barred]
        return Batch([parcel for parcel, _ in kept], [n for _, n in kept], batch.removals)

    def _take(self, room: int) -> Sequence[Taken]:
        if self.lease.random and self.task.named:
            return self._take_named(room)
        if self._sorter.left is not None and not self._sorter.open.unresolved:
            room = max(1, min(room, self._sorter.left))
        taken = self.lease.take(room, 0.0 if self._underway else PATIENCE)
        if not taken and not self._underway:
            self._empty = True
        return taken

    def _take_named(self, room: int) -> Sequence[Taken]:
        """The next of those that the journal names, where they can be had by their ids."""
        found = self._sorter.open
        if self._asked is None:
            self._asked = list(dict.fromkeys([*found.sent, *found.sending, *found.planned]))[::-1]
        ids: dict[str, int] = {}
        while self._asked and sum(ids.values()) < room:
            id = self._asked.pop()
            ids[id] = sum(len(of.get(id, ())) for of in (found.sent, found.sending, found.planned))
        if not ids:
            self._empty = not self._underway
            return []
        return self.lease.take_these(ids)
