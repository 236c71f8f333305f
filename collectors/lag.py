"""How long messages wait, where the broker does not say: by position in the stream of arrivals, and by Little's law.

Pure: numbers in, numbers out. Times are epoch seconds, totals are cumulative counts of messages.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from math import isfinite

#: Points kept per queue: 16 bytes each. Older ones are thinned out, so that the window stays long.
POINTS = 64


class PositionLag:
    """The lag of one queue from its cumulative count of arrivals.

    The message at position P (P messages of all that ever arrived are done) arrived when the count
    of arrivals passed P. `observe` remembers that count at each poll; `lag` finds the moment by
    linear interpolation, so its error is at most one interval between the points kept there.
    When the ring is full every second point of its older half is dropped: the newest keep the
    resolution of the polls, the oldest reach hours back, and the error stays small against the lag.

    The method is kafka-lag-exporter's (its LookupTable): flat stretches are kept as their two ends.
    """

    __slots__ = ("_limit", "_times", "_totals")

    def __init__(self, points: int = POINTS) -> None:
        if points < 4:
            raise ValueError(f"a ring of {points} points cannot be thinned; 4 is the least")
        self._limit = points
        self._times = array("d")
        self._totals = array("d")

    def __len__(self) -> int:
        return len(self._times)

    def observe(self, at: float, arrived_total: float) -> None:
        """Remember that `arrived_total` messages had arrived by `at`.

        A point that is not newer than the last is ignored; a count that went down is a counter
        that started anew (a restart, a queue made again), and so does the memory.
        """
        times, totals = self._times, self._totals
        if not (isfinite(at) and isfinite(arrived_total)) or (times and at <= times[-1]):
            return
        if totals and arrived_total < totals[-1]:
            del times[:], totals[:]
        if len(totals) >= 2 and totals[-1] == totals[-2] == arrived_total:
            times[-1] = at
            return
        times.append(at)
        totals.append(arrived_total)
        if len(times) > self._limit:
            older = slice(1, len(times) // 2, 2)
            del times[older], totals[older]

    def lag(self, at: float, position: float) -> float | None:
        """Seconds that the oldest message after `position` has waited by `at`; 0 when nothing is after it.

        `position` counts messages on the same scale as `arrived_total`: with a depth at hand it is
        `arrived_total - depth`. None when it cannot be told: fewer than two points, no arrivals seen,
        or a position so old that it lies further before the window than the window is long (up to
        there it is extrapolated at the window's mean rate).
        """
        times, totals = self._times, self._totals
        if len(times) < 2 or not isfinite(position):
            return None
        if position >= totals[-1]:
            return 0.0
        right = bisect_right(totals, position)
        if right == 0:
            return self._before(at, position)
        left = right - 1
        part = (position - totals[left]) / (totals[right] - totals[left])
        return max(0.0, at - (times[left] + part * (times[right] - times[left])))

    def _before(self, at: float, position: float) -> float | None:
        """The lag of a position that was passed before the first point."""
        times, totals = self._times, self._totals
        window, arrived = times[-1] - times[0], totals[-1] - totals[0]
        if not arrived:
            return None
        back = (totals[0] - position) * window / arrived
        return max(0.0, at - times[0] + back) if back <= window else None


def wait_seconds(depth: float | None, in_flight: float | None, out_rate: float | None) -> float | None:
    """Little's law, W = L / λ: the expected seconds until a message that arrives now is completed.

    `depth` and `in_flight` in messages, `out_rate` in completed messages per second. An estimate:
    it holds for a steady queue, and while a queue grows it reads "at today's pace". In-flight
    messages that the broker cannot count are left out. None without a depth, and without completions:
    a queue that completes nothing has no expected wait, not a wait of 0.
    """
    if depth is None or out_rate is None or not out_rate > 0:
        return None
    return (depth + (in_flight or 0.0)) / out_rate
