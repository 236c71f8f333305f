"""RabbitMQ keeps the contract of letters: classic queues, and quorum queues with and without a delivery limit."""

from __future__ import annotations

from typing import Any

import pytest

from collectors.errors import BadAnswer
from tests.brokers.rabbitmq_letters import QUORUM, declare, drain, key, put
from tests.brokers.rabbitmq_polls import polling
from tests.letters_contract import Bodies, LettersContract, Puts
from tests.servers.rabbitmq import Node

pytestmark = [pytest.mark.slow, pytest.mark.rabbitmq, pytest.mark.usefixtures("alone")]


class TestClassic(LettersContract):
    arguments: dict[str, Any] = {}

    @pytest.fixture(autouse=True)
    def missing_key(self, vhost: str) -> None:
        self.missing = key(vhost, "no-such-queue")

    @pytest.fixture
    def url(self, rabbitmq_node: Node, vhost: str) -> str:
        return rabbitmq_node.url(vhost=vhost)

    @pytest.fixture
    def queue(self, rabbitmq_node: Node, vhost: str) -> str:
        return declare(rabbitmq_node, vhost, "dead", self.arguments)

    @pytest.fixture
    def other(self, rabbitmq_node: Node, vhost: str) -> str:
        return declare(rabbitmq_node, vhost, "other", self.arguments)

    @pytest.fixture
    def put(self, rabbitmq_node: Node, vhost: str, queue: str) -> Puts:
        return lambda body: put(rabbitmq_node, vhost, "dead", [body])

    @pytest.fixture
    def bodies(self, rabbitmq_node: Node, vhost: str) -> Bodies:
        return lambda where: [body for body, _ in drain(rabbitmq_node, vhost, where.partition("\x1f")[2])]


class TestQuorum(TestClassic):
    arguments = QUORUM


class TestQuorumWithALimit(TestClassic):
    arguments = {**QUORUM, "x-delivery-limit": 20}


def test_a_key_that_is_none_is_said(rabbitmq_node: Node) -> None:
    with polling(rabbitmq_node.url()) as broker, pytest.raises(BadAnswer, match="not the key of a queue"):
        broker.price("orders")
