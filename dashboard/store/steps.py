"""Down-sampling: samples of several queues onto one time axis of equal, round steps. Pure numpy."""

from __future__ import annotations

import math

import numpy as np

from collectors.protocol import Quality

from ..ticks import Bytes, Floats, Ints
from .base import Aggregate

#: Lengths of a step in seconds; beyond the last, whole days.
NICE_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21600, 43200, 86400)
DAY = 86400

#: A step may be this much shorter than the usual interval: polls jitter, and the empty step in between is bridged.
SLACK = 0.9
#: Two ticks further apart than this many usual intervals have a gap between them.
GAP = 1.5


def usual_interval(times: Floats) -> float:
    """The median distance of a broker's ticks in seconds (times ascending); 0 with fewer than two."""
    return float(np.median(np.diff(times))) if len(times) > 1 else 0.0


def step_for(start: float, end: float, points: int, interval: float) -> float:
    """The smallest round step that is not finer than the interval and needs at most `points` steps."""
    for step in NICE_STEPS:
        if step >= interval * SLACK and _count(start, end, step) <= points:
            return float(step)
    days = max(1, math.ceil((end - start) / max(points, 1) / DAY), math.ceil(interval * SLACK / DAY))
    while _count(start, end, days * DAY) > max(points, 2):  # a span of any length may touch two aligned steps
        days += 1
    return float(days * DAY)


def _count(start: float, end: float, step: float) -> int:
    return math.ceil(end / step) - math.floor(start / step)


def axis(start: float, end: float, step: float) -> Floats:
    """Starts of the steps that cover start <= t < end, at multiples of the step."""
    first = math.floor(start / step)
    return (first + np.arange(_count(start, end, step), dtype=np.float64)) * step


class Steps:
    """Puts samples into the steps of one axis, for `rows` queues at a time."""

    def __init__(self, times: Floats, step: float, rows: int) -> None:
        self.times, self.step, self.shape = times, step, (rows, len(times))

    def of(self, at: Floats) -> Ints:
        """The number of the step in which each time lies."""
        number = np.floor(at / self.step) - np.round(self.times[0] / self.step)
        steps: Ints = np.clip(number, 0, self.shape[1] - 1).astype(np.int64)
        return steps

    def fold(
        self,
        row: Ints,
        at: Floats,
        values: Floats,
        quality: Bytes,
        how: Aggregate,
        weight: Floats | None = None,
    ) -> tuple[Floats, Bytes]:
        """Samples (queue row, time, value, quality code; times ascending within a row) as values and qualities by step.

        Unknown samples are left out; a step without a known one is NaN and UNKNOWN. For an average a value may be
        the sum of as many samples as its weight says.
        """
        out = np.full(self.shape, np.nan)
        worst = np.full(self.shape, int(Quality.UNKNOWN), np.uint8)
        known = ~np.isnan(values)
        cell = row[known] * self.shape[1] + self.of(at[known])
        if not len(cell):
            return out, worst
        order = np.argsort(cell, kind="stable")
        cell, sorted_values = cell[order], values[known][order]
        first = np.flatnonzero(np.diff(cell, prepend=-1))
        if how == "avg" and weight is not None:
            total = np.add.reduceat(sorted_values, first)
            out.flat[cell[first]] = total / np.add.reduceat(weight[known][order], first)
        else:
            out.flat[cell[first]] = _aggregate(sorted_values, first, how)
        worst.flat[cell[first]] = np.maximum.reduceat(quality[known][order], first)
        return out, worst

    def bridge(self, rows: Ints, ticks: Floats, apart: Floats, values: Floats, quality: Bytes) -> None:
        """Fill, in place, steps that are empty only because polls fall a little unevenly into them.

        `rows` are the queues of one broker, `ticks` its times, ascending. Where two ticks lie in the steps before
        and behind an empty one, and are not further apart than `apart` says for them (a poll is missing then), the
        earlier goes on.
        """
        number = self.of(ticks)
        near = np.diff(ticks) <= np.maximum(apart[:-1], apart[1:])
        for step in number[np.flatnonzero((np.diff(number) == 2) & near)]:
            values[rows, step + 1] = values[rows, step]
            quality[rows, step + 1] = quality[rows, step]


def _aggregate(values: Floats, first: Ints, how: Aggregate) -> Floats:
    """One number per group; groups are runs that begin at `first`."""
    if how == "min":
        return np.minimum.reduceat(values, first)
    if how == "max":
        return np.maximum.reduceat(values, first)
    last = np.append(first[1:], len(values))
    if how == "last":
        newest: Floats = values[last - 1]
        return newest
    if how == "avg":
        return np.add.reduceat(values, first) / (last - first)
    raise ValueError(f"There is no aggregate '{how}'; use avg, min, max or last.")
