"""Replays over RabbitMQ beside others who hold letters of the same queue, take them for good, or send them back."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from dashboard.models import Queue
from dashboard.replay.guards import Limits
from tests.brokers.rabbitmq_letters import QUORUM, declare, key, put, shows
from tests.brokers.rabbitmq_polls import polling
from tests.dashboard.letterbox import Watched
from tests.dashboard.replays import Desk, order, run
from tests.dashboard.web import Api, operator_api, web  # noqa: F401
from tests.servers.rabbitmq import Node

pytestmark = [pytest.mark.slow, pytest.mark.rabbitmq]

BODIES = [b"letter %d" % n for n in range(40)]
BACK = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead"}


@pytest.fixture
def shop(rabbitmq_node: Node, vhost: str) -> tuple[str, str]:
    """The keys of a queue of dead letters and of where they go, from which what is rejected comes back."""
    keys = declare(rabbitmq_node, vhost, "dead", QUORUM), declare(rabbitmq_node, vhost, "orders", BACK)
    put(rabbitmq_node, vhost, "dead", BODIES)
    return keys


@contextmanager
def beside(node: Node, vhost: str, do: Callable[[Any, threading.Event], object]) -> Iterator[None]:
    """Somebody else, with a channel of his own, until he is told to end."""
    over = threading.Event()

    def live() -> None:
        with node.connect(vhost) as connection:
            do(connection.channel(), over)

    thread = threading.Thread(target=live, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(20)


def test_letters_that_somebody_is_looking_at_when_it_begins_belong_to_it(
    rabbitmq_node: Node, vhost: str, shop: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dashboard.replay.hidden.LOOKED_AT", 4.0)
    desk, holding = Desk(), threading.Event()

    def look(channel: Any, over: threading.Event) -> None:
        tags = [channel.basic_get("dead")[0].delivery_tag for _ in range(15)]
        holding.set()
        while "may look at them" not in desk.reason and not over.wait(0.02):
            pass
        channel.basic_nack(tags[-1], multiple=True, requeue=True)

    with beside(rabbitmq_node, vhost, look):
        assert holding.wait(60)
        run(tmp_path / "j", order(*shop, foreseen=len(BODIES)), desk, url=rabbitmq_node.url(vhost=vhost))
    assert desk.state == "done" and desk.counts.removed == len(BODIES), (desk.counts, desk.reason)


def test_letters_that_others_took_are_told_of(
    rabbitmq_node: Node, vhost: str, shop: tuple[str, str], tmp_path: Path
) -> None:
    """They were in the plan; what became of them the replay cannot say, so it says that."""
    desk = Desk()
    taken = threading.Event()

    def take(channel: Any, over: threading.Event) -> None:
        for _ in range(15):
            channel.basic_get("dead", auto_ack=True)
        channel.queue_declare("dead", passive=True)
        taken.set()

    trouble = desk.trouble

    def begun(sentence: str) -> None:
        trouble(sentence)
        if not taken.is_set():  # the snapshot was taken right before
            with beside(rabbitmq_node, vhost, take):
                assert taken.wait(60)

    desk.trouble = begun  # type: ignore[method-assign]
    run(tmp_path / "j", order(*shop), desk, url=rabbitmq_node.url(vhost=vhost))
    assert desk.state == "done" and desk.counts.removed == len(BODIES) - 15
    assert desk.reason.startswith("15 that lay there when it began were not met: somebody else took them")


def test_a_trial_that_comes_back_is_seen_although_others_take_as_many(
    rabbitmq_node: Node, vhost: str, shop: tuple[str, str], tmp_path: Path
) -> None:
    """The queue holds as many as before: its count says that nothing came."""
    desk, failed = Desk(), threading.Event()

    def fail(channel: Any, over: threading.Event) -> None:
        for _ in range(5):
            method = None
            while method is None and not over.wait(0.02):
                method, _, _ = channel.basic_get("orders")
            while channel.basic_get("dead", auto_ack=True)[0] is None and not over.wait(0.02):
                pass  # the replay has all of them in its hands
            channel.basic_reject(method.delivery_tag, requeue=False)
        failed.set()

    def waits() -> bool:
        """All of the trial fail while it waits for them, however long that takes here."""
        if "waiting whether they come back" in desk.reason:
            assert failed.wait(60) and shows(rabbitmq_node, vhost, "dead", len(BODIES) - 5)
        return True

    desk.go_on = waits  # type: ignore[method-assign]
    limits = Limits(lag=None, watch=0.0, trial_wait=4.0)
    with beside(rabbitmq_node, vhost, fail):
        run(tmp_path / "j", order(*shop, trial=5, limits=limits), desk, url=rabbitmq_node.url(vhost=vhost))
    assert desk.state == "stopped" and desk.reason == "5 of the trial of 5 came back.", (desk.reason, desk.counts)
    assert shows(rabbitmq_node, vhost, "dead", len(BODIES) - 5)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("bounds", "said", "confirm"),
    [
        ({"x-max-length": 10}, "orders holds at most 10 messages; beyond that RabbitMQ drops the oldest", 40),
        ({"x-max-length": 100}, "orders holds at most 100 messages", None),
    ],
)
def test_a_destination_that_would_throw_letters_away_asks_for_the_count(
    rabbitmq_node: Node,
    vhost: str,
    operator_api: Api,  # noqa: F811
    bounds: dict[str, Any],
    said: str,
    confirm: int | None,
) -> None:
    """RabbitMQ confirms a copy and drops what was there before it: nobody would hear of that."""
    declare(rabbitmq_node, vhost, "dead")
    declare(rabbitmq_node, vhost, "orders", bounds)
    put(rabbitmq_node, vhost, "dead", BODIES)
    while confirm is None and "messages_ready" not in rabbitmq_node.api("GET", f"queues/{vhost}/orders"):
        time.sleep(0.1)  # RabbitMQ does not count a new queue at once
    box = Watched("rabbit", "rabbitmq", rabbitmq_node.url(vhost=vhost))
    box.poll()
    dead, orders = (Queue.objects.get(broker=box.broker, key=key(vhost, name)).pk for name in ("dead", "orders"))
    asked = {"queue_id": dead, "selection": {"all": True}, "to": {"queue_id": orders}}
    made = operator_api.send("post", "replays", asked, 201)
    assert made["planned"]["confirm"] == confirm, made["planned"]
    assert any(said in one for one in made["planned"]["warnings"])
    if confirm is not None:
        refused = operator_api.send("post", f"replays/{made['id']}/start", status=400)["error"]
        assert refused["field"] == "confirm" and "40" in refused["message"]


@pytest.mark.django_db(transaction=True)
def test_a_plan_knows_how_many_a_lease_can_hold(
    rabbitmq_node: Node,
    vhost: str,
    operator_api: Api,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Fewer where letters are large. What cannot be held is not begun."""
    monkeypatch.setattr("collectors.brokers.rabbitmq.lease.MOST_HELD", 20)
    for name in ("dead", "orders"):
        declare(rabbitmq_node, vhost, name)
    put(rabbitmq_node, vhost, "dead", BODIES)
    box = Watched("rabbit", "rabbitmq", rabbitmq_node.url(vhost=vhost))
    box.poll()
    dead, orders = (Queue.objects.get(broker=box.broker, key=key(vhost, name)).pk for name in ("dead", "orders"))
    asked = {"queue_id": dead, "selection": {"filter": "body:letter"}, "to": {"queue_id": orders}}
    assert "at most 20 can be held" in operator_api.send("post", "replays", asked, 201)["reason"]
    asked |= {"deed": "copy", "selection": {"all": True}}
    assert "so many cannot be held until all are copied" in operator_api.send("post", "replays", asked, 201)["reason"]
    asked |= {"selection": {"oldest": 20}}
    assert operator_api.send("post", "replays", asked, 201)["state"] == "planned"


def test_what_becomes_of_letters_beyond_a_bound(rabbitmq_node: Node, vhost: str) -> None:
    bounds = [
        {"x-max-length-bytes": 100}, {"x-max-length": 10} | BACK, {"x-max-length": 10, "x-overflow": "reject-publish"},
        {"x-message-ttl": 10_000},
    ]  # fmt: skip
    with polling(rabbitmq_node.url(vhost=vhost)) as broker:
        told = [broker.bounded(declare(rabbitmq_node, vhost, f"q{n}", one)) for n, one in enumerate(bounds)]
    first, second = told[0], told[1]
    assert first is not None and first.lost and first.room is None and "100 bytes; beyond that" in first.sentence
    assert second is not None and not second.lost and "moves the oldest to the exchange ''" in second.sentence
    third = told[2]
    assert third is not None and not third.lost and "refuses what comes: such letters stay" in third.sentence
    assert told[3] is None
