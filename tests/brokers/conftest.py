"""Servers for the tests of this folder, one import for each."""

import pytest

from tests.servers.rabbitmq import rabbitmq_node, rabbitmq_pair, vhost  # noqa: F401
from tests.servers.redis import redis_clean, redis_server, valkey  # noqa: F401
from tests.servers.sqs import ministack_peer, moto_server, sqs_peer  # noqa: F401


@pytest.fixture(autouse=True)
def short_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Letters that a dead worker held are waited for as long as leases last here: seconds, not minutes."""
    monkeypatch.setattr("dashboard.replay.hidden.HELD_ON", 8.0)
    monkeypatch.setattr("dashboard.replay.hidden.SLOWEST", 2.0)
    monkeypatch.setattr("dashboard.replay.hidden.LOOKED_AT", 1.0)


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody else reads the queues of this test: what is given back is waited for, however slow RabbitMQ shows it."""
    monkeypatch.setattr("collectors.brokers.rabbitmq.returning.SEEN_WITHIN", 60.0)
