"""Everything that is known now, over all brokers, as one table.

A `Fleet` takes each tick once; `snapshot()` is an immutable table over every queue that filters,
sorting, frames, the API and /metrics read. Of a broker that is silent the last values stay,
marked stale, in state unknown.
"""

from __future__ import annotations

import time
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from threading import RLock

import numpy as np
from numpy.typing import NDArray

from .directory import Directory
from .models import Broker
from .snapshot import Part, Snapshot
from .ticks import CLOCK_WENT_BACK, Floats, Ints, Ring, Tick, aligned

#: Half an hour of depth per queue, one value per half minute.
SPARK_STEP, SPARK_POINTS = 30.0, 60
_FULL_TICKS = 20  # enough for the slope behind "clears in"


@dataclass(slots=True)
class _Rows:
    """The newest known row of each queue of a broker, from one complete tick or several incomplete ones."""

    tick: Tick
    sampled_at: Floats
    absent: NDArray[np.bool_]  # not in the newest tick


@dataclass(slots=True)
class Sparks:
    """Depth in slots of SPARK_STEP seconds for the queues of a broker; one value per slot, the newest wins."""

    ids: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    slots: list[int] = field(default_factory=list)
    columns: list[Floats] = field(default_factory=list)

    def add(self, tick: Tick) -> None:
        slot = int(tick.at // SPARK_STEP)
        ids = tick.ids if tick.complete else np.union1d(self.ids, tick.ids)  # what a partial answer lacks is not gone
        if not np.array_equal(self.ids, ids):
            self.columns = [aligned(column, self.ids, ids) for column in self.columns]
            self.ids = ids
        depth = aligned(tick.column("depth"), tick.ids, ids)
        if self.slots and self.slots[-1] == slot:
            self.columns[-1] = np.where(np.isnan(depth), self.columns[-1], depth)
        else:
            self.slots.append(slot)
            self.columns.append(depth)
        while self.slots and self.slots[0] <= slot - SPARK_POINTS:
            self.slots.pop(0)
            self.columns.pop(0)

    def of(self, ids: Ints, last_slot: int) -> Floats:
        """Depth of some queues in the SPARK_POINTS slots up to `last_slot`, NaN where unknown, shape (len(ids), 60)."""
        out = np.full((len(ids), SPARK_POINTS), np.nan)
        for slot, column in zip(self.slots, self.columns, strict=True):
            at = slot - last_slot + SPARK_POINTS - 1
            if 0 <= at < SPARK_POINTS:
                out[:, at] = aligned(column, self.ids, ids)
        return out


class Fleet:
    """The newest ticks of all brokers. Safe to call from several threads."""

    def __init__(self) -> None:
        self._lock = RLock()
        self._directory = Directory()
        self._rows: dict[int, _Rows] = {}
        self._rings: dict[int, Ring] = {}
        self._sparks: dict[int, Sparks] = {}
        self._changed = 0
        self._troubles: dict[int, str] = {}
        self._brokers: tuple[float, dict[int, Broker]] = (0.0, {})
        self._snapshot: tuple[tuple, Snapshot] | None = None  # type: ignore[type-arg]

    def accept(self, tick: Tick) -> None:
        """Take in a tick. One that is not newer than the last of its broker is left out, unless the clock went back."""
        with self._lock:
            ring = self._rings.setdefault(tick.broker, Ring(_FULL_TICKS, blocks=0))
            if ring.latest is not None and tick.at <= ring.latest.at:
                if ring.latest.at - tick.at < CLOCK_WENT_BACK:
                    return
                ring = self._rings[tick.broker] = Ring(_FULL_TICKS, blocks=0)
                self._sparks.pop(tick.broker, None)
            ring.push(tick)
            self._sparks.setdefault(tick.broker, Sparks()).add(tick)
            self._rows[tick.broker] = _merge(self._rows.get(tick.broker), tick)
            self._changed += 1

    def forget(self, broker: int) -> None:
        """Leave out a broker that was deleted."""
        with self._lock:
            for held in (self._rows, self._rings, self._sparks):
                held.pop(broker, None)  # type: ignore[attr-defined]
            self._directory.forget(broker)
            self._changed += 1
            self._brokers = (0.0, {})

    def trouble(self, broker: int, sentence: str) -> None:
        """What keeps the collector of a broker from writing down what it hears ("" = nothing any more)."""
        with self._lock:
            self._troubles[broker] = sentence
            self._changed += 1
            self._brokers = (0.0, {})

    def refresh(self) -> None:
        """Read the brokers again at the next question, instead of up to a second later."""
        with self._lock:
            self._brokers = (0.0, {})

    def brokers(self, max_age: float = 1.0) -> dict[int, Broker]:
        """Every broker by id, as the database said at most `max_age` seconds ago."""
        with self._lock:
            asked, brokers = self._brokers
            if time.monotonic() - asked > max_age or not asked:
                brokers = {broker.id: broker for broker in Broker.objects.all()}
                for id in brokers.keys() & self._troubles.keys():
                    if self._troubles[id]:
                        brokers[id].last_error, brokers[id].last_error_answered = self._troubles[id], True
                self._brokers = (time.monotonic(), brokers)
                for gone in self._rows.keys() - brokers.keys():
                    self.forget(gone)
                self._brokers = (time.monotonic(), brokers)
            return brokers

    def snapshot(self, now: float | None = None) -> Snapshot:
        """The table of now; the same object while nothing changed."""
        now = time.time() if now is None else now
        with self._lock:
            brokers = self.brokers()
            states = {id: broker.state(now) for id, broker in brokers.items()}
            versions = {id: _version(broker) for id, broker in brokers.items()}
            key = (self._changed, tuple(states.items()), tuple(versions.items()))
            if self._snapshot is None or self._snapshot[0] != key:
                parts = [part for id in sorted(brokers) for part in self._parts(brokers[id], states[id])]
                self._snapshot = (key, Snapshot.of(parts, now, brokers, states))
            return self._snapshot[1]

    def _parts(self, broker: Broker, state: str) -> Iterator[Part]:
        """The rows of a broker: its queues, and those that are gone."""
        rows = self._rows.get(broker.id)
        inventory = rows.tick.inventory if rows is not None else 0
        known = self._directory.of(broker.id, (inventory, _version(broker)))
        gone = known.gone
        if rows is not None:
            ring = self._rings[broker.id]
            yield Part.of(rows.tick, rows.sampled_at, rows.absent, ring, known.entries, broker, state)
            there = set(rows.tick.ids.tolist()) if gone else set()
            gone = [entry for entry in gone if entry.id not in there]
        if gone:
            yield Part.of_gone(gone, broker, state)

    def sparks(self, ids: Sequence[int], now: float | None = None) -> tuple[float, Floats]:
        """Half an hour of depth: start of the first slot, and values of shape (len(ids), SPARK_POINTS)."""
        last = int((time.time() if now is None else now) // SPARK_STEP)
        wanted = np.asarray(ids, np.int64)
        order = np.argsort(wanted)
        out = np.full((len(wanted), SPARK_POINTS), np.nan)
        with self._lock:
            for sparks in self._sparks.values():
                part = sparks.of(wanted[order], last)
                out[order] = np.where(np.isnan(out[order]), part, out[order])
        return (last - SPARK_POINTS + 1) * SPARK_STEP, out


def _version(broker: Broker) -> Hashable:
    """Rises or changes with everything about a broker's queues that people and files say."""
    return broker.marks, broker.name, broker.safe_url


def _merge(before: _Rows | None, tick: Tick) -> _Rows:
    """The rows after `tick`; queues that an incomplete tick does not show keep their last values."""
    sampled = np.full(len(tick), tick.at) if tick.measured is None else tick.measured
    if tick.complete or before is None:
        return _Rows(tick, sampled, np.zeros(len(tick), bool))
    old = before.tick
    keep = ~np.isin(old.ids, tick.ids)
    if not keep.any():
        return _Rows(tick, sampled, np.zeros(len(tick), bool))
    merged, order = tick.joined(old, keep)
    absent = np.concatenate([np.zeros(len(tick), bool), np.ones(int(keep.sum()), bool)])
    return _Rows(merged, np.concatenate([sampled, before.sampled_at[keep]])[order], absent[order])
