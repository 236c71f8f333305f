"""Letters of one queue in the hands of a replay.

They are received and hidden for half a minute, then for two at a time while the lease goes on: when the process dies
they come back by themselves, or sooner by their receipt handles. Copies are sent, and originals deleted, on a few
threads; those of one message group of a FIFO queue follow one another, each after the confirmation of the one before.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from uuid import uuid4
from zlib import crc32

from ...errors import BadAnswer, CollectorError, Expired, NotSupported
from ...letters import Outcome, Parcel, Receipt
from . import receiving, renewing
from .attributes import Attributes
from .copying import copy_for
from .message import Received
from .parallel import MOST_THREADS, Job, Lanes, Round
from .places import Places
from .queue import Queue
from .sending import Copy, batches, send

#: Half of the twelve hours for which SQS hides a message at most.
LONGEST = 6 * 3600.0
#: Seconds that letters are hidden, never beyond `until`: at first, so that those of a worker that dies are soon back,
#: and once so many of these are left, for longer. A copy is sent only while a spare one is left.
FIRST, LEFT, LONGER, SPARE = 30.0, 15.0, 120.0, 1.0
#: Letters held, and bytes of them: they are kept in memory, and count towards the 120,000 that a queue hands out.
MOST_HELD, MOST_BYTES = 10_000, 64 << 20
#: Seconds for which one receive waits at most: then SQS asks all of its servers, and hides letters for no longer.
MOST_WAIT = 2
#: Seconds to wait for copies that are on their way when the lease ends.
ENDING = 30.0


class SQSLease:
    """`collectors.letters.Lease`. `most_held` shrinks to what is held when the letters are large."""

    random, own_ids, atomic, keeps = False, True, False, False

    def __init__(self, queue: Queue, a: Attributes, places: Places, seconds: float) -> None:
        self._queue, self._places = queue, places
        self._attributes = a
        self.until = time.time() + min(seconds, LONGEST)
        self.lost_until = 0.0
        self._once = uuid4().hex
        self._held: dict[int, Received] = {}
        self._tags: dict[str, int] = {}  # message id -> tag
        self._bytes = 0
        self._heaviest = MOST_BYTES  # bytes of the largest of the last receives: the first is made alone, to see
        self._last_tag = 0
        self._extend_at = math.inf
        self._lanes, self._next_lane = Lanes(), 0
        self._receipts: SimpleQueue[Receipt | BaseException] = SimpleQueue()
        self._gone: SimpleQueue[Sequence[Receipt] | BaseException] = SimpleQueue()
        self._leaving = 0  # letters that are being deleted, of which nobody was told yet
        self._stuck: dict[tuple[str, str], Outcome] = {}  # FIFO groups in which a copy did not arrive, by queue
        self._closed = False

    @property
    def most_held(self) -> int:
        return MOST_HELD if self._bytes < MOST_BYTES else len(self._held)

    # --- taking --------------------------------------------------------------------------------------------------
    def take(self, most: int, seconds: float = 1.0) -> Sequence[Received]:
        """The next letters, in the order of SQS: of its groups on a FIFO queue, of none on a standard one."""
        self._alive()
        self._extend()
        end = time.monotonic() + seconds
        taken: list[Received] = []
        while (room := min(most - len(taken), self.most_held - len(self._held))) > 0:
            wait = 0 if taken else max(0, min(MOST_WAIT, math.ceil(end - time.monotonic())))
            found = self._receive(room, wait)
            taken += found
            if not found and (taken or time.monotonic() >= end):
                break
        return taken

    def take_these(self, ids: Mapping[str, int]) -> Sequence[Received]:
        raise NotSupported("SQS hands out messages as it likes; none can be taken by its id.")

    def _receive(self, most: int, wait: int) -> list[Received]:
        """Receive on as many threads as that takes; on one where groups have an order."""
        room = (MOST_BYTES - self._bytes) // max(1, self._heaviest)
        calls = 1 if self._queue.fifo else max(1, min(MOST_THREADS, math.ceil(most / receiving.BATCH), room))
        hidden = self._hidden(FIRST, wait)

        def one(share: int) -> receiving.Handed:
            return receiving.receive(self._queue, share, hidden, wait)

        shares = [min(receiving.BATCH, most - n * receiving.BATCH) for n in range(calls)]
        answers = Round(one, lambda: True).run(shares)
        taken: list[Received] = []
        weights = []
        for _, answer in answers:
            if isinstance(answer, CollectorError) or answer.tried_again:
                self._lose_sight(time.time() + hidden)
            if not isinstance(answer, CollectorError):
                kept = self._keep(answer.messages, answer.until)
                weights.append(sum(letter.size for letter in kept))
                taken += kept
        self._heaviest = max(weights, default=0) or self._heaviest
        failure = next((answer for _, answer in answers if isinstance(answer, CollectorError)), None)
        if failure is not None and not taken:
            raise failure
        return taken

    def _keep(self, messages: Sequence[Mapping[str, object]], until: float) -> list[Received]:
        """Hold what was received; a message that is held already has a newer receipt handle by now."""
        fresh = []
        for message in messages:
            known = self._tags.get(str(message["MessageId"]))
            tag = known or self._last_tag + 1
            received = Received.of(tag, message, self._attributes, until)
            self._held[tag] = received
            if known is None:
                self._last_tag, self._tags[received.message_id] = tag, tag
                self._bytes += received.size
                fresh.append(received)
        if messages:
            self._extend_at = min(self._extend_at, until - LEFT)
        return fresh

    # --- sending -------------------------------------------------------------------------------------------------
    def send(self, parcels: Sequence[Parcel]) -> None:
        self._alive()
        self._extend()
        by_queue: dict[str, tuple[Queue, list[Copy]]] = {}
        for parcel in parcels:
            try:
                to = self._places.destination(parcel.to)
                copy = copy_for(self._held[parcel.tag], parcel, to, self._once)
            except CollectorError as error:
                self._receipts.put(Receipt(parcel.tag, Outcome.REFUSED, str(error)))
            else:
                by_queue.setdefault(to.key, (to, []))[1].append(copy)
        for to, copies in by_queue.values():
            if to.fifo:
                self._send_groups(to, copies)
            else:
                for batch in batches(copies):
                    self._next_lane += 1
                    self._lanes.put(self._next_lane, self._guarded(self._batch, to, batch))

    def _send_groups(self, to: Queue, copies: Sequence[Copy]) -> None:
        """In the order of tags, in which SQS handed them out: within a group that is the order of sending.

        A group always goes by the same lane, so that its copies follow one another over several calls too.
        """
        lanes: dict[int, list[Copy]] = {}
        for copy in sorted(copies, key=lambda copy: copy.tag):
            lanes.setdefault(crc32(copy.group.encode()) % MOST_THREADS, []).append(copy)
        for lane, ordered in lanes.items():
            self._lanes.put(lane, self._guarded(self._waves, to, ordered))

    def _waves(self, to: Queue, copies: Sequence[Copy]) -> None:
        """Of every group the first, when those have arrived the second, and so on."""
        groups: dict[str, list[Copy]] = {}
        for copy in copies:
            groups.setdefault(copy.group, []).append(copy)
        while groups and not self._closed:
            wave = []
            for group in list(groups):
                if stuck := self._stuck.get((to.key, group)):
                    for copy in groups.pop(group):
                        self._receipts.put(_behind(copy, stuck))
                    continue
                wave.append(groups[group].pop(0))
                if not groups[group]:
                    del groups[group]
            for batch in batches(wave):
                self._batch(to, batch)

    def _batch(self, to: Queue, batch: Sequence[Copy]) -> None:
        """Send what is still ours, unless the lease is over."""
        now = time.time()
        held = self._held
        ours = [c for c in batch if now < self.until and c.tag in held and held[c.tag].hidden_until > now + SPARE]
        late = {copy.tag for copy in batch} - {copy.tag for copy in ours}
        why = "Not sent: the time for which it was hidden had passed."
        receipts = [Receipt(tag, Outcome.LATE, why) for tag in late] + (send(to, ours) if ours else [])
        if to.fifo:
            group = {copy.tag: copy.group for copy in batch}
            self._stuck |= {(to.key, group[r.tag]): r.outcome for r in receipts if r.outcome is not Outcome.SENT}
        for receipt in receipts:
            self._receipts.put(receipt)

    def _guarded(self, work: Callable[[Queue, Sequence[Copy]], None], to: Queue, copies: Sequence[Copy]) -> Job:
        """As a job for a lane. A fault is raised by `settled`, in the thread that waits there."""

        def job() -> None:
            try:
                work(to, copies)
            except BaseException as fault:
                self._receipts.put(fault)

        return job

    def settled(self, seconds: float = 1.0) -> Sequence[Receipt]:
        self._extend()
        receipts: list[Receipt] = []
        try:
            one = self._receipts.get(timeout=max(0.0, seconds))
            while True:
                if isinstance(one, BaseException):
                    raise one
                receipts.append(one)
                one = self._receipts.get_nowait()
        except Empty:
            return receipts

    # --- the end of a letter -------------------------------------------------------------------------------------
    def remove(self, tags: Sequence[int], wait: bool = True) -> Sequence[Receipt]:
        if tags:
            self._alive()
        self._extend()
        letters = [self._held[tag] for tag in tags]
        if self._queue.fifo:
            receipts = receiving.delete(self._queue, letters)
        else:
            for first in range(0, len(letters), receiving.BATCH):
                self._next_lane += 1
                self._lanes.put(self._next_lane, self._deleting(letters[first : first + receiving.BATCH]))
            self._leaving += len(letters)
            receipts = self._left(wait)
        for receipt in receipts:
            if receipt.outcome is not Outcome.REMOVED:
                self._lose_sight(self._held[receipt.tag].hidden_until)
        self._forget([receipt.tag for receipt in receipts])
        return receipts

    def _deleting(self, letters: Sequence[Received]) -> Job:
        """As a job for a lane. A fault is raised where it is told what is gone."""

        def job() -> None:
            try:
                self._gone.put(receiving.delete(self._queue, letters))
            except BaseException as fault:
                self._gone.put(fault)

        return job

    def _left(self, wait: bool) -> list[Receipt]:
        """What became of letters that were to be deleted; `wait`: of all of them."""
        receipts: list[Receipt] = []
        with suppress(Empty):
            while self._leaving and not self._closed:
                told = self._gone.get(block=wait)
                if isinstance(told, BaseException):
                    raise told
                self._leaving -= len(told)
                receipts += told
        return receipts

    def give_back(self, tags: Sequence[int]) -> None:
        last = max((self._held[tag].hidden_until for tag in tags), default=0.0)
        try:
            self._give_back(tags)
        except CollectorError:  # they come back by themselves
            self._lose_sight(last)

    def _give_back(self, tags: Sequence[int]) -> None:
        letters = [self._held[tag] for tag in sorted(tags)]
        self._forget(tags)
        if self._attributes.redrive is not None:
            letters = self._renewed(letters, self._attributes.redrive.most or 0)
        failed, why = receiving.hide(self._queue, letters, 0)
        if failed:
            raise why or BadAnswer(f"SQS did not take {len(failed)} letters of '{self._queue.short}' back.")

    def _renewed(self, letters: Sequence[Received], most: int) -> list[Received]:
        """Renew what its own queue would move on by the next receives; those that are to be given back."""
        now = time.time()
        due = [one for one in letters if renewing.due(one, most) and one.hidden_until > now]
        _, back, _ = renewing.renew(self._queue, due, most)
        gone = {one.tag for one in due} - {one.tag for one in back}
        return [one for one in letters if one.tag not in gone]

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._lanes.close(ENDING)
            self._give_back(list(self._held))

    def _forget(self, tags: Sequence[int]) -> None:
        for tag in tags:
            letter = self._held.pop(tag)
            del self._tags[letter.message_id]
            self._bytes -= letter.size

    def _lose_sight(self, until: float) -> None:
        self.lost_until = max(self.lost_until, until)

    # --- time ----------------------------------------------------------------------------------------------------
    def _alive(self) -> None:
        if self._closed or time.time() >= self.until:
            raise Expired(f"The lease on '{self._queue.short}' has passed its time; what it held comes back by itself.")

    def _hidden(self, seconds: float, wait: float = 0.0) -> int:
        """For how long from now, so that after `until` all of it is there for others again, whoever died meanwhile."""
        return max(1, math.floor(min(seconds, self.until - time.time() - wait)))

    def _extend(self) -> None:
        """Hide for longer what would come back too soon, as long as the lease goes on."""
        now = time.time()
        if now < self._extend_at or now >= self.until:
            return
        enough = min(now + LEFT + 1.0, self.until - MOST_WAIT - 1.0)
        due = [letter for letter in self._held.values() if now < letter.hidden_until < enough]
        longer = self._hidden(LONGER)
        if receiving.hide(self._queue, due, longer)[0]:
            self._lose_sight(time.time() + longer)  # for so long, if only the answer was lost
        soonest = min((letter.hidden_until for letter in self._held.values()), default=math.inf)
        self._extend_at = max(soonest - LEFT, now + 1.0)


def _behind(copy: Copy, stuck: Outcome) -> Receipt:
    """Of a copy that stands behind one that did not arrive. Where that one is tried again, so is this one, after it."""
    why = "Not sent: a copy before it in its message group did not arrive for certain."
    return Receipt(copy.tag, Outcome.REFUSED if stuck is Outcome.REFUSED else Outcome.LATE, why)
