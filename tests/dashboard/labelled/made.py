"""The made part of the labelled set: worlds by family, each as several kinds of broker would tell it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from math import pi, sin

import numpy as np

from dashboard.insight.states import Reason, State

from .told import Fields, Recipe, Series, told
from .world import World

HOUR, DAY = 3600.0, 86400.0


def between(start: float, end: float, inside: float, outside: float) -> Callable[[float], float]:
    """One value from `start` to `end`, and another before and after."""
    return lambda t: inside if start <= t < end else outside


def during(*spans: tuple[float, float]) -> Callable[[float], bool]:
    return lambda t: any(start <= t < end for start, end in spans)


def every(period: float, length: float, inside: float, outside: float) -> Callable[[float], float]:
    """One value at the beginning of each period, and another for the rest of it."""
    return lambda t: inside if t % period < length else outside


def day(mean: float, swing: float) -> Callable[[float], float]:
    """Least at night, most in the afternoon."""
    return lambda t: mean * (1 - swing * sin(2 * pi * (t / DAY + 0.25)))


def at_random(share: float, seed: int) -> Callable[[int, float], bool]:
    """Polls that are missing."""
    dice = np.random.default_rng(seed)
    return lambda i, t: bool(dice.random() < share)


def steady() -> list[Recipe]:
    many = World(18, 4, 10)
    return [
        told("a few a second", "steady", "RabbitMQ", World(0.5, 2, 1)),
        told("twenty a second", "steady", "RabbitMQ", many),
        told("five hundred a second", "steady", "RabbitMQ", World(500, 30, 20), seed=2),
        told("a full house", "steady", "RabbitMQ", World(38, 4, 10, depth=20, seconds=2 * HOUR), seed=3),
        told("polled every 2 s", "steady", "RabbitMQ", World(18, 4, 10), interval=2),
        told("polled every minute", "steady", "RabbitMQ", World(18, 4, 10, seconds=2 * HOUR), interval=60),
        told("long prefetch", "steady", "RabbitMQ", World(30, 4, 8, prefetch=50, seconds=HOUR), seed=4),
        told("a list in use", "steady", "list", World(36, 4, 10, depth=30, seconds=HOUR), seed=5),
        told("a list that is searched", "steady", "searched list", World(30, 4, 10), seed=6),
        told("a stream in step", "steady", "stream", World(35, 4, 10, seconds=HOUR), seed=7),
        told("SQS in step", "steady", "SQS", World(38, 4, 10, depth=30, seconds=HOUR), interval=30, seed=8),
        told("one a minute", "steady", "RabbitMQ", World(1 / 60, 1, 1, seconds=2 * HOUR), settle=400, seed=9),
        told("nothing ever", "steady", "RabbitMQ", World(0, 3, 1)),
        told("a list that stays empty", "steady", "list", World(0, 3, 1)),
    ]


def noisy() -> list[Recipe]:
    # counters that the broker refreshes every five seconds only: a poll every two sees the same numbers twice
    def refreshed(i: int, t: float, fields: Fields) -> Fields:
        jumps = 2.5 if i % 5 in (0, 3) else 0.0
        return fields | {"in_rate": jumps * (fields["in_rate"] or 0), "out_rate": jumps * (fields["out_rate"] or 0)}

    return [
        told("bursts of thirty", "noisy", "RabbitMQ", World(20, 4, 10, unevenness=30, seconds=2 * HOUR), seed=11),
        told("bursts of ten on a list", "noisy", "list", World(20, 4, 8, unevenness=10, seconds=HOUR), seed=12),
        told("counts that jitter", "noisy", "SQS", World(20, 4, 4.9, depth=0, seconds=HOUR, unevenness=10), seed=13),
        told("counters in jumps", "noisy", "RabbitMQ", World(19, 4, 10), interval=2, strange=refreshed, seed=14),
        told("a standing depth that jitters", "noisy", "SQS", World(0, 4, 0, depth=4000), interval=10, seed=15),
    ]


def bursty() -> list[Recipe]:
    batch = World(every(300, 5, 60, 2), 4, 10, seconds=HOUR)
    cron = World(every(HOUR, 60, 200, 1), 4, 5, seconds=3 * HOUR)
    return [
        told("a batch every five minutes", "bursty", "RabbitMQ", batch, seed=21),
        told("a batch on a list", "bursty", "searched list", batch, seed=22),
        told("an hourly job", "bursty", "RabbitMQ", cron, seed=23),
        told("an hourly job on a stream", "bursty", "stream", cron, seed=24),
        told("a burst that takes minutes", "bursty", "list", World(between(600, 630, 300, 10), 4, 5), seed=25),
    ]


def daily() -> list[Recipe]:
    calm = World(day(20, 0.7), 4, 12, seconds=DAY, step=10)
    busy = World(day(20, 0.7), 4, 6.5, seconds=1.4 * DAY, step=10)
    return [
        told("a day within capacity", "daily", "RabbitMQ", calm, interval=60, seed=31),
        told("a day beyond capacity", "daily", "RabbitMQ", busy, interval=60, seed=32),
        told("a day beyond capacity on SQS", "daily", "SQS", busy, interval=60, seed=33),
    ]


def leaks() -> list[Recipe]:
    slow = World(1.0, 1, 0.8, seconds=HOUR)
    slower = World(20, 4, 4.85, seconds=3 * HOUR)
    return [
        told("a leak of a fifth", "leak", "RabbitMQ", slow, seed=41),
        told("a leak of a fifth on a list", "leak", "list", slow, seed=42),
        told("a leak of a fifth of a group", "leak", "group", slow, seed=43),
        told("a leak of three percent", "leak", "RabbitMQ", slower, seed=44),
        told("a leak of three percent of a stream", "leak", "stream", slower, seed=45),
        told("a few an hour", "leak", "RabbitMQ", World(0.02, 1, 0.012, seconds=5 * HOUR), interval=30, seed=46),
        told("a leak on SQS", "leak", "SQS", World(5, 4, 1, seconds=HOUR), interval=30, seed=47),
    ]


def ramps() -> list[Recipe]:
    up = World(lambda t: 20 + 0.1 * max(0.0, t - 600), 4, 10, seconds=HOUR)
    sawtooth = World(every(1800, 600, 80, 10), 4, 10, seconds=3 * HOUR)
    grown = {State.GROWING: frozenset({Reason.ARRIVALS_UP, Reason.PRODUCERS_OUTPACE})}
    return [
        told("arrivals rise and rise", "ramp", "RabbitMQ", up, seed=51),
        told("arrivals double", "ramp", "RabbitMQ", World(between(900, 2400, 80, 30), 4, 10, seconds=HOUR),
             seed=52, reasons=grown),
        told("arrivals double on a list", "ramp", "list", World(between(900, 2400, 80, 30), 4, 10, seconds=HOUR),
             seed=53),
        told("up and down", "ramp", "RabbitMQ", sawtooth, seed=54),
        told("up and down of a stream", "ramp", "stream", sawtooth, seed=55),
        told("a long drain", "ramp", "RabbitMQ", World(10, 4, 10, depth=60_000, seconds=HOUR), seed=56),
        told("a long drain on SQS", "ramp", "SQS", World(10, 4, 10, depth=60_000, seconds=HOUR), interval=30, seed=57),
        told("a drain without producers", "ramp", "list", World(0, 4, 5, depth=20_000), seed=58),
    ]  # fmt: skip


def consumers_out() -> list[Recipe]:
    gone = World(20, between(900, 1800, 0, 4), 10, seconds=HOUR)
    hangs = World(20, 4, 10, seconds=HOUR, hanging=during((900, 1800)))
    idle = World(20, 4, between(900, 1800, 0, 10), seconds=HOUR, prefetch=0)
    slower = World(30, 4, between(900, 1800, 5, 10), seconds=HOUR)
    fewer = World(30, between(900, 1800, 2, 4), 10, seconds=HOUR)
    absent = {State.STALLED: frozenset({Reason.NO_CONSUMERS})}
    held = {State.STALLED: frozenset({Reason.UNACKNOWLEDGED})}
    return [
        told("consumers go", "outage of consumers", "RabbitMQ", gone, seed=61, reasons=absent),
        told("consumers go from a list", "outage of consumers", "list", gone, seed=62),
        told("consumers go from a searched list", "outage of consumers", "searched list", gone, seed=63),
        told("consumers go from a stream", "outage of consumers", "stream", gone, seed=64, reasons=absent),
        told("consumers go from SQS", "outage of consumers", "SQS", gone, interval=30, seed=65),
        told("consumers hang", "outage of consumers", "RabbitMQ", hangs, seed=66, reasons=held),
        told("consumers take nothing", "outage of consumers", "RabbitMQ", idle, seed=67,
             reasons={State.STALLED: frozenset({Reason.CONSUMERS_IDLE})}),
        told("consumers slow down", "outage of consumers", "RabbitMQ", slower, seed=68,
             reasons={State.GROWING: frozenset({Reason.COMPLETIONS_DOWN})}),
        told("half of them go", "outage of consumers", "RabbitMQ", fewer, seed=69,
             reasons={State.GROWING: frozenset({Reason.FEWER_CONSUMERS})}),
        told("gone while nothing comes", "outage of consumers", "RabbitMQ",
             World(between(0, 900, 10, 0), between(0, 890, 4, 0), 10, seconds=HOUR), seed=70),
    ]  # fmt: skip


def producers_out() -> list[Recipe]:
    quiet = World(between(900, 2400, 0, 20), 4, 10, seconds=HOUR)
    late = World(between(0, 900, 60, 0), 4, 10, seconds=HOUR)
    return [
        told("producers go", "outage of producers", "RabbitMQ", quiet, seed=71),
        told("producers go from a list", "outage of producers", "list", quiet, seed=72),
        told("producers go from a stream", "outage of producers", "stream", quiet, seed=73),
        told("a backlog after they went", "outage of producers", "RabbitMQ", late, seed=74,
             reasons={State.DRAINING: frozenset({Reason.NO_PRODUCERS})}),
    ]  # fmt: skip


def poisoned() -> list[Recipe]:
    loops = {State.STALLED: frozenset({Reason.POISON_LOOP})}
    some = World(20, 4, 10, seconds=HOUR, looping=during((900, 1800)))
    alone = World(0, 2, 5, depth=12, seconds=HOUR, looping=during((0, 2400)))
    return [
        told("poison stops the queue", "poison loop", "RabbitMQ", some, seed=81, reasons=loops),
        told("only poison", "poison loop", "RabbitMQ", alone, seed=82, reasons=loops),
        told("poison in a stream", "poison loop", "stream", some, seed=83),
    ]


def restarts() -> list[Recipe]:
    kept = World(30, 4, 10, depth=200, seconds=HOUR)
    emptied = World(45, between(1800, HOUR, 8, 4), 10, seconds=HOUR, lost=(1790,))

    def reset(i: int, t: float, fields: Fields) -> Fields:
        """The counters started anew: no rates until two polls are of the same broker."""
        return fields | ({"in_rate": None, "out_rate": None} if 1800 <= t < 1815 else {})

    def reconnecting(i: int, t: float, fields: Fields) -> Fields:
        return reset(i, t, fields) | ({"consumers": 0, "in_flight": 0} if 1800 <= t < 1812 else {})

    return [
        told("a broker restarts", "restart", "RabbitMQ", kept, seed=91, strange=reconnecting,
             missing=lambda i, t: 1780 <= t < 1800),
        told("a broker forgets", "restart", "RabbitMQ", emptied, seed=92, strange=reset),
        told("Weir restarts", "restart", "RabbitMQ", World(60, 4, 10, seconds=HOUR), seed=93,
             missing=lambda i, t: 1500 <= t < 1560),
    ]  # fmt: skip


def gaps_and_resets() -> list[Recipe]:
    growing = World(60, 4, 10, seconds=HOUR)

    def resets(i: int, t: float, fields: Fields) -> Fields:
        return fields | ({"in_rate": None, "out_rate": None, "redelivery_rate": None} if i % 25 == 24 else {})

    return [
        told("one poll in five is missing", "gaps", "RabbitMQ", growing, seed=101, missing=at_random(0.2, 1)),
        told("one poll in five of a list", "gaps", "list", World(36, 4, 10, seconds=HOUR), seed=102,
             missing=at_random(0.2, 2)),
        told("ten minutes are missing", "gaps", "RabbitMQ", growing, seed=103, missing=lambda i, t: 1500 <= t < 2100),
        told("ten minutes of a stall", "gaps", "RabbitMQ",
             World(20, between(600, 3000, 0, 4), 10, seconds=HOUR), seed=104, missing=lambda i, t: 1500 <= t < 2100),
        told("counters reset now and then", "resets", "RabbitMQ", World(30, 4, 10), seed=111, strange=resets),
        told("resets while it grows", "resets", "RabbitMQ", growing, seed=112, strange=resets),
    ]  # fmt: skip


def little_told() -> list[Recipe]:
    gone = World(20, between(900, 1800, 0, 4), 10, seconds=HOUR)
    return [
        told("a length that rises", "depth only", "bare list", World(30, 4, 5, seconds=HOUR), seed=121),
        told("a length that falls", "depth only", "bare list", World(5, 4, 5, depth=20_000, seconds=HOUR), seed=122),
        told("a length that stands", "depth only", "bare list", World(0, 0, 5, depth=40, seconds=HOUR), seed=123),
        told("a length in use", "depth only", "bare list", World(38, 4, 10, seconds=HOUR), seed=124),
        told("consumers go from a bare list", "depth only", "bare list", gone, seed=125),
        told("a group that falls behind", "lag only", "group", World(60, 4, 10, seconds=HOUR), seed=131),
        told("a group that catches up", "lag only", "group", World(10, 4, 10, depth=30_000, seconds=HOUR), seed=132),
        told("a group that stands still", "lag only", "group", World(0, 0, 5, depth=40, seconds=HOUR), seed=133),
        told("rates alone", "rates only", "rates", World(20, 4, 10), seed=141),
        told("rates alone, and then none", "rates only", "rates", World(between(0, 900, 20, 0), 4, 10), seed=142),
    ]


FAMILIES = (
    steady, noisy, bursty, daily, leaks, ramps, consumers_out, producers_out, poisoned, restarts, gaps_and_resets,
    little_told,
)  # fmt: skip


@cache
def made(shift: int = 0) -> tuple[Series, ...]:
    """All of them; with another `shift` the same causes, and other arrivals by chance."""
    return tuple(recipe(shift=shift) for family in FAMILIES for recipe in family())
