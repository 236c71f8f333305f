"""Letters of one queue on Redis in the hands of a worker.

Nothing is held in Redis: whatever happens to the worker, the letters lie where they lay. On one server (and in a
cluster where both keys lie in one slot) a letter is moved by a script in one step, and its receipt says REMOVED.
Between slots the copy is added first, and the original removed when that is journalled: its receipt says SENT.

A move in one step is replicated as one, but asynchronously: a fail-over that loses it leaves the letter where it was,
although its receipt said REMOVED; between slots it loses the copy. So after each batch it is waited for a replica
(WAIT) where the server has one, and what none had in time is said in the receipts.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby

from ...errors import Busy, Expired
from ...letters import Outcome, Parcel, Receipt
from . import names
from .items import Item
from .moves import Moves, Pair
from .powers import understood
from .set_shelf import ApartShelf
from .shelves import Page, Shelf
from .target import Unfit, copy_of, target_of
from .wire import AnyWire

#: Bytes of letters that are taken at once, at most; letters that are sent between two looks at the clock.
TAKEN_BYTES, AT_ONCE = 8 << 20, 1024
#: Letters that are held at once, and about their bytes.
MOST, HELD_BYTES = 20_000, 128 << 20


class RedisLease:
    """`collectors.letters.Lease`."""

    random, keeps, lost_until = True, False, 0.0

    def __init__(self, wire: AnyWire, shelf: Shelf, until: float) -> None:
        self._wire, self._shelf, self.until = wire, shelf, until
        self._moves = Moves(wire, shelf, self._steps)
        self.own_ids = not shelf.by_place or isinstance(shelf, ApartShelf)
        self.atomic = self._moves.atomic
        self._held: dict[int, Item] = {}
        self._front: dict[int, int] = {}  # those that were taken in order and lie there, and the hash of each
        self._tags = 0
        self._bytes = 0
        self._left_out = 0
        self._after = ""
        self._receipts: list[Receipt] = []
        self._lagging = 0  # the connection over which was written what no replica had in time
        self._closed = False

    @property
    def most_held(self) -> int:
        """Fewer where letters are large: they are held in memory here."""
        return max(10, min(MOST, HELD_BYTES // max(1, self._bytes // max(1, self._tags))))

    # --- taking --------------------------------------------------------------------------------------------------
    def take(self, most: int, seconds: float = 1.0) -> Sequence[Item]:
        """Those that lie behind what is held. Nobody else is kept from them meanwhile."""
        end = time.monotonic() + seconds
        while True:
            taken = self._next(min(most, self.most_held - len(self._held)))
            if taken or time.monotonic() >= end:
                return taken
            time.sleep(min(0.1, max(0.0, end - time.monotonic())))

    def _next(self, most: int) -> list[Item]:
        taken: list[Item] = []
        size = 0
        while len(taken) < most and size < TAKEN_BYTES:
            room = most - len(taken)
            with understood(self._wire.url, "a look"):
                page = self._behind(room) if self._shelf.by_place else self._shelf.page(self._after, room)
            if not self._shelf.by_place and page.items:
                self._after = page.items[-1].id
            self._left_out += page.left_out
            holds = {item.raw for item in self._held.values()} if not self._shelf.by_place else set()
            for item in page.items:
                if item.raw not in holds:
                    taken.append(self._hold(item))
                    if self._shelf.by_place:
                        self._front[item.tag] = hash(item.raw)
                    size += item.size
            if not page.after and not (page.left_out and page.items):
                break
        return taken

    def _behind(self, most: int) -> Page:
        """The next page by places. Where others took letters that are held here the rest moved up: what moved among
        them is not passed over."""
        place = len(self._front) + self._left_out
        if not self._front or self._left_out or most <= 0:
            return self._shelf.page(f"{place}:", most)
        page = self._shelf.page(f"{place - 1}:", most + 1)
        if not page.items or hash(page.items[0].raw) != next(reversed(self._front.values())):
            return self._moved_up(place, most)
        page.items = page.items[1:]
        return page if page.items or not page.after else self._shelf.page(page.after, most)

    def _moved_up(self, place: int, most: int) -> Page:
        """Read again how far was read: what is not held there is new, what is held and is not there was taken."""
        held: dict[int, list[int]] = {}
        for tag in sorted(self._front, reverse=True):
            held.setdefault(self._front[tag], []).append(tag)
        new: list[Item] = []
        after, seen = "0:", 0
        while seen < place and after:
            page = self._shelf.page(after, place - seen)
            if not page.items:
                break
            for item in page.items:
                if tags := held.get(hash(item.raw)):
                    tags.pop()
                else:
                    new.append(item)
            after, seen = page.after, seen + len(page.items)
        for tag in (tag for tags in held.values() for tag in tags):
            del self._front[tag]
        return Page(new[:most], "0:") if new else self._shelf.page(f"{len(self._front)}:", most)

    def take_these(self, ids: Mapping[str, int]) -> Sequence[Item]:
        """Sought from where the last ones were found, so that ids in the queue's order cost one passage."""
        with understood(self._wire.url, "a look"):
            return [self._hold(item) for item in self._shelf.find(dict(ids), lambda: time.time() >= self.until)]

    def _hold(self, item: Item) -> Item:
        self._tags += 1
        self._bytes += item.size
        item.tag = self._tags
        self._held[item.tag] = item
        return item

    # --- settling ------------------------------------------------------------------------------------------------
    def send(self, parcels: Sequence[Parcel]) -> None:
        """Move, or between slots copy. What it became of is told by `settled`."""
        self._alive()
        begun, before = False, len(self._receipts)
        keys, since = self._keys(self._held[parcel.tag] for parcel in parcels), self._wire.connections
        for _, alike in groupby(parcels, key=lambda parcel: parcel.to):
            all_of = list(alike)
            for start in range(0, len(all_of), AT_ONCE):
                part = all_of[start : start + AT_ONCE]
                if time.time() >= self.until:
                    self._say(part, Outcome.LATE, "The lease passed its time before it was sent.")
                    continue
                try:
                    self._send(part)
                except Busy as error:
                    if not begun:
                        raise
                    self._say(part, Outcome.LATE, str(error))
                begun = True
        self._receipts[before:] = self._replicated(self._receipts[before:], keys, since)

    def _send(self, parcels: Sequence[Parcel]) -> None:
        to = parcels[0].to
        if isinstance(self._shelf, ApartShelf):
            self._note(self._moves.move_apart([(self._held[parcel.tag], parcel) for parcel in parcels], to))
            return
        try:
            with understood(self._wire.url, "what lies under a key"):
                target = target_of(self._wire, to)
        except Unfit as error:
            self._say(parcels, Outcome.REFUSED, str(error))
            return
        copies: list[Pair] = []
        for parcel in parcels:
            item = self._held[parcel.tag]
            try:
                copies.append((item, copy_of(item, parcel, target)))
            except Unfit as error:
                self._say([parcel], Outcome.REFUSED, str(error))
        if copies:
            self._note(self._moves.move(copies, parcels[0].keeps))

    def settled(self, seconds: float = 1.0) -> Sequence[Receipt]:
        """Redis answers at once, so there is nothing to wait for."""
        receipts, self._receipts = self._receipts, []
        return receipts

    def remove(self, tags: Sequence[int], wait: bool = True) -> Sequence[Receipt]:
        """What is gone already is removed, too. Redis answers at once."""
        if not tags:
            return []
        self._alive()
        receipts = [Receipt(tag, Outcome.REMOVED) for tag in tags if tag not in self._held]
        there, since = [self._held[tag] for tag in tags if tag in self._held], self._wire.connections
        receipts += self._replicated(self._moves.remove(there), self._keys(there), since)
        self._let_go(one.tag for one in receipts if one.outcome is Outcome.REMOVED)
        return receipts

    def caught_up(self) -> bool:
        """One server tells that over the connection by which it was written, and over no other."""
        return self._lagging > 0 and not self._wire.replicated((), self._lagging)

    def pass_over(self, tags: Sequence[int]) -> None:
        """Where they lie is remembered, and what they are by a number: others may take them meanwhile."""
        for tag in tags:
            self._held.pop(tag, None)

    def give_back(self, tags: Sequence[int]) -> None:
        """They were never out of the sight of others; from now on they are offered here again."""
        self._let_go(tags)
        self._after, self._left_out = "", 0

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._held.clear()
            self._wire.close()

    # --- small things --------------------------------------------------------------------------------------------
    def _keys(self, items: Iterable[Item]) -> set[bytes]:
        """Under which they lie, where that decides which server is asked."""
        return set() if self.atomic else {item.lies_in or self._shelf.where.key for item in items}

    def _replicated(self, receipts: Sequence[Receipt], keys: set[bytes], since: int) -> Sequence[Receipt]:
        """The same, once a replica has what was removed; what none had in time says so."""
        gone = [one for one in receipts if one.outcome is Outcome.REMOVED]
        if gone and (why := self._wire.replicated(keys, since)):
            self._lagging = self._lagging or since
            for one in gone:
                one.unreplicated, one.why = True, why
        return receipts

    def _steps(self, item: Item) -> int:
        """Over how many elements the server walks from the end of a list to this one."""
        if not item.lies_in:
            return 0
        return len(self._front) // 2 if item.tag in self._front else item.at

    def _note(self, receipts: Sequence[Receipt]) -> None:
        self._receipts += receipts
        self._let_go(one.tag for one in receipts if one.outcome in (Outcome.REMOVED, Outcome.GONE))

    def _let_go(self, tags: Iterable[int]) -> None:
        for tag in tags:
            self._held.pop(tag, None)
            self._front.pop(tag, None)

    def _say(self, parcels: Sequence[Parcel], outcome: Outcome, why: str) -> None:
        self._receipts += [Receipt(parcel.tag, outcome, why) for parcel in parcels]

    def _alive(self) -> None:
        if time.time() >= self.until or self._closed:
            raise Expired(f"The lease on '{names.text(self._shelf.where.key)}' has passed its time.")
