"""Which seals answer a question: for each hour of a span the level that suits the step, a finer one where that
is not made yet, a coarser one where the finer ones are gone."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from ..ticks import Floats, Ints
from .levels import IN_USE, LEVELS, RAW, SEAL_COLUMNS, Level, Seal, seal_of
from .making import times_of

_HOUR = RAW.span


@dataclass(slots=True)
class Plan:
    """Of one broker: seals to read, each with the hours (numbers of hours, ascending) it answers for."""

    seals: list[tuple[Seal, set[int]]] = field(default_factory=list)

    def interval(self, hot: Floats) -> float:
        """Usual seconds between the times that will be read; `hot` are the times of hot ticks among them."""
        raw = [(seal.interval, len(hours)) for seal, hours in self.seals if seal.level is RAW and seal.interval]
        if len(hot) > 1:
            raw.append((float(np.median(np.diff(hot))), max(1, round((hot[-1] - hot[0]) / _HOUR))))
        coarse = max((seal.interval for seal, _ in self.seals if seal.level is not RAW), default=0.0)
        if not raw:
            return coarse
        steps = np.repeat([interval for interval, _ in raw], [weight for _, weight in raw])
        return max(float(np.median(steps)), coarse)


def seals_of(reader: sqlite3.Connection, broker: int, start: float, end: float) -> list[Seal]:
    """The seals in use that touch start <= t < end."""
    found: list[Seal] = []
    for level in LEVELS:
        sql = (
            f"SELECT {SEAL_COLUMNS} FROM seal WHERE broker = ? AND level = ? AND start > ? AND start < ?"
            f" AND state = {IN_USE} ORDER BY start"
        )
        found += map(seal_of, reader.execute(sql, (broker, level.number, start - level.span, end)))
    return found


def level_for(step: float) -> Level:
    """The coarsest level whose times fit into steps of this length."""
    return next(level for level in reversed(LEVELS) if not level.step or (step >= level.step and not step % level.step))


def plan(reader: sqlite3.Connection, seals: list[Seal], start: float, end: float, wanted: Level) -> Plan:
    """Who answers for which hour of start <= t < end.

    A seal that is not rolled up yet goes before all coarser ones: what they hold of its hours is not the whole.
    Where a coarser one stands in for finer ones, it does so in hours of which it knows something: in others there was
    nothing, and no reason to answer in coarser steps.
    """
    free = set(range(int(start // _HOUR), int(-(-end // _HOUR))))
    chosen = Plan()
    for seal in _in_turn(seals, wanted):
        hours = free.intersection(range(seal.start // _HOUR, seal.end // _HOUR))
        if hours and seal.level.number > wanted.number:
            hours &= set((times_of(reader, seal) // _HOUR).astype(np.int64).tolist())
        if hours:
            chosen.seals.append((seal, hours))
            free -= hours
    return chosen


def _in_turn(seals: list[Seal], wanted: Level) -> Iterable[Seal]:
    finer = [seal for seal in seals if seal.level.number < wanted.number]
    yield from (seal for seal in finer if not seal.rolled)
    for level in (*LEVELS[wanted.number :: -1], *LEVELS[wanted.number + 1 :]):
        yield from (seal for seal in seals if seal.level is level)


def times_in(reader: sqlite3.Connection, seal: Seal, hours: set[int], start: float, end: float) -> tuple[Floats, Ints]:
    """All times of a seal, and the places of those that it answers for within start <= t < end.

    A rollup is taken when it begins in a step of its own length that the span touches.
    """
    times = times_of(reader, seal)
    step = seal.level.step
    first = start // step * step if step else start
    inside = (times >= first) & (times < end)
    if len(hours) * _HOUR < seal.level.span:
        inside &= np.isin(times // _HOUR, list(hours))
    places: Ints = np.flatnonzero(inside)
    return times, places
