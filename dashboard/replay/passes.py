"""One pass over a queue under one lease: take, send, wait for what is confirmed, remove; several batches at a time.

What is in the hands of a pass and is not sent stays there until the pass is over, because a broker without random
access would give the same letters again. Each round writes one transaction of the journal: what was removed since,
what is now sent, what is about to be sent. Only then does it send and remove.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from collectors.errors import Busy, CollectorError, Expired
from collectors.letters import Destination, Lease, Outcome, Parcel, Receipt, Stamp, Taken

from . import clock
from .guards import REFUSED_IN_A_ROW, Pace
from .journal import Journal, State
from .tasks import End, Task, has_own_id, words_of

BATCH = 250
MOST_UNDERWAY = 1000  # copies that are being sent at one time
PATIENCE = 1.0  # seconds to wait for a letter before the queue counts as empty
SLOW = 3.0  # seconds until the next copy may be sent, beyond which no lease is held meanwhile
SETTLING = 30.0  # seconds to wait at the end for what became of copies
RIPENS = 0.2  # seconds after which what was confirmed is written down, however little it is
MARGIN = 5.0  # seconds before the end of a lease at which nothing more is taken


@dataclass(slots=True)
class _Batch:
    """What one round sends and removes."""

    parcels: list[Parcel] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    removals: dict[int, int] = field(default_factory=dict)  # tag -> n


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
        self.sent = self.returned = self.held = 0
        self.why = ""
        self._open = journal.open_messages()
        self._bound = None if task.bound is None else task.bound - journal.counts.removed
        self._underway: dict[int, int] = {}  # tag -> n
        self._resent: set[int] = set()
        self._removed: list[int] = []
        self._confirmed: list[int] = []  # tags of those underway that were confirmed, and are not written down yet
        self._confirmed_at = 0.0
        self._ending = False
        self._unsure = self._refused = 0
        self._empty = False
        self._asked: list[str] | None = None
        left = lease.until - time.time()
        self._ends = clock.now() + left
        self._margin = min(MARGIN, left / 4)
        self._fresh = 0  # sent for the first time, by this pass
        self._named_to = words_of(task.to)
        if task.keeps:  # whose copy is confirmed is over
            for id, numbers in self._open.sent.items():
                self._open.stayed.setdefault(id, []).extend(numbers)
            self._open.sent = {}

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
        if self._refused >= REFUSED_IN_A_ROW:
            return End.REFUSED
        if self._unsure:
            return End.BROKEN
        if self._at_limit and not self._open.unresolved:
            return End.LIMIT
        if self._empty or (self._bound is not None and self._bound <= 0 and not self._open.unresolved):
            return End.OVER
        if self.task.named and not (self._open.planned or self._open.unresolved):
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
        if self._refused >= REFUSED_IN_A_ROW:
            return End.REFUSED
        return End.LIMIT if end is End.OVER and self._at_limit else end

    @property
    def short(self) -> bool:
        """Whether fewer letters were met than there should be."""
        return self._bound is not None and self._bound > 0

    @property
    def _at_limit(self) -> bool:
        return self.limit is not None and self._fresh >= self.limit

    def _round(self, batch: _Batch) -> None:
        self._receipts(0.0 if batch.parcels else self._patience())
        removals = dict(batch.removals)
        if self._ripe:
            removals |= self._write_confirmed()
        if self.task.keeps:
            self.held += len(removals)
            removals = {}
        self._write(batch)
        if batch.parcels:
            self._send(batch)
        if removals:
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
        return confirmed > 0 and (confirmed >= BATCH // 2 or confirmed == len(self._underway) or late or self._ending)

    def _patience(self) -> float:
        return min(0.5, max(0.01, self.pace.wait())) if self._underway else 0.0

    def _write(self, batch: _Batch) -> None:
        """One transaction: removed, sent and sending reach the disk together."""
        if self._removed:
            self.journal.move(self._removed, State.SENT, State.REMOVED)
            self._removed = []
        self.journal.commit()

    def _send(self, batch: _Batch) -> None:
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
        self.sent += len(numbers)
        self.pace.spent(len(numbers))

    def _unsend(self, batch: _Batch) -> None:
        """What was to be sent was not: it is still in our hands, and goes back."""
        firsts = [n for n in batch.numbers if n not in self._resent]
        self.journal.move(firsts, State.SENDING, State.LEASED)
        self.held += len(batch.numbers)
        self._fresh -= len(firsts)

    def _remove(self, removals: Mapping[int, int]) -> None:
        for receipt in self.lease.remove(list(removals)):
            if receipt.outcome is Outcome.REMOVED:
                self._removed.append(removals[receipt.tag])
            else:
                self._unsure += 1
                self.why = receipt.why

    def _settle_all(self) -> None:
        """Wait for what is underway, and remove what was confirmed."""
        self._ending = True
        until = clock.now() + min(SETTLING, max(0.0, self._ends - clock.now()))
        while self._underway and clock.now() < until and not self._unsure:
            self._round(_Batch())
        self._round(_Batch())  # what was confirmed by then
        self._unsure += len(self._underway)
        self._write(_Batch())

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
            if receipt.outcome is Outcome.SENT:
                if not self._confirmed:
                    self._confirmed_at = clock.now()
                self._confirmed.append(receipt.tag)
            elif receipt.outcome is Outcome.REMOVED:
                del self._underway[receipt.tag]
                moved.append(n)
            else:
                self._went_wrong(receipt, n)
        if self._confirmed or moved:
            self._refused = 0
        if moved:
            self.journal.move(moved, State.SENDING, State.REMOVED)

    def _went_wrong(self, receipt: Receipt, n: int) -> None:
        del self._underway[receipt.tag]
        self.why = receipt.why
        self.held += 1
        if receipt.outcome is Outcome.REFUSED:
            self._refused += 1
            self.sent, self._fresh = self.sent - 1, self._fresh - 1
            self.journal.end(n, State.SENDING, State.FAILED, receipt.why or "The destination refused it.")
        else:
            self._unsure += 1

    # --- taking --------------------------------------------------------------------------------------------------
    def _batch(self) -> _Batch:
        """The next letters to be sent, journalled as SENDING, as far as pace and room allow."""
        batch = _Batch()
        room = min(BATCH, MOST_UNDERWAY - len(self._underway), self.lease.most_held - self.held - len(self._underway))
        if self.limit is not None and not self._open.unresolved:
            room = min(room, self.limit - self._fresh)
        room = self.pace.allowed(room) if room > 0 else 0
        if room <= 0:
            if not self._underway:
                time.sleep(min(0.05, self.pace.wait()))
            return batch
        taken = self._take(room)
        for one in taken:
            self._sort(one, batch)
        return batch

    def _take(self, room: int) -> Sequence[Taken]:
        if self.lease.random and self.task.named:
            return self._take_named(room)
        if self._bound is not None and not self._open.unresolved:
            room = max(1, min(room, self._bound))
        taken = self.lease.take(room, 0.0 if self._underway else PATIENCE)
        if not taken and not self._underway:
            self._empty = True
        return taken

    def _take_named(self, room: int) -> Sequence[Taken]:
        """The next of those that the journal names, where they can be had by their ids."""
        if self._asked is None:
            self._asked = list(dict.fromkeys([*self._open.sent, *self._open.sending, *self._open.planned]))[::-1]
        ids: dict[str, int] = {}
        while self._asked and sum(ids.values()) < room:
            id = self._asked.pop()
            ids[id] = sum(len(of.get(id, ())) for of in (self._open.sent, self._open.sending, self._open.planned))
        if not ids:
            self._empty = not self._underway
            return []
        return self.lease.take_these(ids)

    def _sort(self, taken: Taken, batch: _Batch) -> None:
        """What is to be done with a letter that was taken: send it, remove it, or hold it until the pass is over."""
        if taken.stamped and self._is_return(taken):
            return
        if self._bound is not None:
            self._bound -= 1
        id, found = taken.id, self._open
        if id in found.sending:  # before those that were sent: it may be an equal one that was not
            self._send_again(taken, _pop(found.sending, id), batch)
        elif id in found.sent:
            self._meet_sent(taken, batch)
        elif id in found.stayed:
            _pop(found.stayed, id)
            self.held += 1
        elif self._at_limit:
            self.held += 1
        elif self.task.named:
            self._meet_named(taken, batch)
        elif (self._bound is not None and self._bound < 0) or not self.task.wants(taken):
            self.held += 1
        else:
            self._meet_new(taken, batch)

    def _is_return(self, taken: Taken) -> bool:
        """A copy of this replay that lies in the queue again: noted, and held."""
        own, _, n = taken.replay_id.partition(".")
        if own != self.task.own:
            return False
        self.returned += self.journal.came_back([int(n)] if n.isdigit() else [])
        self.held += 1
        return True

    def _meet_sent(self, taken: Taken, batch: _Batch) -> None:
        """A copy of such a letter is safe. Is this its original? Then it is removed without being sent again.

        Where ids are fingerprints it may be another letter that is equal in everything, while the original is
        gone already: only the message's own id tells them apart. Else it is sent, and named as possibly duplicated.
        """
        n = _pop(self._open.sent, taken.id)
        if self.lease.own_ids or has_own_id(taken):
            batch.removals[taken.tag] = n
            return
        self.journal.move([n], State.SENT, State.SENDING)
        self._send_again(taken, n, batch)

    def _send_again(self, taken: Taken, n: int, batch: _Batch) -> None:
        if not self.lease.atomic:
            self.journal.again(n)
        self._resent.add(n)
        self._parcel(taken, n, batch)

    def _meet_named(self, taken: Taken, batch: _Batch) -> None:
        if taken.id not in self._open.planned:
            self.held += 1
            return
        n = _pop(self._open.planned, taken.id)
        why = self._left_out(taken)
        if why:
            self.held += 1
            self.journal.end(n, State.PLANNED, State.SKIPPED, why)
            return
        self.journal.move([n], State.PLANNED, State.SENDING)
        self._fresh += 1
        self._parcel(taken, n, batch)

    def _meet_new(self, taken: Taken, batch: _Batch) -> None:
        """A letter that no journal names; or one that was to be sent, and was given back before it was."""
        why, to = self._left_out(taken), self._destination(taken)
        state = State.SKIPPED if why else State.SENDING
        if taken.id in self._open.planned:
            n = _pop(self._open.planned, taken.id)
            if why:
                self.journal.end(n, State.PLANNED, state, why)
            else:
                self.journal.move([n], State.PLANNED, state)
        else:
            n = self.journal.add(taken.id, state, taken.size, (not why and self._named_to) or words_of(to), why)
        if why:
            self.held += 1
            return
        self._fresh += 1
        self._parcel(taken, n, batch)

    def _left_out(self, taken: Taken) -> str:
        """Why a letter that was chosen is not sent, a sentence; "" = it is."""
        if self.task.guard and taken.stamped and taken.replayed >= self.task.guard:
            return f"It was replayed {taken.replayed} times before."
        if self._destination(taken) is None:
            return "It does not tell in which queue it died; say where it is to go."
        return ""

    def _destination(self, taken: Taken) -> Destination | None:
        if self.task.to is not None:
            return self.task.to
        origin = taken.origin
        return Destination(origin) if origin else self.task.fallback

    def _parcel(self, taken: Taken, n: int, batch: _Batch) -> None:
        task, to = self.task, self._destination(taken)
        assert to is not None, "left out before"
        stamp = Stamp(f"{task.own}.{n}", task.at, task.by) if task.stamps else None
        batch.parcels.append(Parcel(taken.tag, to, stamp, task.body, task.headers, task.options))
        batch.numbers.append(n)


def _pop(of: dict[str, list[int]], id: str) -> int:
    """The oldest of an id; the id goes with its last."""
    numbers = of[id]
    n = numbers.pop(0)
    if not numbers:
        del of[id]
    return n
