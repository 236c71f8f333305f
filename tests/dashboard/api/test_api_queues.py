from __future__ import annotations

import math
import time

import pytest

from dashboard.insight.states import State
from dashboard.models import Broker, Queue

from ..fleets import made_up_tick
from ..web import kept, seen

NAN = math.nan
PROMISED = {
    "id", "broker", "name", "kind", "dialect", "state", "state_since", "reason", "stale", "depth",
    "in_flight", "delayed", "in_rate", "out_rate", "net_rate", "lag_seconds", "lag_messages", "lag_method",
    "wait_seconds", "clears_in_seconds", "consumers", "dead_letters", "dead_letter_queue_id",
    "dead_letter_of", "quality", "sampled_at", "tags",
}  # fmt: skip


def names(answer) -> list[str]:
    return [item["name"] for item in answer["items"]]


def test_a_queue_has_every_promised_field_and_null_for_what_is_unknown(viewer_api):
    _, ids = seen(queues=["orders"], depth=[0.0])
    shown = viewer_api.get(f"queues/{ids[0]}")
    assert set(shown) >= PROMISED
    assert (shown["depth"], shown["in_rate"], shown["quality"]["in_rate"]) == (0, None, "unknown")


def test_one_that_never_was_and_one_that_is_gone_are_told_apart(viewer_api):
    broker, _ = seen()
    gone = Queue.objects.create(broker=broker, key="old", name="old", kind="list")
    assert "There is no queue 999" in viewer_api.get("queues/999", 404)["error"]["message"]
    assert "series are still there" in viewer_api.get(f"queues/{gone.pk}", 404)["error"]["message"]


def test_a_filter_is_the_language_of_the_page(viewer_api):
    seen(queues=["orders", "mail", "images"], depth=[10, 2000, NAN])
    assert names(viewer_api.get("queues", filter="depth>1k")) == ["mail"]
    assert names(viewer_api.get("queues", filter="-mail depth:unknown")) == ["images"]


def test_a_wrong_filter_says_where(viewer_api):
    error = viewer_api.get("queues", 400, filter="depth>>3")["error"]
    assert error["field"] == "filter" and "position" in error["message"]


def test_hidden_queues_come_only_when_asked_for(viewer_api):
    broker, ids = seen(queues=["orders", "amq.gen-1"], depth=1)
    Queue.objects.filter(pk=ids[1]).update(hidden=True, why_hidden="exclusive")
    kept(made_up_tick(broker.pk, ids, at=time.time() + 1, inventory=2, depth=1))
    assert names(viewer_api.get("queues")) == ["orders"]
    assert names(viewer_api.get("queues", filter="is:hidden")) == ["amq.gen-1"]


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("depth", ["b", "c", "a", "d"]),
        ("-depth", ["a", "c", "b", "d"]),
        ("name", ["a", "b", "c", "d"]),
        ("-name", ["d", "c", "b", "a"]),
        ("id", ["c", "a", "d", "b"]),
        ("state", ["d", "b", "c", "a"]),
    ],
)
def test_unknown_is_last_in_either_direction(viewer_api, sort, expected):
    states = [State.STEADY, State.IDLE, State.STALLED, State.GROWING]
    seen(queues=["c", "a", "d", "b"], depth=[5, 9, NAN, 1], state=states)
    assert names(viewer_api.get("queues", sort=sort)) == expected


@pytest.mark.parametrize("sort", ["id", "-id", "depth", "-depth", "name", "-name", "clears", "attention", "in_rate"])
def test_pages_hold_every_queue_once_in_the_order_of_the_whole(viewer_api, sort):
    seen(queues=[f"q{n * 7 % 10}" for n in range(10)], depth=[3, 3, NAN, 1, 0, 8, NAN, 3, 2, 2])
    whole = names(viewer_api.get("queues", sort=sort))
    found, cursor = [], ""
    while cursor is not None:
        page = viewer_api.get("queues", sort=sort, limit=3, cursor=cursor)
        assert page["total"] == 10
        found += names(page)
        cursor = page["next"]
    assert found == whole and len(set(found)) == 10


@pytest.mark.parametrize("sort", ["name", "depth"])
def test_a_queue_that_comes_or_goes_shifts_no_page(viewer_api, sort):
    broker, ids = seen(queues=["b", "d", "f", "h"], depth=[2, 4, 6, 8])
    first = viewer_api.get("queues", sort=sort, limit=2)
    assert names(first) == ["b", "d"]
    more = [Queue.objects.create(broker=broker, key=k, name=k, kind="list").pk for k in ("a", "e")]
    left = [ids[0], ids[2], ids[3], *more]  # d is gone, a and e came
    kept(made_up_tick(broker.pk, left, at=time.time() + 1, inventory=2, depth=[2, 6, 8, 1, 5]))
    rest = viewer_api.get("queues", sort=sort, limit=9, cursor=first["next"])
    assert names(rest) == ["e", "f", "h"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"sort": "colour"}, "sort"),
        ({"limit": 0}, "limit"),
        ({"limit": 1001}, "limit"),
        ({"limit": "many"}, "limit"),
        ({"cursor": "nonsense"}, "cursor"),
        ({"cursor": "W1tdXQ"}, "cursor"),
    ],
)
def test_what_is_wrong_names_its_parameter(viewer_api, query, field):
    assert viewer_api.get("queues", 400, **query)["error"]["field"] == field


def test_a_cursor_of_another_list_is_refused(viewer_api):
    seen(queues=3)
    cursor = viewer_api.get("queues", sort="name", limit=1)["next"]
    assert "another sort" in viewer_api.get("queues", 400, sort="depth", cursor=cursor)["error"]["message"]


def test_of_a_silent_broker_the_last_values_stay_marked(viewer_api):
    broker, ids = seen(queues=["orders"], depth=[7])
    Broker.objects.filter(pk=broker.pk).update(paused=True)
    deadline = time.monotonic() + 30
    while not (shown := viewer_api.get(f"queues/{ids[0]}"))["stale"] and time.monotonic() < deadline:
        time.sleep(0.1)  # brokers are read again within a second
    assert (shown["stale"], shown["state"], shown["depth"]) == (True, "unknown", 7)
