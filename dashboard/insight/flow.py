"""How long a message waits, and when a queue is empty: Little's law and the net rate, over columns.

Unknown is NaN; never is +inf.
"""

from __future__ import annotations

import numpy as np

from ..ticks import Floats, Ring, Tick
from .history import waiting

#: The window of the net rate in seconds, and its least number of ticks.
WINDOW, LEAST_TICKS = 60.0, 3
#: A net rate counts when it adds up over the window to more than this many messages and this share of the depth.
LEAST, LEAST_SHARE = 2.0, 0.01


def backlog(depth: Floats, in_flight: Floats) -> Floats:
    """Messages not completed yet: waiting and in flight.

    Where in_flight is unknown (lists have none, some brokers keep it to themselves) it is the
    waiting alone. Then Little's law still holds, for the wait until a message is handed out.
    """
    return np.where(np.isnan(in_flight), depth, depth + in_flight)


def wait_seconds(depth: Floats, in_flight: Floats, out_rate: Floats) -> Floats:
    """Expected wait in seconds of a message arriving now, W = L / λ (Little), at today's pace.

    L is the backlog, λ the completions per second. NaN without an out_rate, or when nothing
    waits and nothing flows; inf (never) when messages wait and nothing is completed.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        wait: Floats = backlog(depth, in_flight) / out_rate
    return wait


def net_rate(ring: Ring, tick: Tick) -> tuple[Floats, Floats]:
    """Change of what waits in messages per second over the last minute, and its standard error, for a tick's queues.

    The slope of a straight line through the ring's levels (least squares), which shrugs off the
    unevenness of single polls. NaN with fewer than three known levels. Source of the formula:
    ordinary least squares, variance of the slope = residual variance / sum of squared times.
    """
    times, levels = _levels(ring, tick)
    return straight(times[:, None], levels)


def straight(times: Floats, levels: Floats) -> tuple[Floats, Floats]:
    """Slope of a straight line through each column of levels, shape (t, n), and its standard error."""
    known = ~np.isnan(levels)
    number = np.maximum(known.sum(axis=0), 1)
    level = np.where(known, levels, 0.0)
    t = np.where(known, times, 0.0)
    t = np.where(known, t - t.sum(axis=0) / number, 0.0)
    y = np.where(known, level - level.sum(axis=0) / number, 0.0)
    squares = np.einsum("ij,ij->j", t, t)
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = np.einsum("ij,ij->j", t, y) / squares
        rest = np.maximum(np.einsum("ij,ij->j", y, y) - slope**2 * squares, 0.0)
        error = np.sqrt(rest / np.maximum(number - 2, 1) / squares)
    enough = number >= LEAST_TICKS
    return np.where(enough, slope, np.nan), np.where(enough, error, np.nan)


def clears_in_seconds(ring: Ring, tick: Tick) -> Floats:
    """Seconds until a queue is empty at the net rate of the last minute; inf = never, NaN = unknown, 0 = is empty.

    Where the depth neither rises nor falls beyond its noise, arrivals and completions balance: then
    it is the time until what waits now is through, depth / out_rate; never when nothing is
    completed, NaN without an out_rate.
    """
    return clears(waiting(tick), *net_rate(ring, tick), tick.column("out_rate"))


def clears(wait: Floats, slope: Floats, error: Floats, out_rate: Floats) -> Floats:
    """The same of what waits, its net rate with its standard error, and completions. Any shape."""
    matters = np.abs(slope) * WINDOW > np.maximum(LEAST, LEAST_SHARE * wait)
    clear = matters & (np.abs(slope) > 2 * error)
    with np.errstate(divide="ignore", invalid="ignore"):
        by_slope = np.where(slope < 0, wait / -slope, np.inf)
        by_pace = wait / out_rate
    seconds = np.where(clear, by_slope, by_pace)
    seconds = np.where(np.isnan(slope), np.nan, seconds)
    return np.where(wait == 0, 0.0, seconds)


def clears_throughout(times: Floats, wait: Floats, out_rate: Floats) -> Floats:
    """`clears_in_seconds` at each of many times, shape (t,), of numbers of shape (t, n)."""
    first = np.minimum(np.searchsorted(times, times - WINDOW), np.maximum(np.arange(len(times)) - LEAST_TICKS + 1, 0))
    found, length = np.full(wait.shape, np.nan), np.arange(len(times)) - first + 1
    for size in np.unique(length).tolist():
        rows = np.flatnonzero(length == size)
        at_once = max(1, _AT_ONCE // max(1, size * wait.shape[1]))
        for some in (rows[i : i + at_once] for i in range(0, len(rows), at_once)):
            places = first[some] + np.arange(size)[:, None]
            seconds = np.repeat(times[places] - times[some], wait.shape[1], axis=1)
            slope, error = (one.reshape(len(some), -1) for one in straight(seconds, wait[places].reshape(size, -1)))
            found[some] = clears(wait[some], slope, error, out_rate[some])
    return found


_AT_ONCE = 100_000  # numbers at a time, which the processor's own memory holds


def _levels(ring: Ring, tick: Tick) -> tuple[Floats, Floats]:
    """What waits over the last minute up to a tick: seconds before it, shape (t,), and levels, shape (t, n)."""
    ticks = [old for old in ring if old.at < tick.at]
    recent = [old for old in ticks if old.at >= tick.at - WINDOW]
    recent = recent if len(recent) >= LEAST_TICKS - 1 else ticks[-LEAST_TICKS + 1 :]
    used = Ring(len(recent) + 1, blocks=0)
    for one in [*recent, tick]:
        used.push(one)
    seconds = np.inf
    times, depth = used.window("depth", tick.ids, seconds)
    _, behind = used.window("lag_messages", tick.ids, seconds)
    return times - tick.at, np.where(np.isnan(depth), behind, depth)
