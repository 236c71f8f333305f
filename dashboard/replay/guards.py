"""What holds a replay back: how fast it may go, and when it has to stop. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from . import clock

#: The rate at which a ramp begins where no limit is set, and the one beyond which there is none.
RAMP_FROM, RAMP_TO = 100.0, 10_000.0
RAMP_STEP = 3.0  # seconds after which the rate doubles
MOST_STEPS = 60  # of a ramp: one that yielded for an hour doubles beyond all numbers else
AT_ONCE = 0.5  # seconds' worth of messages that may go in one burst
REFUSED_IN_A_ROW = 100


class Pace:
    """How many messages may be sent now: `rate` a second (None = no limit), after a ramp."""

    def __init__(self, rate: float | None, ramp: bool = False, now: Callable[[], float] = clock.now) -> None:
        self.rate, self._now = rate, now
        self._since = now() if ramp else None
        self._left, self._at = 1.0, now()

    @property
    def current(self) -> float | None:
        """The rate of this moment, messages a second; None = no limit."""
        if self._since is None:
            return self.rate
        goal = self.rate if self.rate is not None else RAMP_TO
        steps = min((self._now() - self._since) // RAMP_STEP, MOST_STEPS)
        risen = (RAMP_FROM if self.rate is None else max(1.0, self.rate / 10)) * 2**steps
        if risen >= goal:
            self._since = None
            return self.rate
        return risen

    @property
    def ramping(self) -> bool:
        return self.current != self.rate

    def allowed(self, most: int) -> int:
        """How many may be sent now."""
        rate = self.current
        if rate is None:
            return most
        now = self._now()
        self._left = min(max(1.0, rate * AT_ONCE), self._left + (now - self._at) * rate)
        self._at = now
        return min(most, int(self._left))

    def spent(self, count: int) -> None:
        """So many were sent. Without a limit nothing is owed: one that is set later holds from then on."""
        if self.current is None:
            self._left, self._at = 0.0, self._now()
        else:
            self._left -= count

    def wait(self) -> float:
        """Seconds until the next one may be sent."""
        rate = self.current
        return 0.0 if rate is None else max(0.0, (1.0 - self._left) / rate)


@dataclass(slots=True, frozen=True)
class Limits:
    """Where a replay holds back or stops.

    depth, lag     of a destination: above, the replay yields until it is under four fifths of that; None = no limit
    came_back      per cent of what was sent that may come back before it stops
    watch          seconds to watch for returns after the last one was sent
    trial_wait     seconds to wait after the trial
    """

    depth: float | None = None
    lag: float | None = 60.0
    came_back: float = 10.0
    watch: float = 300.0
    trial_wait: float = 30.0


def too_many_back(came_back: int, sent: int, limits: Limits, trial: bool = False) -> str:
    """Why to stop, a sentence; "" = go on. After a trial any return is one too many."""
    if came_back and trial:
        return f"{came_back} of the trial of {sent} came back."
    if came_back and sent and 100.0 * came_back / sent > limits.came_back and (came_back > 1 or sent >= 10):
        share = 100.0 * came_back / sent
        return f"{came_back} of {sent} came back ({share:.0f} %, more than {limits.came_back:g} %)."
    return ""


def span(seconds: float) -> str:
    """80 s · 34 min · 2 h 5 min"""
    if seconds < 120:
        return f"{seconds:.0f} s"
    hours, minutes = int(seconds // 3600), int(seconds % 3600 // 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def too_full(name: str, depth: float | None, lag: float | None, limits: Limits, yielding: bool = False) -> str:
    """Why to yield, a sentence; "" = go on. What is not known holds nothing back."""
    easing = 0.8 if yielding else 1.0
    if limits.lag is not None and lag is not None and lag > limits.lag * easing:
        return f"{name} waits {span(lag)}; the limit is {limits.lag:g} s."
    if limits.depth is not None and depth is not None and depth > limits.depth * easing:
        return f"{name} holds {depth:,.0f} messages; the limit is {limits.depth:,.0f}."
    return ""
