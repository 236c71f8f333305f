"""Short words for letters on RabbitMQ in tests: filling queues, reading them by another client, leasing them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import pika

from collectors import registry
from collectors.brokers.rabbitmq.lease import RabbitLease
from collectors.brokers.rabbitmq.sending import Posted, Sender
from collectors.errors import CollectorError
from collectors.letters import Outcome, Receipt
from tests.brokers.rabbitmq_polls import polling
from tests.servers.proxy import Proxy
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
    """Messages into a queue, each confirmed: a quorum queue may lose others when their connection ends."""
    raw = b"".join(pika.BasicProperties(delivery_mode=2, **properties).encode())
    sender = Sender(registry.parse(node.url(vhost=vhost)), vhost, lambda queue: True)
    try:
        sender.post([Posted(n, ("", queue), raw, body) for n, body in enumerate(bodies)])
        said = [sender.next(60.0) for _ in bodies]
    finally:
        sender.close()
    assert {one.outcome for one in said} <= {Outcome.SENT}, said


def drain(node: Node, vhost: str, queue: str) -> list[tuple[bytes, pika.BasicProperties]]:
    """Everything that lies in a queue, taken out of it, once nobody holds any of it."""
    found = []
    unread(node, vhost, queue)
    with node.connect(vhost) as connection:
        channel = connection.channel()
        while True:
            method, properties, body = channel.basic_get(queue, auto_ack=True)
            if method is None:
                return found
            found.append((body, properties))


def drained(node: Node, vhost: str, queue: str, count: int, within: float = 60.0) -> list[bytes]:
    """The bodies in a queue once so many lie there: what was held comes back when the broker notices."""
    deadline = time.monotonic() + within
    while waiting(node, vhost, queue) < count and time.monotonic() < deadline:
        time.sleep(0.1)
    return [body for body, _ in drain(node, vhost, queue)]


def shows(node: Node, vhost: str, queue: str, count: int, within: float = 60.0) -> bool:
    """Whether a queue comes to have so many ready: a quorum queue shows what it got back only a little later."""
    deadline = time.monotonic() + within
    while waiting(node, vhost, queue) != count and time.monotonic() < deadline:
        time.sleep(0.05)
    return waiting(node, vhost, queue) == count


def waiting(node: Node, vhost: str, queue: str) -> int:
    """How many messages a queue has ready."""
    with node.connect(vhost) as connection:
        return int(connection.channel().queue_declare(queue, passive=True).method.message_count)


@contextmanager
def leased(url: str, where: str) -> Iterator[RabbitLease]:
    with polling(url) as broker:
        lease = broker.lease(where, 120.0)
        try:
            yield lease
        finally:
            with suppress(CollectorError):  # a test may have broken its link
                lease.close()


def take(lease: RabbitLease, count: int) -> list[Any]:
    taken: list[Any] = []
    deadline = time.monotonic() + 60
    while len(taken) < count and time.monotonic() < deadline:
        taken += lease.take(count - len(taken), 1.0)
    assert len(taken) == count
    return taken


def settle(lease: RabbitLease, count: int) -> list[Receipt]:
    receipts: list[Receipt] = []
    deadline = time.monotonic() + 60
    while len(receipts) < count and time.monotonic() < deadline:
        receipts += lease.settled(1.0)
    assert len(receipts) == count
    return receipts


def by_outcome(receipts: Sequence[Receipt]) -> dict[Outcome, set[int]]:
    return {outcome: {r.tag for r in receipts if r.outcome is outcome} for outcome in Outcome}


def through(node: Node, proxy: Proxy, vhost: str) -> str:
    return node.url(vhost=vhost).replace(f":{node.amqp}/", f":{proxy.port}/")


def unread(node: Node, vhost: str, queue: str) -> None:
    """Until the broker has noticed the end of the lease, and put back what it held.

    A quorum queue counts as a consumer whoever holds letters of it, for as long as he does.
    """
    deadline = time.monotonic() + 60
    with node.connect(vhost) as connection:
        channel = connection.channel()
        while channel.queue_declare(queue, passive=True).method.consumer_count:
            assert time.monotonic() < deadline, f"somebody goes on reading {queue}"
            time.sleep(0.05)
