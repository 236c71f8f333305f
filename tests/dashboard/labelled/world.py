"""What happens to one queue, second by second: arrivals and completions at random, and so its true state and lag."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from dashboard.insight.states import State
from dashboard.ticks import Floats, Ints

#: A number, or how it goes with the seconds since the beginning.
Course = float | Callable[[float], float]
#: A backlog that is worked off within so many seconds is no drain that anybody needs to hear of.
SOON = 120.0
#: Arrivals and completions that differ by less than this share are balanced: chance decides what the depth does.
BALANCED = 0.02


def at(course: Course, t: float) -> float:
    return course(t) if callable(course) else course


@dataclass(slots=True)
class World:
    """The causes: messages per second arriving, consumers, what one of them completes per second.

    `hanging`: consumers hold what they have and complete nothing. `looping`: they hand back what they take.
    `lost`: the broker lost its messages at these seconds (a restart of a queue that is not durable).
    """

    arriving: Course
    consumers: Course = 4.0
    pace: Course = 10.0
    depth: float = 0.0
    seconds: float = 1800.0
    hanging: Callable[[float], bool] = lambda t: False
    looping: Callable[[float], bool] = lambda t: False
    lost: tuple[float, ...] = ()
    prefetch: float = 1.0
    step: float = 1.0
    unevenness: float = 0.0  # of the arrivals: 0 = as independent customers, else bursts of about 1 + that many


@dataclass(slots=True)
class Lived:
    """What happened, at the end of each step; all of shape (steps,)."""

    times: Floats
    backlog: Floats
    in_flight: Floats
    arrived: Floats
    completed: Floats
    redelivered: Floats
    consumers: Floats
    head: Ints
    lag: Floats
    causes: list[tuple[float, float, bool]] = field(default_factory=list)  # arriving, could complete, takes nothing

    @property
    def depth(self) -> Floats:
        return self.backlog - self.in_flight


def live(world: World, seed: int) -> Lived:
    """Let a world happen."""
    random = np.random.default_rng(seed)
    n = int(world.seconds / world.step)
    rows = np.zeros((8, n))
    head = np.zeros(n, np.int64)
    causes: list[tuple[float, float, bool]] = []
    backlog, passed, came_total, gone_total, again_total, first_seen = world.depth, 0, 0.0, 0.0, 0.0, 0.0
    arrivals = [(0.0, world.depth)] if world.depth else []  # (when, how many of them are left), oldest first
    for i in range(n):
        t = i * world.step
        rate, readers, pace = at(world.arriving, t), at(world.consumers, t), at(world.pace, t)
        stuck = world.hanging(t) or world.looping(t)
        could = 0.0 if stuck else readers * pace
        if any(t <= when < t + world.step for when in world.lost):
            backlog, arrivals = 0.0, []
        came = _arrivals(random, rate * world.step, world.unevenness)
        gone = min(backlog + came, float(random.poisson(could * world.step)))
        backlog += came - gone
        came_total, gone_total, passed = came_total + came, gone_total + gone, passed + int(gone)
        again_total += random.poisson(readers * pace * world.step) if world.looping(t) and backlog else 0
        if came:
            arrivals.append((t, came))
        first_seen = _take(arrivals, gone, t)
        in_flight = min(backlog, readers * world.prefetch) if not world.looping(t) else 0.0
        in_flight = min(backlog, readers * 50) if world.hanging(t) else in_flight
        rows[:, i] = (t + world.step, backlog, in_flight, came_total, gone_total, again_total, readers,
                      t + world.step - first_seen if backlog else 0.0)  # fmt: skip
        head[i] = passed + 2
        causes.append((rate, could, stuck or readers * pace == 0))
    times, levels, flying, came_all, gone_all, again, reading, lag = rows
    return Lived(times, levels, flying, came_all, gone_all, again, reading, head, lag, causes)


def _arrivals(random: np.random.Generator, mean: float, unevenness: float) -> float:
    """Poisson, or bursts of a geometric number of messages that arrive as independent customers."""
    if not unevenness:
        return float(random.poisson(mean))
    size = 1 + unevenness
    return float(random.geometric(1 / size, random.poisson(mean / size)).sum())


def _take(arrivals: list[tuple[float, float]], gone: float, now: float) -> float:
    """Take the oldest messages out; when the oldest that is left arrived."""
    done = 0
    while gone and done < len(arrivals):
        when, left = arrivals[done]
        took = min(gone, left)
        gone -= took
        if took < left:
            arrivals[done] = (when, left - took)
            break
        done += 1
    del arrivals[:done]
    return arrivals[0][0] if arrivals else now


def truth(world: World, lived: Lived) -> list[State | None]:
    """The state that a queue really is in, by its causes, at the end of each step; None = between two states.

    Stalled: messages wait, and nothing can complete them. Growing: more arrives than can be completed. Draining:
    less does, and it takes more than SOON to work off what waits. Idle: nothing waits and nothing comes.
    """
    states: list[State | None] = []
    for backlog, (rate, could, dead) in zip(lived.backlog.tolist(), lived.causes, strict=True):
        spare = could - rate
        even = abs(spare) <= BALANCED * max(rate, could)
        if dead:
            state: State | None = State.STALLED if backlog else (State.IDLE if rate == 0 else None)
        elif backlog == 0 and rate == 0:
            state = State.IDLE
        elif spare < 0 and not even:
            state = State.GROWING
        elif spare > 0 and not even and backlog > 1 and backlog / spare > SOON:
            state = State.DRAINING
        elif spare > 0 and not even and backlog / spare > SOON / 4:
            state = None
        else:
            state = State.STEADY
        states.append(state)
    return states


def settling(world: World, lived: Lived, state: State | None, step: int, interval: float) -> float:
    """How long a state must last before anybody could know it: some polls, and until chance is left behind.

    A trend has to move the depth four standard deviations of what independent arrivals and completions do, and
    by more than a few messages; a stop has to be longer than the usual distance between completions.
    """
    rate, could, _ = lived.causes[step]
    least = max(90.0, 4 * interval)
    if state in (State.GROWING, State.DRAINING):
        net = abs(could - rate)
        burst = 1 + 2 * world.unevenness
        noise = 16 * (rate * burst + could) / max(net, 1e-9) ** 2
        return max(least, noise, 8 / max(net, 1e-9), 0.04 * lived.backlog[step] / max(net, 1e-9))
    if state is State.STALLED:
        before = lived.completed[step] / max(lived.times[step], 1.0)
        return max(150.0, 5 * interval, 4 / before if before else 0.0)
    if state is State.IDLE:
        return 330.0
    return max(180.0, 6 * interval)
