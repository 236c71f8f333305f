"""Forecasts: what a band holds over the labelled set, and what is said of small series."""

from __future__ import annotations

import numpy as np
import pytest

from dashboard.insight.forecast import HORIZON, STEP, forecast

from .labelled.coverage import Held, coverage, forecasts
from .labelled.made import made

NAN = np.nan
TIMES = 1_700_000_000.0 + 30 * np.arange(240)


def noise(size: float, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, size, len(TIMES))


def test_a_rise_goes_on_at_its_pace_in_a_band_that_widens() -> None:
    made = forecast(TIMES, 100 + 3.0 * (TIMES - TIMES[0]) + noise(20))
    assert made is not None and made.moves == pytest.approx(3.0, rel=0.05)
    assert len(made.times) == HORIZON / STEP and made.times[-1] - made.at == HORIZON
    assert made.middle[-1] == pytest.approx(made.value + 3.0 * HORIZON, rel=0.05)
    assert (np.diff(made.high - made.low) > 0).all()
    assert (made.low <= made.middle).all() and (made.middle <= made.high).all()


def test_a_drain_ends_at_nothing() -> None:
    made = forecast(TIMES, np.maximum(8500 - 1.0 * (TIMES - TIMES[0]), 0) + np.abs(noise(3)))
    assert made is not None
    assert made.middle[-1] == 0 and made.low.min() == 0 and made.middle[10] > 0


def test_a_level_comes_back_to_what_is_usual() -> None:
    values = 500 + noise(40)
    values[-1] = 620
    made = forecast(TIMES, values)
    assert made is not None and made.moves == 0
    assert made.middle[-1] == pytest.approx(500, abs=15)
    assert made.low[-1] == pytest.approx(500 - 1.28 * 40, abs=15)
    assert made.high[-1] == pytest.approx(500 + 1.28 * 40, abs=20)


def test_what_never_changed_does_not_change() -> None:
    made = forecast(TIMES, np.full(240, 7.0))
    assert made is not None
    assert set(made.low.tolist()) == set(made.high.tolist()) == {7.0}


def test_a_rise_that_stopped_is_not_drawn_on() -> None:
    values = np.concatenate([np.arange(200) * 300.0, np.full(40, 200 * 300.0)]) + noise(50)
    made = forecast(TIMES, values)
    assert made is not None
    assert made.middle[-1] < 1.15 * 60_000


@pytest.mark.parametrize(
    "values",
    [
        np.full(240, NAN),
        np.where(np.arange(240) > 229, 5.0, NAN),  # ten values
        np.where(np.arange(240) < 220, 5.0, NAN),  # ten minutes ago it ended
        np.empty(0),
    ],
)
def test_where_little_is_known_nothing_is_said(values: np.ndarray) -> None:
    assert forecast(TIMES[: len(values)], values) is None


def test_a_gap_and_missing_values_do_not_matter() -> None:
    values = 100 + 3.0 * (TIMES - TIMES[0]) + noise(20)
    values[::5] = NAN
    values[100:160] = NAN
    made = forecast(TIMES, values)
    assert made is not None and made.moves == pytest.approx(3.0, rel=0.1)


@pytest.mark.slow
@pytest.mark.parametrize("metric", ["depth", "lag_seconds"])
def test_the_band_holds_four_times_out_of_five(metric: str) -> None:
    """As long as a queue stays in its true state: no past tells when consumers will go."""
    held: list[Held] = [one for series in made(5000) if series.kind != "rates" for one in forecasts(series, metric)]
    share, number = coverage(one for one in held if one.lasted)
    assert number > 800
    assert 0.70 <= share <= 0.90
    assert sum(one.off for one in held) < 0.8 * sum(one.naive_off for one in held)
