"""Whether a backlog rises or falls by more than its noise.

The changes from poll to poll are looked at, not the levels: the depth of a busy queue wanders, and
a straight line through a wandering level finds trends where there are none. Changes that are
independent with a mean of zero exceed Student's t as often as the table below says. Where each change
takes back much of the one before, the level is counted roughly (SQS), and the scatter is less by that.

Several windows are looked at, from a minute to two hours: the longer one is, the slower a trend it tells from
noise, and the later it knows that the trend is over. So a shorter window that contradicts a longer one wins.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ..ticks import BLOCK, BLOCKS, Floats, Ints, Levels, aligned
from .history import GAP, PAIRS, Bools, History, Singles

#: A trend matters when it adds up to more than this many messages, and this share of the backlog.
LEAST, LEAST_SHARE = 5.0, 0.02
#: Shares of the pairs kept that the windows between the shortest and all of them take in.
MIDDLE = (0.25, 0.5)
#: Blocks that the windows beyond the ticks take in.
FAR = (BLOCKS // 3, BLOCKS)
#: Student's t for one chance in 2,000, by the number of changes; fewer than three tell nothing.
_T_AT = (3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 16, 21, 31, 61)
_T = (31.6, 12.92, 8.61, 6.87, 5.96, 5.41, 5.04, 4.78, 4.59, 4.32, 4.07, 3.85, 3.65, 3.46)
_CRITICAL = np.concatenate([np.full(3, np.inf), np.interp(np.arange(3, max(PAIRS, BLOCKS) + 2), _T_AT, _T)])
_STAY = 2.0


@dataclass(slots=True)
class Trend:
    """The changes of a window: how many are known, their sum, the sums of their squares and of each times the next."""

    known: Ints
    sum: Singles
    squares: Singles
    products: Singles
    seconds: float
    start: float

    @classmethod
    def windows(cls, history: History, shortest: int) -> list[Trend]:
        """Windows over the history's pairs: the newest `shortest`, all, and some between that are clearly others."""
        sizes = [round(share * history.size) for share in MIDDLE]
        between = [size for size in sizes if 1.5 * shortest <= size <= history.size / 1.5]
        return [cls.of(history, rows) for rows in dict.fromkeys([shortest, *between, history.size])]

    @classmethod
    def of(cls, history: History, rows: int) -> Trend:
        start = history.start_of(rows)
        step, known = history.last("step", rows), history.last("stepped", rows)
        return cls.of_steps(step, known, history.newest - start, start)

    @classmethod
    def of_steps(cls, step: Singles, known: Bools, seconds: float, start: float) -> Trend:
        return cls(
            known=np.add.reduce(known, axis=0, dtype=np.int64),
            sum=np.add.reduce(step, axis=0),
            squares=np.einsum("ij,ij->j", step, step),
            products=np.einsum("ij,ij->j", step[1:], step[:-1]),
            seconds=seconds,
            start=start,
        )

    def variance(self) -> Floats:
        """Of the sum: the changes' number times their variance about the mean, less what they take back of each other.

        The second is counted only where it is more than chance makes it (one autocovariance, after Newey and West).
        """
        m = np.maximum(self.known, 2)
        mean = self.sum.astype(np.float64) / m
        spread = np.maximum(self.squares.astype(np.float64) - mean**2 * m, 1e-6)
        share = (self.products - mean**2 * (m - 1)) / spread
        back = np.where(share < -2 / np.sqrt(m), 1 + 2 * share, 1.0)
        variance: Floats = spread * m / (m - 1) * np.maximum(back, 1 / np.sqrt(m))
        return variance


