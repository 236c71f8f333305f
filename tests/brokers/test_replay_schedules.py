"""Random schedules of kills, cuts, stops and take-overs over real brokers: afterwards every message is exactly where
the journal says, nothing is lost, and what may be double is named.
"""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis

from collectors import registry
from collectors.letters import Destination
from tests.dashboard.replay_child import DONE, begin
from tests.dashboard.replays import check_nothing_lost
from tests.servers.ports import free_port
from tests.servers.proxy import FAIR, Proxy, Weather
from tests.servers.rabbitmq import Node
from tests.servers.redis import Server, available, binary
from tests.servers.sqs import Peer

from .rabbitmq_letters import QUORUM, declare

pytestmark = [pytest.mark.slow, pytest.mark.timeout(280)]

CUTS = (
    Weather("cut at once", cut_after=0, ends="reset"),
    Weather("cut in an answer", cut_after=300, ends="close"),
    Weather("slow", delay=0.05),
)


@dataclass
class House:
    """A broker with two queues: `url` leads there straight, `through` a proxy where it has a port of its own."""

    url: str
    dead: str
    orders: str
    port: int = 0
    wait: float = 1.0
    lease: float = 2.5
    held_on: float = 0.5
    steps: int = 60  # of a life, at most

    def put(self, bodies: list[bytes]) -> None:
        broker = registry.connect(registry.parse(self.url))
        for body in bodies:
            broker.send_new(Destination(self.dead), body, {}, {})
        broker.close()

    def empty(self, count: int, seconds: float = 40.0) -> tuple[list[bytes], list[bytes]]:
        """What lies in both queues, taken out, once there are so many: what a dead worker held comes back."""
        broker = registry.connect(registry.parse(self.url))
        left: list[bytes] = []
        arrived: list[bytes] = []
        end = time.monotonic() + seconds
        while True:
            for key, bodies in ((self.dead, left), (self.orders, arrived)):
                lease = broker.lease(key, 60.0)
                while taken := lease.take(500, self.wait):
                    bodies += [one.letter().body for one in taken]
                    lease.remove([one.tag for one in taken])
                lease.close()
            if len(left) + len(arrived) >= count or time.monotonic() > end:
                broker.close()
                return left, arrived

    def through(self, proxy: Proxy | None) -> str:
        return self.url if proxy is None else self.url.replace(f":{self.port}", f":{proxy.port}")


Houses = Callable[[str], House]


@pytest.fixture
def rabbit(rabbitmq_node: Node, vhost: str) -> House:
    keys = [declare(rabbitmq_node, vhost, name) for name in ("dead", "orders")]
    return House(rabbitmq_node.url(vhost=vhost), *keys, port=rabbitmq_node.amqp)


@pytest.fixture
def quorum(rabbitmq_node: Node, vhost: str) -> House:
    keys = [declare(rabbitmq_node, vhost, name, QUORUM) for name in ("dead", "orders")]
    return House(rabbitmq_node.url(vhost=vhost), *keys, port=rabbitmq_node.amqp)


@pytest.fixture
def redis_lists(valkey: Server) -> House:
    valkey.client().flushall()
    return House(valkey.url, "orders:dlq", "orders", port=valkey.port, wait=0.0)


@pytest.fixture
def sqs(ministack_peer: Peer) -> Iterator[House]:
    urls = [ministack_peer.create(name) for name in ("dead", "orders")]
    keys = [ministack_peer.key(name) for name in ("dead", "orders")]
    yield House(ministack_peer.url("timeout=5s"), *keys, port=ministack_peer.port, lease=4.0)
    for url in urls:
        ministack_peer.client().delete_queue(QueueUrl=url)


