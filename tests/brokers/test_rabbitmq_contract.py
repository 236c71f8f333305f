"""The broker contract on a real RabbitMQ: for a classic queue and for a quorum queue."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.contracts import Adds, BrokerContract
from tests.servers.ports import free_port
from tests.servers.rabbitmq import Node

pytestmark = [pytest.mark.slow, pytest.mark.rabbitmq]


class RabbitMQContract(BrokerContract):
    settles_within = 45.0
    arguments: dict[str, str] = {}

    @pytest.fixture
    def url(self, rabbitmq_node: Node) -> str:
        return rabbitmq_node.url(vhost="/")

    @pytest.fixture
    def queue(self, rabbitmq_node: Node) -> Iterator[str]:
        name = f"orders-{time.time_ns()}"
        rabbitmq_node.api("PUT", f"queues/%2F/{name}", {"durable": True, "arguments": self.arguments})
        yield f"/\x1f{name}"
        rabbitmq_node.api("DELETE", f"queues/%2F/{name}")

    @pytest.fixture
    def add_messages(self, rabbitmq_node: Node, queue: str) -> Iterator[Adds]:
        connection = rabbitmq_node.connect()
        channel = connection.channel()
        channel.confirm_delivery()

        def add(n: int) -> None:
            for number in range(n):
                channel.basic_publish("", queue.partition("\x1f")[2], f"order {number}".encode())

        yield add
        connection.close()

    @pytest.fixture
    def dead_url(self) -> str:
        return f"amqp://weir:secret-word@127.0.0.1:{free_port()}/?management=http://127.0.0.1:{free_port()}"

    @pytest.fixture
    def wrong_password_url(self, rabbitmq_node: Node) -> str:
        return rabbitmq_node.url(user="guest:wrong-word")


class TestClassicQueue(RabbitMQContract):
    pass


class TestQuorumQueue(RabbitMQContract):
    arguments = {"x-queue-type": "quorum"}


class TestThroughTheManagementAPI(RabbitMQContract):
    """The same with Prometheus out of reach."""

    @pytest.fixture
    def url(self, rabbitmq_node: Node) -> str:
        return rabbitmq_node.without_prometheus_url(vhost="/")
