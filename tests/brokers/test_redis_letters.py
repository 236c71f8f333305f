"""The contract of letters on real servers: lists on every engine, streams, and the slots of a cluster."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis

from tests.letters_contract import Bodies, LettersContract, Puts
from tests.servers.redis import Server, available
from tests.servers.redis_cluster import Cluster, redis_cluster


class TestLettersOfLists(LettersContract):
    """An emptied list is no key any more: only a stream's group can be said not to be there."""

    missing = "no-such-stream\x1fgroup"

    @pytest.fixture
    def url(self, redis_clean: Server) -> str:
        return redis_clean.url

    @pytest.fixture
    def queue(self) -> str:
        return "orders:dlq"

    @pytest.fixture
    def other(self) -> str:
        return "orders"

    @pytest.fixture
    def put(self, redis_clean: Server, queue: str) -> Puts:
        client = redis_clean.client()
        return lambda body: client.lpush(queue, body)

    @pytest.fixture
    def bodies(self, redis_clean: Server) -> Bodies:
        client = redis_clean.client()
        return lambda key: client.lrange(key, 0, -1)[::-1]


class TestLettersOfStreams(LettersContract):
    own_ids = True

    @pytest.fixture
    def client(self, valkey: Server) -> redis.Redis:
        client = valkey.client()
        client.flushall()
        for key in ("orders:dlq", "orders"):
            client.xgroup_create(key, "watching", id="0", mkstream=True)
        return client

    @pytest.fixture
    def url(self, client: redis.Redis, valkey: Server) -> str:
        return valkey.url

    @pytest.fixture
    def queue(self) -> str:
        return "orders:dlq"

    @pytest.fixture
    def other(self) -> str:
        return "orders"

    missing = "no-such-stream\x1fgroup"

    @pytest.fixture
    def put(self, client: redis.Redis, queue: str) -> Puts:
        return lambda body: client.xadd(queue, {"body": body, "attempt": "3"})

    @pytest.fixture
    def bodies(self, client: redis.Redis) -> Bodies:
        return lambda key: [fields[b"body"] for _, fields in client.xrange(key)]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    if not available("valkey9"):
        pytest.skip("valkey9 is not installed")
    with redis_cluster("valkey9") as cluster:
        yield cluster


@pytest.mark.slow
class TestLettersOverSlots(LettersContract):
    """The dead-letter list lies on another node than the queue: nothing can be done in one step."""

    missing = "no-such-stream\x1fgroup"

    @pytest.fixture
    def client(self, cluster: Cluster) -> redis.RedisCluster:
        client = cluster.client()
        client.flushall(target_nodes="primaries")
        return client

    @pytest.fixture
    def url(self, client: redis.RedisCluster, cluster: Cluster) -> str:
        return cluster.url

    @pytest.fixture
    def queue(self, cluster: Cluster) -> str:
        return cluster.key_on(cluster.primaries[0])

    @pytest.fixture
    def other(self, cluster: Cluster) -> str:
        return cluster.key_on(cluster.primaries[2])

    @pytest.fixture
    def put(self, client: redis.RedisCluster, queue: str) -> Puts:
        return lambda body: client.lpush(queue, body)

    @pytest.fixture
    def bodies(self, client: redis.RedisCluster) -> Bodies:
        return lambda key: client.lrange(key, 0, -1)[::-1]