def schedule(house: House, path: Path, seed: int) -> tuple[int, int, int]:
    """Fill, replay through several lives, look at every message: lives, messages, and how many arrived twice."""
    chance = random.Random(seed)
    equal = chance.choice((1, 1, 1, 3))
    bodies = [b"letter %d of %d" % (n // equal, seed) for n in range(chance.randint(20, 60))]
    house.put(bodies)
    with_proxy = house.port and chance.random() < 0.5
    proxy = Proxy(house.port).__enter__() if with_proxy else None
    try:
        lives, life = chance.randint(1, 4), 0
        for life in range(lives + 1):
            last = chance.randint(1, house.steps) if life < lives else 0
            child = begin(
                house.through(proxy), house.dead, house.orders, path, last, signal.SIGKILL, house.lease, len(bodies)
            )
            if proxy is not None and life < lives:
                time.sleep(chance.uniform(0.0, 0.3))
                proxy.weather = chance.choice(CUTS)
                time.sleep(chance.uniform(0.05, 0.5))
            if proxy is not None:
                proxy.weather = FAIR
            child.join(90)
            if child.exitcode == DONE:
                break
            assert child.exitcode == -signal.SIGKILL, (seed, life, child.exitcode)
        assert child.exitcode == DONE, (seed, child.exitcode)
    finally:
        if proxy is not None:
            proxy.__exit__(None, None, None)
    return life + 1, len(bodies), sum(check_nothing_lost(path, bodies, *house.empty(len(bodies))).values())


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.rabbitmq
def test_rabbitmq(rabbit: House, tmp_path: Path, seed: int) -> None:
    schedule(rabbit, tmp_path / "j", seed)


@pytest.mark.parametrize("seed", (2, 3))
@pytest.mark.rabbitmq
def test_rabbitmq_quorum(quorum: House, tmp_path: Path, seed: int) -> None:
    schedule(quorum, tmp_path / "j", 100 + seed)


@pytest.mark.parametrize("seed", range(10))
def test_valkey(redis_lists: House, tmp_path: Path, seed: int) -> None:
    schedule(redis_lists, tmp_path / "j", 200 + seed)


@pytest.mark.parametrize("seed", range(1))
def test_sqs(sqs: House, tmp_path: Path, seed: int) -> None:
    schedule(sqs, tmp_path / "j", 300 + seed)


@pytest.mark.rabbitmq
def test_a_stopped_worker_sends_nothing_after_it_was_taken_over(rabbit: House, tmp_path: Path) -> None:
    bodies = [b"letter %d" % n for n in range(40)]
    rabbit.put(bodies)
    path = tmp_path / "j"
    stopped = begin(rabbit.url, rabbit.dead, rabbit.orders, path, 13, signal.SIGSTOP, 4.0, 60.0)
    end = time.monotonic() + 60
    while _state(stopped.pid) != "T":
        assert time.monotonic() < end and stopped.is_alive()
        time.sleep(0.05)
    time.sleep(4.5)  # longer than its lease
    other = begin(rabbit.url, rabbit.dead, rabbit.orders, path, 0, signal.SIGKILL, 4.0, 60.0)
    end = time.monotonic() + 60
    while _owner(path) != f"worker {other.pid}":
        assert time.monotonic() < end and other.is_alive()
        time.sleep(0.05)
    os.kill(stopped.pid, signal.SIGCONT)
    stopped.join(60)
    other.join(90)
    assert stopped.exitcode not in (None, DONE) and other.exitcode == DONE
    check_nothing_lost(path, bodies, *rabbit.empty(40))


def _owner(path: Path) -> str:
    """Whose the journal is."""
    with closing(sqlite3.connect(path, timeout=60)) as db:
        ((owner,),) = db.execute("select value from said where name='owner'")
    return str(owner)


def _state(pid: int | None) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_ten_restarts_of_valkey_that_writes_always(tmp_path: Path) -> None:
    if not available("valkey9"):
        pytest.skip("valkey9 is not installed")
    restarts_of_valkey(tmp_path, 10, 3000)


def restarts_of_valkey(folder: Path, times: int, count: int, seed: int = 5) -> int:
    """It is killed while letters move, and started again with what its append-only file has; how many arrived twice."""
    chance, port, path = random.Random(seed), free_port(), folder / "j"
    options = ["--port", port, "--bind", "127.0.0.1", "--dir", folder, "--save", "", "--appendonly", "yes",
               "--appendfsync", "always"]  # fmt: skip
    program = [str(part) for part in (binary("valkey9"), *options)]
    server = subprocess.Popen(program, stdout=subprocess.DEVNULL)
    house = House(f"redis://127.0.0.1:{port}/0", "orders:dlq", "orders", port=port, wait=0.0)
    try:
        answers(port)
        bodies = [b"letter %d" % n for n in range(count)]
        redis.Redis(port=port, protocol=2).lpush("orders:dlq", *bodies)
        child = begin(house.url, house.dead, house.orders, path, 0, signal.SIGKILL, 30.0, 0.5)
        for _ in range(times):
            time.sleep(chance.uniform(0.05, 0.3))
            server.kill()
            server.wait(10)
            server = subprocess.Popen(program, stdout=subprocess.DEVNULL)
            answers(port)
        child.join(120)
        assert child.exitcode == DONE
        return sum(check_nothing_lost(path, bodies, *house.empty(len(bodies))).values())
    finally:
        server.kill()
        server.wait(10)


def answers(port: int) -> None:
    """Wait until a server answers, with everything read in."""
    end = time.monotonic() + 30
    while True:
        try:
            redis.Redis(port=port, protocol=2).ping()
            return
        except redis.RedisError:
            assert time.monotonic() < end
            time.sleep(0.02)
