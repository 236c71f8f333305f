"""The states over the labelled set: what they may miss, how late they may be, how much they may flicker.

`python -m tests.bench.judgement` shows the whole report.
"""

from __future__ import annotations

import pytest

from dashboard.insight.states import State

from ..labelled.made import made
from ..labelled.recorded import recorded
from ..labelled.score import Judged, flicker, judge, reasons_right, scores

pytestmark = pytest.mark.slow

#: Another chance than the one that the judge's constants were tried on.
SHIFT = 5000


@pytest.fixture(scope="module")
def judged() -> list[Judged]:
    return judge(made(SHIFT))


def test_there_are_enough_series_of_every_sort(judged: list[Judged]) -> None:
    assert len(judged) >= 60
    assert len({one.series.name for one in judged}) == len(judged)
    assert {one.series.family for one in judged} >= {
        "steady", "noisy", "bursty", "daily", "leak", "ramp", "outage of consumers", "outage of producers",
        "poison loop", "restart", "gaps", "resets", "depth only", "lag only",
    }  # fmt: skip
    meant = scores(judged)
    assert all(meant[state].meant > 800 for state in State if state is not State.UNKNOWN)


@pytest.mark.parametrize(
    ("state", "precision", "recall", "delay"),
    [
        (State.IDLE, 0.99, 0.99, 310),
        (State.STEADY, 0.98, 0.99, 60),
        (State.DRAINING, 0.98, 0.97, 120),
        (State.GROWING, 0.98, 0.96, 120),
        (State.STALLED, 0.97, 0.97, 90),
    ],
)
def test_states_are_right(judged: list[Judged], state: State, precision: float, recall: float, delay: float) -> None:
    score = scores(judged)[state]
    assert score.precision >= precision, score.row()
    assert score.recall >= recall, score.row()
    assert score.row()["delay s, median"] <= delay, score.row()
    assert score.missed <= 1, score.row()


def test_they_hardly_flicker(judged: list[Judged]) -> None:
    assert flicker(judged) < 0.5
    assert max(one.changes / max(one.series.seconds / 3600, 1) for one in judged) <= 12


def test_causes_are_named(judged: list[Judged]) -> None:
    count, right = reasons_right(judged)
    assert count > 800
    assert right / count > 0.97


def test_recorded_queues_are_judged_right() -> None:
    """Of RabbitMQ, Redis and SQS, as they really were polled."""
    all_judged = judge(recorded())
    assert len(all_judged) == 9 and sum(len(right) < 6 for one in all_judged for right in one.series.expected) > 500
    assert {one.series.name: one.wrong for one in all_judged if one.wrong} == {}
    late = {(one.series.name, state.name): delay for one in all_judged for state, delay in one.delays()}
    assert all(delay is not None and delay <= 140 for delay in late.values()), late
    count, right = reasons_right(all_judged)
    assert count > 100 and right == count
