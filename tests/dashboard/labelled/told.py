"""What brokers of several kinds tell of a queue, poll by poll, and which states can be known from that."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from collectors.protocol import Quality
from dashboard.insight.states import State

from .world import Lived, World, live, settling, truth

ROUGH = {"depth": Quality.APPROXIMATE, "in_flight": Quality.APPROXIMATE}
Fields = dict[str, Any]
States = frozenset[State]
Recipe = Callable[..., "Series"]
ANY: States = frozenset(State)


@dataclass(slots=True)
class Series:
    """One queue's polls, and at each of them the states that are right (ANY: not scored).

    `began`: for each poll the time at which the expected state really began, for the delay.
    """

    name: str
    family: str
    kind: str
    interval: float
    times: list[float]
    samples: list[Fields | None]
    expected: list[States]
    began: list[float]
    lag: list[float] = field(default_factory=list)
    reasons: Mapping[State, frozenset[Any]] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        return self.times[-1] - self.times[0]


class Poll:
    """One look at a world between two polls."""

    def __init__(self, lived: Lived, now: int, before: int | None, random: np.random.Generator) -> None:
        self.lived, self.now, self.before, self.random = lived, now, before, random

    def rate(self, of: str) -> float | None:
        """Of a count per second since the last poll."""
        if self.before is None:
            return None
        counts, times = getattr(self.lived, of), self.lived.times
        return float((counts[self.now] - counts[self.before]) / (times[self.now] - times[self.before]))

    def level(self, of: str) -> float:
        return float(getattr(self.lived, of)[self.now])


def rabbitmq(poll: Poll) -> Fields:
    """Levels, consumers, and rates of what was counted."""
    return {
        "depth": poll.level("depth"), "in_flight": poll.level("in_flight"), "consumers": poll.level("consumers"),
        "in_rate": poll.rate("arrived"), "out_rate": poll.rate("completed"),
        "redelivery_rate": poll.rate("redelivered"),
    }  # fmt: skip


def redis_list(poll: Poll) -> Fields:
    """The length and the oldest element; what is taken is gone."""
    depth = poll.level("backlog")
    return {"depth": depth, "head": int(poll.lived.head[poll.now]) if depth else ""}


def searched_list(poll: Poll) -> Fields:
    """A list whose arrivals are found by searching for the newest element of the last poll."""
    return redis_list(poll) | {"in_rate": poll.rate("arrived"), "out_rate": poll.rate("completed")}


def bare_list(poll: Poll) -> Fields:
    """The length alone."""
    return {"depth": poll.level("backlog")}


def stream(poll: Poll) -> Fields:
    """A consumer group: how far behind, what is pending, and the id of the oldest entry."""
    return {
        "lag_messages": poll.level("depth"), "in_flight": poll.level("in_flight"), "depth": poll.level("depth"),
        "consumers": poll.level("consumers"), "in_rate": poll.rate("arrived"), "out_rate": poll.rate("completed"),
        "head": int(poll.lived.head[poll.now]) if poll.level("depth") else "", "lag_seconds": poll.level("lag"),
    }  # fmt: skip


def group_without_rates(poll: Poll) -> Fields:
    """Only how far a group is behind."""
    return {"lag_messages": poll.level("backlog")}


def sqs(poll: Poll) -> Fields:
    """Approximate counts that jitter by some percent, and no more."""

    def jitter(value: float) -> float:
        return float(max(0, round(value * (1 + poll.random.normal(0, 0.02)))))

    return {
        "depth": jitter(poll.level("depth")), "in_flight": jitter(poll.level("in_flight")), "quality": ROUGH,
    }  # fmt: skip


def rates_only(poll: Poll) -> Fields:
    return {"in_rate": poll.rate("arrived"), "out_rate": poll.rate("completed")}


KINDS: Mapping[str, Callable[[Poll], Fields]] = {
    "RabbitMQ": rabbitmq, "list": redis_list, "searched list": searched_list, "bare list": bare_list,
    "stream": stream, "group": group_without_rates, "SQS": sqs, "rates": rates_only,
}  # fmt: skip
#: Kinds that cannot tell whether anything is completed.
BLIND = ("bare list", "group", "SQS")


def knowable(kind: str, state: State | None, backlog: float, arriving: float) -> States:
    """The states that are right for what a kind tells: less can be known than is so."""
    if state is None:
        return ANY
    allowed = {state}
    if kind in BLIND:
        if state is State.STALLED:  # nobody can tell it from a rise, or from balance
            allowed = {State.STALLED, State.GROWING} if arriving else {State.STALLED, State.UNKNOWN}
        elif state is State.STEADY:  # a level that stands still may be a stop
            allowed |= {State.UNKNOWN, State.IDLE} if backlog < 10 else {State.UNKNOWN}
    if kind == "list" and state is State.STEADY and backlog < 10:
        allowed |= {State.IDLE}  # every poll may find it empty
    if kind == "rates":
        allowed = {State.IDLE} if state is State.IDLE else ANY if state is State.STALLED else {State.STEADY}
    return frozenset(allowed)


def told(*given: Any, **more: Any) -> Recipe:
    """A series to be made, see `_told`."""
    return partial(_told, *given, **more)


def _told(
    name: str, family: str, kind: str, world: World, *, interval: float = 10.0, seed: int = 1,
    missing: Callable[[int, float], bool] = lambda i, t: False,
    strange: Callable[[int, float, Fields], Fields] = lambda i, t, fields: fields,
    settle: float | None = None, reasons: Mapping[State, frozenset[Any]] | None = None, shift: int = 0,
) -> Series:  # fmt: skip
    """The series of a world as a kind of broker tells it. `missing` polls are None; `strange` changes what is told.

    Another `shift` is another chance: the same causes, other arrivals.
    """
    seed += shift
    lived, random = live(world, seed), np.random.default_rng(seed + 999)
    states = truth(world, lived)
    every = max(1, round(interval / world.step))
    out = Series(name, family, kind, interval, [], [], [], [], reasons=reasons or {})
    before: int | None = None
    change, current = 0, states[0]
    for i, now in enumerate(range(every - 1, len(states), every)):
        for step in range(max(0, now - every + 1), now + 1):
            if states[step] is not current:
                change, current = step, states[step]
        at = float(lived.times[now])
        gone = missing(i, at)
        fields = None if gone else strange(i, at, KINDS[kind](Poll(lived, now, before, random)))
        before = before if gone else now
        waited = settling(world, lived, current, change, interval) if settle is None else settle
        known = knowable(kind, current, float(lived.backlog[now]), lived.causes[now][0])
        out.times.append(at)
        out.samples.append(fields)
        out.expected.append(known if not gone and at - float(lived.times[change]) >= waited else ANY)
        out.began.append(float(lived.times[change]))
        out.lag.append(float(lived.lag[now]))
    return out
