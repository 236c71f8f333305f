"""Leases of real queues of RabbitMQ: what is refused, what is unknown, and that nothing is lost whatever breaks."""

from __future__ import annotations

import time
from typing import Any

import pytest

from collectors.brokers.rabbitmq.sending import Posted, Sender
from collectors.errors import AccessRefused
from collectors.letters import Bounds, Destination, Outcome, Parcel, Stamp
from collectors.registry import parse
from tests.brokers.rabbitmq_letters import (
    QUORUM,
    by_outcome,
    declare,
    drain,
    drained,
    key,
    leased,
    put,
    settle,
    take,
    through,
    waiting,
)
from tests.brokers.rabbitmq_polls import polling
from tests.collectors.test_rabbitmq_frames import EVERY_TYPE, properties
from tests.servers.proxy import FAIR, Proxy, Weather
from tests.servers.rabbitmq import Node

pytestmark = [pytest.mark.slow, pytest.mark.rabbitmq, pytest.mark.usefixtures("alone")]

BODIES = [b"letter %d" % n for n in range(60)]
STAMP = Stamp("replay-7", "2026-11-25T12:00:00Z", "ana")


# --- what a copy is --------------------------------------------------------------------------------------------------
def test_headers_of_every_type_and_large_bodies_arrive_byte_for_byte(rabbitmq_node: Node, vhost: str) -> None:
    where, there = declare(rabbitmq_node, vhost, "dead"), declare(rabbitmq_node, vhost, "orders")
    url = parse(rabbitmq_node.url(vhost=vhost))
    raw = properties(EVERY_TYPE, content_type="text/plain", message_id="m-1", app_id="shop")
    bodies = [b"", b"\x00\xce\xff", bytes(range(256)) * 2000]
    sender = Sender(url, vhost, lambda queue: False)
    sender.post([Posted(n, ("", "dead"), raw, body) for n, body in enumerate(bodies)])
    assert {sender.next(10.0).outcome for _ in bodies} == {Outcome.SENT}
    sender.close()
    with leased(rabbitmq_node.url(vhost=vhost), where) as lease:
        taken = take(lease, 3)
        assert [one.message.properties for one in taken] == [raw] * 3
        lease.send([Parcel(one.tag, Destination(there)) for one in taken])
        assert {r.outcome for r in settle(lease, 3)} == {Outcome.SENT}
        assert {r.outcome for r in lease.remove([one.tag for one in taken])} == {Outcome.REMOVED}
    with leased(rabbitmq_node.url(vhost=vhost), there) as lease:
        copies = take(lease, 3)
        assert [one.message.body for one in copies] == bodies
        assert [one.message.properties for one in copies] == [raw] * 3
    assert waiting(rabbitmq_node, vhost, "dead") == 0


def test_cc_and_user_id_are_kept_where_they_do_not_act(rabbitmq_node: Node, vhost: str) -> None:
    """The acting user has exactly the permissions that the README names."""
    where, there = declare(rabbitmq_node, vhost, "dead"), declare(rabbitmq_node, vhost, "orders")
    declare(rabbitmq_node, vhost, "audit")
    put(rabbitmq_node, vhost, "dead", [b"one", b"two"], headers={"CC": ["audit"]}, user_id="guest")
    assert waiting(rabbitmq_node, vhost, "audit") == 2
    rabbitmq_node.api("PUT", "users/actor", {"password": "pass-word", "tags": "management"})
    allowed = {"configure": "^$", "write": "^amq\\.default$", "read": "^dead$"}
    rabbitmq_node.api("PUT", f"permissions/{vhost}/actor", allowed)
    try:
        with leased(rabbitmq_node.url(user="actor:pass-word", vhost=vhost), where) as lease:
            one, two = take(lease, 2)
            to = Destination(there)
            lease.send([Parcel(one.tag, to, STAMP), Parcel(two.tag, to, STAMP, options=frozenset({"keep_cc"}))])
            assert {r.outcome for r in settle(lease, 2)} == {Outcome.SENT}
            assert {r.outcome for r in lease.remove([one.tag, two.tag])} == {Outcome.REMOVED}
    finally:
        rabbitmq_node.api("DELETE", "users/actor")
    first, second = (found.headers for _, found in drain(rabbitmq_node, vhost, "orders"))
    assert first["replay-user-id"] == "guest" and first["replay-cc"] == ["audit"] and "CC" not in first
    assert second["CC"] == ["audit"] and first["replay-count"] == 1
    assert [body for body, _ in drain(rabbitmq_node, vhost, "audit")] == [b"one", b"two", b"two"]


