"""What holds of every rule on every series: hysteresis, and that a restart changes nothing."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from dashboard.alerts.conditions import Condition
from dashboard.alerts.rules import Engine, Spec

from ..moments import NAN, START, Moment, marks

VALUES = st.lists(st.sampled_from([0.0, 5.0, 9.0, 11.0, 20.0, NAN]), min_size=1, max_size=60)
TIMES = st.sampled_from([0, 10, 25, 60])
UNKNOWN = st.sampled_from(["keep", "fire", "ok"])
SPAN = 10.0


def rule(lasting: float, closing: float, unknown: str, level: float | None = 6.0) -> Condition:
    return Condition.read(
        {"metric": "depth", "value": 10, "clear_value": level, "for_seconds": lasting, "clear_seconds": closing}
        | {"unknown": unknown}
    )


def judged(condition: Condition, values: list[float], restart_every: int = 0) -> list[tuple[str, float]]:
    engine = Engine(SPAN)
    engine.set_rules([Spec(1, condition)])
    found = []
    for i, value in enumerate(values):
        if restart_every and i and i % restart_every == 0:
            kept, at = engine.kept(), engine.at
            engine = Engine(SPAN)
            engine.set_rules([Spec(1, condition)])
            engine.restore(kept, at)
        found += marks(engine.judge(Moment(START + i * SPAN, depth=value), {}))
    return found


def by_hand(condition: Condition, values: list[float]) -> list[tuple[str, float]]:
    """The same, written for one queue and one value at a time."""
    found, firing, clock = [], False, None
    for i, value in enumerate(values):
        at = i * SPAN
        if value != value and condition.unknown != "keep":
            value = 1e9 if condition.unknown == "fire" else -1e9
        if value != value:
            clock = None if clock is None else clock + SPAN
            continue
        wants = value <= 6.0 if firing else value > 10.0
        if not wants:
            clock = None
            continue
        clock = at if clock is None else clock
        if at - clock >= (condition.clear_seconds if firing else condition.for_seconds):
            firing, clock = not firing, None
            found.append(("open" if firing else "close", at))
    return found


@given(VALUES, TIMES, TIMES, UNKNOWN)
@settings(max_examples=300, deadline=None)
def test_columns_say_what_one_queue_by_hand_says(values, lasting, closing, unknown):
    condition = rule(lasting, closing, unknown)
    assert judged(condition, values) == by_hand(condition, values)


@given(VALUES, TIMES, TIMES, UNKNOWN, st.integers(1, 7))
@settings(max_examples=150, deadline=None)
def test_a_restart_at_any_moment_changes_nothing(values, lasting, closing, unknown, every):
    condition = rule(lasting, closing, unknown)
    assert judged(condition, values, every) == judged(condition, values)


@given(VALUES, TIMES, TIMES, UNKNOWN)
@settings(max_examples=150, deadline=None)
def test_opening_and_closing_take_turns_and_are_never_closer_than_the_rules_times(values, lasting, closing, unknown):
    found = judged(rule(lasting, closing, unknown), values)
    assert [what for what, _ in found] == ["open", "close"] * (len(found) // 2) + ["open"] * (len(found) % 2)
    for (_, before), (what, at) in pairwise(found):
        assert at - before >= (closing if what == "close" else lasting)
