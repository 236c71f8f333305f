"""What looking and replaying need on RabbitMQ: tried with users that lack exactly one permission."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from collectors.errors import AccessRefused, Unreachable
from tests.brokers.rabbitmq_polls import polling
from tests.servers.ports import free_port
from tests.servers.rabbitmq import Node

pytestmark = [pytest.mark.slow, pytest.mark.rabbitmq]


@pytest.fixture
def shop(rabbitmq_node: Node, vhost: str) -> str:
    """A virtual host with a queue of two messages, and the user `actor`, who may do nothing yet."""
    rabbitmq_node.api("PUT", "users/actor", {"password": "pass-word", "tags": "monitoring"})
    with rabbitmq_node.connect(vhost) as connection:
        channel = connection.channel()
        channel.queue_declare("orders.dead", durable=True)
        for body in (b"one", b"two"):
            channel.basic_publish("", "orders.dead", body)
    return vhost


@pytest.fixture(autouse=True)
def no_actor(rabbitmq_node: Node) -> Iterator[None]:
    yield
    rabbitmq_node.api("DELETE", "users/actor")


def allow(node: Node, vhost: str, write: str, read: str) -> None:
    node.api("PUT", f"permissions/{vhost}/actor", {"configure": "^$", "write": write, "read": read})


def url(node: Node, vhost: str) -> str:
    """The port of AMQP is that of the node; `url` of the node gives the management's beside it."""
    return node.url(user="actor:pass-word", vhost=vhost)


def powers(
    node: Node, vhost: str, *, replaying: bool = True, queue: str = "orders.dead"
) -> dict[str, tuple[bool, str]]:
    with polling(url(node, vhost)) as broker:
        return {c.power: (c.ok, c.sentence) for c in broker.check_acting([f"{vhost}\x1f{queue}"], replaying)}


def test_a_user_with_both_permissions_can_look_and_replay(rabbitmq_node: Node, shop: str) -> None:
    allow(rabbitmq_node, shop, "^amq\\.default$", "^orders\\.dead$")
    found = powers(rabbitmq_node, shop)
    assert {power: ok for power, (ok, _) in found.items()} == {"looking": True, "replaying": True}


def test_one_who_may_not_read_is_told_so_and_can_still_send(rabbitmq_node: Node, shop: str) -> None:
    allow(rabbitmq_node, shop, "^amq\\.default$", "^other$")
    found = powers(rabbitmq_node, shop)
    assert not found["looking"][0] and found["replaying"][0]
    assert "may not read 'orders.dead'" in found["looking"][1] and "READ" in found["looking"][1]
    assert f"-p {shop} actor" in found["looking"][1] and "pass-word" not in found["looking"][1]


def test_one_who_may_not_write_is_told_so_and_can_still_look(rabbitmq_node: Node, shop: str) -> None:
    allow(rabbitmq_node, shop, "^orders", "^orders")
    found = powers(rabbitmq_node, shop)
    assert found["looking"][0] and not found["replaying"][0]
    assert "may not write" in found["replaying"][1] and "amq.default" in found["replaying"][1]


def test_where_nothing_is_replayed_writing_is_not_asked_for(rabbitmq_node: Node, shop: str) -> None:
    allow(rabbitmq_node, shop, "^$", ".*")
    assert list(powers(rabbitmq_node, shop, replaying=False)) == ["looking"]


def test_one_without_the_tag_cannot_look(rabbitmq_node: Node, shop: str) -> None:
    """Its permissions would do, but without a queue's settings nobody knows what a look does to it."""
    allow(rabbitmq_node, shop, "^amq\\.default$", "^orders\\.dead$")
    rabbitmq_node.api("PUT", "users/actor", {"password": "pass-word", "tags": ""})
    found = powers(rabbitmq_node, shop)
    assert not found["looking"][0] and found["replaying"][0]
    assert "rabbitmqctl set_user_tags" in found["looking"][1] and "pass-word" not in found["looking"][1]


def test_a_user_of_another_virtual_host_is_told_which(rabbitmq_node: Node, shop: str) -> None:
    with pytest.raises(AccessRefused, match=f"'actor' has no access to virtual host '{shop}'"):
        powers(rabbitmq_node, shop)


def test_a_wrong_password_is_told_without_it(rabbitmq_node: Node, shop: str) -> None:
    bad = rabbitmq_node.url(user="actor:wrong-word", vhost=shop)
    with polling(bad) as broker, pytest.raises(AccessRefused, match="refuses user 'actor'") as caught:
        broker.check_acting([], True)
    assert "wrong-word" not in str(caught.value)


def test_a_port_of_amqp_that_is_closed_is_told_to_be_needed(rabbitmq_node: Node, shop: str) -> None:
    there = f"127.0.0.1:{rabbitmq_node.amqp}"
    closed = url(rabbitmq_node, shop).replace(there, f"127.0.0.1:{free_port()}")
    with polling(closed) as broker, pytest.raises(Unreachable, match="Looking and replaying need it"):
        broker.check_acting([], True)


def test_the_messages_are_as_they_were(rabbitmq_node: Node, shop: str) -> None:
    """None was taken, redelivered, or added: not to the queue, nor to one that did not exist."""
    allow(rabbitmq_node, shop, ".*", ".*")
    before = {row["name"] for row in rabbitmq_node.api("GET", f"queues/{shop}")}
    powers(rabbitmq_node, shop)
    with rabbitmq_node.connect(shop) as connection:
        channel = connection.channel()
        bodies = []
        for _ in range(2):
            method, _, body = channel.basic_get("orders.dead", auto_ack=True)
            bodies.append((body, method.redelivered))
        assert bodies == [(b"one", False), (b"two", False)]
        assert channel.basic_get("orders.dead")[0] is None
    assert {row["name"] for row in rabbitmq_node.api("GET", f"queues/{shop}")} == before
