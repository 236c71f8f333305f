"""Replays on a real server whose source list ran empty, so that no poll shows it: Redis removes an emptied list."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from django.db import connections

from dashboard.live.bus import the_bus
from dashboard.models import Broker, Replay
from dashboard.replay.desks import RowDesk
from dashboard.replay.working import Replayer
from dashboard.secrets import encrypt
from tests.dashboard.letterbox import Watched
from tests.dashboard.web import Api, operator_api, web  # noqa: F401
from tests.servers.ports import free_port
from tests.servers.redis import Server

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


@pytest.fixture
def box(web: None, valkey: Server) -> Iterator[Watched]:  # noqa: F811
    client = valkey.client()
    client.flushall()
    client.lpush("orders:dlq", *[f'{{"order": {n}}}' for n in range(12)])
    box = Watched("valkey", "redis", valkey.url)
    box.poll()
    worker = Replayer(the_bus())
    worker.start()
    yield box
    worker.stop()
    connections.close_all()


def until(true: object, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not true():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.05)


def test_what_comes_back_is_seen_where_the_source_was_empty(box: Watched, valkey: Server, operator_api: Api) -> None:  # noqa: F811
    client, dead = valkey.client(), box.queue("orders:dlq")
    operator_api.send("post", f"queues/{dead.pk}/looks", {"limit": 50}, 201)
    asked = {"queue_id": dead.pk, "selection": {"all": True}, "trial": 4, "limits": {"trial_wait": 6, "watch": 0}}
    made = operator_api.send("post", "replays", asked, 201)
    planned = made["planned"]
    assert planned["destinations"] == [{"queue_id": None, "name": "orders"}]
    assert (
        "orders is not seen now, for it is empty or not watched: copies go there all the same." in planned["warnings"]
    )
    assert "no room for stamps" in planned["stamps"]
    operator_api.send("post", f"replays/{made['id']}/start")
    until(lambda: client.llen("orders") == 4)
    client.lmove("orders", "orders:dlq", "RIGHT", "LEFT")  # a worker fails one again
    until(lambda: operator_api.get(f"replays/{made['id']}")["state"] == "stopped")
    told = operator_api.get(f"replays/{made['id']}")
    assert (told["sent"], told["came_back"], told["reason"]) == (4, 1, "1 of the trial of 4 came back.")


def test_a_server_that_is_away_as_it_begins_is_waited_for(
    box: Watched,
    valkey: Server,
    operator_api: Api,  # noqa: F811
) -> None:
    """And as another worker goes on with it: Redis alone is asked whether copies have room for stamps."""
    dead, away = box.queue("orders:dlq"), encrypt(f"redis://127.0.0.1:{free_port()}")
    asked = {
        "queue_id": dead.pk,
        "selection": {"all": True},
        "rate": 1,
        "limits": {"watch": 0},
    }  # not done before it is paused
    id = operator_api.send("post", "replays", asked, 201)["id"]
    there = Broker.objects.filter(pk=box.broker.pk)
    there.update(secret_url=away)
    operator_api.send("post", f"replays/{id}/start")
    until(lambda: "Nothing listens" in (operator_api.get(f"replays/{id}")["trouble"] or ""))
    there.update(secret_url=box.broker.secret_url)
    until(lambda: operator_api.get(f"replays/{id}")["sent"] > 0)
    operator_api.send("post", f"replays/{id}/pause")
    until(lambda: Replay.objects.get(pk=id).owner == "")
    there.update(secret_url=away)
    operator_api.send("post", f"replays/{id}/resume")
    until(lambda: operator_api.get(f"replays/{id}")["trouble"])
    there.update(secret_url=box.broker.secret_url)
    operator_api.send("patch", f"replays/{id}", {"rate": 100})
    until(lambda: operator_api.get(f"replays/{id}")["state"] == "done")
    assert valkey.client().llen("orders") == 12


def test_it_yields_to_a_queue_that_is_there_only_since_its_first_copy(
    box: Watched,
    valkey: Server,
    operator_api: Api,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("dashboard.replay.desks.LOOK_EVERY", 0.0)
    dead = box.queue("orders:dlq")
    operator_api.send("post", f"queues/{dead.pk}/looks", {"limit": 50}, 201)
    asked = {"queue_id": dead.pk, "selection": {"all": True}, "limits": {"depth": 3}}
    desk = RowDesk(Replay.objects.get(pk=operator_api.send("post", "replays", asked, 201)["id"]), "me", the_bus())
    assert desk.crowded(False) == ""
    valkey.client().lpush("orders", *"abcdef")
    box.poll()
    assert desk.crowded(False) == "orders holds 6 messages; the limit is 3."


def test_a_stream_in_which_letters_died_is_named_by_its_groups(box: Watched, valkey: Server, operator_api: Api) -> None:  # noqa: F811
    client = valkey.client()
    client.xgroup_create("payments", "capture", mkstream=True)
    for n in range(3):
        client.xadd("payments.dlq", {"body": f'{{"n": {n}}}'})
    box.poll()
    dead = box.queue("payments.dlq")
    operator_api.send("post", f"queues/{dead.pk}/looks", {"limit": 50}, 201)
    made = operator_api.send("post", "replays", {"queue_id": dead.pk, "selection": {"all": True}}, 201)
    assert [one["name"] for one in made["planned"]["destinations"]] == ["payments · capture"]
    assert not any("is not seen now" in one for one in made["planned"]["warnings"])
