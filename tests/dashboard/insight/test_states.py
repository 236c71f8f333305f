"""The states on small series whose right answer is known."""

from __future__ import annotations

import time

import numpy as np
import pytest

from dashboard.insight.states import Judge, Reason, State, unjudged
from dashboard.ticks import METRICS, Ring, Tick

from ..traffic import START, rated, run, simulated, tick_of


def bursts(polls: int, every: int, size: float) -> list[dict[str, float]]:
    """A burst comes every so often and is gone by the next poll but one."""
    samples = []
    for i in range(polls):
        came = i % every == 0
        after = i % every == 1
        in_rate, out_rate = size / 10 if came else 2.0, size / 10 if after else 2.0
        samples.append({"depth": size if came else 5.0, "in_rate": in_rate, "out_rate": out_rate})
    return samples


LABELLED = {
    "nothing ever": (rated([0] * 30, [0] * 30, [0] * 30, consumers=2), State.IDLE, Reason.NOTHING_FLOWS, 0),
    "a list that is always empty": ([{"depth": 0, "head": ""}] * 30, State.IDLE, Reason.NOTHING_WAITS, 0),
    "steady with noise": (simulated(120, 20, 40, consumers=4), State.STEADY, Reason.BALANCED, 0),
    "steady around a standing depth": (
        [{"depth": 1000 + 30 * (-1) ** i, "in_rate": 50, "out_rate": 50} for i in range(60)],
        State.STEADY, Reason.BALANCED, 0,
    ),
    "bursts that are worked off at once": (bursts(120, 12, 400), State.STEADY, Reason.BALANCED, 4),
    "a burst that waits": (
        [*rated([3] * 30, [5] * 30, [5] * 30), *rated([800, 795, 801], [85, 5, 5.5], [5, 5.5, 5])],
        State.STEADY, Reason.BURST, 0,
    ),
    "a ramp": (simulated(40, 320, 210, consumers=42), State.GROWING, Reason.PRODUCERS_OUTPACE, 0),
    "a ramp after calm": (simulated(90, lambda i: 20 if i < 60 else 40, 25, consumers=4), State.GROWING, None, 2),
    "a slow leak": (simulated(180, 1.0, 0.7, consumers=1), State.GROWING, Reason.PRODUCERS_OUTPACE, 3),
    "a leak of a list": (
        [{"depth": 100 + 3 * i + (i * 7) % 5, "head": i} for i in range(60)], State.GROWING, Reason.RISING, 1,
    ),
    "a drain": (simulated(40, 12, 96, depth=60_000, consumers=24), State.DRAINING, Reason.CATCHING_UP, 0),
    "a drain without producers": (
        rated(range(5000, 2000, -100), [0] * 30, [10] * 30), State.DRAINING, Reason.NO_PRODUCERS, 0,
    ),
    "drained, and then nothing": (
        [*rated(range(2000, 0, -100), [0] * 20, [10] * 20), *rated([0] * 40, [0] * 40, [0] * 40)],
        State.IDLE, Reason.NOTHING_FLOWS, 2,
    ),
    "the consumers went away": (
        [*simulated(60, 20, 40, consumers=4), *rated(range(0, 4000, 200), [20] * 20, [0] * 20, consumers=0)],
        State.STALLED, Reason.NO_CONSUMERS, 2,
    ),
    "consumers that take nothing": (
        [*rated([50] * 20, [5] * 20, [5] * 20, consumers=3, in_flight=3),
         *rated([50] * 20, [0] * 20, [0] * 20, consumers=3, in_flight=0)],
        State.STALLED, Reason.CONSUMERS_IDLE, 1,
    ),
    "consumers that hold everything": (
        [*rated([50] * 20, [5] * 20, [5] * 20, consumers=3, in_flight=3),
         *rated([50] * 30, [0] * 30, [0] * 30, consumers=3, in_flight=300)],
        State.STALLED, Reason.UNACKNOWLEDGED, 2,
    ),
    "a poison loop": (
        rated([10] * 30, [0] * 30, [0] * 30, consumers=1, in_flight=0, redelivery_rate=40.0),
        State.STALLED, Reason.POISON_LOOP, 1,
    ),
    "poison among the healthy": (
        rated([10, 12] * 15, [20] * 30, [20] * 30, redelivery_rate=15.0), State.STEADY, Reason.POISON_LOOP, 0,
    ),
    "slow tasks, one at a time": (
        [{"depth": 30 - i // 10, "in_rate": 0, "out_rate": 0.1 if i % 10 == 9 else 0, "in_flight": 1, "consumers": 1}
         for i in range(120)],
        State.DRAINING, Reason.NO_PRODUCERS, 1,
    ),
    "a list whose head stands still": ([{"depth": 40, "head": "a"}] * 30, State.STALLED, Reason.HEAD_UNCHANGED, 1),
    "a list whose head moves": ([{"depth": 40, "head": i} for i in range(30)], State.STEADY, Reason.HEAD_MOVES, 0),
    "a list worked off at the other end": (
        [{"depth": 4000 - 30 * i, "head": "a"} for i in range(30)], State.DRAINING, Reason.FALLING, 0,
    ),
    "a list that tells no head": ([{"depth": 40}] * 30, State.UNKNOWN, Reason.HEAD_UNKNOWN, 0),
    "a list without head that goes up and down": (
        [{"depth": 40 + (i * 7) % 5} for i in range(40)], State.STEADY, Reason.LEVEL, 0,
    ),
    "rates without depth": ([{"in_rate": 5, "out_rate": 5}] * 10, State.STEADY, Reason.NO_DEPTH, 0),
    "rates without depth, at rest": ([{"in_rate": 0, "out_rate": 0}] * 10, State.IDLE, Reason.NO_DEPTH, 0),
    "a broker that tells nothing": ([{"consumers": 3}] * 10, State.UNKNOWN, Reason.NOT_TOLD, 0),
    "a consumer group that falls behind": (
        [{"lag_messages": 500 * i, "in_rate": 90, "out_rate": 40} for i in range(30)],
        State.GROWING, Reason.PRODUCERS_OUTPACE, 0,
    ),
    "counters were reset": (
        [{"depth": 10 + i % 3, "in_rate": None if i in (20, 21) else 30, "out_rate": None if i in (20, 21) else 30}
         for i in range(40)],
        State.STEADY, Reason.BALANCED, 0,
    ),
    "polls are missing": (
        [None if i in (15, 16, 28) else s for i, s in enumerate(simulated(40, 320, 210, consumers=4))],
        State.GROWING, Reason.PRODUCERS_OUTPACE, 0,
    ),
    "a long gap in a growing queue": (
        [*simulated(40, 50, 20), *[None] * 60, *simulated(2, 50, 20, depth=30_000)],
        State.GROWING, Reason.PRODUCERS_OUTPACE, 0,
    ),
    "a long gap, and empty after it": (
        [*simulated(40, 50, 20), *[None] * 60, *rated([0] * 2, [0] * 2, [0] * 2)], State.IDLE, Reason.NOTHING_WAITS, 1,
    ),
    "two samples": (rated([5, 5], [1, 1], [1, 1]), State.UNKNOWN, Reason.TOO_YOUNG, 0),
}  # fmt: skip


@pytest.mark.parametrize("name", LABELLED)
def test_the_state_of(name: str) -> None:
    samples, state, reason, changes = LABELLED[name]
    judged = run(samples)
    assert judged.state is state, (judged.state, judged.reason)
    assert reason is None or judged.reason is reason, judged.reason
    assert judged.changes <= changes, [s.name for s in judged.states]


@pytest.mark.parametrize("name", LABELLED)
def test_a_restart_changes_nothing_for(name: str) -> None:
    samples = LABELLED[name][0]
    through, restarted = run(samples), run(samples, restart_every=7)
    assert (restarted.states, restarted.reasons, restarted.since) == (through.states, through.reasons, through.since)


@pytest.mark.parametrize("interval", [1.0, 2.0, 5.0, 30.0, 60.0])
def test_the_interval_does_not_change_the_verdict(interval: float) -> None:
    polls = max(40, int(180 / interval))
    grows = run(simulated(polls, 320, 210, interval=interval), interval)
    steady = run(simulated(polls, 20, 40, interval=interval), interval)
    stalls = run(rated([40] * polls, [0] * polls, [0] * polls, consumers=0), interval)
    assert (grows.state, steady.state, stalls.state) == (State.GROWING, State.STEADY, State.STALLED)


def test_a_state_is_told_soon_after_it_began() -> None:
    calm = simulated(60, 20, 40, consumers=4)
    judged = run([*calm, *rated(range(200, 4200, 200), [20] * 20, [0] * 20, consumers=0)])
    told = judged.times[judged.states.index(State.STALLED)]
    began = START + 59 * 10
    assert told - began <= 60
    assert abs(judged.since[-1] - began) <= 10

    judged = run([*calm, *simulated(20, 320, 210, depth=5)])
    told = judged.times[judged.states.index(State.GROWING)]
    assert told - began <= 70
    assert judged.since[-1] <= told


def test_a_thousand_busy_queues_hardly_flicker() -> None:
    random, polls, n = np.random.default_rng(7), 120, 1000
    judge, ring = Judge(), Ring()
    depth, changes, before = np.zeros(n), 0, None
    for i in range(polls):
        came, could = random.poisson(190, n), random.poisson(200, n)
        gone = np.minimum(depth + came, could)
        depth = depth + came - gone
        values = np.full((len(METRICS), n), np.nan)
        values[0], values[3], values[4] = depth, came / 10, gone / 10
        tick = Tick(1, START + 10 * i, np.arange(1, n + 1), values, np.zeros(values.shape, np.uint8),
                    np.zeros(n, np.uint8), np.zeros(n, np.int64))  # fmt: skip
        tick.judgement = judge(ring, tick)
        ring.push(tick)
        if i > 3:
            changes += int((tick.judgement.state != before).sum())
        before = tick.judgement.state
    assert changes < 0.001 * n * polls, f"{changes} changes in {n * polls} judgements"


def test_a_slow_queue_that_works_is_not_idle_between_two_messages() -> None:
    samples = [
        {"depth": 0, "in_rate": 0.1 if i % 12 == 0 else 0, "out_rate": 0.1 if i % 12 == 0 else 0} for i in range(120)
    ]
    judged = run(samples)
    assert judged.state is State.STEADY
    assert judged.changes <= 1


def test_one_completion_does_not_end_a_stall() -> None:
    standing = rated([50] * 20, [0] * 20, [0] * 20, consumers=2, in_flight=0)
    one = rated([49], [0], [0.1], consumers=2, in_flight=0)
    judged = run([*standing, *one, *rated([49] * 5, [0] * 5, [0] * 5, consumers=2, in_flight=0)])
    assert judged.state is State.STALLED and judged.changes <= 1
    judged = run([*standing, *rated([49, 48, 47], [0] * 3, [0.1] * 3, consumers=2, in_flight=0)])
    assert judged.state is not State.STALLED


def test_a_dead_letter_queue_rests() -> None:
    ring, judge = Ring(), Judge()
    for i in range(20):
        fields = {"depth": 41, "in_rate": 0, "out_rate": 0, "consumers": 0}
        tick = tick_of([fields, fields], START + 10 * i)
        tick.judgement = judge(ring, tick, resting=np.array([2]))
        ring.push(tick)
    assert tick.judgement.state.tolist() == [State.STALLED, State.IDLE]
    assert tick.judgement.reason.tolist() == [Reason.NO_CONSUMERS, Reason.DEAD_LETTERS_KEPT]


def test_queues_come_and_go() -> None:
    ring, judge = Ring(), Judge()
    flowing, standing = (
        {"depth": 5, "in_rate": 9, "out_rate": 9},
        {"depth": 9, "in_rate": 0, "out_rate": 0, "consumers": 0},
    )
    polls = [[flowing, None, standing]] * 10 + [[flowing, flowing, standing]] * 2 + [[None, flowing, standing]] * 2
    seen = []
    for i, samples in enumerate(polls):
        tick = tick_of(samples, START + 10 * i)
        tick.judgement = judge(ring, tick)
        ring.push(tick)
        seen.append(dict(zip(tick.ids.tolist(), tick.judgement.state.tolist(), strict=True)))
    assert seen[9] == {1: State.STEADY, 3: State.STALLED}
    assert seen[11] == {1: State.STEADY, 2: State.UNKNOWN, 3: State.STALLED}
    assert seen[13] == {2: State.STEADY, 3: State.STALLED}


def test_a_queue_left_out_of_a_partial_answer_keeps_its_state() -> None:
    ring, judge = Ring(), Judge()
    standing = {"depth": 9, "in_rate": 0, "out_rate": 0, "consumers": 0}
    for i in range(20):
        partial = i in (10, 11)
        tick = tick_of([standing, None if partial else standing], START + 10 * i, complete=not partial)
        tick.judgement = judge(ring, tick)
        ring.push(tick)
        if i == 12:
            assert Judge.resume(ring).before.state.tolist() == [State.STALLED, State.STALLED]
            assert tick.judgement.state.tolist() == [State.STALLED, State.STALLED]
            assert tick.judgement.since.tolist() == [START, START]


def test_an_empty_broker_is_judged() -> None:
    ring, judge = Ring(), Judge()
    for i in range(5):
        tick = Tick.empty(1, START + i)
        assert len(judge(ring, tick).state) == 0
        ring.push(tick)


def test_the_unjudged_are_unknown() -> None:
    judged = unjudged(tick_of([{"depth": 1}], START))
    assert (judged.state[0], judged.reason[0], judged.since[0]) == (State.UNKNOWN, Reason.TOO_YOUNG, START)


def test_ten_thousand_queues_are_judged_in_milliseconds() -> None:
    random, n = np.random.default_rng(3), 10_000
    judge, ring, spent = Judge(), Ring(), []
    for i in range(70):
        values = random.integers(0, 1000, (len(METRICS), n)).astype(float)
        tick = Tick(1, START + 10 * i, np.arange(n), values, np.zeros(values.shape, np.uint8), np.zeros(n, np.uint8),
                    random.integers(2, 99, n))  # fmt: skip
        began = time.process_time()
        judge(ring, tick)
        spent.append(time.process_time() - began)
        ring.push(tick)
    assert np.median(spent[60:]) < 0.040


def test_a_rise_that_stopped_is_over_within_a_minute_or_so() -> None:
    grows = simulated(60, 320, 210)
    judged = run([*grows, *simulated(12, 210, 210, depth=grows[-1]["depth"])])
    assert judged.states[59] is State.GROWING
    assert judged.state is State.STEADY
    assert judged.states.index(State.STEADY, 60) - 60 <= 9
