"""Rules on made-up series: when each kind fires, when it closes, and what it makes of what is not known."""

from __future__ import annotations

import numpy as np
import pytest

from dashboard.alerts.conditions import BadCondition, Condition, words
from dashboard.alerts.rules import Engine, Spec
from dashboard.insight.vocabulary import State

from ..moments import NAN, START, Moment, marks, played

LAG = {"metric": "lag_seconds", "op": ">", "value": 300, "for_seconds": 60, "clear_seconds": 60}


def test_a_limit_passed_for_long_enough_opens_and_closes_once():
    values = [0] * 5 + [400] * 20 + [0] * 20
    assert played(LAG, values) == [("open", 110), ("close", 310)]


def test_a_spike_shorter_than_its_time_is_nothing():
    assert played(LAG, [0, 400, 400, 400, 400, 400, 0] * 10) == []


def test_it_does_not_flap_around_the_limit():
    values = [310, 290] * 100
    assert played({**LAG, "for_seconds": 0}, values) == [("open", 0)]
    assert len(played({**LAG, "for_seconds": 0, "clear_seconds": 0}, values)) == 200


def test_a_lower_level_holds_it_open():
    values = [400] * 10 + [250] * 30 + [100] * 10
    assert played({**LAG, "clear_value": 200}, values) == [("open", 60), ("close", 460)]


@pytest.mark.parametrize(
    ("unknown", "expected"),
    [("keep", [("open", 160)]), ("fire", [("open", 60)]), ("ok", [("open", 190)])],
)
def test_what_unknown_means_is_the_rules_choice(unknown, expected):
    values = [400] * 4 + [NAN] * 10 + [400] * 10
    if unknown == "ok":
        expected = [("open", 200)]
    assert played({**LAG, "unknown": unknown}, values) == expected


def test_unknown_never_closes_an_incident_by_itself():
    assert played({**LAG, "for_seconds": 0}, [400] + [NAN] * 200) == [("open", 0)]


def test_a_gap_between_polls_counts_neither_way():
    engine = Engine(10.0)
    engine.set_rules([Spec(1, Condition.read(LAG))])
    found = []
    for at in (0, 10, 20, 3600, 3610, 3620, 3630, 3640):
        found += marks(engine.judge(Moment(START + at, lag_seconds=400), {}))
    assert found == [("open", 3630)]


def test_carried_values_are_not_judged_and_do_not_stop_the_clock():
    engine = Engine(10.0)
    engine.set_rules([Spec(1, Condition.read(LAG))])
    found = []
    for i in range(12):
        held = np.array([i % 6 != 0])
        found += marks(engine.judge(Moment(START + i * 10, lag_seconds=400, held=held), {}))
    assert found == [("open", 60)]


def test_never_is_beyond_every_limit_of_the_time_to_clear():
    rule = {"metric": "clears_in_seconds", "op": ">", "value": 3600}
    assert played(rule, [10, np.inf]) == [("open", 10)]


def test_a_rise_is_measured_from_the_lowest_of_the_window():
    rule = {"kind": "change", "metric": "dead_letters", "value": 5, "window_seconds": 300, "clear_seconds": 0}
    values = [100] * 10 + [103, 106] + [106] * 40
    assert played(rule, values)[0] == ("open", 110)
    assert played(rule, [0, 3, 3, 3, 5, 5]) == []
    assert played(rule, values)[1][0] == "close"


def test_a_fall_in_percent():
    rule = {"kind": "change", "metric": "in_rate", "op": "<", "value": 80, "percent": True, "window_seconds": 600}
    assert played(rule, [100] * 10 + [30, 19]) == [("open", 110)]


def test_a_forecast_fires_before_the_limit_is_reached():
    rule = {"kind": "forecast", "metric": "lag_seconds", "value": 300, "horizon_seconds": 1800, "window_seconds": 300}
    rising = [i * 2.0 for i in range(150)]
    assert 40 <= played(rule, rising)[0][1] <= 120
    assert played(rule, [60.0] * 100) == []
    random = np.random.default_rng(1)
    assert played(rule, 60 + random.normal(0, 5, 400)) == [], "noise is no trend"


def test_unusual_is_against_the_same_hour_of_past_weeks():
    def usual(ids, metric, at):
        return np.full(len(ids), 100.0), np.full(len(ids), 10.0)

    rule = {"kind": "unusual", "metric": "depth", "value": 4, "for_seconds": 20}
    assert played(rule, [100, 141, 139, 150, 150, 150], usual=usual) == [("open", 50)]
    assert played(rule, [100, 1e6, 1e6, 1e6, 1e6]) == [], "without a past nothing is unusual"


