"""What the judging of states looks back on: how each queue changed from tick to tick, as matrices.

Row = one pair of neighbouring ticks, oldest first; column = one queue. Kept in single precision,
which is plenty for changes and halves the memory of 100,000 queues.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from collectors.protocol import Quality

from ..ticks import HEAD_EMPTY, HEAD_UNKNOWN, ROW, Floats, Ints, Tick, aligned

Bools = NDArray[np.bool_]
Singles = NDArray[np.float32]

#: Pairs of ticks that are kept: with a ring of as many ticks, a restart sees the same.
PAIRS = 60
#: A distance this many times the one before, and this many seconds at least, is a gap: what was before it is over.
GAP, GAP_SECONDS = 3.5, 60.0
#: A count that is approximate must fall by more than this share to show that something left.
JITTER = 0.1
_SPARE = 20  # rows written before the newest are moved to the front again


def waiting(tick: Tick) -> Floats:
    """Messages waiting: the depth, or where the broker has none, how far the consumer group is behind."""
    depth = tick.column("depth")
    return np.where(np.isnan(depth), tick.column("lag_messages"), depth)


def present(tick: Tick, ids: Ints) -> Bools:
    """Which of the ids (ascending) were measured by a tick: are in it, and not only carried on."""
    if tick.measured is not None:
        return np.isin(ids, tick.ids[tick.fresh])
    if np.array_equal(tick.ids, ids):
        return np.ones(len(ids), bool)
    return np.isin(ids, tick.ids)


@dataclass(slots=True)
class _Level:
    """One tick over the history's queues."""

    at: float
    waiting: Floats
    in_flight: Floats
    head: Ints


