"""Figures: panels, gaps, what is filled, and the words where nothing is known."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import plotly.graph_objects as go
import pytest

from collectors.protocol import METRICS
from dashboard.charts import FIGURE_METRICS, queue_figure
from dashboard.insight.forecast import Forecast
from dashboard.store.base import Series

START, STEP = 1_700_000_000.0, 10.0


def series(points: int = 12, **known: list[float]) -> Series:
    """A series of one queue; metrics that are not named are unknown throughout."""
    values = {m: np.array([known.get(m, [np.nan] * points)], float) for m in FIGURE_METRICS}
    quality = {m: np.zeros((1, points), np.int64) for m in FIGURE_METRICS}
    return Series(START + STEP * np.arange(points), STEP, [1], values, quality)


def checked(made: dict) -> dict:
    """A figure as a browser reads it; plotly refuses a property that it does not know."""
    go.Figure(made)
    return json.loads(json.dumps(made, allow_nan=False))


def figure(points: int = 12, row: dict | None = None, **known: list[float]) -> dict:
    made = queue_figure(series(points, **known), START, START + points * STEP, row)
    return checked(made)


def traces(figure: dict, **wanted: object) -> list[dict]:
    return [t for t in figure["data"] if all(t["meta"].get(key) == value for key, value in wanted.items())]


def words(figure: dict) -> list[str]:
    return [note["text"] for note in figure["layout"]["annotations"]]


def test_the_metrics_of_a_figure_are_ones_that_are_stored() -> None:
    assert set(FIGURE_METRICS) <= set(METRICS)


def test_four_panels_share_one_time_axis_and_do_not_overlap() -> None:
    made = figure(depth=[1.0] * 12)
    domains = [made["layout"][name]["domain"] for name in ("yaxis", "yaxis2", "yaxis3", "yaxis4")]
    assert all(low < high for low, high in domains)
    assert all(above[0] > below[1] for above, below in pairwise(domains))
    assert domains[-1][0] >= 0
    assert {trace["xaxis"] for trace in made["data"]} == {"x"}
    assert made["layout"]["xaxis"]["range"] == [START * 1000, (START + 120) * 1000]


def test_a_gap_stays_a_gap_in_the_line_and_in_the_area_below_it() -> None:
    nan = np.nan
    made = figure(6, depth=[5.0, 6.0, nan, nan, 7.0, 8.0])
    (line,) = traces(made, metric="depth")
    assert line["y"] == [5, 6, None, None, 7, 8]
    assert line["connectgaps"] is False
    (area,) = traces(made, area=True)
    assert area["y"] == [5, 6, 0, 0, None, 7, 8, 0, 0]
    assert area["x"][:4] == [line["x"][0], line["x"][1], line["x"][1], line["x"][0]]


def test_what_arrives_beyond_what_is_completed_is_filled() -> None:
    made = figure(3, in_rate=[10.0, 30.0, 5.0], out_rate=[10.0, 12.0, 9.0])
    (excess,) = [t for t in traces(made, area=True) if t.get("name") == "in exceeds out"]
    assert excess["y"] == [10, 30, 9, 9, 12, 10]
    assert excess["meta"]["role"] == "warn"


def test_nothing_is_filled_where_one_of_the_two_is_unknown() -> None:
    made = figure(2, in_rate=[10.0, 30.0])
    assert not [t for t in made["data"] if t.get("name") == "in exceeds out"]


def test_the_net_rate_stands_for_a_flow_that_cannot_be_told_apart() -> None:
    made = figure(2, net_rate=[-3.0, 4.0])
    (line,) = traces(made, metric="net_rate")
    assert line["yaxis"] == "y2"
    assert "cannot be told apart" in line["name"]


def test_an_empty_panel_says_so_and_shows_no_zero() -> None:
    made = figure(2, row={"kind": "list"}, depth=[1.0, 2.0])
    empty = [text for text in words(made) if "did not tell" in text]
    assert empty == ["the broker did not tell this for a list in this range"] * 3
    assert not traces(made, metric="lag_seconds")


def test_a_queue_without_any_sample_has_a_figure_of_the_range_asked_for() -> None:
    nothing = Series(np.empty(0), STEP, [1], {m: np.empty((1, 0)) for m in FIGURE_METRICS}, {})
    made = checked(queue_figure(nothing, START, START + 900))
    assert made["layout"]["xaxis"]["range"] == [START * 1000, (START + 900) * 1000]
    assert len([text for text in words(made) if "did not tell" in text]) == 4


def test_lag_reads_as_durations() -> None:
    made = figure(3, lag_seconds=[0.4, 221.0, 7440.0])
    (line,) = traces(made, metric="lag_seconds")
    assert line["customdata"] == ["0.4 s", "3 m 41 s", "2 h 04 m"]
    assert made["layout"]["yaxis3"]["ticktext"] == ["0", "1 h", "2 h", "3 h"]


def test_a_line_of_zeros_lies_on_the_ground_of_its_panel() -> None:
    made = figure(3, consumers=[0.0, 0.0, 0.0])
    assert made["layout"]["yaxis4"]["range"] == [0, 1]


def test_no_colour_is_named() -> None:
    made = figure(3, depth=[1.0, 2.0, 3.0], in_rate=[1.0] * 3, out_rate=[1.0] * 3, lag_seconds=[1.0] * 3)
    assert all("color" not in trace.get("line", {}) for trace in made["data"])
    assert {trace["meta"]["role"] for trace in made["data"]} <= {"depth", "muted", "in", "out", "warn", "text"}


def ahead(**values: float) -> dict[str, Forecast]:
    """Forecasts that rise from one value, by ten a minute, ten to each side."""
    minutes = np.arange(1, 31)
    return {
        metric: Forecast(START + 115, value, START + 115 + 60.0 * minutes, value + 10.0 * minutes,
                         value + 9.0 * minutes, value + 11.0 * minutes, 1 / 6)
        for metric, value in values.items()
    }  # fmt: skip


def test_a_forecast_is_dashed_in_a_band_from_the_newest_value_on() -> None:
    made = checked(queue_figure(series(depth=[5.0] * 12), START, START + 1200, None, ahead(depth=5.0)))
    (line,) = [t for t in traces(made, ahead="depth") if not t["meta"].get("area")]
    (band,) = traces(made, ahead="depth", area=True)
    assert "px" in line["line"]["dash"] and line["y"][:3] == [5, 15, 25] and line["x"][0] == (START + 115) * 1000, (
        "the middle of the newest step"
    )
    assert band["y"][:3] == [5, 16, 27] and line["customdata"][2] == "25 (23 to 27)"
    assert made["layout"]["xaxis"]["range"][1] == (START + 1800) * 1000  # by half of the range
    assert max(line["x"]) <= made["layout"]["xaxis"]["range"][1]
    assert not traces(made, ahead="lag_seconds"), "nothing is known of the lag: there is no line to go on from"


def test_a_forecast_makes_room_on_the_axis_of_lag() -> None:
    told = series(lag_seconds=[60.0] * 12)
    made = checked(queue_figure(told, START, START + 7200, None, ahead(lag_seconds=60.0)))
    assert made["layout"]["yaxis3"]["range"][1] > 60 + 11 * 30
    (line,) = [t for t in traces(made, ahead="lag_seconds") if not t["meta"].get("area")]
    assert line["customdata"][6] == "2 m (1 m 54 s to 2 m 06 s)"


def test_plotly_checks_what_is_made() -> None:
    made = queue_figure(series(depth=[5.0] * 12), START, START + 1200)
    made["data"][0]["colour"] = "red"
    with pytest.raises(ValueError, match="colour"):
        checked(made)
