"""Whether a backlog rises or falls by more than its noise.

The changes from poll to poll are looked at, not the levels: the depth of a busy queue wanders, and
a straight line through a wandering level finds trends where there are none. Changes that are
independent with a mean of zero exceed Student's t as often as the table below says.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..ticks import Floats, Ints
from .history import PAIRS, Bools, History, Singles

#: A trend matters when it adds up to more than this many messages, and this share of the backlog.
LEAST, LEAST_SHARE = 5.0, 0.02
#: Student's t for one chance in 2,000, by the number of changes; fewer than three tell nothing.
_T_AT = (3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 16, 21, 31, 61)
_T = (31.6, 12.92, 8.61, 6.87, 5.96, 5.41, 5.04, 4.78, 4.59, 4.32, 4.07, 3.85, 3.65, 3.46)
_CRITICAL = np.concatenate([np.full(3, np.inf), np.interp(np.arange(3, PAIRS + 1), _T_AT, _T)])
_STAY = 2.0


@dataclass(slots=True)
class Trend:
    """The changes of a window: how many are known, their sum, the sum of their squares, and the window's seconds."""

    known: Ints
    sum: Singles
    squares: Singles
    seconds: float
    start: float

    @classmethod
    def of(cls, history: History, rows: int) -> Trend:
        step = history.last("step", rows)
        start = history.start_of(rows)
        return cls(
            known=np.add.reduce(history.last("stepped", rows), axis=0, dtype=np.int64),
            sum=np.add.reduce(step, axis=0),
            squares=np.einsum("ij,ij->j", step, step),
            seconds=history.newest - start,
            start=start,
        )

    def variance(self) -> Floats:
        """Of the sum, if the changes are independent: their number times their variance about the mean."""
        m = np.maximum(self.known, 2)
        mean_square = self.squares.astype(np.float64) - self.sum.astype(np.float64) ** 2 / m
        variance: Floats = np.maximum(mean_square, 1e-6) * m / (m - 1)
        return variance


def trending(backlog: Floats, flow: Floats, short: Trend, long: Trend, was: Bools, sign: int) -> tuple[Bools, Floats]:
    """Whether the backlog rises (sign +1) or falls (-1), and since when.

    `flow` is arrivals and completions per second together, NaN = unknown; `was` marks queues
    that have this trend already: they keep it at a lower bar.
    """
    fast, fast_stays = _beyond_noise(backlog, flow, short, sign)
    slow, slow_stays = _beyond_noise(backlog, flow, long, sign)
    share = short.seconds / max(long.seconds, 1e-9)
    expected = sign * long.sum * share
    missing = expected - sign * short.sum
    by_chance = short.variance() + np.maximum(expected, 0.0) + np.nan_to_num(flow) * short.seconds
    over = (missing > expected / 2) & (missing > 3 * np.sqrt(by_chance))
    trending = fast | (slow & ~over) | (was & (fast_stays | (slow_stays & ~over)))
    return trending, np.where(fast, short.start, long.start)


def _beyond_noise(backlog: Floats, flow: Floats, trend: Trend, sign: int) -> tuple[Bools, Bools]:
    """Whether a window's changes add up to more than noise, and whether they would suffice to stay."""
    total = sign * trend.sum.astype(np.float64)
    level = np.fmax(backlog, backlog - trend.sum)
    least = np.maximum(LEAST, LEAST_SHARE * np.where(np.isnan(level), 0.0, level))
    scatter = np.sqrt(trend.variance())
    at_random = 3 * np.sqrt(np.nan_to_num(flow) * trend.seconds)
    enters = (total > np.maximum(least, at_random)) & (total > _CRITICAL[trend.known] * scatter)
    stays = (total > least / 2) & (total > _STAY * scatter)
    return enters, stays
