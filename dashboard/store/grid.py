"""Averages of some queues of one broker in equal steps, as matrices: what looks at weeks of many queues at once.

The same numbers as `range`, without qualities and without bridging steps that polls jitter past: sums and counts are
added up straight into their places, seal after seal, with no sorting in between.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..ticks import ROW, Floats, Ints
from . import chunks, gathering, rollups
from .base import Grid, StoreError
from .levels import LEVELS, RAW, Level, Seal
from .making import say_damaged
from .planning import plan, seals_of, times_in
from .steps import axis

log = logging.getLogger("weir.store")


def read(
    reader: sqlite3.Connection, broker: int, queues: Sequence[int], metrics: Sequence[str], start: float, end: float,
    step: int,
) -> Grid:  # fmt: skip
    """`Store.grid`."""
    seals = seals_of(reader, broker, start, end)
    level = next(one for one in LEVELS if one.step == step)
    chosen = plan(reader, seals, start, end, level)
    coarsest = max((seal.level for seal, _ in chosen.seals), key=lambda one: one.number, default=level)
    if coarsest.number > level.number:  # the finer ones are gone from somewhere: all of it in coarse steps
        level, chosen = coarsest, plan(reader, seals, start, end, coarsest)
    sums = _Sums(level, queues, metrics, axis(start, end, level.step))
    for seal, hours in chosen.seals:
        try:
            sums.add_seal(reader, seal, *times_in(reader, seal, hours, start, end))
        except StoreError as error:
            log.warning("The seal that begins at %d is left out: %s", seal.start, error)
    for part in gathering.hot(reader, broker, sums.queues, metrics, start, end):
        sums.add_part(part)
    return sums.grid()


@dataclass
class _Sums:
    """Sums and counts by metric, queue and step."""

    level: Level
    asked: Sequence[int]
    metrics: Sequence[str]
    times: Floats

    def __post_init__(self) -> None:
        self.queues = sorted({int(queue) for queue in self.asked})
        self._place = {queue: i for i, queue in enumerate(self.queues)}
        self._rows = [ROW[metric] for metric in self.metrics]
        shape = (len(self.metrics), len(self.queues), len(self.times))
        self.sum, self.count = np.zeros(shape), np.zeros(shape)

    def _columns(self, at: Floats) -> Ints:
        """The place of each time on the axis."""
        found: Ints = (np.floor(at / self.level.step) - round(self.times[0] / self.level.step)).astype(np.int64)
        return found

    def add_seal(self, reader: sqlite3.Connection, seal: Seal, times: Floats, places: Ints) -> None:
        if not len(places):
            return
        columns = self._columns(times[places])
        first = np.flatnonzero(np.diff(columns, prepend=-1))  # one step may have several times
        steps = columns[first]
        where: Ints | slice = steps
        if steps[-1] - steps[0] + 1 == len(steps):
            where = slice(int(steps[0]), int(steps[-1]) + 1)
        whole = len(places) == len(times)
        for metric, row, total, count in self._decoded(reader, seal, len(times)):
            if not whole:
                total, count = total[places], count[places]
            if len(first) < len(places):
                total, count = np.add.reduceat(total, first), np.add.reduceat(count, first)
            self.sum[metric, row, where] += total
            self.count[metric, row, where] += count

    def _decoded(
        self, reader: sqlite3.Connection, seal: Seal, length: int
    ) -> Iterator[tuple[int, int, Floats, Floats]]:
        """(metric, queue, sums, counts) by their places; a damaged chunk is a gap, and said in the log."""
        for queue, data in gathering.chunks_of(reader, seal, self.queues):
            try:
                for metric, total, count in (_raw if seal.level is RAW else rollups.sums)(data, self._rows, length):
                    yield metric, self._place[queue], total, count
            except StoreError as error:
                say_damaged(queue, seal, error)

    def add_part(self, part: gathering.Part) -> None:
        """Samples that are hot."""
        columns = self._columns(part.at)
        least = int(columns.min())
        wide = int(columns.max()) - least + 1
        rows = np.searchsorted(self.queues, part.queue)
        cells, size = rows * wide + columns - least, len(self.queues) * wide
        for i, values in enumerate(part.values):
            known = ~np.isnan(values)
            inside = (i, slice(None), slice(least, least + wide))
            shape = (len(self.queues), wide)
            self.sum[inside] += np.bincount(cells[known], values[known], size).reshape(shape)
            self.count[inside] += np.bincount(cells[known], minlength=size).reshape(shape)

    def grid(self) -> Grid:
        place = [self._place[int(queue)] for queue in self.asked]
        some: NDArray[np.bool_] = np.asarray((self.count > 0).any(axis=(0, 1)))
        return Grid(
            self.times[some], self.level.step, {m: self._averages(i, place, some) for i, m in enumerate(self.metrics)}
        )

    def _averages(self, metric: int, place: list[int], some: NDArray[np.bool_]) -> Floats:
        total, count = self.sum[metric], self.count[metric]
        if not count.any():
            return np.full((int(some.sum()), len(place)), np.nan)
        with np.errstate(invalid="ignore", divide="ignore"):
            total /= count
        total = total if place == list(range(len(total))) else total[place]
        return np.ascontiguousarray((total if some.all() else total[:, some]).T)


def _raw(data: bytes, rows: Sequence[int], length: int) -> Iterator[tuple[int, Floats, Floats]]:
    """As `rollups.sums`, of samples."""
    for i, values in enumerate(chunks.decode(data, rows, length)[0]):
        known = ~np.isnan(values)
        if known.any():
            yield i, np.where(known, values, 0.0), known.astype(np.float64)
