"""`GET queues/{id}/outlook`, and the forecast in a queue's figure."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest

from ..fleets import made_up_broker, made_up_tick
from ..web import kept, seen


@pytest.fixture
def growing(web) -> list[int]:
    """Half an hour of a queue that grows by ten a second, with ten consumers at work, and of one that tells little."""
    broker, ids = made_up_broker(queues=["grows", "dark"])
    now = time.time()
    for n in range(180):
        depth = [1000 + 100.0 * n, math.nan]
        told = {"in_rate": [50, math.nan], "out_rate": [40, math.nan], "consumers": [10, math.nan]}
        kept(made_up_tick(broker.pk, ids, at=now - 1795 + 10 * n, depth=depth, in_flight=[10, math.nan], **told))
    return ids


def test_it_tells_the_next_half_hour_and_what_would_clear_it(viewer_api, growing):
    answer = viewer_api.get(f"queues/{growing[0]}/outlook")
    depth = answer["forecasts"]["depth"]
    assert len(answer["times"]) == len(depth["middle"]) == 30 and answer["step_seconds"] == 60
    assert depth["middle"][-1] == pytest.approx(18_900 + 10 * 1800, rel=0.05)
    assert depth["low"][-1] < depth["middle"][-1] < depth["high"][-1]
    assert depth["repeats_seconds"] is None and answer["forecasts"]["lag_seconds"] is None
    needed = answer["capacity"]
    assert (needed["consumers"], needed["per_consumer"], needed["hold"]) == (10, 4, 13)
    assert needed["clear_in_1_hour"] == math.ceil((50 + 18_910 / 3600) / 4)
    assert needed["clears_without_arrivals_in_seconds"] == pytest.approx(18_910 / 40, rel=0.05)
    assert answer["words"].startswith("3 more consumers at 4/s each would hold it; 8 more")


def test_what_is_not_known_is_said_in_words(viewer_api, growing):
    answer = viewer_api.get(f"queues/{growing[1]}/outlook")
    assert answer["times"] == [] and answer["capacity"] is None
    assert answer["forecasts"] == {"depth": None, "lag_seconds": None}
    assert answer["words"] == "The broker does not tell how many consumers there are."
    viewer_api.get("queues/999/outlook", 404)


def test_of_a_queue_that_was_just_found_nothing_is_said_yet(web, viewer_api):
    _, [new] = seen(queues=["new"], depth=5, consumers=3)
    answer = viewer_api.get(f"queues/{new}/outlook")
    assert "Not known yet" in str(answer) and "does not tell" not in str(answer)


@pytest.mark.parametrize(("range", "shown"), [("15m", True), ("1h", True), ("24h", True), ("7d", False)])
def test_the_figure_goes_on_as_a_forecast_where_it_can_be_seen(viewer_api, growing, range, shown):
    figure = viewer_api.get(f"queues/{growing[0]}/figure", range=range)
    dashed = [t for t in figure["data"] if t["meta"].get("ahead") and not t["meta"].get("area")]
    assert [t["meta"]["ahead"] for t in dashed] == (["depth"] if shown else [])
    assert not any("metric" in t["meta"] for t in dashed), "what is not measured is no part of a CSV"


def test_what_comes_again_and_again_is_said(web, viewer_api):
    """Four minutes of every fifteen it fills, and is empty again after as many more."""
    broker, (queue,) = made_up_broker(queues=["teeth"])
    now = time.time()
    for n in range(230):
        depth = 250.0 * max(0, 8 - abs(n % 30 - 8))
        kept(made_up_tick(broker.pk, [queue], at=now - 6900 + 30 * n, depth=[depth]))
    depth = viewer_api.get(f"queues/{queue}/outlook")["forecasts"]["depth"]
    assert depth["repeats_seconds"] == pytest.approx(900, abs=60)
    # where the steps lie among the teeth is the clock's affair: a top may be cut
    assert max(depth["middle"]) > 1000 and min(depth["high"]) < 750
    figure = viewer_api.get(f"queues/{queue}/figure", range="1h")
    assert any("as every 15 m" in trace.get("name", "") for trace in figure["data"])


def test_a_range_of_the_past_has_no_forecast(viewer_api, growing):
    figure = viewer_api.get(f"queues/{growing[0]}/figure", start=str(time.time() - 900), end=str(time.time() - 60))
    assert not [t for t in figure["data"] if t["meta"].get("ahead")]


def test_a_silent_broker_has_no_forecast(viewer_api, growing):
    from dashboard.models import Broker

    Broker.objects.update(last_answer_at=None, paused=True)
    from dashboard.live.feed import fleet

    fleet().refresh()
    answer = viewer_api.get(f"queues/{growing[0]}/outlook")
    assert answer["capacity"] is None and answer["forecasts"]["depth"] is None
    assert answer["words"] == "Not known: the broker does not answer."
    assert np.isfinite(viewer_api.get(f"queues/{growing[0]}")["depth"])
