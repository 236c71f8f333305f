"""How well judgements fit what was expected: precision and recall by state, delay, flicker, and the reasons given."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from dashboard.insight.states import Judge, Reason, State
from dashboard.ticks import Ring
from tests.dashboard.traffic import START, tick_of

from .told import ANY, Series

#: A real change may bring several of what is told within so many seconds.
PASSING = 150.0


@dataclass(slots=True)
class Judged:
    """A series with the state and reason that were told at each poll; None where it was not polled."""

    series: Series
    states: list[State | None] = field(default_factory=list)
    reasons: list[Reason | None] = field(default_factory=list)

    @property
    def wrong(self) -> list[tuple[float, State]]:
        """When another state was told than could be right."""
        return [
            (at, state)
            for at, state, right in zip(self.series.times, self.states, self.series.expected, strict=True)
            if state is not None and state not in right
        ]

    @property
    def changes(self) -> int:
        """Changes of the state that nothing real caused, after the first five minutes.

        A real change may be told by several, of which some pass (growing, then stalled) within PASSING, or by one.
        """
        spells: dict[float, list[float]] = {}  # when a true state began: when what was told changed in it
        s, before = self.series, None
        for at, began, state in zip(s.times, s.began, self.states, strict=True):
            if state is None or at <= 300:
                continue
            spell = spells.setdefault(began, [])
            if before is not None and state is not before:
                spell.append(at)
            before = state
        found = 0
        for began, told in spells.items():
            real = began > s.began[0]
            late = [at for at in told if at - began > PASSING or not real]
            found += len(late) - (1 if real and late and len(late) == len(told) else 0)
        return found

    def delays(self) -> list[tuple[State, float | None]]:
        """For each time that one state and no other is right: seconds until it was told, None = never."""
        found: dict[float, tuple[State, float | None]] = {}
        s = self.series
        one = {began: next(iter(right)) for began, right in zip(s.began, s.expected, strict=True) if len(right) == 1}
        for at, began, state in zip(s.times, s.began, self.states, strict=True):
            if began in one:
                was = found.get(began, (one[began], None))[1]
                right = state is one[began] and was is None
                found[began] = (one[began], max(0.0, at - began) if right else was)
        return list(found.values())


def judge(all_series: Iterable[Series]) -> list[Judged]:
    """Judge series, poll by poll; such as were polled at the same times as the queues of one broker."""
    judged = [Judged(series) for series in all_series]
    groups: dict[tuple[Any, ...], list[Judged]] = {}
    for i, one in enumerate(judged):
        whole = None not in one.series.samples
        groups.setdefault((one.series.interval, len(one.series.times)) if whole else (i,), []).append(one)
    for group in groups.values():
        _judge_together(group)
    return judged


def _judge_together(group: list[Judged]) -> None:
    ring = Ring()
    judge = Judge.resume(ring)
    for i, at in enumerate(group[0].series.times):
        samples = [one.series.samples[i] for one in group]
        if None in samples:
            group[0].states.append(None)
            group[0].reasons.append(None)
            continue
        tick = tick_of(samples, START + at)
        tick.judgement = judge(ring, tick)
        ring.push(tick)
        for one, state, reason in zip(
            group, tick.judgement.state.tolist(), tick.judgement.reason.tolist(), strict=True
        ):
            one.states.append(State(state))
            one.reasons.append(Reason(reason))


@dataclass(slots=True)
class Score:
    """Of one state: polls at which it was told, of those rightly; polls at which only it was right, of those told."""

    state: State
    told: int = 0
    rightly: int = 0
    meant: int = 0
    found: int = 0
    delays: list[float] = field(default_factory=list)
    missed: int = 0

    @property
    def precision(self) -> float:
        return self.rightly / self.told if self.told else float("nan")

    @property
    def recall(self) -> float:
        return self.found / self.meant if self.meant else float("nan")

    def row(self) -> dict[str, Any]:
        return {
            "state": self.state.name.lower(), "precision": self.precision, "recall": self.recall, "polls": self.meant,
            "delay s, median": median(self.delays) if self.delays else None,
            "delay s, longest": max(self.delays) if self.delays else None, "never told": self.missed,
        }  # fmt: skip


def scores(all_judged: Iterable[Judged]) -> dict[State, Score]:
    """Over many series; every poll counts the same."""
    found = {state: Score(state) for state in State}
    for judged in all_judged:
        for state, right in zip(judged.states, judged.series.expected, strict=True):
            if state is None or right == ANY:
                continue
            found[state].told += 1
            found[state].rightly += state in right
            if len(right) == 1:
                (only,) = right
                found[only].meant += 1
                found[only].found += state is only
        for state, delay in judged.delays():
            found[state].missed += delay is None
            found[state].delays += [] if delay is None else [delay]
    return found


def flicker(all_judged: Iterable[Judged]) -> float:
    """Changes of state an hour that nothing real caused."""
    told = list(all_judged)
    return sum(one.changes for one in told) / (sum(one.series.seconds for one in told) / 3600)


def reasons_right(all_judged: Iterable[Judged]) -> tuple[int, int]:
    """Of the polls at which a state with a known cause was rightly told: how many, and how many with that cause."""
    count = right = 0
    for judged in all_judged:
        for state, reason, expected in zip(judged.states, judged.reasons, judged.series.expected, strict=True):
            if state in judged.series.reasons and expected == frozenset([state]):
                count += 1
                right += reason in judged.series.reasons[state]
    return count, right
