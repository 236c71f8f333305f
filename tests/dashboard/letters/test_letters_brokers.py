"""From real brokers to the inbox: letters that RabbitMQ itself gave up, and those of the demo's shop on Valkey."""

from __future__ import annotations

import time

import pika
import pytest

from dashboard.demo import Demo
from dashboard.letters import reader
from dashboard.models import Letter, Place
from tests.servers.rabbitmq import Node, rabbitmq_node, vhost

from ..letterbox import Watched

__all__ = ["rabbitmq_node", "vhost"]

pytestmark = pytest.mark.slow


def rejected(node: Node, vhost: str, bodies: list[bytes], limit: int) -> None:
    """Orders that a consumer rejects: they die into a quorum queue with a limit, and without a way out of it."""
    with node.connect(vhost) as connection:
        channel = connection.channel()
        narrow = {"x-queue-type": "quorum", "x-delivery-limit": limit}
        channel.queue_declare("orders.dlq", durable=True, arguments=narrow)
        arguments = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "orders.dlq"}
        channel.queue_declare("orders", durable=True, arguments=arguments)
        channel.confirm_delivery()
        for body in bodies:
            properties = pika.BasicProperties(content_type="application/json", delivery_mode=2)
            channel.basic_publish("", "orders", body, properties)
            method = None
            while method is None:
                method, _, _ = channel.basic_get("orders")
            channel.basic_reject(method.delivery_tag, requeue=False)


def polled(watched: Watched, depth: int) -> None:
    """Poll until the dead-letter queue is known with all its letters."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        watched.poll()
        rows = [one for one in watched.adapter.poll().samples if one.name.endswith("orders.dlq")]
        if rows and rows[0].depth == depth:
            watched.poll()
            return
        time.sleep(0.5)
    raise AssertionError(f"the queue never had {depth} letters")


@pytest.mark.rabbitmq
def test_fifty_looks_through_weir_at_a_quorum_queue_with_a_limit_lose_nothing(
    operator_api, rabbitmq_node: Node, vhost: str
):
    bodies = [b'{"order": %d, "lines": []}' % n for n in range(6)]
    rejected(rabbitmq_node, vhost, bodies, limit=4)
    watched = Watched("rabbit", "rabbitmq", rabbitmq_node.url(vhost=vhost))
    polled(watched, 6)
    queue = watched.queue(next(s.name for s in watched.adapter.poll().samples if s.name.endswith("orders.dlq")))
    said = operator_api.get(f"queues/{queue.pk}/look")
    assert "counts" in said["price"] and said["renews"] and said["budget"]["limit"] == 4
    looked = 0
    for _ in range(50):
        answer = operator_api.client.post(
            f"/api/v1/queues/{queue.pk}/looks", {"limit": 10}, content_type="application/json"
        )
        assert answer.status_code in (201, 409), answer.content
        looked += answer.status_code == 201
    assert looked == 50 and Place.objects.get().deliveries < 4
    left = []
    with rabbitmq_node.connect(vhost) as connection:
        channel = connection.channel()
        while (got := channel.basic_get("orders.dlq", auto_ack=True))[0] is not None:
            left.append(got[2])
    assert sorted(left) == bodies
    [group] = operator_api.get("dead-letters/causes")["items"]
    assert group["title"] == "Rejected by a consumer in orders" and group["count"] == 6
    letter = operator_api.get(f"dead-letters/{Letter.objects.order_by('id')[0].pk}")
    assert letter["path"][-2:] == ["orders", queue.name]
    assert letter["history"][0]["sentence"].startswith("rejected by a consumer in orders, once")
    assert letter["decoded"]["value"] == {"order": 0, "lines": []}


def test_the_demos_dead_letters_are_found_by_cause_by_themselves(web, viewer_api):
    with Demo() as demo:
        watched = Watched("demo", "redis", demo.url)
        watched.poll()
        one = reader.Reader()
        deadline = time.monotonic() + 60
        while one.round() and time.monotonic() < deadline:
            pass
        titles = {group["title"].partition(":")[0] for group in viewer_api.get("dead-letters/causes")["items"]}
        assert {"KeyError", "CardDeclined", "ConnectionError"} <= titles, titles
        queues = {group["title"]: group for group in viewer_api.get("dead-letters/causes", group="queue")["items"]}
        assert {"orders:dlq", "payments.dlq"} <= set(queues)
        for name in ("orders:dlq", "payments.dlq"):
            assert queues[name]["count"] == queues[name]["taken"]["taken"] > 10 and queues[name]["place"]["free"]
        one.stop()
