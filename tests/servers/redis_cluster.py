"""A Redis Cluster for tests: several servers with slots shared out, each on a free port of 127.0.0.1."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass

import redis
from redis.crc import key_slot

from .redis import Server, running

SLOTS = 16_384
#: Milliseconds after which a node is given up that does not answer: so many that a busy machine makes none seem dead,
#: and where one is dead.
PATIENT, HASTY = 60_000, 1000


@dataclass
class Cluster:
    """`primaries` share the slots; `replicas` stand behind the first of them."""

    primaries: list[Server]
    replicas: list[Server]

    @property
    def url(self) -> str:
        return f"redis+cluster://127.0.0.1:{self.primaries[0].port}"

    def client(self) -> redis.RedisCluster:
        """For the test's own doings; follows moves."""
        return redis.RedisCluster(host="127.0.0.1", port=self.primaries[-1].port, protocol=2)

    def holder(self, key: str) -> Server:
        """Who holds a key, while the slots are shared out as at the beginning."""
        return self.primaries[key_slot(key.encode()) * len(self.primaries) // SLOTS]

    def key_on(self, server: Server) -> str:
        """A key that a primary holds."""
        return next(key for key in (f"queue-{n}" for n in range(10_000)) if self.holder(key) is server)

    def give_up(self) -> None:
        """Nodes that do not answer are given up soon from now on, by all that are alive."""
        _patience([server for server in (*self.primaries, *self.replicas) if server.process.poll() is None], HASTY)

    def move(self, key: str, target: Server, *, finish: bool = True) -> None:
        """Move a key and its slot to another primary; not `finish`: the slot stays on its way."""
        self._move(key, self.holder(key), target)
        if finish:
            self.finish(key, target)

    def move_back(self, key: str, source: Server) -> None:
        """Undo `move`, also one that was not finished."""
        self.finish(key, source)
        self._move(key, source, self.holder(key))
        self.finish(key, self.holder(key))

    def _move(self, key: str, source: Server, target: Server) -> None:
        slot = key_slot(key.encode())
        target.client().execute_command("CLUSTER SETSLOT", slot, "IMPORTING", _id(source))
        source.client().execute_command("CLUSTER SETSLOT", slot, "MIGRATING", _id(target))
        source.client().execute_command("MIGRATE", "127.0.0.1", target.port, key, 0, 5000)

    def finish(self, key: str, target: Server) -> None:
        """From now on the slot of a key belongs to another primary, which has all that was in it."""
        for server in (target, *self.primaries):
            server.client().execute_command("CLUSTER SETSLOT", key_slot(key.encode()), "NODE", _id(target))


def _id(server: Server) -> str:
    told = server.client().execute_command("CLUSTER MYID")
    return told.decode() if isinstance(told, bytes) else str(told)


@contextmanager
def redis_cluster(engine: str, primaries: int = 3, replicas: int = 0, *options: str) -> Iterator[Cluster]:
    """A cluster that is up, its replicas in step. It serves what it can when a node is down, unless the options say
    otherwise; nodes that do not answer are given up once `give_up` was called."""
    own = ("--cluster-enabled", "yes", "--cluster-node-timeout", str(HASTY), "--cluster-require-full-coverage", "no",
           "--repl-diskless-sync-delay", "0")  # fmt: skip
    with ExitStack() as stack:
        count = primaries + replicas
        servers = [stack.enter_context(running(engine, *own, *options)) for _ in range(count)]
        cluster = Cluster(servers[:primaries], servers[primaries:])
        for i, server in enumerate(cluster.primaries):
            first, end = -(-SLOTS * i // primaries), -(-SLOTS * (i + 1) // primaries)
            server.client().execute_command("CLUSTER ADDSLOTS", *range(first, end))
            server.client().execute_command("CLUSTER SET-CONFIG-EPOCH", i + 1)
        for server in servers[1:]:
            server.client().execute_command("CLUSTER MEET", "127.0.0.1", servers[0].port)
        _wait(lambda: all(_knows(server, count) for server in servers))
        for server in cluster.replicas:
            server.client().execute_command("CLUSTER REPLICATE", _id(servers[0]))
        _wait(lambda: all(_is_up(server, replicas) for server in servers))
        _wait(lambda: servers[0].client().wait(replicas, 500) >= replicas)
        _patience(servers, PATIENT)
        yield cluster


def _patience(servers: Sequence[Server], milliseconds: int) -> None:
    for server in servers:
        server.client().config_set("cluster-node-timeout", milliseconds)


def _knows(server: Server, count: int) -> bool:
    return f"cluster_known_nodes:{count}" in _info(server)


def _is_up(server: Server, replicas: int) -> bool:
    info, nodes = _info(server), server.client().execute_command("CLUSTER NODES")
    known = sum("slave" in about["flags"] for about in nodes.values())
    return "cluster_state:ok" in info and f"cluster_slots_ok:{SLOTS}" in info and known == replicas


def _info(server: Server) -> str:
    told = server.client().execute_command("CLUSTER INFO")
    return "\n".join(f"{k}:{v}" for k, v in told.items()) if isinstance(told, dict) else told.decode()


def _wait(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while True:
        with suppress(redis.RedisError):
            if true():
                return
        assert time.monotonic() < deadline, "the cluster did not come up"
        time.sleep(0.05)
