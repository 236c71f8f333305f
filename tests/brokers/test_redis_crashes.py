"""Leases on Redis that are broken off at any moment: every letter lies in exactly one place afterwards.

A child process that moves letters is killed (SIGKILL), its connection is cut, the server itself is killed and comes
back with what its append-only file has.
"""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
import redis

from collectors.letters import Destination, Outcome, Parcel
from tests.brokers.redis_polls import polling
from tests.servers.ports import free_port
from tests.servers.proxy import FAIR, Proxy, Weather
from tests.servers.redis import Server, available, binary

COUNT = 4000
ROOT = Path(__file__).parents[2]

#: Moves letters from one queue to another, a few at a time, and says so each time; after so many times it waits.
MOVER = """
import sys, time
from collectors import registry
from collectors.letters import Destination, Parcel
url, source, to = sys.argv[1:]
lease = registry.connect(registry.parse(url)).lease(source, 60)
for _ in range(15):  # so that whoever kills it may come late
    taken = lease.take(40, 0.0)
    lease.send([Parcel(one.tag, Destination(to)) for one in taken])
    lease.settled()
    print("moved", flush=True)
time.sleep(60)
"""


@pytest.fixture
def client(valkey: Server) -> redis.Redis:
    client = valkey.client()
    client.flushall()
    return client


def fill(client: redis.Redis, kind: str) -> tuple[str, str]:
    """Letters, some of them equal; the keys of their queue and of where they go."""
    bodies = [b"letter %d" % (n // 2 if n < 100 else n) for n in range(COUNT)]
    if kind == "list":
        client.lpush("from", *bodies)
        return "from", "to"
    pipe = client.pipeline(transaction=False)
    client.xgroup_create("to", "group", mkstream=True)
    for body in bodies:
        pipe.xadd("from", {"body": body})
    pipe.execute()
    return "from", "to"


def everything(client: redis.Redis, kind: str) -> Counter[bytes]:
    """Both places at one moment: what the dead had sent before may still be going on."""
    both = client.pipeline(transaction=True)
    for key in ("from", "to"):
        both.lrange(key, 0, -1) if kind == "list" else both.xrange(key)
    source, to = both.execute()
    return Counter([*source, *to] if kind == "list" else [fields[b"body"] for _, fields in [*source, *to]])


def size(client: redis.Redis, kind: str, key: str) -> int:
    return int(client.llen(key) if kind == "list" else client.xlen(key))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["list", "stream"])
def test_a_worker_that_is_killed_while_it_moves(client: redis.Redis, valkey: Server, kind: str) -> None:
    source, to = fill(client, kind)
    before, dice = everything(client, kind), random.Random(7)
    kills = 0
    while size(client, kind, source) and kills < 6:
        command = [sys.executable, "-c", MOVER, valkey.url, source, to]
        child = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
        assert child.stdout is not None
        for _ in range(dice.randrange(1, 12)):
            child.stdout.readline()
        time.sleep(dice.random() * 0.004)
        child.send_signal(signal.SIGKILL)
        child.wait(10)
        child.stdout.close()
        kills += 1
        assert everything(client, kind) == before
    assert kills >= 3 and size(client, kind, to) > 0


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["list", "stream"])
def test_a_connection_that_is_cut_while_letters_move(client: redis.Redis, valkey: Server, kind: str) -> None:
    """What was being sent is unknown; what is told to be moved is moved."""
    source, to = fill(client, kind)
    before, dice = everything(client, kind), random.Random(11)
    moved = unknown = 0
    with Proxy(valkey.port) as proxy:
        for _ in range(12):
            proxy.weather = FAIR
            with polling(f"redis://127.0.0.1:{proxy.port}/0?timeout=30") as broker:
                lease = broker.lease(source, 60)
                taken = lease.take(200, 0.0)
                proxy.weather = Weather("cut", cut_after=dice.randrange(0, 900), ends=dice.choice(["close", "reset"]))
                lease.send([Parcel(one.tag, Destination(to)) for one in taken])
                told = Counter(one.outcome for one in lease.settled())
                assert sum(told.values()) == len(taken) and told.keys() <= {
                    Outcome.REMOVED,
                    Outcome.UNKNOWN,
                    Outcome.REFUSED,
                }
                moved += told[Outcome.REMOVED]
                unknown += told[Outcome.UNKNOWN]
                lease.close()
            assert everything(client, kind) == before
    assert unknown > 0 and moved <= size(client, kind, to) <= moved + unknown


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_a_server_that_is_killed_comes_back_with_every_letter_in_one_place(tmp_path: Path) -> None:
    """appendfsync always: what was answered is on the disk, and a script is there as a whole or not at all."""
    if not available("valkey9"):
        pytest.skip("valkey9 is not installed")
    port = free_port()
    options = ["--port", port, "--bind", "127.0.0.1", "--dir", tmp_path, "--save", "", "--appendonly", "yes",
               "--appendfsync", "always"]  # fmt: skip
    program = [str(part) for part in (binary("valkey9"), *options)]
    dice, before = random.Random(3), None
    for round_ in range(5):
        server = subprocess.Popen(program, stdout=subprocess.DEVNULL)
        client = redis.Redis(port=port, protocol=2)
        try:
            answering(client)
            if before is None:
                fill(client, "list")
                before = everything(client, "list")
            assert everything(client, "list") == before, f"after {round_} kills"
            child = subprocess.Popen(
                [sys.executable, "-c", MOVER, f"redis://127.0.0.1:{port}/0", "from", "to"],
                cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            )  # fmt: skip
            assert child.stdout is not None
            for _ in range(dice.randrange(1, 8)):
                child.stdout.readline()
            time.sleep(dice.random() * 0.01)
        finally:
            server.send_signal(signal.SIGKILL)
            server.wait(10)
            client.close()
        child.kill()  # it ends by itself, unless it had moved all that it was to
        child.wait(30)
        child.stdout.close()


def answering(client: redis.Redis) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            client.ping()
            return
        except redis.ConnectionError:
            assert time.monotonic() < deadline, "the server did not come back"
            time.sleep(0.05)
