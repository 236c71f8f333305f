"""Lag by position, and Little's law."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.lag import PositionLag, wait_seconds

INTERVAL = 5.0
steps = st.lists(st.integers(0, 500), min_size=4, max_size=50)


def ring_of(arrivals: list[int], points: int = 64) -> tuple[PositionLag, list[float]]:
    """A ring that saw `arrivals` messages in each interval, and the arrival time of each message, evenly spread."""
    ring, total, times = PositionLag(points), 0, []
    ring.observe(0.0, 0)
    for i, n in enumerate(arrivals):
        times += [i * INTERVAL + INTERVAL * (k + 1) / (n + 1) for k in range(n)]
        total += n
        ring.observe((i + 1) * INTERVAL, total)
    return ring, times


@given(st.integers(1, 200), st.integers(4, 60), st.data())
def test_constant_rate_gives_the_true_lag(per_step: int, polls: int, data: st.DataObject) -> None:
    ring, times = ring_of([per_step] * polls)
    position = data.draw(st.integers(0, len(times) - 1))
    now = polls * INTERVAL
    assert ring.lag(now, position) == pytest.approx(now - times[position], abs=INTERVAL)


@given(steps, st.data())
def test_varying_rates_give_the_true_lag_within_one_interval(arrivals: list[int], data: st.DataObject) -> None:
    ring, times = ring_of(arrivals)
    if not times:
        return
    position = data.draw(st.integers(0, len(times) - 1))
    now = len(arrivals) * INTERVAL
    assert ring.lag(now, position) == pytest.approx(now - times[position], abs=INTERVAL)


@given(steps, st.data())
def test_a_later_position_never_has_more_lag(arrivals: list[int], data: st.DataObject) -> None:
    ring, times = ring_of(arrivals, points=8)
    first = data.draw(st.floats(0, len(times) + 1))
    second = data.draw(st.floats(first, len(times) + 2))
    now = len(arrivals) * INTERVAL
    early, late = ring.lag(now, first), ring.lag(now, second)
    assert early is not None and late is not None and early >= late >= 0


@given(st.lists(st.integers(0, 10**6), min_size=2, max_size=300), st.floats(-10, 10**7))
def test_any_counter_keeps_the_memory_bounded_and_the_answer_sane(totals: list[int], position: float) -> None:
    ring = PositionLag(16)
    for i, total in enumerate(totals):
        ring.observe(i * INTERVAL, total)
        assert len(ring) <= 16
    lag = ring.lag(len(totals) * INTERVAL, position)
    assert lag is None or 0 <= lag <= 2 * len(totals) * INTERVAL


@given(st.integers(1, 50), st.integers(200, 2000))
def test_a_thinned_ring_reaches_back_to_the_start(per_step: int, polls: int) -> None:
    ring, times = ring_of([per_step] * polls, points=16)
    now = polls * INTERVAL
    assert ring.lag(now, 0) == pytest.approx(now - times[0], abs=INTERVAL)


def test_nothing_is_told_from_fewer_than_two_points() -> None:
    ring = PositionLag()
    assert ring.lag(0, 0) is None
    ring.observe(0, 10)
    assert ring.lag(0, 5) is None


def test_a_position_at_or_beyond_the_head_has_no_lag() -> None:
    ring, _ = ring_of([10, 10])
    assert ring.lag(10, 20) == 0.0
    assert ring.lag(10, 21) == 0.0


def test_a_flat_stretch_is_dated_by_its_end() -> None:
    ring, _ = ring_of([10, 0, 0, 0, 10])
    assert ring.lag(25, 10) == pytest.approx(5.0)
    assert len(ring) == 4


def test_a_position_shortly_before_the_window_is_extrapolated_and_one_long_before_is_unknown() -> None:
    ring = PositionLag()
    ring.observe(100, 1000)
    ring.observe(110, 1100)
    assert ring.lag(110, 950) == pytest.approx(15.0)
    assert ring.lag(110, 500) is None


def test_without_arrivals_an_old_position_is_unknown() -> None:
    ring = PositionLag()
    ring.observe(0, 100)
    ring.observe(5, 100)
    assert ring.lag(5, 40) is None


def test_a_counter_that_starts_anew_is_not_mixed_with_the_old_one() -> None:
    ring, _ = ring_of([100, 100])
    ring.observe(15, 5)
    assert ring.lag(15, 0) is None
    ring.observe(20, 10)
    assert ring.lag(20, 5) == pytest.approx(5.0)


def test_a_late_point_and_a_nan_are_ignored() -> None:
    ring, _ = ring_of([10, 10])
    ring.observe(3, 500)
    ring.observe(11, float("nan"))
    assert ring.lag(10, 10) == pytest.approx(5.0)
    assert ring.lag(10, float("nan")) is None


def test_too_small_a_ring_is_refused() -> None:
    with pytest.raises(ValueError, match="4 is the least"):
        PositionLag(2)


@pytest.mark.parametrize(
    ("depth", "in_flight", "out_rate", "wait"),
    [(90, 10, 20, 5), (90, None, 9, 10), (0, 0, 5, 0), (0, None, 0, None), (7, 1, 0, None), (7, 1, None, None),
     (None, 3, 5, None)],
)  # fmt: skip
def test_wait_by_littles_law(
    depth: float | None, in_flight: float | None, out_rate: float | None, wait: float | None
) -> None:
    assert wait_seconds(depth, in_flight, out_rate) == wait
