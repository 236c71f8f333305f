"""Servers for the tests of this folder, and a poller that is watched."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from collectors.brokers import memory
from tests.servers.rabbitmq import rabbitmq_node, vhost  # noqa: F401
from tests.servers.redis import Server, available, running
from tests.servers.sqs import moto_server, sqs_peer  # noqa: F401
from tests.weather.watch import Watch


@pytest.fixture(scope="session")
def redis7() -> Iterator[Server]:
    """One Redis for the session, with a list of two messages."""
    if not available("redis7"):
        pytest.skip("redis7 is not installed (Debian: redis-server)")
    with running("redis7") as server:
        server.client().lpush("mail", "a", "b")
        yield server


@pytest.fixture
def watch(caplog: pytest.LogCaptureFixture) -> Iterator[Watch]:
    """A poller with one broker in fair weather; at the end, that one was never held up and no traceback was logged."""
    caplog.set_level(logging.DEBUG, "weir")
    memory.world("calm").put("orders", 3)
    with Watch() as watch:
        yield watch
    traces = [record for record in caplog.records if record.exc_info or "Traceback" in record.getMessage()]
    assert not traces, traces
    assert len(caplog.records) < 50
