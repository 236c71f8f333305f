"""When a broker is polled next. Pure: every time is seconds of a monotonic clock, given by the caller."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

#: A first poll comes within a quarter of the interval, and never later than this.
FIRST_WITHIN = 1.0
#: Transient failures are tried again after interval · 2^k, at most so many seconds (or the interval, if longer).
TRANSIENT_AT_MOST = 60.0
#: Permanent ones start slower, and end slower.
PERMANENT_AT_LEAST, PERMANENT_AT_MOST = 15.0, 120.0
#: Spread of a back-off, so that many brokers behind one failed network do not come back together.
JITTER = 0.2


@dataclass(slots=True)
class Schedule:
    """The times of one broker's polls: a fixed rate, or a back-off while it fails.

    Polls sit on a grid of `interval` seconds. One that takes longer than the interval overruns: the next
    begins after a short pause, and the grid starts anew there. A poll that begins off the grid (asked for by a
    person, or after the machine slept) moves the grid, so that missed polls are never made up for in a burst.
    """

    interval: float
    due: float
    failures: int = 0  # in a row
    overruns: int = 0  # in all
    began_at: float = 0.0
    _random: random.Random = field(default_factory=random.Random, repr=False)

    @classmethod
    def starting(cls, interval: float, now: float) -> Schedule:
        """The schedule of a new broker; the first poll is due at a random moment soon after `now`."""
        schedule = cls(interval, now)
        schedule.due = now + schedule._random.uniform(0, min(interval / 4, FIRST_WITHIN))
        return schedule

    @property
    def pause(self) -> float:
        """The least seconds between the end of a poll and the begin of the next."""
        return min(self.interval / 10, 1.0)

    def asked(self, now: float) -> None:
        """Somebody wants a poll now."""
        self.due = min(self.due, now)

    def began(self, now: float) -> None:
        """A poll begins."""
        if now - self.due > self.pause:
            self.due = now
        self.began_at = now

    def succeeded(self, now: float) -> bool:
        """The poll brought an answer; whether it took longer than the interval."""
        self.failures = 0
        overrun = now - self.began_at > self.interval
        self.overruns += overrun
        self.due = max(self.due + self.interval, now + self.pause)
        return overrun

    def failed(self, now: float, permanent: bool) -> None:
        """The poll failed."""
        self.due = now + self.back_off(permanent) * self._random.uniform(1 - JITTER, 1 + JITTER)
        self.failures += 1

    def back_off(self, permanent: bool) -> float:
        """Seconds until the next try after as many failures in a row as there were, without jitter."""
        least, most = (PERMANENT_AT_LEAST, PERMANENT_AT_MOST) if permanent else (0.0, TRANSIENT_AT_MOST)
        doubled = max(self.interval, least) * 2.0 ** min(self.failures, 20)
        return max(self.interval, min(doubled, most))
