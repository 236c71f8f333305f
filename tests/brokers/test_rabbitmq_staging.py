"""A choice in a queue that is too long to be read through: the rest is moved aside, the choice replayed, and it is
moved back. On a real RabbitMQ; the bound is made small for it."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pika
import pytest
from django.db import connections

from collectors.errors import AccessRefused
from dashboard.live.bus import the_bus
from dashboard.live.feed import fleet
from dashboard.models import Queue, Replay
from dashboard.replay import plan, view, way_back
from dashboard.replay.view import ReplayView
from dashboard.replay.working import Replayer
from tests.dashboard.letterbox import Watched
from tests.dashboard.web import Api, operator_api, web  # noqa: F401
from tests.servers.rabbitmq import Node

from .rabbitmq_letters import QUORUM, declare, drain, key, put, shows
from .rabbitmq_polls import polling

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow, pytest.mark.rabbitmq]

LETTERS, BAD = 120, 10  # every so many is one that is chosen


@pytest.fixture(params=[{}, QUORUM], ids=["classic", "quorum"])
def box(
    request: pytest.FixtureRequest,
    web: None,  # noqa: F811
    rabbitmq_node: Node,
    vhost: str,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Watched]:
    monkeypatch.setattr(plan, "HOLDS", 50)
    declare(rabbitmq_node, vhost, "orders", request.param)
    declare(rabbitmq_node, vhost, "dead", request.param)
    death = {"queue": "orders", "reason": "rejected", "count": 1, "exchange": "", "routing-keys": ["orders"]}
    with rabbitmq_node.connect(vhost) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        for n in range(LETTERS):
            error = "Timeout" if n % BAD == 0 else "Declined"
            headers = {"x-death": [death], "x-error-class": error, "x-error-message": "m"}
            properties = pika.BasicProperties(headers=headers, message_id=str(n), delivery_mode=2)
            channel.basic_publish("", "dead", b"letter %d" % n, properties, mandatory=True)
    box = Watched("rabbit", "rabbitmq", rabbitmq_node.url(vhost=vhost))
    box.poll()
    worker = Replayer(the_bus())
    worker.start()
    yield box
    worker.stop()
    connections.close_all()


def done(api: Api, id: int) -> dict:
    end = time.monotonic() + 90
    while True:
        replay = Replay.objects.get(pk=id)
        if replay.over and not replay.owner:  # its last words are said as its worker lets go of it
            told = api.get(f"replays/{id}")
            assert told["state"] == "done", told
            return told
        assert time.monotonic() < end, replay.state
        time.sleep(0.1)


def left_aside(box: Watched, api: Api, id: int) -> int | None:
    """How many lie in the staging queue still, as is told after one more poll."""
    box.poll()
    told = api.get(f"replays/{id}")["back"]
    assert (told["replay"], told["state"]) == (None, None)
    left: int | None = told["left"]
    return left


def test_the_rest_is_moved_aside_and_back(
    box: Watched,
    rabbitmq_node: Node,
    vhost: str,
    operator_api: Api,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dead = Queue.objects.get(broker=box.broker, key=key(vhost, "dead"))
    chosen = {"queue_id": dead.pk, "selection": {"filter": "error:Timeout"}, "limits": {"watch": 0, "trial_wait": 0}}
    refused = operator_api.send("post", "replays", chosen, 201)
    assert refused["state"] == "failed" and "at most 50 can be held" in refused["reason"]
    assert "staging queue" in refused["planned"]["staging"]
    aside = operator_api.send("post", f"replays/{refused['id']}/stage", status=201)
    assert (aside["deed"], aside["stages"], aside["repeats"]) == ("move", True, refused["id"])
    assert aside["planned"]["destinations"][0]["name"].endswith("dead.staging")
    operator_api.send("post", f"replays/{aside['id']}/start")
    assert done(operator_api, aside["id"])["removed"] == LETTERS - LETTERS // BAD
    assert shows(rabbitmq_node, vhost, "dead", LETTERS // BAD)
    again = operator_api.send("post", "replays", chosen | {"dry_run": False}, 201)
    assert done(operator_api, again["id"])["removed"] == LETTERS // BAD
    arrived = [body for body, _ in drain(rabbitmq_node, vhost, "orders")]
    assert sorted(arrived) == sorted(b"letter %d" % n for n in range(0, LETTERS, BAD))
    monkeypatch.setattr(way_back, "COUNTED_LATE", 600.0)
    assert left_aside(box, operator_api, aside["id"]) is None, "it may have been counted before"
    monkeypatch.setattr(way_back, "COUNTED_LATE", 0.0)
    while left_aside(box, operator_api, aside["id"]) != LETTERS - LETTERS // BAD:
        time.sleep(0.2)  # which RabbitMQ has counted a little later only
    moved = operator_api.send("post", f"replays/{aside['id']}/back", status=201)
    assert operator_api.send("post", f"replays/{aside['id']}/back", status=201)["id"] == moved["id"]  # pressed twice
    one = ReplayView(aside["id"])
    before = view._version_of_one(one, fleet().snapshot(), 0.0)
    operator_api.send("post", f"replays/{moved['id']}/start")
    told = done(operator_api, moved["id"])
    assert view._version_of_one(one, fleet().snapshot(), 0.0) != before, "a live page hears of it"
    (row,) = view._one(one, fleet().snapshot(), 0.0)["rows"]
    assert row["back"] == {"replay": moved["id"], "state": "done", "left": 0}
    assert f"nothing is left to be moved back (move {moved['id']})" in row["notes"][0]
    pressed = operator_api.send("post", f"replays/{aside['id']}/back", status=409)["error"]["message"]
    assert "nothing is left to be moved back" in pressed
    assert told["removed"] == LETTERS - LETTERS // BAD
    if rabbitmq_node.api("GET", f"queues/{vhost}/dead")["type"] == "classic":
        assert told["reason"].endswith("dead.staging, which was empty, was removed.")
        with pytest.raises(RuntimeError, match="404"):
            rabbitmq_node.api("GET", f"queues/{vhost}/dead.staging")
    else:
        assert "stays: RabbitMQ cannot delete a quorum queue on the condition that it is empty." in told["reason"]
        assert rabbitmq_node.api("GET", f"queues/{vhost}/dead.staging")["type"] == "quorum"
    left = drain(rabbitmq_node, vhost, "dead")
    assert [int(body.split()[1]) for body, _ in left] == [n for n in range(LETTERS) if n % BAD]
    assert {properties.headers["x-death"][0]["queue"] for _, properties in left} == {"orders"}


def test_a_staging_queue_that_holds_or_serves_somebody_stays(rabbitmq_node: Node, vhost: str) -> None:
    declare(rabbitmq_node, vhost, "dead")
    with polling(rabbitmq_node.url(vhost=vhost)) as broker, rabbitmq_node.connect(vhost) as connection:
        staged, _ = broker.make_beside(key(vhost, "dead"), "staging")
        channel = connection.channel()
        put(rabbitmq_node, vhost, "dead.staging", [b"letter"])
        assert broker.remove_beside(staged) == "it is not empty, or somebody reads it"
        assert [body for body, _ in drain(rabbitmq_node, vhost, "dead.staging")] == [b"letter"]
        reading = channel.basic_consume("dead.staging", lambda *_: None)
        assert broker.remove_beside(staged) == "it is not empty, or somebody reads it"
        channel.basic_cancel(reading)
        assert broker.remove_beside(staged) == ""
        assert channel.connection.is_open
        with pytest.raises(pika.exceptions.ChannelClosedByBroker):
            connection.channel().queue_declare("dead.staging", passive=True)


def test_a_user_who_may_not_make_queues_is_told_how(rabbitmq_node: Node, vhost: str) -> None:
    declare(rabbitmq_node, vhost, "dead")
    user = f"weir-{time.time_ns()}"
    rabbitmq_node.api("PUT", f"users/{user}", {"password": "x", "tags": "monitoring"})
    rabbitmq_node.api("PUT", f"permissions/{vhost}/{user}", {"configure": "", "write": ".*", "read": ".*"})
    try:
        refused = pytest.raises(AccessRefused, match="rabbitmqctl set_permissions")
        with polling(rabbitmq_node.url(user=f"{user}:x", vhost=vhost)) as broker, refused:
            broker.make_beside(key(vhost, "dead"), "staging")
    finally:
        rabbitmq_node.api("DELETE", f"users/{user}")
