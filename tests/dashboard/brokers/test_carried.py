"""Rows that a poll did not measure and only carries on: they are shown with their age, and judge nothing."""

from __future__ import annotations

import numpy as np

from collectors.protocol import Poll, Quality, Sample
from dashboard.insight.flow import clears_in_seconds
from dashboard.insight.states import Judge, Reason, State
from dashboard.ticks import Ring, Tick

START = 1_700_000_000.0
STEP = 10.0
IDS = np.array([1, 2], np.int64)


def tick(at: float, depths: tuple[float | None, float | None], measured: float | None) -> Tick:
    """Queue 1 is measured at each poll; queue 2 was at `measured`."""
    samples = [Sample("1", "1", "queue", depth=depths[0])]
    samples.append(Sample("2", "2", "queue", depth=depths[1], measured_at=None if measured == at else measured))
    return Tick.of(Poll(at, samples), 1, IDS)


def judged(levels: list[float], every: int) -> tuple[Ring, Tick]:
    """Both queues have these levels, but the second is measured at every so many polls only."""
    ring, judge, carried = Ring(), Judge(), (levels[0], START)
    for i, level in enumerate(levels):
        at = START + i * STEP
        if i % every == 0:
            carried = (level, at)
        last = tick(at, (level, carried[0]), carried[1])
        last.judgement = judge(ring, last)
        ring.push(last)
    return ring, last


def states(last: Tick) -> list[State]:
    return [State(code) for code in last.judgement.state]


def test_a_tick_knows_when_each_row_was_measured_also_over_the_bus() -> None:
    now = tick(START, (5, 7), START - 60)
    assert now.fresh.tolist() == [True, False]
    again = Tick.decode(now.encode())
    assert again.measured.tolist() == [START, START - 60]
    assert tick(START, (5, 7), START).measured is None
    assert Tick.decode(tick(START, (5, 7), START).encode()).measured is None


def test_what_was_never_measured_is_unknown_and_too_young_to_judge() -> None:
    ring, judge = Ring(), Judge()
    for i in range(5):
        last = tick(START + i * STEP, (5, None), 0.0)
        last.judgement = judge(ring, last)
        ring.push(last)
    assert np.isnan(last.column("depth")[1])
    assert last.quality[0, 1] == Quality.UNKNOWN
    assert (last.judgement.state[1], last.judgement.reason[1]) == (State.UNKNOWN, Reason.TOO_YOUNG)


def test_a_queue_that_is_measured_seldom_grows_just_as_well() -> None:
    _, last = judged([100.0 + 30 * i for i in range(55)], every=6)
    assert states(last) == [State.GROWING, State.GROWING]


def test_a_value_that_is_carried_on_is_not_taken_for_a_standstill() -> None:
    """Falling, with one fresh value in six: no false standstill between two of them."""
    ring, judge, carried, seen = Ring(), Judge(), (2000.0, START), set()
    for i in range(50):
        at, level = START + i * STEP, 2000.0 - 30 * i
        if i % 6 == 0:
            carried = (level, at)
        last = tick(at, (level, carried[0]), carried[1])
        last.judgement = judge(ring, last)
        ring.push(last)
        if i > 30:
            seen.add(State(last.judgement.state[1]))
    assert seen == {State.DRAINING}


def test_a_row_that_is_carried_on_stays_as_it_was_judged() -> None:
    ring, last = judged([100.0 + 30 * i for i in range(49)], every=6)
    before = last.judgement
    judge = Judge.resume(ring)
    for i in range(49, 53):
        last = tick(START + i * STEP, (100.0, last.column("depth")[1]), START + 48 * STEP)
        last.judgement = judge(ring, last)
        ring.push(last)
    assert last.judgement.state[1] == before.state[1] == State.GROWING
    assert last.judgement.since[1] == before.since[1]


def test_the_slope_leaves_carried_values_out() -> None:
    """One jump among values that are carried on is no measurement of a pace."""
    ring, last = judged([600.0 - 5 * i for i in range(13)], every=6)
    clears = clears_in_seconds(ring, last)
    assert 1000 < clears[0] < 1200
    assert np.isnan(clears[1])
