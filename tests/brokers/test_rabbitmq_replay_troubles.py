"""Replays over RabbitMQ where what they lean on gives way: destinations that go or fill, connections that only one
side knows to be lost, confirmations that come late."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from collectors.brokers.rabbitmq import lease as leases
from collectors.errors import Unreachable
from collectors.letters import Bounds, Destination
from dashboard.replay.report import Reading
from dashboard.replay.runner import MOST_BROKEN
from dashboard.replay.states import Counts
from tests.brokers.rabbitmq_letters import declare, drain, drained, put, through, waiting
from tests.brokers.rabbitmq_polls import polling
from tests.dashboard.replays import Desk, check_nothing_lost, order, run, runner
from tests.servers.proxy import FAIR, Proxy, Weather
from tests.servers.rabbitmq import Node

pytestmark = [pytest.mark.slow, pytest.mark.rabbitmq]

BODIES = [b"letter %d" % n for n in range(200)]


@pytest.fixture
def dead(rabbitmq_node: Node, vhost: str) -> str:
    key = declare(rabbitmq_node, vhost, "dead")
    put(rabbitmq_node, vhost, "dead", BODIES)
    return key


def when(desk: Desk, sent: int, do: Callable[[], object]) -> None:
    """Do something as soon as it is told that so many copies are confirmed; the replay goes on after it."""
    tell, told = desk.tell, list[int]()

    def heard(state: str, reason: str, counts: Counts, *more: Any) -> None:
        tell(state, reason, counts, *more)
        if counts.sent >= sent and not told:
            told.append(counts.sent)
            do()

    desk.tell = heard  # type: ignore[method-assign]


def bodies(node: Node, vhost: str, queue: str) -> list[bytes]:
    return [body for body, _ in drain(node, vhost, queue)]


def test_a_destination_that_is_deleted_meanwhile_refuses_the_rest(
    rabbitmq_node: Node, vhost: str, dead: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What had arrived went with the queue, as somebody wanted; nothing else is touched."""
    monkeypatch.setattr("dashboard.replay.telling.TELL", 0.0)  # at once: of the rest more than a hundred are refused
    orders, desk = declare(rabbitmq_node, vhost, "orders"), Desk()
    desk.rate = 60.0

    def delete() -> None:
        with rabbitmq_node.connect(vhost) as connection:
            connection.channel().queue_delete("orders")

    when(desk, 30, delete)
    run(tmp_path / "j", order(dead, orders), desk, url=rabbitmq_node.url(vhost=vhost))
    assert desk.state == "failed" and "There is no queue 'orders'" in desk.reason
    left = bodies(rabbitmq_node, vhost, "dead")
    assert len(left) + desk.counts.sent == len(BODIES) and set(left) == set(BODIES[-len(left) :])
    assert desk.counts.sent == desk.counts.removed and desk.counts.possibly_duplicated == 0