@pytest.mark.parametrize(
    ("word", "depth", "out", "fires"),
    [
        ("stopped", [50 + i for i in range(100)], [0.0] * 100, True),
        ("stopped", [50 - i % 7 for i in range(100)], [NAN] * 100, False),
        ("stopped", [50] * 100, [NAN] * 100, True),
        ("stopped", [50] * 50 + [0] + [50] * 49, [0.0] * 100, True),
        ("stopped", [50 + i for i in range(100)], [1.0] * 100, False),
        ("behind", [50 + i for i in range(100)], [1.0] * 100, True),
        ("behind", [50 + i % 5 for i in range(100)], [1.0] * 100, False),
        ("behind", [0 + i % 2 for i in range(100)], [1.0] * 100, False),
    ],
)
def test_verdicts_as_burrow_judges(word, depth, out, fires):
    rule = {"kind": "stuck", "value": word, "window_seconds": 300}
    found = played(rule, depth, out_rate=out)
    assert bool(found) == fires
    assert not fires or found[0][1] >= 280, "no verdict before the window is full"


def test_a_state_is_asked_for_by_its_word():
    rule = {"metric": "state", "value": "stalled", "for_seconds": 20}
    codes = [State.STEADY, State.STALLED, State.STALLED, State.STALLED, State.UNKNOWN, State.STEADY]
    assert played(rule, [float(code) for code in codes]) == [("open", 30)]


def test_a_queue_that_is_gone_closes_what_it_opened():
    engine = Engine(10.0)
    engine.set_rules([Spec(1, Condition.read({**LAG, "for_seconds": 0}))])
    assert marks(engine.judge(Moment(START, [1, 2], lag_seconds=400), {})) == [("open", 0), ("open", 0)]
    (change,) = engine.judge(Moment(START + 10, [2, 3], lag_seconds=[400, 0]), {})
    assert (change.opened, change.closed, change.gone) == ([], [], [1])


def test_leaving_the_scope_closes_after_the_rules_time():
    engine = Engine(10.0)
    engine.set_rules([Spec(1, Condition.read({**LAG, "for_seconds": 0, "clear_seconds": 20}))])
    found = []
    for i in range(6):
        found += marks(engine.judge(Moment(START + i * 10, lag_seconds=400), {1: np.array([i < 2])}))
    assert found == [("open", 0), ("close", 40)]


def test_a_changed_rule_keeps_what_fires_and_asks_anew():
    engine = Engine(10.0)
    engine.set_rules([Spec(1, Condition.read({**LAG, "for_seconds": 0}))])
    engine.judge(Moment(START, lag_seconds=400), {})
    engine.set_rules([Spec(1, Condition.read({**LAG, "value": 500, "clear_seconds": 10}))])
    found = [m for i in (1, 2, 3) for m in marks(engine.judge(Moment(START + i * 10, lag_seconds=400), {}))]
    assert found == [("close", 20)]


@pytest.mark.parametrize(
    ("condition", "field"),
    [
        ({"metric": "colour", "value": 1}, "metric"),
        ({"metric": "depth", "op": "~", "value": 1}, "op"),
        ({"metric": "depth", "value": "many"}, "value"),
        ({"metric": "depth", "value": NAN}, "value"),
        ({"metric": "depth", "value": 10, "clear_value": 20}, "clear_value"),
        ({"metric": "depth", "value": 10, "for_seconds": -1}, "for_seconds"),
        ({"metric": "depth", "value": 10, "unknown": "maybe"}, "unknown"),
        ({"metric": "depth", "value": 10, "colour": 1}, "colour"),
        ({"kind": "state", "value": "sleepy"}, "value"),
        ({"kind": "change", "metric": "depth", "value": 5, "window_seconds": 5}, "window_seconds"),
    ],
)
def test_what_is_wrong_names_its_field(condition, field):
    with pytest.raises(BadCondition) as refused:
        Condition.read(condition)
    assert refused.value.field == f"condition.{field}"
    assert str(refused.value).endswith(".")


@pytest.mark.parametrize(
    ("condition", "sentence"),
    [
        ({**LAG, "for_seconds": 120}, "lag is over 5 min for 2 min"),
        ({"metric": "in_rate", "op": "<=", "value": 0, "for_seconds": 600}, "nothing arrives for 10 min"),
        ({"metric": "consumers", "op": "<", "value": 1, "for_seconds": 60}, "there are no consumers for 1 min"),
        ({"kind": "forecast", "metric": "lag_seconds", "value": 300}, "lag will be over 5 min within 30 min"),
        ({"metric": "state", "value": "growing"}, "it is growing"),
    ],
)
def test_a_condition_reads_as_a_sentence(condition, sentence):
    assert words(Condition.read(condition)) == sentence
    assert Condition.read(Condition.read(condition).as_json()) == Condition.read(condition)
