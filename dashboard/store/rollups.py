"""Rollups: what became of many samples of a metric in one minute or hour - how many, sum, least, most, last.

From count and sum the average over any longer time comes out right, however the samples are spread. Counts and
whole numbers are kept exactly, and so are decimals of few digits; other values (rates over uneven intervals) keep
the seven digits of a 32-bit float, which no chart can show.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..ticks import Bytes, Floats, Ints
from .base import Aggregate
from .chunks import BITS, NOT_KNOWN, as_floats, as_numbers
from .packing import Packed, pack

#: Rows of a packed table per metric: status, count, least, most and last above least, sum above count times least.
ROWS = 6


@dataclass(slots=True)
class Stats:
    """Counts, sums, least, most, last and worst status, all of one shape whose last axis is time.

    Where nothing was known the count is 0, the status NOT_KNOWN and the numbers are NaN.
    """

    count: Floats
    sum: Floats
    min: Floats
    max: Floats
    last: Floats
    status: Bytes

    @classmethod
    def of(cls, values: Floats, status: Bytes) -> Stats:
        """Samples as the rollups of themselves."""
        known = status != NOT_KNOWN
        values = np.where(known, values, np.nan)
        return cls(known.astype(np.float64), values, values, values, values, status)

    @classmethod
    def nothing(cls, shape: tuple[int, ...]) -> Stats:
        empty = np.full(shape, np.nan)
        return cls(np.zeros(shape), empty, empty, empty, empty, np.full(shape, NOT_KNOWN, np.uint8))

    @classmethod
    def joined(cls, parts: Sequence[Stats]) -> Stats:
        """One after another in time."""
        return cls(*(np.concatenate([getattr(part, name) for part in parts], axis=-1) for name in cls.__slots__))

    @classmethod
    def stacked(cls, queues: Sequence[Stats]) -> Stats:
        """Those of several queues, (metrics, T) each, as (metrics, B, T)."""
        return cls(*(np.stack([getattr(one, name) for one in queues], axis=1) for name in cls.__slots__))

    def take(self, places: Ints | NDArray[np.bool_]) -> Stats:
        """Those of some places in time."""
        return Stats(*(getattr(self, name)[..., places] for name in self.__slots__))

    def folded(self, first: Ints) -> Stats:
        """Coarser ones: groups along time begin at `first`."""
        known = self.count > 0
        count = np.add.reduceat(self.count, first, axis=-1)
        empty = count == 0
        total = np.add.reduceat(np.where(known, self.sum, 0.0), first, axis=-1)
        newest = np.maximum.reduceat(np.where(known, np.arange(known.shape[-1]), -1), first, axis=-1)
        last = np.take_along_axis(self.last, np.maximum(newest, 0), axis=-1)
        worst = np.maximum.reduceat(np.where(known, self.status, 0), first, axis=-1)
        return Stats(
            count,
            np.where(empty, np.nan, total),
            np.fmin.reduceat(self.min, first, axis=-1),
            np.fmax.reduceat(self.max, first, axis=-1),
            np.where(empty, np.nan, last),
            np.where(empty, NOT_KNOWN, worst).astype(np.uint8),
        )

    def values(self, aggregate: Aggregate) -> Floats:
        """What a step of a chart is made from: sums for an average (to be divided by counts), else the numbers."""
        return {"avg": self.sum, "min": self.min, "max": self.max, "last": self.last}[aggregate]


@dataclass(slots=True)
class Piece:
    """What one queue said at some times, ascending.

    `step`: 0 for samples as they came (each a rollup of itself), else the seconds of a rollup.
    `stats`: arrays of shape (len(METRICS), len(times)).
    """

    queue: int
    step: int
    times: Floats
    stats: Stats


def encode(stats: Stats) -> list[bytes]:
    """Rollups of B queues over T times, arrays of shape (metrics, B, T), as one chunk per queue."""
    known = stats.count > 0
    low, high, last, total = (np.where(known, part, 0.0) for part in (stats.min, stats.max, stats.last, stats.sum))
    span = low.shape[-1]
    numbers, tags = as_numbers(np.concatenate([low, high, last], axis=-1))
    with np.errstate(invalid="ignore", over="ignore"):
        sums = total * 10.0 ** np.minimum(tags, 3)[..., None]
        off = np.abs(sums - np.rint(sums)) > 1e-6 * np.maximum(1.0, np.abs(sums) * 1e-6)
        off |= np.abs(sums) > 1 << 53
    loose = (tags == BITS) | off.any(axis=-1)  # a value in between had more digits
    tags[loose] = BITS
    least, most, newest = np.split(numbers, [span, 2 * span], axis=-1)
    extra = np.where(np.isfinite(sums), np.rint(sums), 0).astype(np.int64) - stats.count.astype(np.int64) * least
    for numbers_of, floats in ((least, low), (most, high), (newest, last)):
        numbers_of[loose] = _bits(floats[loose])
    mean = total[loose] / np.maximum(stats.count[loose], 1)
    extra[loose] = _bits(mean) - least[loose]
    rows = np.stack([stats.status, stats.count, least, most - least, newest - least, extra], axis=1)
    present = np.repeat(np.asarray(known.any(axis=-1))[:, None], ROWS, axis=1)
    shape = (-1, *known.shape[1:])
    return pack(
        rows.astype(np.int64).reshape(shape),
        present.reshape(-1, known.shape[1]),
        np.repeat(tags[:, None], ROWS, axis=1).reshape(-1, known.shape[1]),
    )


def decode(data: bytes, metrics: Sequence[int], times: int) -> Stats:
    """Rollups of some metrics (rows of METRICS), shape (len(metrics), times). Raises StoreError when damaged."""
    packed = Packed(data, times)
    stats = Stats(*(part.copy() for part in _parts(Stats.nothing((len(metrics), times)))))
    for i, metric in enumerate(metrics):
        if not packed.has(metric * ROWS):
            continue
        first = metric * ROWS
        status, count, least, above, newest, extra = packed.rows(range(first, first + ROWS))
        tag = packed.tag(first)
        stats.status[i], stats.count[i] = status, count
        for part, numbers in ((stats.min, least), (stats.max, least + above), (stats.last, least + newest)):
            part[i] = _floats(numbers, tag)
        if tag == BITS:
            stats.sum[i] = _floats(least + extra, tag) * count
        else:
            stats.sum[i] = as_floats(extra + count * least, tag)
        for part in (stats.sum, stats.min, stats.max, stats.last):
            part[i, count == 0] = np.nan
    return stats


def sums(data: bytes, metrics: Sequence[int], times: int) -> Iterator[tuple[int, Floats, Floats]]:
    """(place among the metrics, sums, counts) of those that are known at all, both 0 at times when nothing is.

    Raises StoreError.
    """
    packed = Packed(data, times)
    for i, metric in enumerate(metrics):
        first = metric * ROWS
        if not packed.has(first):
            continue
        count, least, extra = packed.row(first + 1), packed.row(first + 2), packed.row(first + 5)
        tag = packed.tag(first)
        if tag == BITS:
            total = np.where(count > 0, _floats(least + extra, tag) * count, 0.0)
        else:
            total = as_floats(extra + count * least, tag)
        yield i, total, count.astype(np.float64)


def _parts(stats: Stats) -> list[NDArray]:  # type: ignore[type-arg]
    return [getattr(stats, name) for name in Stats.__slots__]


def _bits(values: Floats) -> Ints:
    """32-bit floats as whole numbers that keep their order, where they are not negative."""
    return values.astype(np.float32).view(np.int32).astype(np.int64)


def _floats(numbers: Ints, tag: int) -> Floats:
    if tag != BITS:
        return as_floats(numbers, tag)
    return numbers.astype(np.int32).view(np.float32).astype(np.float64)
