"""What is to be done with each letter that a pass has taken: send it, remove it, or hold it until the pass is over.

It is decided by what the journal says of letters with the same id: one that was being sent when a worker died is
sent again, and named; one whose copy is confirmed is removed; what was left out, or was not chosen, is held.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from collectors.letters import STAMPS, Destination, Lease, Parcel, Stamp, Taken

from .journal import Journal
from .marks import Unmarked, contents_of, room_of
from .states import State
from .tasks import Task, has_own_id, words_of

#: For the number of a message that is over already.
OVER = 0


@dataclass(slots=True)
class Batch:
    """What one round sends and removes."""

    parcels: list[Parcel] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    removals: dict[int, int] = field(default_factory=dict)  # tag -> n


class Sorter:
    """Sorts the letters of one pass, and journals what it decides.

    open   messages of the journal that may be met (again) in this pass
    left   how many letters of the snapshot have not been met; None = their number is not known
    fresh  how many were given out to be sent for the first time
    """

    def __init__(self, lease: Lease, journal: Journal, task: Task, limit: int | None = None) -> None:
        self._lease, self._journal, self._task, self._limit = lease, journal, task, limit
        self.open = journal.open_messages()
        self.left = None if task.bound is None else task.bound - journal.counts.removed
        self.fresh = 0
        self._resent: set[int] = set()
        self._unmarked = Unmarked(journal)
        self._repeats = lease.own_ids and not (lease.random or lease.keeps)  # SQS may hand out again what was deleted
        if self._repeats:
            journal.index_ids()
        self._gone: set[str] = set()
        self._named_to = words_of(task.to)
        if task.keeps:  # whose copy is confirmed is over
            for id, numbers in self.open.sent.items():
                self.open.stayed.setdefault(id, []).extend(numbers)
            self.open.sent = {}

    @property
    def at_limit(self) -> bool:
        """Whether as many were given out as this pass is to send."""
        return self._limit is not None and self.fresh >= self._limit

    @property
    def over(self) -> bool:
        """Whether nothing of what is to be met can still lie in the queue."""
        if self.open.unresolved:
            return False
        return (self.left is not None and self.left <= 0) or (self._task.named and not self.open.planned)

    def sort(self, taken: Sequence[Taken]) -> Batch:
        """What is to be sent and removed of these; the rest is to be held."""
        batch = Batch()
        self._gone = self._journal.gone_among([one.id for one in taken]) if self._repeats and taken else self._gone
        for one in taken:
            self._sort(one, batch)
        return batch

    def unsent(self, batch: Batch) -> None:
        """What was given out to be sent was not: it is still in our hands, and goes back."""
        firsts = [n for n in batch.numbers if n not in self._resent]
        self._journal.move(firsts, State.SENDING, State.LEASED)
        self.fresh -= len(firsts)

    def refused(self, n: int) -> None:
        """The destination did not take it: another one may be sent in its place."""
        self.fresh -= not self.resent(n)

    def resent(self, n: int) -> bool:
        """Whether it was sent before, without knowing that it had not arrived."""
        return n in self._resent

    def _sort(self, taken: Taken, batch: Batch) -> None:
        """What is to be done with a letter that was taken: send it, remove it, or hold it until the pass is over."""
        if taken.stamped and self._is_return(taken):
            return
        if taken.id in self._gone:  # over and gone already: handed out once more
            batch.removals[taken.tag] = OVER
            return
        if not taken.room and self._unmarked and self._unmarked.meet(taken.letter()):
            return
        if self.left is not None:
            self.left -= 1
        id, found = taken.id, self.open
        if id in found.sending:  # before those that were sent: it may be an equal one that was not
            self._send_again(taken, _pop(found.sending, id), batch)
        elif id in found.sent:
            self._meet_sent(taken, batch)
        elif id in found.stayed:
            _pop(found.stayed, id)
        elif self.at_limit:
            return
        elif self._task.named:
            self._meet_named(taken, batch)
        elif (self.left is None or self.left >= 0) and self._task.wants(taken):
            self._meet_new(taken, batch)

    def _is_return(self, taken: Taken) -> bool:
        """A copy of this replay that lies in the queue again: noted, and held."""
        own, _, n = taken.replay_id.partition(".")
        if own != self._task.own:
            return False
        self._journal.came_back([int(n)] if n.isdigit() else [])
        return True

    def _meet_sent(self, taken: Taken, batch: Batch) -> None:
        """A copy of such a letter is safe. Is this its original? Then it is removed without being sent again.

        Where ids are fingerprints it may be another letter that is equal in everything, while the original is
        gone already: only the message's own id tells them apart. Else it is sent, and named as possibly duplicated.
        """
        n = _pop(self.open.sent, taken.id)
        if self._lease.own_ids or has_own_id(taken):
            batch.removals[taken.tag] = n
            return
        self._journal.move([n], State.SENT, State.SENDING)
        self._send_again(taken, n, batch)

    def _send_again(self, taken: Taken, n: int, batch: Batch) -> None:
        if not self._lease.atomic or self._task.keeps:
            self._journal.again(n)
        self._resent.add(n)
        self._parcel(taken, n, self._destination(taken), batch)

    def _meet_named(self, taken: Taken, batch: Batch) -> None:
        if taken.id not in self.open.planned:
            return
        n = _pop(self.open.planned, taken.id)
        to = self._destination(taken)
        why = self._left_out(taken, to)
        if why:
            self._journal.end(n, State.PLANNED, State.SKIPPED, why)
            return
        self._journal.move([n], State.PLANNED, State.SENDING)
        self.fresh += 1
        self._parcel(taken, n, to, batch)

    def _meet_new(self, taken: Taken, batch: Batch) -> None:
        """A letter that no journal names; or one that was to be sent, and was given back before it was."""
        to = self._destination(taken)
        why = self._left_out(taken, to)
        state = State.SKIPPED if why else State.SENDING
        if taken.id in self.open.planned:
            n = _pop(self.open.planned, taken.id)
            if why:
                self._journal.end(n, State.PLANNED, state, why)
            else:
                self._journal.move([n], State.PLANNED, state)
        else:
            n = self._journal.add(taken.id, state, taken.size, (not why and self._named_to) or words_of(to), why)
        if why:
            return
        self.fresh += 1
        self._parcel(taken, n, to, batch)

    def _left_out(self, taken: Taken, to: Destination | None) -> str:
        """Why a letter that was chosen is not sent, a sentence; "" = it is."""
        if self._task.guard and taken.stamped and taken.replayed >= self._task.guard:
            return f"It was replayed {taken.replayed} times before."
        if to is None:
            return "It does not tell in which queue it died; say where it is to go."
        return ""

    def _destination(self, taken: Taken) -> Destination | None:
        if self._task.to is not None:
            return self._task.to
        origin = taken.origin
        return Destination(origin) if origin else self._task.fallback

    def _parcel(self, taken: Taken, n: int, to: Destination | None, batch: Batch) -> None:
        task = self._task
        assert to is not None, "left out before"
        stamp = Stamp(f"{task.own}.{n}", task.at, task.by) if task.stamps else None
        if stamp is not None and (marks := room_of(taken, task)) < len(STAMPS):
            self._journal.mark(n, marks, "" if marks else contents_of(taken.letter(), task))
        batch.parcels.append(Parcel(taken.tag, to, stamp, task.body, task.headers, task.options, task.keeps))
        batch.numbers.append(n)


def _pop(of: dict[str, list[int]], id: str) -> int:
    """The oldest of an id; the id goes with its last."""
    numbers = of[id]
    n = numbers.pop(0)
    if not numbers:
        del of[id]
    return n