class Far:
    """Windows from the levels of a ring up to now, which reach further back than the history's pairs.

    Blocks that are over are added up once; each tick adds only the change since the last of them.
    """

    def __init__(self) -> None:
        self._of: tuple[float, Ints] | None = None
        self._closed: list[Trend] = []
        self._last: Floats = np.empty(0)
        self._last_step: Singles = np.empty(0, np.float32)

    def trends(self, older: Sequence[Levels], history: History, backlog: Floats) -> list[Trend]:
        """As many as reach clearly further back than the history, and than each other. `backlog` is that of now."""
        if not older:
            return []
        if self._of is None or self._of[0] != older[-1].at or self._of[1] is not history.ids:
            self._of = older[-1].at, history.ids
            self._close(_without_gap(older), history.ids)
        trends: list[Trend] = []
        start = history.since
        for closed in self._closed:
            if history.newest - closed.start >= 1.5 * (history.newest - start):
                trends.append(self._up_to(closed, history.newest, backlog))
                start = closed.start
        return trends

    def _close(self, levels: list[Levels], ids: Ints) -> None:
        self._closed = []
        if len(levels) < 3:
            return
        rows = np.vstack([aligned(level.backlog, level.ids, ids) for level in levels])
        steps = np.diff(rows, axis=0).astype(np.float32)
        self._last, self._last_step = rows[-1], np.nan_to_num(steps[-1])
        for blocks in FAR:
            some = steps[-blocks:]
            whole = ~np.isnan(some).any(axis=0)  # a queue that came later is judged by shorter windows
            known = np.broadcast_to(whole, some.shape)
            start = levels[-len(some) - 1].at
            self._closed.append(Trend.of_steps(np.where(whole, some, 0), known, levels[-1].at - start, start))

    def _up_to(self, closed: Trend, at: float, backlog: Floats) -> Trend:
        step = backlog - self._last
        known = ~np.isnan(step) & (closed.known > 0)
        changed: Singles = np.where(known, step, 0.0).astype(np.float32)
        return Trend(
            known=np.where(known, closed.known + 1, 0),
            sum=closed.sum + changed,
            squares=closed.squares + changed * changed,
            products=closed.products + changed * self._last_step,
            seconds=at - closed.start,
            start=closed.start,
        )


def _without_gap(levels: Sequence[Levels]) -> list[Levels]:
    """The newest levels, back to the last time that nothing was known for long."""
    kept = list(levels)
    for i, (old, new) in reversed(list(enumerate(pairwise(kept), start=1))):
        if new.at - old.at > GAP * BLOCK:
            return kept[i:]
    return kept


def trending(backlog: Floats, flow: Floats, windows: Sequence[Trend], was: Bools, sign: int) -> tuple[Bools, Floats]:
    """Whether the backlog rises (sign +1) or falls (-1), and since when. `windows` from the shortest to the longest.

    `flow` is arrivals and completions per second together, NaN = unknown; `was` marks queues
    that have this trend already: they keep it at a lower bar.
    """
    flow = np.nan_to_num(flow)
    trending = np.zeros(len(backlog), bool)
    since = np.full(len(backlog), windows[0].start)
    for place, window in enumerate(windows):
        enters, stays = _beyond_noise(backlog, flow, window, sign)
        may = enters | (was & stays)
        for shorter in windows[:place]:
            if may.any():
                may &= ~_over(flow, window, shorter, sign)
        since = np.where(may & ~trending, window.start, since)
        trending |= may
    return trending, since


def _over(flow: Floats, long: Trend, short: Trend, sign: int) -> Bools:
    """Where the newest changes fall short of what the longer window makes expect, by more than chance does."""
    share = short.seconds / max(long.seconds, 1e-9)
    expected = sign * long.sum.astype(np.float64) * share
    missing = expected - sign * short.sum
    scatter = short.variance()
    scatter = np.where(flow > 0, scatter, np.maximum(scatter, long.variance() * share))  # few changes may look alike
    by_chance = scatter + np.maximum(expected, 0.0) + flow * short.seconds
    over: Bools = (missing > expected / 2) & (missing > 3 * np.sqrt(by_chance)) & (short.known > 0)
    return over


def _beyond_noise(backlog: Floats, flow: Floats, trend: Trend, sign: int) -> tuple[Bools, Bools]:
    """Whether a window's changes add up to more than noise, and whether they would suffice to stay."""
    total = sign * trend.sum.astype(np.float64)
    level = np.fmax(backlog, backlog - trend.sum)
    least = np.maximum(LEAST, LEAST_SHARE * np.where(np.isnan(level), 0.0, level))
    scatter = np.sqrt(trend.variance())
    at_random = 3 * np.sqrt(flow * trend.seconds)
    enters = (total > np.maximum(least, at_random)) & (total > _CRITICAL[trend.known] * scatter)
    stays = (total > least / 2) & (total > _STAY * scatter)
    return enters, stays
