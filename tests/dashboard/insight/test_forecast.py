"""Forecasts: what a band holds over the labelled set, and what is said of small series."""

from __future__ import annotations

import numpy as np
import pytest

from dashboard.insight.forecast import HORIZON, STEP, forecast
from dashboard.insight.pictures import pictures

from ..labelled.ahead import ahead
from ..labelled.coverage import EVERY, LATER, Held, coverage, forecasts
from ..labelled.made import made

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


def test_a_pace_that_rises_goes_on_rising() -> None:
    made = forecast(TIMES, 0.002 * (TIMES - TIMES[0]) ** 2 + noise(30))
    assert made is not None
    came = 0.002 * (TIMES[-1] - TIMES[0] + HORIZON) ** 2
    assert made.middle[-1] == pytest.approx(came, rel=0.05)
    assert made.low[-1] < came < made.high[-1] < 1.3 * came


def test_what_comes_every_twenty_minutes_comes_again() -> None:
    def teeth(times: np.ndarray) -> np.ndarray:
        return 100.0 * np.maximum(0, 10 - np.abs((times - TIMES[0]) / 30 % 40 - 10))

    made = forecast(TIMES, np.maximum(0, teeth(TIMES) + noise(5)))
    assert made is not None and made.repeats == pytest.approx(1200, abs=60)
    came = teeth(made.times)
    assert np.abs(made.middle - came).mean() < 60 and came.max() == 900
    assert ((made.low - 20 <= came) & (came <= made.high + 20)).mean() > 0.8


def test_a_jump_is_no_pace_and_a_rise_before_it_does_not_hide_the_one_after() -> None:
    values = 2.0 * (TIMES - TIMES[0]) + noise(10)
    values[180:] -= 10_000
    made = forecast(TIMES, np.maximum(values, 0))
    assert made is not None
    assert made.middle[-1] == pytest.approx(values[-1] + 2.0 * HORIZON, rel=0.1)


def test_errors_of_the_past_widen_the_band() -> None:
    """The same rise, once as even as chance allows and once in waves that no picture has."""
    even = 3.0 * (TIMES - TIMES[0]) + noise(20)
    uneven = even + 300 * np.sin(np.arange(240) ** 1.4 / 25)
    one, other = forecast(TIMES, even), forecast(TIMES, uneven)
    assert one is not None and other is not None
    assert other.high[-1] - other.low[-1] > 2 * (one.high[-1] - one.low[-1])


def test_rows_are_judged_as_if_each_were_alone() -> None:
    rise = 3.0 * np.arange(240) + noise(5)
    rows = np.array([rise, noise(40) + 500, np.where(np.arange(240) < 200, 0.0, rise), np.full(240, 7.0)])
    rows[1, :100] = NAN  # it came later
    ahead = np.array([10.0, 60.0])
    together = pictures(rows, ahead, 30.0)
    for i, row in enumerate(rows):
        alone = pictures(row[None, :], ahead, 30.0)
        for name in ("middle", "low", "high", "pace", "since"):
            np.testing.assert_allclose(getattr(together, name)[i], getattr(alone, name)[0], err_msg=f"{name} of {i}")
    assert together.since.tolist() == [239, 139, 38, 239]  # the change of the jump itself is no part of it


def test_whatever_a_past_looks_like_the_band_is_one() -> None:
    """Of uneven polls with gaps, spikes, steps and numbers of every size: finite, in order, and not below nothing."""
    random = np.random.default_rng(7)
    told = 0
    for _ in range(150):
        n = int(random.integers(12, 240))
        values = random.choice([0, 1, 5, 1e6, NAN], n, p=random.dirichlet(np.ones(5))) * random.uniform(0.5, 1, n)
        made = forecast(np.cumsum(random.uniform(1, 60, n)), values)
        if made is not None:
            told += 1
            assert np.isfinite([made.low, made.middle, made.high]).all()
            assert (made.low >= 0).all() and (made.low <= made.middle).all() and (made.middle <= made.high).all()
    assert told > 50


@pytest.mark.slow
@pytest.mark.parametrize("metric", ["depth", "lag_seconds"])
def test_the_band_holds_four_times_out_of_five(metric: str) -> None:
    """As long as a queue stays in its true state, or does what it always does: no past tells when consumers will go."""
    every = [series for series in (*made(5000), *ahead(5000)) if series.kind != "rates"]
    held: list[Held] = [one for series in every for one in forecasts(series, metric, 3 * EVERY)]
    lasting = [one for one in held if one.lasted]
    for later in LATER:
        share, number = coverage(one for one in lasting if one.later == later)
        assert number > 400
        assert 0.70 <= share <= 0.90
    off = sum(one.off for one in lasting)
    assert off < 0.35 * sum(one.naive_off for one in lasting)
    assert sum(one.width for one in lasting) < 4 * off
    for family in ("sawtooth", "accelerating ramp", "daily", "leak", "drain"):
        assert coverage(one for one in lasting if one.series.family == family)[0] > 0.65, family
