"""Waits by Little's law, and times to clear."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dashboard.insight import flow
from dashboard.ticks import Ring

from ..traffic import START, simulated, tick_of

NAN, INF = np.nan, np.inf


def clears(samples: list[dict], interval: float = 10.0) -> float:
    ring = Ring()
    for i, fields in enumerate(samples):
        ring.push(tick_of([fields], START + i * interval))
    assert ring.latest is not None
    return float(flow.clears_in_seconds(ring, ring.latest)[0])


def test_the_wait_is_backlog_over_completions() -> None:
    depth = np.array([66012.0, 100, 100, 0, 0, 5, NAN])
    in_flight = np.array([210.0, NAN, 0, 0, 0, 3, 4])
    out_rate = np.array([210.0, 10, NAN, 0, 5, 0, 5])
    expected = [66222 / 210, 10, NAN, NAN, 0, INF, NAN]
    np.testing.assert_allclose(flow.wait_seconds(depth, in_flight, out_rate), expected)


@settings(max_examples=50, deadline=None)
@given(st.floats(0, 1e6), st.floats(0, 1e6), st.floats(0.001, 1e5))
def test_the_wait_scales_as_little_says(depth: float, in_flight: float, out_rate: float) -> None:
    wait = flow.wait_seconds(*(np.array([v]) for v in (depth, in_flight, out_rate)))[0]
    assert wait * out_rate == pytest.approx(depth + in_flight)


def test_a_draining_queue_clears_at_its_net_rate() -> None:
    assert clears([{"depth": 1000.0 - 20 * i} for i in range(10)]) == pytest.approx(820 / 2, rel=0.01)


def test_noise_on_a_drain_changes_little() -> None:
    seconds = clears(simulated(20, 12, 96, depth=50_000))
    depth = 50_000 - 20 * 840
    assert seconds == pytest.approx(depth / 84, rel=0.1)


def test_a_growing_queue_never_clears() -> None:
    assert clears([{"depth": 100.0 + 50 * i} for i in range(10)]) == INF


def test_a_standing_queue_never_clears() -> None:
    assert clears([{"depth": 100.0, "out_rate": 0.0}] * 10) == INF


def test_an_empty_queue_is_clear() -> None:
    assert clears([{"depth": 100.0 - 20 * i} for i in range(6)]) == 0.0


def test_a_balanced_queue_is_through_what_waits_at_its_pace() -> None:
    assert clears([{"depth": 42.0, "in_rate": 66.0, "out_rate": 66.0}] * 10) == pytest.approx(42 / 66)


def test_nothing_is_said_without_rates_or_with_two_samples() -> None:
    assert np.isnan(clears([{"depth": 42.0}] * 10))
    assert np.isnan(clears([{"depth": 42.0, "out_rate": 1.0}] * 2))
    assert np.isnan(clears([{"out_rate": 1.0}] * 10))


def test_a_consumer_group_clears_by_how_far_it_is_behind() -> None:
    assert clears([{"lag_messages": 1000.0 - 20 * i} for i in range(10)]) == pytest.approx(820 / 2, rel=0.01)


def test_a_missing_value_does_not_hide_the_slope() -> None:
    samples = [{"depth": None if i == 5 else 1000.0 - 20 * i} for i in range(10)]
    assert clears(samples) == pytest.approx(820 / 2, rel=0.01)


def test_long_intervals_still_have_a_slope() -> None:
    assert clears([{"depth": 1000.0 - 20 * i} for i in range(10)], interval=60) == pytest.approx(820 * 3, rel=0.01)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.one_of(st.none(), st.floats(0, 1e6)), min_size=3, max_size=7))
def test_the_slope_is_that_of_the_textbook(depths: list[float | None]) -> None:
    ring = Ring()
    for i, depth in enumerate(depths):
        ring.push(tick_of([{"depth": depth}], START + 10 * i))
    assert ring.latest is not None
    slope = flow.net_rate(ring, ring.latest)[0][0]
    known = [(10 * i, depth) for i, depth in enumerate(depths) if depth is not None]
    if len(known) < 3:
        assert np.isnan(slope)
    else:
        times, levels = zip(*known, strict=True)
        assert slope == pytest.approx(np.polyfit(times, levels, 1)[0], rel=1e-6, abs=1e-6)


def test_a_tick_merged_from_partial_answers_has_its_own_queues() -> None:
    ring = Ring()
    for i in range(6):
        ring.push(tick_of([{"depth": 500.0 - 10 * i}, {"depth": 90.0 - 9 * i}], START + 10 * i))
    only_second = tick_of([None, {"depth": 36.0}], START + 60)
    assert flow.clears_in_seconds(ring, only_second).shape == (1,)
    assert flow.clears_in_seconds(ring, only_second)[0] == pytest.approx(36 / 0.9, rel=0.05)
