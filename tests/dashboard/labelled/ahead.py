"""Longer courses for forecasts: what goes on, what bends, what repeats, and what breaks off without a sign.

Polled every half minute, as fine as the past is read for a forecast; several hours each, so that there are many
moments to forecast from, and their outcomes.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from math import inf

import numpy as np

from .made import DAY, HOUR, between, day, during, every
from .told import Recipe, Series, told
from .world import Course, World


def _told(name: str, family: str, world: World, seed: int, kind: str = "RabbitMQ", interval: float = 30.0) -> Recipe:
    return told(f"ahead: {name}", family, kind, world, interval=interval, seed=seed, settle=0.0)


def climbing(start: float, base: float, each: float, most: float = inf) -> Course:
    """`base` until `start`, and from then on `each` more in every second."""
    return lambda t: min(most, base + each * max(0.0, t - start))


def uneven_teeth(period: float, seed: int, inside: float, outside: float) -> Course:
    """A third of each period high; the periods differ by a tenth."""
    lengths = np.random.default_rng(seed).normal(period, period / 10, 60)
    starts = np.cumsum(lengths) - lengths
    return lambda t: inside if t - starts[np.searchsorted(starts, t, "right") - 1] < period / 3 else outside


def now_and_then(seed: int, each: float, length: float, hours: float) -> list[tuple[float, float]]:
    """Spans at random: one every `each` seconds on average."""
    random = np.random.default_rng(seed)
    starts = np.cumsum(random.exponential(each, round(2 * hours * HOUR / each) + 4)) + 1800
    return [(float(at), float(at + random.uniform(0.5, 1.5) * length)) for at in starts if at < hours * HOUR]


def goes_on() -> list[Recipe]:
    return [
        _told("twenty a second", "steady", World(18, 4, 10, seconds=3 * HOUR), 1),
        _told("nearly all it can", "steady", World(39, 4, 10, depth=40, seconds=4 * HOUR), 2),
        _told("balanced", "steady", World(40, 4, 10, depth=3000, seconds=4 * HOUR), 3),
        _told("bursts of thirty", "noisy", World(30, 4, 10, unevenness=30, seconds=4 * HOUR), 4),
        _told("bursts of three hundred", "noisy", World(30, 4, 10, unevenness=300, seconds=4 * HOUR), 5),
        _told("a count that jitters", "noisy", World(0, 4, 0, depth=4000, seconds=3 * HOUR), 6, "SQS"),
        _told("one at random in a while", "bursty", World(18, 4, 10, unevenness=6000, seconds=4 * HOUR), 7),
        _told("a leak of a tenth", "leak", World(44, 4, 10, seconds=3 * HOUR), 8),
        _told("a leak of three percent", "leak", World(20, 4, 4.85, seconds=4 * HOUR), 9),
        _told("a leak of a few", "leak", World(0.05, 1, 0.03, seconds=4 * HOUR), 10),
        _told("half as much again", "ramp", World(between(1800, inf, 60, 20), 4, 10, seconds=3 * HOUR), 11),
        _told("twice as much for an hour", "ramp", World(between(1800, 5400, 80, 20), 4, 10, seconds=3 * HOUR), 12),
        _told("a long drain", "drain", World(30, between(1800, 7200, 1, 5), 10, seconds=4 * HOUR), 13),
        _told("a drain that ends", "drain", World(30, between(600, 4200, 1, 6), 10, seconds=2.5 * HOUR), 14),
        _told("a drain of SQS", "drain", World(30, between(600, 4200, 0, 5), 10, seconds=2.5 * HOUR), 15, "SQS"),
    ]


def bends() -> list[Recipe]:
    family = "accelerating ramp"
    return [
        _told("more and more arrives", family, World(climbing(900, 30, 0.1), 4, 10, seconds=2 * HOUR), 21),
        _told("slowly more arrives", family, World(climbing(900, 38, 0.004), 4, 10, seconds=4 * HOUR), 22),
        _told("more and more in bursts", family,
              World(climbing(900, 30, 0.02), 4, 10, unevenness=20, seconds=3 * HOUR), 23),
        _told("consumers get slower", family, World(40, 4, lambda t: 12 * 0.9998**t, seconds=3 * HOUR), 24),
        _told("consumers come one by one", family,
              World(60, lambda t: 4 + t // 600, 10, depth=10_000, seconds=2 * HOUR), 25),
        _told("more arrives until it is enough", family,
              World(climbing(900, 30, 0.02, 80), 4, 10, seconds=3 * HOUR), 26),
        _told("a day beyond capacity", "daily",
              World(day(20, 0.7), 4, 6.5, seconds=1.4 * DAY, step=10), 27, interval=60),
        _told("a day with a peak", "daily", World(day(30, 0.9), 4, 9, seconds=1.4 * DAY, step=10), 28, interval=60),
    ]  # fmt: skip


def repeats() -> list[Recipe]:
    def teeth(minutes: float, seed: int, most: float = 80, least: float = 10) -> Recipe:
        arriving = every(minutes * 60, minutes * 20, most, least)
        name = f"teeth of {minutes:g} minutes" + (" on a leak" if least > 10 else "")
        return _told(name, "sawtooth", World(arriving, 4, 10, seconds=5 * HOUR), seed)

    uneven = World(uneven_teeth(1500, 5, 80, 10), 4, 10, seconds=5 * HOUR)
    gone = [(float(t), float(t + 480)) for t in np.arange(1800, 5 * HOUR, 2400)]
    again = World(20, lambda t: 0 if during(*gone)(t) else 4, 10, seconds=5 * HOUR)
    return [
        teeth(10, 31), teeth(20, 32), teeth(30, 33), teeth(45, 34), teeth(20, 36, 95, 15),
        _told("teeth that are not alike", "sawtooth", uneven, 35),
        _told("a batch every quarter of an hour", "sawtooth", World(every(900, 30, 600, 2), seconds=4 * HOUR), 37),
        _told("a job every hour", "sawtooth", World(every(HOUR, 120, 300, 5), seconds=6 * HOUR), 38),
        _told("consumers go again and again", "sawtooth", again, 43),
    ]  # fmt: skip


def breaks() -> list[Recipe]:
    once, seldom = ((5400.0, 7200.0),), now_and_then(3, 5400, 600, 6)
    gone = ((3000.0, 3900.0), (9000.0, 9900.0))
    poison = World(20, seconds=6 * HOUR, looping=during(*now_and_then(8, 5400, 500, 6)))

    def without(spans: Sequence[tuple[float, float]], seconds: float) -> World:
        return World(20, lambda t: 0 if during(*spans)(t) else 4, seconds=seconds)

    dry = World(lambda t: 0 if during(*gone)(t) else 45, depth=5000, seconds=4 * HOUR)
    return [
        _told("consumers go once", "outage of consumers", without(once, 3 * HOUR), 41),
        _told("consumers go now and then", "outage of consumers", without(seldom, 6 * HOUR), 42),
        _told("producers go", "outage of producers", dry, 44),
        _told("poison now and then", "poison loop", poison, 45),
    ]


@cache
def ahead(shift: int = 0) -> tuple[Series, ...]:
    """All of them; with another `shift` the same causes, and other arrivals by chance."""
    return tuple(recipe(shift=shift) for family in (goes_on, bends, repeats, breaks) for recipe in family())
