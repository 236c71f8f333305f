"""What one part of the shop's traffic is, and the clock and dice that they share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any, Protocol

from redis.client import Pipeline

#: Something per second, or a number of consumers, as a function of the seconds since the demo began.
Course = Callable[[float], float]


@dataclass(frozen=True, slots=True)
class Moment:
    """One step: seconds since the demo began, seconds since the last step, and epoch seconds."""

    t: float
    dt: float
    now: float
    dice: Random


class Flow(Protocol):
    """One queue, or one stream with its groups: who writes to it and who reads from it."""

    def begin(self, pipe: Pipeline, moment: Moment) -> None:
        """Write what is there when the demo starts."""

    def step(self, pipe: Pipeline, moment: Moment) -> None:
        """Write a quarter of a second of traffic."""

    def learn(self, answers: list[Any]) -> None:
        """Read what the server answered to this flow's last commands."""


class Bucket:
    """Turns a rate into whole numbers per step: a little uneven, exact in the long run."""

    def __init__(self) -> None:
        self.credit = 0.0

    def take(self, rate: float, moment: Moment) -> int:
        self.credit += rate * moment.dt * moment.dice.uniform(0.6, 1.4)
        whole = int(self.credit)
        self.credit -= whole
        return whole


def always(value: float) -> Course:
    """The same all the time."""
    return lambda t: value


def cycle(*parts: tuple[float, float]) -> Course:
    """(seconds, value) pairs, one after another, for ever: `cycle((180, 0), (300, 9))`."""
    length = sum(seconds for seconds, _ in parts)

    def at(t: float) -> float:
        t %= length
        for seconds, value in parts:
            if t < seconds:
                return value
            t -= seconds
        return parts[-1][1]

    return at
