"""From counters that only grow to rates per second, without ever making one up.

A series is whatever a broker counts by itself: a stream's name in Redis, a (channel, queue) pair in
RabbitMQ. A counter that went down was reset, one that is seen for the first time says nothing yet, and one
that vanished is forgotten, so that none of the three becomes a negative rate or a jump. Pure: no clock, no network.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Mapping
from typing import Generic, TypeVar

Series = TypeVar("Series", bound=Hashable)
Name = TypeVar("Name", bound=Hashable)


class Counters(Generic[Series]):
    """Remembers the last value of every series, and tells by how much each grew since.

    `born_at_zero`: a series that appears after the first update began at zero since the update before (a
    channel that was opened in between), so its whole value is an increase. Leave it False where a series
    may be absent for another reason, such as a part of the broker that did not answer.
    """

    def __init__(self, *, born_at_zero: bool = False) -> None:
        self._born_at_zero = born_at_zero
        self._at: float | None = None
        self._values: dict[Series, float] = {}
        self.seconds: float | None = None  #: what the last increases cover; None = no interval yet
        self.reset: frozenset[Series] = frozenset()  #: series whose counter went down in the last update

    def update(self, at: float, values: Mapping[Series, float]) -> dict[Series, float]:
        """The increase of each series since the last update; `at` in seconds.

        A series that is new or was reset has no entry. When time did not move on, there are no entries at all.
        """
        before, self._values = self._values, dict(values)
        since, self._at = self._at, at
        self.seconds = at - since if since is not None and at > since else None
        self.reset = frozenset()
        if self.seconds is None:
            return {}
        start = 0.0 if self._born_at_zero else None
        increases: dict[Series, float] = {}
        reset = []
        for series, value in values.items():
            earlier = before.get(series, start)
            if earlier is None:
                continue
            if value >= earlier:
                increases[series] = value - earlier
            else:
                reset.append(series)
        self.reset = frozenset(reset)
        return increases


def per_second(increases: Mapping[Series, float], seconds: float, name: Callable[[Series], Name]) -> dict[Name, float]:
    """Increases of many series as one rate per name, in units per second: their sum over `seconds`."""
    sums: dict[Name, float] = {}
    for series, increase in increases.items():
        key = name(series)
        sums[key] = sums.get(key, 0.0) + increase
    return {key: total / seconds for key, total in sums.items()}


class Balance:
    """Checks counted messages against what the backlog did: in - out must be the change of what is held.

    Counters and backlogs are read at slightly different moments, which makes an error that stays as small as
    `skew` seconds of traffic; arrivals or completions that nobody counted make one that grows. So the missing
    messages are summed over `window` seconds, and a queue is doubted only when the sum has been beyond the
    noise for `patience` updates in a row.
    """

    __slots__ = ("_beyond", "_covered", "_held", "_intervals", "_missing", "_patience", "_skew", "_window")

    def __init__(self, *, skew: float = 10.0, patience: int = 3, window: float = 120.0) -> None:
        self._skew = skew
        self._patience = patience
        self._window = window
        self._held: float | None = None
        self._intervals: deque[tuple[float, float, float]] = deque()  # seconds, missing messages, traffic per second
        self._covered = 0.0
        self._missing = 0.0
        self._beyond = 0

    def update(self, seconds: float, arrived: float, completed: float, held: float) -> float:
        """Messages per second that came (positive) or went (negative) uncounted, 0 while the counts can be trusted.

        `arrived` and `completed` were counted over the last `seconds`; `held` is what the queue holds now,
        waiting and in flight.
        """
        before, self._held = self._held, held
        if before is None or seconds <= 0:
            return 0.0
        change = held - before
        self._remember(seconds, change - (arrived - completed), (max(arrived, completed) + abs(change)) / seconds)
        self._beyond = self._beyond + 1 if self._is_beyond_noise() else 0
        return self._recently() if self._beyond >= self._patience else 0.0

    def _remember(self, seconds: float, missing: float, traffic: float) -> None:
        self._intervals.append((seconds, missing, traffic))
        self._covered += seconds
        self._missing += missing
        while self._covered > self._window and len(self._intervals) > self._patience:
            seconds, missing, _ = self._intervals.popleft()
            self._covered -= seconds
            self._missing -= missing

    def _recently(self) -> float:
        """Uncounted messages per second over the last `skew` seconds, so that it ends soon after they do."""
        covered = missing = 0.0
        for seconds, uncounted, _ in reversed(self._intervals):
            covered += seconds
            missing += uncounted
            if covered >= self._skew:
                break
        return missing / covered

    def _is_beyond_noise(self) -> bool:
        if self._covered < self._skew or abs(self._missing) <= 2.0:
            return False
        fastest = max(traffic for _, _, traffic in self._intervals)
        return abs(self._missing) > fastest * min(self._skew, self._covered / 2) + 2.0
