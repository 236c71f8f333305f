from __future__ import annotations

import math
import time

import pytest

from ..fleets import made_up_broker, made_up_tick
from ..web import kept

START = math.floor(time.time() / 600) * 600 - 600  # a whole number of steps


@pytest.fixture
def history(web) -> list[int]:
    """Two queues, ten ticks a minute apart; the fourth has no depth of the first."""
    broker, ids = made_up_broker(queues=["a", "b"])
    for n in range(10):
        depth = [math.nan if n == 3 else n, 10 * n]
        kept(made_up_tick(broker.pk, ids, at=START + 60 * n, depth=depth, in_rate=2))
    return ids


def test_series_of_several_queues_stand_on_one_axis(viewer_api, history):
    asked = {"queues": ",".join(map(str, history)), "metrics": "depth,in_rate", "start": START, "end": START + 600}
    answer = viewer_api.get("series", **asked, points=10)
    assert answer["step_seconds"] == 60 and len(answer["times"]) == 10
    a, b = (answer["series"][str(id)] for id in history)
    assert b["depth"] == [10 * n for n in range(10)]
    assert a["in_rate"] == [2] * 10


def test_a_gap_is_null(viewer_api, history):
    answer = viewer_api.get(f"queues/{history[0]}/series", metrics="depth", start=START, end=START + 600, points=10)
    assert answer["series"][str(history[0])]["depth"] == [0, 1, 2, None, 4, 5, 6, 7, 8, 9]


@pytest.mark.parametrize(("aggregate", "expected"), [("min", 0), ("max", 40), ("avg", 20)])
def test_steps_are_aggregated_as_asked(viewer_api, history, aggregate, expected):
    asked = {"metrics": "depth", "start": START, "end": START + 600, "points": 2, "aggregate": aggregate}
    answer = viewer_api.get(f"queues/{history[1]}/series", **asked)
    assert answer["series"][str(history[1])]["depth"][0] == expected


def test_times_are_iso_or_epoch_seconds(viewer_api, history):
    iso = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(START))
    by_iso = viewer_api.get("series", queues=history[0], start=iso, end=START + 300)
    assert by_iso == viewer_api.get("series", queues=history[0], start=START, end=START + 300)
    assert by_iso["start"] == iso.replace("Z", ".000Z")


@pytest.mark.parametrize(
    ("query", "status", "field"),
    [
        ({"queues": "x"}, 400, "queues"),
        ({"queues": ""}, 400, "queues"),
        ({}, 400, "queues"),
        ({"queues": "999"}, 404, "queues"),
        ({"queues": ",".join(map(str, range(1, 300)))}, 400, "queues"),
        ({"queues": "1", "metrics": "colour"}, 400, "metrics"),
        ({"queues": "1", "start": "yesterday"}, 400, "start"),
        ({"queues": "1", "start": START, "end": START}, 400, "start"),
        ({"queues": "1", "points": 0}, 400, "points"),
        ({"queues": "1", "aggregate": "sum"}, 400, "aggregate"),
    ],
)
def test_what_is_wrong_names_its_parameter(viewer_api, history, query, status, field):
    query = {name: str(history[0]) if value == "1" else value for name, value in query.items()}
    assert viewer_api.get("series", status, **query)["error"]["field"] == field


def test_a_figure_is_plotly_json_with_gaps_as_null(viewer_api, history):
    figure = viewer_api.get(f"queues/{history[0]}/figure", start=START)  # when the suite began to be collected
    assert set(figure) >= {"data", "layout"}
    (ready,) = [t for t in figure["data"] if t.get("name") == "ready"]
    assert None in ready["y"] and 9 in ready["y"]


@pytest.mark.parametrize(("query", "field"), [({"range": "9y"}, "range"), ({"points": 0}, "points")])
def test_a_wrong_figure_is_refused(viewer_api, history, query, field):
    assert viewer_api.get(f"queues/{history[0]}/figure", 400, **query)["error"]["field"] == field


def test_a_figure_of_no_queue_is_404(viewer_api):
    viewer_api.get("queues/999/figure", 404)
