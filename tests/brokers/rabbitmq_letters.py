"""Short words for letters on RabbitMQ in tests: filling queues, and reading them by another client."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import pika

from tests.servers.rabbitmq import Node

QUORUM, STREAM = {"x-queue-type": "quorum"}, {"x-queue-type": "stream"}


def key(vhost: str, queue: str) -> str:
    return f"{vhost}\x1f{queue}"


def declare(node: Node, vhost: str, queue: str, arguments: dict[str, Any] | None = None) -> str:
    """A fresh durable queue; its key."""
    with node.connect(vhost) as connection:
        connection.channel().queue_declare(queue, durable=True, arguments=arguments or {})
    return key(vhost, queue)


def put(node: Node, vhost: str, queue: str, bodies: Sequence[bytes], **properties: Any) -> None:
    """Messages into a queue, each confirmed."""
    with node.connect(vhost) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        for body in bodies:
            channel.basic_publish("", queue, body, pika.BasicProperties(delivery_mode=2, **properties), mandatory=True)


def drain(node: Node, vhost: str, queue: str) -> list[tuple[bytes, pika.BasicProperties]]:
    """Everything that lies in a queue, taken out of it."""
    found = []
    with node.connect(vhost) as connection:
        channel = connection.channel()
        while True:
            method, properties, body = channel.basic_get(queue, auto_ack=True)
            if method is None:
                return found
            found.append((body, properties))


def drained(node: Node, vhost: str, queue: str, count: int, within: float = 20.0) -> list[bytes]:
    """The bodies in a queue once so many lie there: what was held comes back when the broker notices."""
    deadline = time.monotonic() + within
    while waiting(node, vhost, queue) < count and time.monotonic() < deadline:
        time.sleep(0.1)
    return [body for body, _ in drain(node, vhost, queue)]


def waiting(node: Node, vhost: str, queue: str) -> int:
    """How many messages a queue has ready."""
    with node.connect(vhost) as connection:
        return int(connection.channel().queue_declare(queue, passive=True).method.message_count)
