"""The broker contract on moto: for a standard queue and for a FIFO queue."""

from __future__ import annotations

import pytest

from collectors.brokers.sqs.powers import POLLING
from tests.contracts import Adds, BrokerContract
from tests.servers.ports import free_port
from tests.servers.sqs import REGION, Peer


class SQSContract(BrokerContract):
    name = ""

    @pytest.fixture
    def url(self, sqs_peer: Peer) -> str:
        return sqs_peer.url()

    @pytest.fixture
    def queue(self, sqs_peer: Peer) -> str:
        sqs_peer.create(self.name)
        return sqs_peer.key(self.name)

    @pytest.fixture
    def dead_url(self) -> str:
        return f"sqs://AKIAEXAMPLE:secret-word@{REGION}?endpoint=http://127.0.0.1:{free_port()}"

    @pytest.fixture
    def wrong_password_url(self, sqs_peer: Peer) -> str:
        key, _ = sqs_peer.only_with(*POLLING)
        return f"sqs://{key}:wrong-word@{REGION}?endpoint={sqs_peer.endpoint}"


class TestStandard(SQSContract):
    name = "orders"

    @pytest.fixture
    def add_messages(self, queue: str, sqs_peer: Peer) -> Adds:
        url = sqs_peer.client().get_queue_url(QueueName=self.name)["QueueUrl"]
        return lambda n: sqs_peer.send(url, n)


class TestFifo(SQSContract):
    name = "orders.fifo"

    @pytest.fixture
    def add_messages(self, queue: str, sqs_peer: Peer) -> Adds:
        client = sqs_peer.client()
        url = client.get_queue_url(QueueName=self.name)["QueueUrl"]
        sent = iter(range(10_000))

        def add(n: int) -> None:
            for _ in range(n):
                client.send_message(
                    QueueUrl=url, MessageBody="x", MessageGroupId="all", MessageDeduplicationId=str(next(sent))
                )

        return add
