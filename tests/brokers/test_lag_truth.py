"""The lag that is told against the times of the messages themselves, on every broker that is installed.

`python -m tests.bench.lag` does it for longer, at the usual interval.
"""

from __future__ import annotations

import statistics

import pytest

from collectors.protocol import LagMethod
from tests.dashboard.labelled.ahead import breaks, goes_on, repeats
from tests.dashboard.labelled.monitored import EVERY, errors

from .lived import Phase
from .watched import Watched, engines, lines_for, watch

pytestmark = pytest.mark.slow

#: RabbitMQ refreshes its numbers every five seconds; Weir polls every ten unless told otherwise.
USUAL_INTERVAL = 10.0
COURSE = [Phase(4, 40, 0, "gone"), Phase(12, 20, 20), Phase(6, 20, 0, "gone"), Phase(20, 10, 40)]
FEW = [Phase(phase.seconds, phase.sent / 10, phase.taken / 10, phase.how) for phase in COURSE]


@pytest.fixture(scope="module")
def watched() -> list[Watched]:
    with engines() as found:
        return watch(lines_for(found, COURSE, FEW), 34, 3)


def test_every_method_is_closer_than_one_interval_on_average(watched: list[Watched]) -> None:
    means = {
        (one.broker, one.line.name, method.name): statistics.mean(far)
        for one in watched
        for method, far in one.errors().items()
        if len(far) >= 3
    }
    assert means
    assert {name: mean for name, mean in means.items() if mean >= USUAL_INTERVAL} == {}
    usual = {
        (one.line.name, method.name): statistics.median(far)  # one poll may be held up by what else runs
        for one in watched
        for method, far in one.errors().items()
        if one.broker == "Redis" and len(far) >= 3
    }
    assert all(far < 0.5 for far in usual.values()), usual


def test_what_cannot_be_told_is_not_told(watched: list[Watched]) -> None:
    told = {(one.broker, one.line.name): one for one in watched}
    for name in (("Redis", "plain"), ("SQS", "orders")):
        if name in told:
            assert {s.lag_method for _, s in told[name].polls} == {LagMethod.NONE}
            assert told[name].untold == 1
    some = [one for name, one in told.items() if name[1] not in ("plain", "orders")]
    assert all(one.untold < 0.5 and len(one.polls) > 5 for one in some)


def test_what_cloudwatch_said_minutes_ago_is_carried_on_to_within_its_interval() -> None:
    """Each minute's greatest age, two minutes late, asked for every five; on courses that bend, break and repeat."""
    courses = (breaks()[0], repeats()[1], goes_on()[7], goes_on()[12])
    means = {one.name: statistics.mean(errors(one)) for one in (course(shift=0) for course in courses)}
    assert len(means) == 4 and max(means.values()) < EVERY / 2, means
