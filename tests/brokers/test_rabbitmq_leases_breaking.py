"""Leases of real queues of RabbitMQ when something breaks: cut, killed, blocked, silent, deleted. Nothing is lost."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest

from collectors.brokers.rabbitmq import frames, link
from collectors.brokers.rabbitmq.link import Link
from collectors.errors import Busy, CollectorError, TimedOut
from collectors.letters import Destination, Outcome, Parcel, Stamp
from collectors.registry import parse
from tests.brokers.rabbitmq_letters import (
    QUORUM,
    declare,
    drain,
    drained,
    leased,
    put,
    settle,
    take,
    through,
    unread,
    waiting,
)
from tests.brokers.rabbitmq_polls import polling
from tests.servers.certificates import Authority
from tests.servers.proxy import FAIR, Proxy, Weather
from tests.servers.rabbitmq import Node

pytestmark = [pytest.mark.slow, pytest.mark.rabbitmq]

BODIES = [b"letter %d" % n for n in range(60)]
STAMP = Stamp("replay-7", "2026-11-25T12:00:00Z", "ana")


def test_connections_that_are_cut_at_any_time_lose_nothing(rabbitmq_node: Node, vhost: str) -> None:
    """Whatever was SENT is there; what is neither there nor in the source was never; UNKNOWN covers what is in both."""
    dice = random.Random(7)
    with Proxy(rabbitmq_node.amqp) as proxy:
        for trial in range(12):
            dead, orders = f"dead-{trial}", f"orders-{trial}"
            where, there = declare(rabbitmq_node, vhost, dead), declare(rabbitmq_node, vhost, orders)
            put(rabbitmq_node, vhost, dead, BODIES)
            sent, unknown, removed = move_until_cut(through(rabbitmq_node, proxy, vhost), where, there, proxy, dice)
            copies = Counter(body for body, _ in drain(rabbitmq_node, vhost, orders))
            unread(rabbitmq_node, vhost, dead)
            left = Counter(body for body, _ in drain(rabbitmq_node, vhost, dead))
            assert set(copies) | set(left) == set(BODIES), "a letter was lost"
            assert max(copies.values(), default=1) == 1 and max(left.values(), default=1) == 1
            assert sent <= set(copies) and set(copies) <= sent | unknown
            assert not removed & set(left), "what was said to be removed came back"


def move_until_cut(
    url: str, where: str, there: str, proxy: Proxy, dice: random.Random
) -> tuple[set[bytes], set[bytes], set[bytes]]:
    """Move letters while the connections are hung up at some moment: bodies that were sent, unknown, removed."""
    outcomes: dict[Outcome, set[bytes]] = {outcome: set() for outcome in Outcome}
    cut = threading.Timer(dice.uniform(0.0, 0.12), proxy.hang_up)
    with polling(url) as broker:
        lease = broker.lease(where, 60.0)
        taken = {one.tag: one.message.body for one in take(lease, len(BODIES))}
        tags, waiting_for = list(taken), set[int]()
        lease.send([Parcel(tags[0], Destination(there))])
        assert lease.settled(20.0)[0].outcome is Outcome.SENT
        outcomes[Outcome.SENT].add(taken[tags.pop(0)])
        cut.start()
        with suppress(CollectorError):
            while tags or waiting_for:
                batch, tags = tags[:4], tags[4:]
                if batch:
                    waiting_for |= set(batch)
                    lease.send([Parcel(tag, Destination(there)) for tag in batch])
                sure = []
                for receipt in lease.settled(0.005):
                    waiting_for.discard(receipt.tag)
                    outcomes[receipt.outcome].add(taken[receipt.tag])
                    sure += [receipt.tag] if receipt.outcome is Outcome.SENT else []
                for receipt in lease.remove(sure):
                    if receipt.outcome is Outcome.REMOVED:
                        outcomes[Outcome.REMOVED].add(taken[receipt.tag])
            lease.close()
    cut.join()
    unknown = outcomes[Outcome.UNKNOWN] | {taken[tag] for tag in waiting_for}
    return outcomes[Outcome.SENT], unknown, outcomes[Outcome.REMOVED]


def test_workers_that_die_again_and_again_bring_no_letter_to_its_limit(rabbitmq_node: Node, vhost: str) -> None:
    """Each death counts as a delivery of all that was held: what is near its limit is replaced first."""
    where = declare(rabbitmq_node, vhost, "dead", {**QUORUM, "x-delivery-limit": 4})
    put(rabbitmq_node, vhost, "dead", BODIES[:6])
    for _ in range(10):
        with polling(rabbitmq_node.url(vhost=vhost)) as broker:
            lease = broker.lease(where, 60.0)
            assert sorted(one.message.body for one in take(lease, 6)) == sorted(BODIES[:6])
            lease._source.link.hang_up()
        unread(rabbitmq_node, vhost, "dead")
    assert sorted(drained(rabbitmq_node, vhost, "dead", 6)) == sorted(BODIES[:6])


def test_a_worker_that_is_killed_loses_nothing(rabbitmq_node: Node, vhost: str) -> None:
    where, there = declare(rabbitmq_node, vhost, "dead"), declare(rabbitmq_node, vhost, "orders")
    bodies = [b"letter %d" % n for n in range(1500)]
    put(rabbitmq_node, vhost, "dead", bodies)
    script = """
        import sys
        from collectors import registry
        from collectors.letters import Destination, Parcel
        lease = registry.connect(registry.parse(sys.argv[1])).lease(sys.argv[2], 60.0)
        while taken := lease.take(20, 1.0):
            lease.send([Parcel(one.tag, Destination(sys.argv[3])) for one in taken])
            tags = []
            while len(tags) < len(taken):
                tags += [receipt.tag for receipt in lease.settled(1.0)]
            lease.remove(tags)
            print(len(tags), flush=True)
    """
    child = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script), rabbitmq_node.url(vhost=vhost), where, there],
        cwd=Path(__file__).parents[2], stdout=subprocess.PIPE,
    )  # fmt: skip
    assert child.stdout is not None
    moved = 0
    while moved < 400:
        moved += int(child.stdout.readline())
    child.send_signal(signal.SIGKILL)
    child.wait()
    copies = [body for body, _ in drain(rabbitmq_node, vhost, "orders")]
    left = drained(rabbitmq_node, vhost, "dead", len(bodies) - len(copies))
    assert set(copies) | set(left) == set(bodies) and len(copies) == len(set(copies)) >= moved
    assert len(set(copies) & set(left)) <= 20, "more than one batch is in both places"
    assert left == sorted(left, key=lambda body: int(body.split()[1])), "what came back is out of order"


def alarm(node: Node) -> None:
    """Let the node think that its memory is full, and wait until it does."""
    node.control("set_vm_memory_high_watermark", "0.00000001")
    deadline = time.monotonic() + 60
    while "memory" not in node.control("eval", "rabbit_alarm:get_alarms().") and time.monotonic() < deadline:
        time.sleep(0.1)


def test_while_the_broker_takes_no_messages_none_is_sent_and_none_is_lost(rabbitmq_node: Node, vhost: str) -> None:
    """A memory alarm, before the first copy and between two: publishers are blocked; afterwards everything goes on."""
    where, there = declare(rabbitmq_node, vhost, "dead"), declare(rabbitmq_node, vhost, "orders")
    put(rabbitmq_node, vhost, "dead", BODIES)
    with leased(rabbitmq_node.url(vhost=vhost), where) as lease:
        taken = take(lease, len(BODIES))
        alarm(rabbitmq_node)
        try:
            with pytest.raises(Busy, match="Nothing can be sent"):
                lease.send([Parcel(taken[0].tag, Destination(there))])
        finally:
            rabbitmq_node.control("set_vm_memory_high_watermark", "0.4")
        lease.send([Parcel(one.tag, Destination(there)) for one in taken[:10]])
        assert len(settle(lease, 10)) == 10
        alarm(rabbitmq_node)
        try:
            lease.send([Parcel(one.tag, Destination(there)) for one in taken[10:20]])
            deadline = time.monotonic() + 60
            with pytest.raises(Busy, match="takes no messages now"):
                while time.monotonic() < deadline:
                    assert lease.settled(0.2) == []
                    lease.send([])
        finally:
            rabbitmq_node.control("set_vm_memory_high_watermark", "0.4")
        assert {r.outcome for r in settle(lease, 10)} == {Outcome.SENT}
        lease.send([Parcel(one.tag, Destination(there)) for one in taken[20:]])
        assert {r.outcome for r in settle(lease, 40)} == {Outcome.SENT}
        assert {r.outcome for r in lease.remove([one.tag for one in taken])} == {Outcome.REMOVED}
    assert [body for body, _ in drain(rabbitmq_node, vhost, "orders")] == BODIES


def test_a_lease_over_tls(rabbitmq_node: Node, vhost: str, tmp_path: Path) -> None:
    where, there = declare(rabbitmq_node, vhost, "dead"), declare(rabbitmq_node, vhost, "orders")
    bodies = [bytes([n]) * 50_000 for n in range(40)]
    put(rabbitmq_node, vhost, "dead", bodies)
    authority = Authority(tmp_path)
    with Proxy(rabbitmq_node.amqp, tls=authority.sign().context) as proxy:
        plain = through(rabbitmq_node, proxy, vhost)
        url = plain.replace("amqp://", "amqps://").replace(f"127.0.0.1:{proxy.port}", f"localhost:{proxy.port}")
        url += f"&ca_file={authority.file}"
        with leased(url, where) as lease:
            taken = take(lease, 40)
            lease.send([Parcel(one.tag, Destination(there)) for one in taken])
            assert {r.outcome for r in settle(lease, 40)} == {Outcome.SENT}
            lease.remove([one.tag for one in taken])
    assert [body for body, _ in drain(rabbitmq_node, vhost, "orders")] == bodies
    assert waiting(rabbitmq_node, vhost, "dead") == 0


def test_a_quiet_lease_stays_alive_and_a_dead_network_is_noticed(
    rabbitmq_node: Node, vhost: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "HEARTBEAT", 2.0)  # the broker gives up whoever is silent for two of them
    monkeypatch.setattr("collectors.brokers.rabbitmq.lease.TEND_EVERY", 0.2)
    where = declare(rabbitmq_node, vhost, "dead")
    put(rabbitmq_node, vhost, "dead", [b"one"])
    with Proxy(rabbitmq_node.amqp) as proxy, leased(through(rabbitmq_node, proxy, vhost), where) as lease:
        (one,) = take(lease, 1)
        quiet_until = time.monotonic() + 5
        while time.monotonic() < quiet_until:
            assert lease.settled(0.0) == []
            time.sleep(0.1)
        proxy.weather = Weather("nothing comes through", delay=60.0)
        with pytest.raises(TimedOut, match="has said nothing"):
            deadline = time.monotonic() + 60
            while time.monotonic() < deadline:
                lease.take(1, 0.2)
        assert {r.outcome for r in lease.remove([one.tag])} == {Outcome.UNKNOWN}
        proxy.weather = FAIR
        proxy.hang_up()
    assert drained(rabbitmq_node, vhost, "dead", 1) == [b"one"]


def test_a_queue_that_is_deleted_meanwhile_is_said(rabbitmq_node: Node, vhost: str) -> None:
    where = declare(rabbitmq_node, vhost, "dead")
    put(rabbitmq_node, vhost, "dead", [b"one"])
    with leased(rabbitmq_node.url(vhost=vhost), where) as lease:
        take(lease, 1)
        rabbitmq_node.api("DELETE", f"queues/{vhost}/dead")
        with pytest.raises(CollectorError, match="the queue is gone"):
            deadline = time.monotonic() + 60
            while time.monotonic() < deadline:
                lease.take(1, 0.2)


def test_an_answer_that_came_while_this_process_was_held_up_is_heard(rabbitmq_node: Node, vhost: str) -> None:
    one = Link(parse(rabbitmq_node.url(vhost=vhost)), vhost)
    channel, check = one.open_channel(), one.check
    one.timeout = 0.2
    one.check = lambda channel=0: (check(channel), time.sleep(0.5))  # type: ignore[method-assign, assignment]
    assert one.call(frames.prefetch(channel, 1), channel, frames.QOS_OK).name == frames.QOS_OK
    one.close()


def test_a_link_says_what_the_broker_refused(rabbitmq_node: Node, vhost: str) -> None:
    channel_error = Link(parse(rabbitmq_node.url(vhost=vhost)), vhost)
    channel = channel_error.open_channel()
    with pytest.raises(CollectorError, match=r"no such thing: NOT_FOUND.*'gone'"):
        channel_error.call(frames.declare_queue(channel, "gone"), channel, frames.QUEUE_DECLARE_OK)
    assert channel_error.open_channel() == 2, "another channel of the link lives on"
    channel_error.close()
    with pytest.raises(CollectorError, match="is closed"):
        channel_error.open_channel()