def test_letters_that_died_in_every_way_name_the_queue_they_died_in(rabbitmq_node: Node, vhost: str) -> None:
    """Rejected, expired, overflowed, delivered too often, and rejected again after a retry queue."""
    to_dead = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead"}
    dead = declare(rabbitmq_node, vhost, "dead")
    declare(rabbitmq_node, vhost, "rejecting", to_dead)
    declare(rabbitmq_node, vhost, "expiring", {**to_dead, "x-message-ttl": 1})
    declare(rabbitmq_node, vhost, "small", {**to_dead, "x-max-length": 1})
    declare(rabbitmq_node, vhost, "poisoned", {**QUORUM, **to_dead, "x-delivery-limit": 1})
    back = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "work", "x-message-ttl": 1}
    declare(rabbitmq_node, vhost, "work.wait", back)
    declare(rabbitmq_node, vhost, "work", {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "work.wait"})
    for queue in ("rejecting", "expiring", "small", "small", "poisoned", "work"):
        put(rabbitmq_node, vhost, queue, [queue.encode()], headers={"task": queue})
    with rabbitmq_node.connect(vhost) as connection:
        channel = connection.channel()
        for queue, times, requeue in (("rejecting", 1, False), ("poisoned", 2, True), ("work", 2, False)):
            for _ in range(times):
                method = None
                while method is None:
                    method, _, _ = channel.basic_get(queue)
                channel.basic_nack(method.delivery_tag, requeue=requeue)
        method = None
        while method is None:  # the third attempt gives up by itself, as an application does
            method, found, body = channel.basic_get("work")
        channel.basic_publish("", "dead", body, found)
        channel.basic_ack(method.delivery_tag)
    deadline = time.monotonic() + 60
    with polling(rabbitmq_node.url(vhost=vhost)) as broker:
        while len(letters := broker.look(dead, Bounds()).letters) < 5 and time.monotonic() < deadline:
            time.sleep(0.2)
        died = {one.body.decode(): one for one in letters}
        assert {body: one.origin for body, one in died.items()} == {body: key(vhost, body) for body in died}
        assert {body: one.deaths[0].reason for body, one in died.items()} == {
            "rejecting": "rejected", "expiring": "expired", "small": "maxlen", "poisoned": "delivery_limit",
            "work": "expired",
        }  # fmt: skip
    assert [death.queue for death in died["work"].deaths] == ["work.wait", "work"]
    assert died["rejecting"].died_at is not None and died["work"].died_at is None and died["work"].attempts == 2


