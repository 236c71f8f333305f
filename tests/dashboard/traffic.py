"""Made-up queues for the tests of states: level by level, one queue at a time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from collectors.protocol import Poll, Sample
from dashboard.insight.states import Judge, Reason, State
from dashboard.ticks import Judgement, Ring, Tick

START = 1_700_000_000.0


def tick_of(samples: Sequence[dict[str, Any]], at: float, complete: bool = True) -> Tick:
    """A tick of queues 1, 2, 3 ... with these fields of Sample; None leaves a queue out."""
    ids = [i for i, fields in enumerate(samples, 1) if fields is not None]
    named = [Sample(key=str(i), name=str(i), kind="queue", **samples[i - 1]) for i in ids]
    return Tick.of(Poll(at=at, samples=named, complete=complete), 1, np.array(ids, np.int64))


@dataclass
class Run:
    """One queue's states, poll by poll."""

    states: list[State]
    reasons: list[Reason]
    since: list[float]
    times: list[float]
    ring: Ring
    judge: Judge

    @property
    def state(self) -> State:
        return self.states[-1]

    @property
    def reason(self) -> Reason:
        return self.reasons[-1]

    @property
    def changes(self) -> int:
        """How often the state changed after the first minute, in which it is being found."""
        return sum(a != b for a, b in pairwise(self.states[6:]))


def run(levels: Iterable[dict[str, Any] | None], interval: float = 10.0, restart_every: int = 0) -> Run:
    """Judge a queue through its samples. None = the broker was not polled that time.

    With `restart_every`, all that a process knows is lost that often, save the ring with its judgements.
    """
    ring = Ring()
    out = Run([], [], [], [], ring, Judge.resume(ring))
    for i, fields in enumerate(levels):
        if fields is None:
            continue
        if restart_every and i % restart_every == 0:
            out.judge = Judge.resume(ring)
        tick = tick_of([fields], START + i * interval)
        tick.judgement = out.judge(ring, tick)
        ring.push(tick)
        _note(out, tick.at, tick.judgement)
    return out


def _note(out: Run, at: float, judged: Judgement) -> None:
    out.times.append(at)
    out.states.append(State(int(judged.state[0])))
    out.reasons.append(Reason(int(judged.reason[0])))
    out.since.append(float(judged.since[0]))


def rated(
    depths: Sequence[float], in_rates: Sequence[float], out_rates: Sequence[float], **more: Any
) -> list[dict[str, Any]]:
    """Samples of a queue whose broker tells rates."""
    return [
        {"depth": float(d), "in_rate": float(i), "out_rate": float(o), **more}
        for d, i, o in zip(depths, in_rates, out_rates, strict=True)
    ]


def simulated(
    polls: int, arriving: Any, leaving: Any, seed: int = 1, depth: float = 0.0, interval: float = 10.0, **more: Any
) -> list[dict[str, Any]]:
    """A queue with random arrivals and completions at mean rates (numbers, or functions of the poll)."""
    random = np.random.default_rng(seed)
    samples = []
    for i in range(polls):
        comes = random.poisson(interval * (arriving(i) if callable(arriving) else arriving))
        goes = min(depth + comes, random.poisson(interval * (leaving(i) if callable(leaving) else leaving)))
        depth += comes - goes
        samples.append({"depth": depth, "in_rate": comes / interval, "out_rate": goes / interval, **more})
    return samples
