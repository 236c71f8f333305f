"""The broker contract on real servers: for a list and for a stream's consumer group, on every engine."""

from __future__ import annotations

import pytest

from tests.contracts import Adds, BrokerContract
from tests.servers.ports import free_port
from tests.servers.redis import Server


class RedisContract(BrokerContract):
    @pytest.fixture
    def url(self, redis_clean: Server) -> str:
        redis_clean.client().config_set("requirepass", "right")
        yield f"redis://:right@127.0.0.1:{redis_clean.port}/0"
        redis_clean.client(password="right").config_set("requirepass", "")

    @pytest.fixture
    def dead_url(self) -> str:
        return f"redis://weir:secret-word@127.0.0.1:{free_port()}/0"

    @pytest.fixture
    def wrong_password_url(self, url: str) -> str:
        return url.replace("right", "wrong-word")


class TestList(RedisContract):
    @pytest.fixture
    def queue(self) -> str:
        return "orders"

    @pytest.fixture
    def add_messages(self, url: str, redis_clean: Server) -> Adds:
        client = redis_clean.client(password="right")
        return lambda n: client.lpush("orders", *(f"order {i}" for i in range(n)))


class TestStreamGroup(RedisContract):
    @pytest.fixture
    def queue(self, url: str, redis_clean: Server) -> str:
        redis_clean.client(password="right").xgroup_create("orders", "billing", id="0", mkstream=True)
        return "orders\x1fbilling"

    @pytest.fixture
    def add_messages(self, queue: str, redis_clean: Server) -> Adds:
        client = redis_clean.client(password="right")
        return lambda n: [client.xadd("orders", {"n": i}) for i in range(n)]