# --- what is refused -------------------------------------------------------------------------------------------------
def test_of_many_copies_exactly_those_that_reach_nothing_are_refused(rabbitmq_node: Node, vhost: str) -> None:
    """Returned, confirmed all the same, among many that arrive; their bodies are alike."""
    where, there = declare(rabbitmq_node, vhost, "dead"), declare(rabbitmq_node, vhost, "orders")
    put(rabbitmq_node, vhost, "dead", [b"same"] * 60)
    nowhere = [Destination(key(vhost, "gone")), Destination(exchange="amq.direct", routing_key="unbound")]
    missing = Destination(exchange="no-such-exchange", routing_key="x")
    with leased(rabbitmq_node.url(vhost=vhost), where) as lease:
        taken = take(lease, 60)
        to = {
            one.tag: nowhere[n % 2] if n % 5 == 0 else missing if n == 13 else Destination(there)
            for n, one in enumerate(taken)
        }
        lease.send([Parcel(one.tag, to[one.tag], STAMP) for one in taken])
        receipts = settle(lease, 60)
        lost = {tag for tag, destination in to.items() if destination != Destination(there)}
        found = by_outcome(receipts)
        assert found[Outcome.REFUSED] == lost and len(found[Outcome.SENT]) == 60 - len(lost)
        assert all(r.why.endswith(".") for r in receipts if r.outcome is Outcome.REFUSED)
        lease.remove(sorted(found[Outcome.SENT]))
    assert len(drain(rabbitmq_node, vhost, "orders")) == 60 - len(lost)
    assert len(drained(rabbitmq_node, vhost, "dead", len(lost))) == len(lost)


def test_a_queue_that_is_full_refuses_and_a_fan_out_is_unknown(rabbitmq_node: Node, vhost: str) -> None:
    where = declare(rabbitmq_node, vhost, "dead")
    full = declare(rabbitmq_node, vhost, "full", {"x-max-length": 5, "x-overflow": "reject-publish"})
    declare(rabbitmq_node, vhost, "roomy")
    put(rabbitmq_node, vhost, "dead", BODIES)
    with rabbitmq_node.connect(vhost) as connection:
        for queue in ("full", "roomy"):
            connection.channel().queue_bind(queue, "amq.fanout")
    with leased(rabbitmq_node.url(vhost=vhost), where) as lease:
        taken = take(lease, len(BODIES))
        lease.send([Parcel(one.tag, Destination(full)) for one in taken[:40]])
        found = by_outcome(receipts := settle(lease, 40))
        assert len(found[Outcome.SENT]) == waiting(rabbitmq_node, vhost, "full") and len(found[Outcome.REFUSED]) >= 30
        assert any("is full" in r.why for r in receipts)
        lease.send([Parcel(one.tag, Destination(exchange="amq.fanout")) for one in taken[40:]])
        spread = settle(lease, 20)
        assert {r.outcome for r in spread} == {Outcome.UNKNOWN} and waiting(rabbitmq_node, vhost, "roomy") == 20
        lease.remove(sorted(found[Outcome.SENT]))
    kept = waiting(rabbitmq_node, vhost, "full")
    assert len(drained(rabbitmq_node, vhost, "dead", 60 - kept)) == 60 - kept


def test_permissions_that_are_missing_are_named_and_nothing_moves(rabbitmq_node: Node, vhost: str) -> None:
    where, there = declare(rabbitmq_node, vhost, "dead"), declare(rabbitmq_node, vhost, "orders")
    put(rabbitmq_node, vhost, "dead", BODIES[:3])
    rabbitmq_node.api("PUT", "users/actor", {"password": "pass-word", "tags": "management"})
    url = rabbitmq_node.url(user="actor:pass-word", vhost=vhost)

    def allow(write: str, read: str) -> None:
        rabbitmq_node.api("PUT", f"permissions/{vhost}/actor", {"configure": "^$", "write": write, "read": read})

    try:
        allow("^$", ".*")
        with leased(url, where) as lease:
            lease.send([Parcel(one.tag, Destination(there)) for one in take(lease, 3)])
            receipts = settle(lease, 3)
            assert {r.outcome for r in receipts} == {Outcome.REFUSED}
            assert all("amq.default" in r.why and "pass-word" not in r.why for r in receipts)
        allow(".*", "^$")
        with leased(url, where) as lease, pytest.raises(AccessRefused, match="access to queue 'dead'"):
            lease.take(1)
    finally:
        rabbitmq_node.api("DELETE", "users/actor")
    assert drained(rabbitmq_node, vhost, "dead", 3) == BODIES[:3] and waiting(rabbitmq_node, vhost, "orders") == 0