class History:
    """The last pairs of ticks of one broker over the queues `ids`.

    step       change of the backlog (waiting + in flight) where `stepped`, else 0
    moved      something was completed between the two ticks, or left the queue
    told       whether that can be told at all
    waited     messages waited at the later tick, or something moved
    held       the later tick only carried the queue's last values on: such a pair says nothing
    active     something arrived, was completed, or changed
    in_rate, out_rate, redelivery_rate, consumers   NaN = unknown
    seen       ticks since the queue came or the last gap, shape (n,)
    quiet      epoch seconds since which messages wait and nothing moved, shape (n,)
    """

    _MATRICES = (
        "step", "stepped", "moved", "told", "waited", "held", "active", "in_rate", "out_rate", "redelivery_rate",
        "consumers",
    )  # fmt: skip
    _RATES = ("in_rate", "out_rate", "redelivery_rate", "consumers")

    def __init__(self) -> None:
        self.ids: Ints = np.empty(0, np.int64)
        self.seen: Ints = np.empty(0, np.int64)
        self.quiet: Floats = np.empty(0)
        self.size = 0
        self.end = 0
        self.times = np.zeros(PAIRS + _SPARE)
        self._level: _Level | None = None
        self._table = {name: self._blank(name, 0) for name in self._MATRICES}

    def _blank(self, name: str, n: int) -> NDArray:  # type: ignore[type-arg]
        shape = (PAIRS + _SPARE, n)
        if name in self._RATES:
            return np.full(shape, np.nan, np.float32)
        return np.zeros(shape, np.float32 if name == "step" else bool)

    @property
    def at(self) -> Floats:
        """Times of the later tick of each pair, shape (size,)."""
        return self.times[self.end - self.size : self.end]

    @property
    def since(self) -> float:
        """Time of the first tick of the first pair; now when there is no pair."""
        return float(self.times[self.end - self.size - 1]) if self.size else self.newest

    @property
    def newest(self) -> float:
        """Time of the newest tick."""
        return self._level.at if self._level else 0.0

    def last(self, name: str, rows: int) -> NDArray:  # type: ignore[type-arg]
        """The newest rows of a matrix, shape (min(rows, size), n)."""
        return self._table[name][self.end - min(rows, self.size) : self.end]

    def first(self, name: str, rows: int) -> NDArray:  # type: ignore[type-arg]
        """The oldest rows of a matrix, shape (min(rows, size), n)."""
        start = self.end - self.size
        return self._table[name][start : start + min(rows, self.size)]

    def rows_within(self, seconds: float, at_least: int) -> int:
        """How many of the newest pairs lie within the last seconds, or `at_least`, at most what is kept."""
        inside = int((self.at > self.newest - seconds + 1e-3).sum())
        return min(max(inside, at_least), self.size)

    def start_of(self, rows: int) -> float:
        """When the oldest of the newest `rows` pairs began."""
        return float(self.times[self.end - rows - 1]) if rows else self.newest

    def push(self, tick: Tick) -> None:
        """Take in the next tick. Queues that a complete tick lacks are gone."""
        self._follow(tick)
        wait, there = aligned(waiting(tick), tick.ids, self.ids), present(tick, self.ids)
        level = _Level(
            tick.at, wait, aligned(tick.column("in_flight"), tick.ids, self.ids), aligned(tick.head, tick.ids, self.ids)
        )
        before = self._level
        self._level = level
        if before is None:
            self.times[0], self.end = tick.at, 1
            self.seen = there.astype(np.int64)
            self.quiet = np.full(len(self.ids), tick.at)
            return
        if self._is_gap(tick.at):
            self.size = 0
            self.seen[:] = 0
            self.quiet[:] = tick.at
            self._write_time(tick.at)
            self.seen += there
            return
        self._write_time(tick.at)
        self.size = min(self.size + 1, PAIRS)
        self._write_pair(before, level, tick)
        self.seen += there
        moved = self._table["moved"][self.end - 1]
        self.quiet = np.where(moved | (wait == 0) | (self.seen <= 1), tick.at, self.quiet)

    def _is_gap(self, at: float) -> bool:
        if self.size == 0:
            return False
        usual = self.times[self.end - 1] - self.times[self.end - 2]
        return bool(at - self.times[self.end - 1] > max(GAP * usual, GAP_SECONDS))

    def _write_time(self, at: float) -> None:
        """Make room for a row, moving the newest ones to the front when the end is reached."""
        if self.end == len(self.times):
            kept = PAIRS
            self.times[:kept] = self.times[self.end - kept : self.end].copy()
            for matrix in self._table.values():
                matrix[:kept] = matrix[self.end - kept : self.end].copy()
            self.end = kept
            self.size = min(self.size, kept - 1)
        self.times[self.end] = at
        self.end += 1

    def _write_pair(self, before: _Level, level: _Level, tick: Tick) -> None:
        row = {name: matrix[self.end - 1] for name, matrix in self._table.items()}
        for name in self._RATES:
            row[name][:] = aligned(tick.column(name), tick.ids, self.ids)
        row["held"][:] = held = self._held(tick)
        step = level.waiting - before.waiting
        handed = level.in_flight - before.in_flight
        step = np.where(np.isnan(handed), step, step + handed)
        row["stepped"][:] = stepped = ~np.isnan(step)
        row["step"][:] = np.where(stepped, step, 0.0)
        counted = ~np.isnan(row["out_rate"])
        trusted = aligned(tick.quality[ROW["out_rate"]], tick.ids, self.ids) == Quality.EXACT
        headed = (before.head != HEAD_UNKNOWN) & (level.head != HEAD_UNKNOWN)
        rough = aligned(tick.quality[ROW["depth"]], tick.ids, self.ids) == Quality.APPROXIMATE
        fell = stepped & (step < np.where(rough, -JITTER * before.waiting, 0.0))
        passed = headed & (before.head != level.head) & (before.head != HEAD_EMPTY)
        row["moved"][:] = moved = np.where(counted, (row["out_rate"] > 0) | (fell & ~trusted), fell | passed)
        row["told"][:] = counted | headed | fell
        row["waited"][:] = moved | (level.waiting > 0)
        row["active"][:] = moved | (row["in_rate"] > 0) | (row["step"] != 0)
        if held.any():
            for name in ("stepped", "moved", "told", "waited", "active"):
                row[name][held] = False
            for name in self._RATES:
                row[name][held] = np.nan

    def _held(self, tick: Tick) -> Bools:
        if tick.measured is None:
            return np.zeros(len(self.ids), bool)
        return np.isin(self.ids, tick.ids[~tick.fresh])

    def _follow(self, tick: Tick) -> None:
        """Bring all columns in line with the queues of a tick."""
        ids = tick.ids if tick.complete else np.union1d(self.ids, tick.ids)
        if np.array_equal(ids, self.ids):
            return
        have = self.ids
        kept = np.isin(have, ids)
        place = np.searchsorted(ids, have[kept])
        for name, matrix in self._table.items():
            self._table[name] = wider = self._blank(name, len(ids))
            wider[:, place] = matrix[:, kept]
        self.seen = aligned(self.seen, have, ids)
        self.quiet = np.where(np.isin(ids, have), aligned(self.quiet, have, ids), tick.at)
        if self._level is not None:
            level = self._level
            self._level = _Level(
                level.at, *(aligned(c, have, ids) for c in (level.waiting, level.in_flight, level.head))
            )
        self.ids = ids
