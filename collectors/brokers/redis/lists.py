"""Lists: their length is exact, everything else about them is found out (see `ends`).

A dialect's queue may be several lists and sorted sets; a list of no dialect is a queue by itself.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from ...dialects.layout import Ledger, Place
from ...protocol import NO_QUALITY, LagMethod, Quality, Sample
from . import names
from .ends import FARTHEST, REMEMBERED, Ends
from .failures import Silent, has_gone, not_allowed_key, refused
from .groups import whole
from .inventory import Inventory
from .powers import Powers, understood
from .wire import AnyWire, pack

#: Bytes of elements that one poll fetches at most, to look at the ends of lists.
LOOKS_BYTES = 8_000_000
#: Elements that are searched in one poll, shared out over the lists; the least and the most that are searched of a
#: quiet list, and the least that may be searched of a busy one.
SEARCHED, QUIET_LEAST, QUIET_MOST, BUSY_LEAST = 200_000, 64, 1000, 1000
#: Messages in flight, and their bytes, up to which they are told by queue.
MOST_IN_FLIGHT, IN_FLIGHT_BYTES = 2000, 4_000_000

BY_SEARCH = {"in_rate": Quality.ESTIMATED, "out_rate": Quality.ESTIMATED}


class Lists:
    """Measures places, and remembers the ends of their lists."""

    def __init__(self) -> None:
        self._ends: dict[bytes, Ends] = {}
        self._counts: dict[bytes, int] = {}
        self._in_flight: dict[bytes, int] = {}
        self._in_flight_before: dict[bytes, int] = {}
        self._at: float | None = None
        self.untold = 0  #: messages in flight that could not be told by queue
        self.unlooked = 0  #: lists whose ends were not looked at, to keep within LOOKS_BYTES

    def read(
        self,
        wire: AnyWire,
        powers: Powers,
        inventory: Inventory,
        places: Sequence[Place],
        ledgers: Sequence[Ledger],
        at: float,
        now: float,
        watched: Collection[str] = (),
    ) -> list[tuple[Place, Sample]]:
        """One sample per place. `at` is monotonic, `now` the server's time; `watched` places are looked at first."""
        seconds = at - self._at if self._at is not None else None
        self._at = None  # should this be broken off, the next reading has no interval
        ends = self._prepared(places, watched)
        self._count(wire, powers, inventory, ends, at)
        self._count_sets(wire, powers, places)
        self._count_in_flight(wire, powers, ledgers)
        self._look(wire, powers, ends)
        samples = []
        for place in places:
            sample = self._sample(place, seconds, now)
            if sample is not None:
                samples.append((place, sample))
        self._at = at
        return samples

    def _prepared(self, places: Sequence[Place], watched: Collection[str]) -> list[Ends]:
        """The lists of all places, those that somebody looks at first; what is no longer asked for is forgotten."""
        first: list[Ends] = []
        rest: list[Ends] = []
        kept: dict[bytes, Ends] = {}
        for place in places:
            row = first if watched and names.identity(place.key) in watched else rest
            for key in place.lists:
                ends = self._ends.get(key) or Ends(key, fixed=place.dialect is not None)
                kept[key] = ends
                row.append(ends)
        self._ends = kept
        return first + rest

    def _count(self, wire: AnyWire, powers: Powers, inventory: Inventory, lists: Sequence[Ends], at: float) -> None:
        for ends, reply in zip(lists, wire.ask([ends.count for ends in lists]), strict=True):
            if powers.note("LLEN", reply, ends.key):
                ends.counted(reply)
                if reply:
                    inventory.lists[ends.key] = at
                continue
            ends.counted(None)
            if has_gone(reply):  # it holds another type by now
                inventory.drop(ends.key)
            elif not isinstance(reply, Silent) and not not_allowed_key(reply):
                raise refused(reply, wire.url, "LLEN", "+llen")

    def _count_sets(self, wire: AnyWire, powers: Powers, places: Iterable[Place]) -> None:
        keys = [key for place in places for key in place.sets]
        replies = wire.ask([pack(b"ZCARD", key) for key in keys])
        self._counts = {k: n for k, n in zip(keys, replies, strict=True) if powers.note("ZCARD", n, k)}

    def _count_in_flight(self, wire: AnyWire, powers: Powers, ledgers: Sequence[Ledger]) -> None:
        """How many messages of each place are in flight; a ledger too large to be read tells only its total."""
        self._in_flight_before, self._in_flight = self._in_flight, {}
        self.untold = 0
        sizes = wire.ask([pack(b"HLEN", ledger.key) for ledger in ledgers])
        for ledger, size in zip(ledgers, sizes, strict=True):
            if not powers.note("HLEN", size, ledger.key):
                continue
            if size == 0 or len(ledger.places) == 1:
                self._in_flight |= dict.fromkeys(ledger.places, size)
            elif size > MOST_IN_FLIGHT or self._too_large(wire, ledger.key):
                self.untold += size
            else:
                self._tell_by_queue(wire.one("HVALS", ledger.key), powers, ledger, size)

    @staticmethod
    def _too_large(wire: AnyWire, key: bytes) -> bool:
        usage = wire.one("MEMORY", "USAGE", key)
        return isinstance(usage, int) and usage > IN_FLIGHT_BYTES

    def _tell_by_queue(self, values: Any, powers: Powers, ledger: Ledger, size: int) -> None:
        if not powers.note("HVALS", values, ledger.key):
            self.untold += size
            return
        owners = [ledger.owner(value) for value in values]
        self.untold += owners.count(None)
        if None in owners:  # whose they are is open, so no queue's number would be right
            return
        self._in_flight |= dict.fromkeys(ledger.places, 0)
        for owner in owners:
            if owner is not None:
                self._in_flight[owner] = self._in_flight.get(owner, 0) + 1

    def _look(self, wire: AnyWire, powers: Powers, lists: Sequence[Ends]) -> None:
        """The ends of the lists that hold something, as far as LOOKS_BYTES reach."""
        self._estimate_sizes(wire, powers, [ends for ends in lists if ends.wanted and ends.size is None])
        asked: list[tuple[Ends, int]] = []
        commands: list[bytes] = []
        spent, self.unlooked = 0.0, 0
        share = SEARCHED // max(1, sum(ends.wanted for ends in lists))
        nearest = max(QUIET_LEAST, min(QUIET_MOST, share))
        farthest = max(BUSY_LEAST, min(FARTHEST, share)) if "LPOS" in powers else 0
        for ends in lists:
            size = ends.size or 0.0
            if not ends.wanted or "LINDEX" not in powers or spent + 2 * size > LOOKS_BYTES:
                self.unlooked += ends.wanted
                ends.skipped()
                continue
            spent += (2 + (size <= REMEMBERED)) * size
            questions = ends.questions(nearest, farthest)
            asked.append((ends, len(questions)))
            commands += questions
        replies, position = wire.ask(commands), 0
        for ends, count in asked:
            mine = replies[position : position + count]
            position += count
            if count == 3 and powers.note("LPOS", mine[0], ends.key):
                with understood(wire.url, "LPOS"):
                    mine[0] = [whole(position) for position in mine[0] or ()]
            powers.note("LINDEX", mine[-1], ends.key)
            ends.answered(mine)

    @staticmethod
    def _estimate_sizes(wire: AnyWire, powers: Powers, lists: Sequence[Ends]) -> None:
        """About how large an element is, before the first is fetched."""
        for ends, usage in zip(lists, wire.ask([ends.usage for ends in lists]), strict=True):
            if powers.note("MEMORY USAGE", usage, ends.key) and usage and ends.depth:
                ends.size = usage / ends.depth

    def _sample(self, place: Place, seconds: float | None, now: float) -> Sample | None:
        """The sample of a place; None when a part of it could not be counted, or it is hidden and empty."""
        lists = [self._ends[key] for key in place.lists]
        depths = [ends.depth for ends in lists]
        counts = [self._counts.get(key) for key in place.sets]
        if None in depths or None in counts:
            return None
        depth, counted = sum(d or 0 for d in depths), sum(c or 0 for c in counts)
        if place.hidden and not depth:
            return None
        sample = Sample(names.identity(place.key), names.text(place.name), place.kind, place.dialect)
        sample.depth = depth if place.lists or place.counts_as == "depth" else None
        if place.sets:
            setattr(sample, place.counts_as, counted + (depth if place.counts_as == "depth" else 0))
        else:
            sample.head = next((ends.head for ends in lists if ends.depth), "")
        sample.in_flight = self._in_flight.get(place.key)
        if seconds:
            self._flow(sample, place, lists, seconds)
        self._age(sample, place, lists, now)
        return sample

    def _flow(self, sample: Sample, place: Place, lists: Sequence[Ends], seconds: float) -> None:
        """Net change, and arrivals and completions where the search told them."""
        if not lists or any(ends.before is None for ends in lists):
            return
        change = sum((ends.depth or 0) - (ends.before or 0) for ends in lists)
        sample.net_rate = change / seconds
        arrivals = [ends.arrivals for ends in lists]
        if None in arrivals or not any(ends.used for ends in lists):
            return
        arrived = sum(a or 0 for a in arrivals)
        held_before = self._in_flight_before.get(place.key)
        if sample.in_flight is not None and held_before is not None:
            change += int(sample.in_flight) - held_before
        completed = arrived - change
        if completed < -max(2, arrived // 10):  # more is there than arrived: an element must have been equal to another
            return
        sample.in_rate, sample.out_rate = arrived / seconds, max(0, completed) / seconds
        sample.quality = BY_SEARCH

    @staticmethod
    def _age(sample: Sample, place: Place, lists: Sequence[Ends], now: float) -> None:
        """The age of the oldest message, where messages carry the time at which they were sent."""
        sample.quality = sample.quality or NO_QUALITY
        if place.sent_at is None:
            return
        if sample.depth == 0:
            sample.lag_seconds, sample.lag_method = 0.0, LagMethod.MESSAGE_TIME
            return
        oldest = [ends.oldest for ends in lists if ends.depth]
        times = [place.sent_at(element) for element in oldest if element is not None]
        known = [t for t in times if t is not None]
        if known and len(known) == len(oldest):
            sample.lag_seconds, sample.lag_method = max(0.0, now - min(known)), LagMethod.MESSAGE_TIME