def test_letters_near_their_limit_survive_leases_that_only_hold_them(rabbitmq_node: Node, vhost: str) -> None:
    where = declare(rabbitmq_node, vhost, "dead", {**QUORUM, "x-delivery-limit": 4})
    put(rabbitmq_node, vhost, "dead", BODIES[:6])
    for number in range(12):
        with leased(rabbitmq_node.url(vhost=vhost), where) as lease:
            taken = take(lease, 6)
            if number % 2:
                lease.give_back([one.tag for one in taken[:3]])
    assert sorted(drained(rabbitmq_node, vhost, "dead", 6)) == sorted(BODIES[:6])


@pytest.mark.parametrize("arguments", [{}, QUORUM], ids=["classic", "quorum"])
def test_what_is_given_back_is_not_taken_again_before_the_rest(
    rabbitmq_node: Node, vhost: str, arguments: dict[str, Any]
) -> None:
    where = declare(rabbitmq_node, vhost, "dead", arguments)
    put(rabbitmq_node, vhost, "dead", BODIES)
    with leased(rabbitmq_node.url(vhost=vhost), where) as lease:
        taken = take(lease, 20)
        assert [one.message.body for one in taken] == BODIES[:20]
        lease.remove([one.tag for one in taken[::2]])
        lease.give_back([one.tag for one in taken[1::2]])
    assert drained(rabbitmq_node, vhost, "dead", 50) == [*BODIES[1:20:2], *BODIES[20:]]


def test_a_queue_whose_letters_are_on_their_way_is_not_taken_for_empty(rabbitmq_node: Node, vhost: str) -> None:
    """None is ready there any more, and none has arrived yet when it is asked."""
    where = declare(rabbitmq_node, vhost, "dead")
    with Proxy(rabbitmq_node.amqp) as proxy, leased(through(rabbitmq_node, proxy, vhost), where) as lease:
        assert lease.take(5, 0.0) == []
        proxy.weather = Weather("slow", delay=0.5)
        put(rabbitmq_node, vhost, "dead", BODIES[:5])
        assert lease.take(5, 0.05)
        proxy.weather = FAIR


# --- what a destination reaches --------------------------------------------------------------------------------------
def test_a_wide_destination_names_every_queue_that_gets_a_copy(rabbitmq_node: Node, vhost: str) -> None:
    for queue in ("orders", "audit", "other"):
        declare(rabbitmq_node, vhost, queue)
    with rabbitmq_node.connect(vhost) as connection:
        channel = connection.channel()
        channel.queue_bind("orders", "amq.topic", "order.*")
        channel.queue_bind("audit", "amq.topic", "#")
        channel.queue_bind("other", "amq.headers", arguments={"x-match": "all", "kind": "x"})
    with polling(rabbitmq_node.url(vhost=vhost)) as broker:
        reached = {
            to: broker.receivers(Destination(exchange=to[0], routing_key=to[1]))
            for to in (
                ("amq.topic", "order.paid"),
                ("amq.topic", "x"),
                ("amq.direct", "x"),
                ("amq.headers", "x"),
                ("gone", "x"),
            )
        }
        assert broker.receivers(Destination(key(vhost, "orders"))) == [f"{vhost}/orders"]
        message_id = broker.send_new(
            Destination(exchange="amq.topic", routing_key="order.paid"),
            b"new",
            {"n": 1},
            {"message_id": "m-7", "priority": "3"},
        )
    assert reached == {
        ("amq.topic", "order.paid"): [f"{vhost}/audit", f"{vhost}/orders"],
        ("amq.topic", "x"): [f"{vhost}/audit"],
        ("amq.direct", "x"): [],
        ("amq.headers", "x"): None,
        ("gone", "x"): [],
    }
    ((body, found),) = drain(rabbitmq_node, vhost, "orders")
    assert (body, found.headers, found.message_id, found.priority, message_id) == (b"new", {"n": 1}, "m-7", 3, "m-7")
    assert waiting(rabbitmq_node, vhost, "audit") == 1
