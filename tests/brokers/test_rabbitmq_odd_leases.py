"""Replays out of streams, whose originals stay, and out of queues that end with their last consumer."""

from __future__ import annotations

from pathlib import Path

import pytest

from collectors.brokers.rabbitmq import lease as leases
from collectors.brokers.rabbitmq import odd_leases, streams
from collectors.errors import NotSupported
from collectors.letters import Bounds
from dashboard.replay.report import Reading
from tests.brokers.rabbitmq_letters import STREAM, declare, drain, key, put, through, waiting
from tests.brokers.rabbitmq_polls import polling
from tests.dashboard.replays import Crash, FailingJournal, check_nothing_lost, order, run, runner
from tests.servers.proxy import Proxy, Weather
from tests.servers.rabbitmq import Node

pytestmark = [pytest.mark.slow, pytest.mark.rabbitmq, pytest.mark.usefixtures("alone")]

BODIES = [b"letter %d" % n for n in range(120)]


def bodies(node: Node, vhost: str, queue: str) -> list[bytes]:
    return [body for body, _ in drain(node, vhost, queue)]


@pytest.fixture
def stream(rabbitmq_node: Node, vhost: str) -> str:
    where = declare(rabbitmq_node, vhost, "stream", STREAM)
    put(rabbitmq_node, vhost, "stream", BODIES[:60])
    put(rabbitmq_node, vhost, "stream", BODIES[60:])
    with polling(rabbitmq_node.url(vhost=vhost)) as broker:
        while broker.look(where, Bounds(messages=0)).of != len(BODIES):
            pass
    return where


def test_letters_of_a_stream_are_replayed_and_stay(
    rabbitmq_node: Node, vhost: str, stream: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker dies on the way: what it was sending is sent again, and named; nothing else is."""
    monkeypatch.setattr("dashboard.replay.passes.BATCH", 20)
    monkeypatch.setattr("dashboard.replay.passes.MOST_UNDERWAY", 20)
    orders, path, url = declare(rabbitmq_node, vhost, "orders"), tmp_path / "j", rabbitmq_node.url(vhost=vhost)
    one = runner(path, order(stream, orders), url=url, journal=FailingJournal(path, 6, after=True))
    with pytest.raises(Crash):
        one.run()
    one.journal.close()
    desk = run(path, order(stream, orders), url=url)
    assert desk.state == "done" and (desk.counts.sent, desk.counts.removed) == (len(BODIES), 0)
    arrived = bodies(rabbitmq_node, vhost, "orders")
    double = len(arrived) - len(BODIES)
    assert set(arrived) == set(BODIES) and 0 <= double <= desk.counts.possibly_duplicated <= 20
    with polling(url) as broker:
        left = broker.look(stream, Bounds(messages=500)).letters
    assert [letter.body for letter in left] == BODIES
    with Reading(path) as journal:
        assert [row.id for row in journal.messages(most=500)] == [letter.id for letter in left]


def test_a_stream_that_is_slow_to_send_is_read_to_its_end(
    rabbitmq_node: Node, vhost: str, stream: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A busy broker's silence is not the end: neither for a look, nor for a lease."""
    monkeypatch.setattr(odd_leases, "PREFETCH", 40)
    with Proxy(rabbitmq_node.amqp) as proxy, polling(through(rabbitmq_node, proxy, vhost)) as broker:
        lease = broker.lease(stream, 60.0)
        found = [one.message.body for one in lease.take(5, 20.0)]
        proxy.weather = Weather("slow", delay=0.5)
        while taken := lease.take(50, 0.1):
            found += [one.message.body for one in taken]
        lease.close()
    assert found == BODIES
    for name in ("QUIET", "FIRST_WITHIN"):
        monkeypatch.setattr(streams, name, 0.0)
    with polling(rabbitmq_node.url(vhost=vhost)) as broker:
        assert [one.body for one in broker.look(stream, Bounds(messages=500)).letters] == BODIES


def test_some_of_a_stream_are_chosen_by_their_offsets(
    rabbitmq_node: Node, vhost: str, stream: str, tmp_path: Path
) -> None:
    orders = declare(rabbitmq_node, vhost, "orders")
    what = order(stream, orders, named=True, planned={"3": 1, "77": 1, "9999": 1}, holds=True)
    desk = run(tmp_path / "j", what, url=rabbitmq_node.url(vhost=vhost))
    assert (desk.state, desk.counts.sent, desk.counts.skipped) == ("done", 2, 1)
    assert bodies(rabbitmq_node, vhost, "orders") == [BODIES[3], BODIES[77]]


def test_nothing_is_moved_or_deleted_out_of_a_stream(
    rabbitmq_node: Node, vhost: str, stream: str, tmp_path: Path
) -> None:
    orders = declare(rabbitmq_node, vhost, "orders")
    desk = run(tmp_path / "j", order(stream, orders, judges=False), url=rabbitmq_node.url(vhost=vhost))
    assert desk.state == "failed" and desk.reason.startswith("This queue keeps its messages")
    assert waiting(rabbitmq_node, vhost, "orders") == 0
    with polling(rabbitmq_node.url(vhost=vhost)) as broker:
        lease = broker.lease(stream, 60.0)
        with pytest.raises(NotSupported, match="keeps its messages"):
            lease.remove([one.tag for one in lease.take(1, 5.0)])
        lease.close()


@pytest.mark.parametrize("keeps", [False, True], ids=["replay", "copy"])
def test_an_auto_delete_queue_outlives_a_replay(rabbitmq_node: Node, vhost: str, tmp_path: Path, keeps: bool) -> None:
    """A consumer that leaves would end it, with all that lies there: letters are got, not consumed."""
    with rabbitmq_node.connect(vhost) as connection:
        connection.channel().queue_declare("fleeting", durable=True, auto_delete=True)
    put(rabbitmq_node, vhost, "fleeting", BODIES)
    orders, fleeting = declare(rabbitmq_node, vhost, "orders"), key(vhost, "fleeting")
    what = order(fleeting, orders, keeps=keeps, judges=not keeps, holds=keeps)
    desk = run(tmp_path / "j", what, url=rabbitmq_node.url(vhost=vhost))
    assert desk.state == "done" and desk.counts.sent == len(BODIES)
    assert bodies(rabbitmq_node, vhost, "orders") == BODIES
    assert bodies(rabbitmq_node, vhost, "fleeting") == (BODIES if keeps else [])


def test_what_a_lost_lease_of_an_auto_delete_queue_held_is_back(
    rabbitmq_node: Node, vhost: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with rabbitmq_node.connect(vhost) as connection:
        connection.channel().queue_declare("fleeting", durable=True, auto_delete=True)
    put(rabbitmq_node, vhost, "fleeting", BODIES)
    orders, path = declare(rabbitmq_node, vhost, "orders"), tmp_path / "j"
    what, url = order(key(vhost, "fleeting"), orders, lease_seconds=6.0), rabbitmq_node.url(vhost=vhost)
    remove = leases.RabbitLease.remove

    def cut(lease: leases.RabbitLease, tags: object, wait: bool = True) -> object:
        monkeypatch.setattr(leases.RabbitLease, "remove", remove)
        lease._source.link.hang_up()
        raise lease._source.link._failed  # type: ignore[misc]

    monkeypatch.setattr(leases.RabbitLease, "remove", cut)
    desk = run(path, what, url=url)
    assert desk.state == "done" and desk.counts.removed == len(BODIES)
    arrived, left = bodies(rabbitmq_node, vhost, "orders"), bodies(rabbitmq_node, vhost, "fleeting")
    check_nothing_lost(path, BODIES, left, arrived)
    assert left == []