def test_a_destination_that_is_full_refuses_until_its_policy_changes(
    rabbitmq_node: Node, vhost: str, dead: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is full and says no: those are named; when the policy goes, the replay is resumed with the rest."""
    monkeypatch.setattr("dashboard.replay.passes.BATCH", 30)
    monkeypatch.setattr("dashboard.replay.passes.MOST_UNDERWAY", 30)
    orders, path = declare(rabbitmq_node, vhost, "orders"), tmp_path / "j"
    full = {"pattern": "^orders$", "definition": {"max-length": 25, "overflow": "reject-publish"}, "apply-to": "queues"}
    rabbitmq_node.api("PUT", f"policies/{vhost}/full", full)
    until_it_holds(rabbitmq_node, vhost, "full")
    desk = run(path, order(dead, orders), url=rabbitmq_node.url(vhost=vhost))
    assert desk.state == "failed" and desk.reason.endswith("The queue 'orders' is full and refuses what comes.")
    counts = desk.counts
    assert counts.sent == counts.removed == waiting(rabbitmq_node, vhost, "orders") and counts.failed >= 100
    assert counts.possibly_duplicated == 0
    rabbitmq_node.api("DELETE", f"policies/{vhost}/full")
    until_it_holds(rabbitmq_node, vhost, "")
    again = run(path, order(dead, orders), url=rabbitmq_node.url(vhost=vhost))
    assert again.state == "done"
    arrived, left = bodies(rabbitmq_node, vhost, "orders"), bodies(rabbitmq_node, vhost, "dead")
    assert check_nothing_lost(path, BODIES, left, arrived) == {} and len(left) == again.counts.failed


def test_of_several_destinations_the_one_that_is_gone_holds_up_no_other(
    rabbitmq_node: Node, vhost: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each letter goes to where it died: what is for a queue that is gone stays, and is sent once it is there again."""
    for name in ("passes.BATCH", "passes.LEAST_UNDERWAY", "passes.MOST_UNDERWAY"):
        monkeypatch.setattr(f"dashboard.replay.{name}", 50)
    dead, path, url = declare(rabbitmq_node, vhost, "dead"), tmp_path / "j", rabbitmq_node.url(vhost=vhost)
    declare(rabbitmq_node, vhost, "orders")
    for queue, count in (("gone", 300), ("orders", 60), ("gone", 10)):
        death = {"queue": queue, "reason": "rejected", "count": 1, "exchange": "", "routing-keys": [queue]}
        put(rabbitmq_node, vhost, "dead", [b"%d" % n for n in range(count)], headers={"x-death": [death]})
    desk = run(path, order(dead), url=url)
    assert desk.state == "failed" and "There is no queue 'gone'" in desk.reason
    assert desk.counts.removed == waiting(rabbitmq_node, vhost, "orders") == 60 and 100 <= desk.counts.failed <= 150
    declare(rabbitmq_node, vhost, "gone")
    again = run(path, order(dead), url=url)
    assert again.state == "done" and waiting(rabbitmq_node, vhost, "gone") == 310 - again.counts.failed
    assert waiting(rabbitmq_node, vhost, "dead") == again.counts.failed == desk.counts.failed


def until_it_holds(node: Node, vhost: str, policy: str) -> None:
    while (node.api("GET", f"queues/{vhost}/orders").get("policy") or "") != policy:
        time.sleep(0.1)


def test_an_exchange_of_which_one_queue_is_full_is_not_sent_to_for_ever(
    rabbitmq_node: Node, vhost: str, dead: str, tmp_path: Path
) -> None:
    """RabbitMQ says no for the one, and the other got it: each try is one more copy there. So there are few."""
    declare(rabbitmq_node, vhost, "orders")
    declare(rabbitmq_node, vhost, "full", {"x-max-length": 1, "x-overflow": "reject-publish"})
    put(rabbitmq_node, vhost, "full", [b"x"])
    with rabbitmq_node.connect(vhost) as connection:
        channel = connection.channel()
        channel.exchange_declare("both", "fanout")
        for queue in ("orders", "full"):
            channel.queue_bind(queue, "both")
    what = order(dead)
    what = replace(what, task=replace(what.task, to=Destination("", "both", "x")))
    desk = run(tmp_path / "j", what, url=rabbitmq_node.url(vhost=vhost))
    assert desk.state == "failed" and "it could not be told whether copies arrived" in desk.reason
    arrived = bodies(rabbitmq_node, vhost, "orders")
    assert sorted(bodies(rabbitmq_node, vhost, "dead")) == sorted(BODIES)
    with Reading(tmp_path / "j") as journal:
        rows = journal.messages(most=1000)
    assert all(arrived.count(body) <= MOST_BROKEN for body in set(arrived))
    assert len(arrived) <= sum(1 + row.again for row in rows)


@pytest.mark.parametrize("named", [False, True])
def test_letters_that_somebody_is_looking_at_are_waited_for(
    rabbitmq_node: Node, vhost: str, dead: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: bool
) -> None:
    """The queue looks empty meanwhile: neither is the rest of it forgotten, nor are chosen letters called gone."""
    monkeypatch.setattr("dashboard.replay.hidden.LOOKED_AT", 8.0)
    orders, path, url = declare(rabbitmq_node, vhost, "orders"), tmp_path / "j", rabbitmq_node.url(vhost=vhost)
    with polling(url) as broker:
        chosen = [letter.id for letter in broker.look(dead, Bounds(messages=50)).letters]
    planned = {"planned": dict.fromkeys(chosen, 1), "named": True} if named else {}
    connection, over = rabbitmq_node.connect(vhost), threading.Event()

    def look() -> None:
        channel = connection.channel()
        for _ in range(40):
            channel.basic_get("dead")
        threading.Thread(target=give_back, daemon=True).start()

    def give_back() -> None:
        while "may look at them" not in desk.reason and not over.wait(0.02):
            pass
        connection.close()

    one = runner(path, order(dead, orders, **planned), desk := Desk(), url=url)
    began = one._rest
    monkeypatch.setattr(one, "_rest", lambda: (look(), began()))
    one.run()
    one.journal.close()
    over.set()
    assert desk.state == "done" and desk.counts.removed == (50 if named else len(BODIES)), desk.counts
    left, arrived = bodies(rabbitmq_node, vhost, "dead"), bodies(rabbitmq_node, vhost, "orders")
    assert check_nothing_lost(path, BODIES, left, arrived) == {}


def test_letters_held_by_a_connection_that_only_we_know_to_be_lost_are_waited_for(
    rabbitmq_node: Node, vhost: str, dead: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broker still takes it for alive: it holds letters whose copies are confirmed. They are not written off."""
    monkeypatch.setattr("dashboard.replay.hidden.HELD_ON", 130.0)
    orders, path, desk = declare(rabbitmq_node, vhost, "orders"), tmp_path / "j", Desk()
    held: list[socket.socket] = []

    def lost(lease: leases.RabbitLease, tags: object, wait: bool = True) -> object:
        if held:
            return remove(lease, tags, wait)
        link = lease._source.link
        held.append(link.sock.dup())  # the kernel keeps the connection open: no good-bye reaches the broker
        link._failed = Unreachable("The network ended the connection.")
        link.sock.close()
        link.hang_up = lambda: None  # type: ignore[method-assign]
        raise link._failed

    remove = leases.RabbitLease.remove
    monkeypatch.setattr(leases.RabbitLease, "remove", lost)
    one = runner(path, order(dead, orders, lease_seconds=30.0), desk, url=rabbitmq_node.url(vhost=vhost))
    thread = threading.Thread(target=one.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 60
    while not (said := [reason for reason in list(desk.reasons) if "in a connection that is lost" in reason]):
        assert thread.is_alive() and time.monotonic() < deadline, (desk.state, desk.reason)
        time.sleep(0.05)
    missing = len(BODIES) - desk.counts.removed
    assert desk.counts.removed < desk.counts.sent and said[0].startswith(f"Waiting for {missing:,} letters that")
    assert 100 < (desk.until or 0) - time.time() < 170, "its lease, and what the broker needs to notice"
    held[0].shutdown(socket.SHUT_RDWR)  # now the broker knows, too
    held[0].close()
    thread.join(60)
    one.journal.close()
    assert not thread.is_alive() and desk.state == "done"
    left, arrived = bodies(rabbitmq_node, vhost, "dead"), bodies(rabbitmq_node, vhost, "orders")
    check_nothing_lost(path, BODIES, left, arrived)
    assert left == [] and desk.counts.removed == len(BODIES)


def test_confirmations_that_come_too_late_name_what_is_sent_again(
    rabbitmq_node: Node, vhost: str, dead: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dashboard.replay.passes.SETTLING", 0.5)
    orders, path, desk = declare(rabbitmq_node, vhost, "orders"), tmp_path / "j", Desk()
    with Proxy(rabbitmq_node.amqp) as proxy:
        desk.rate = 100.0
        when(desk, 20, lambda: setattr(proxy, "weather", Weather("late", delay=1.5)))
        fair = threading.Timer(8.0, lambda: setattr(proxy, "weather", FAIR))
        fair.start()
        one = threading.Thread(
            target=run, args=(path, order(dead, orders, lease_seconds=6.0), desk, through(rabbitmq_node, proxy, vhost))
        )
        one.start()
        one.join()
        fair.join()
    assert desk.state in ("done", "failed")
    arrived = bodies(rabbitmq_node, vhost, "orders")
    left = drained(rabbitmq_node, vhost, "dead", len(BODIES) - desk.counts.removed)
    check_nothing_lost(path, BODIES, left, arrived)
