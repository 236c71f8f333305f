"""The net rate of a queue from a few measurements of its depth. Pure."""

from __future__ import annotations

from collections import deque

#: Measurements looked at: those of the last WINDOW seconds, or the newest LEAST; never more than MOST.
WINDOW, LEAST, MOST = 180.0, 4, 24
#: They cover so many seconds at least: counts of SQS jitter from one answer to the next.
COVER = 30.0


class Trend:
    """Remembers when which depth was measured."""

    __slots__ = ("_points",)

    def __init__(self) -> None:
        self._points: deque[tuple[float, float]] = deque(maxlen=MOST)

    def observe(self, at: float, depth: float | None) -> None:
        """`at` in seconds of any clock that only goes forward; an unknown depth ends what was before it."""
        if depth is None:
            self._points.clear()
            return
        self._points.append((at, depth))
        while len(self._points) > LEAST and self._points[0][0] < at - WINDOW:
            self._points.popleft()

    @property
    def net_rate(self) -> float | None:
        """Messages per second by a straight line through the measurements (least squares); None for too few."""
        if len(self._points) < LEAST or self._points[-1][0] - self._points[0][0] < COVER:
            return None
        n = len(self._points)
        mean_t = sum(t for t, _ in self._points) / n
        mean_d = sum(d for _, d in self._points) / n
        squares = sum((t - mean_t) ** 2 for t, _ in self._points)
        return sum((t - mean_t) * (d - mean_d) for t, d in self._points) / squares
