"""Replays over Redis while others take letters, empty the queue or demote the server in the middle."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from threading import Timer
from typing import Any

import pytest
import redis

from collectors.brokers.redis.items import fingerprint
from collectors.brokers.redis.lease import RedisLease
from collectors.brokers.redis.list_shelf import ListShelf
from collectors.brokers.redis.set_shelf import SetShelf
from collectors.brokers.redis.wire import Wire
from collectors.errors import Unreachable
from dashboard.replay.report import Reading
from tests.dashboard.replays import Desk, order, run
from tests.servers.redis import Server, available
from tests.servers.redis_cluster import Cluster, redis_cluster
from tests.servers.redis_sentinel import redis_with_sentinels

pytestmark = pytest.mark.slow

COUNT = 1400


@pytest.fixture
def client(valkey: Server) -> Iterator[redis.Redis]:
    client = valkey.client()
    client.flushall()
    yield client
    client.replicaof("no", "one")


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def once(monkeypatch: pytest.MonkeyPatch, kind: type, name: str, after: int, do: Callable[[], object]) -> None:
    """Do something right after a method was called so often."""
    real, calls = getattr(kind, name), [0]

    def called(*given: Any, **named: Any) -> Any:
        answer = real(*given, **named)
        calls[0] += 1
        if calls[0] == after:
            do()
        return answer

    monkeypatch.setattr(kind, name, called)


@pytest.mark.parametrize("kind", ["list", "zset"])
@pytest.mark.parametrize("taken", [7, 200])
def test_chosen_letters_are_found_although_others_take_some_meanwhile(
    client: redis.Redis, valkey: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, taken: int
) -> None:
    """What others take moves the rest up: what moved from a page to come into one that was read still lies there."""
    if kind == "list":
        client.lpush("dead", *(b"letter %d" % n for n in range(COUNT)))
        once(monkeypatch, ListShelf, "page", 2, lambda: client.rpop("dead", taken))
    else:
        client.zadd("dead", {b"letter %d" % n: n for n in range(COUNT)})
        once(monkeypatch, SetShelf, "page", 2, lambda: client.zpopmin("dead", taken))
    chosen = [fingerprint(b"letter %d" % n) for first in (taken, 500, 1000) for n in range(first, first + taken)]
    what = order("dead", "orders", stamps=False, named=True, planned=dict.fromkeys(chosen, 1), holds=True)
    desk = run(tmp_path / "j", what, url=valkey.url)
    with Reading(tmp_path / "j") as journal:
        skipped = [row.id for row in journal.messages("skipped", most=5000)]
    left = client.lrange("dead", 0, -1) if kind == "list" else client.zrange("dead", 0, -1)
    there = set(map(fingerprint, left))
    assert desk.state == "done" and not there & set(skipped), (len(skipped), desk.counts)
    assert desk.counts.removed == client.llen("orders") == len(chosen)


@pytest.mark.parametrize("kind", ["list", "zset"])
def test_what_matches_is_met_although_others_take_what_is_held(
    client: redis.Redis, valkey: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    if kind == "list":
        client.lpush("dead", *(b"letter %d" % n for n in range(COUNT)))
        once(monkeypatch, RedisLease, "take", 1, lambda: client.rpop("dead", 200))
    else:
        client.zadd("dead", {b"letter %d" % n: n for n in range(COUNT)})
        once(monkeypatch, RedisLease, "take", 1, lambda: client.zpopmin("dead", 200))
    what = order(
        "dead", "orders", stamps=False, holds=True, wants=lambda taken: int(taken.letter().body.split()[1]) >= 500
    )
    desk = run(tmp_path / "j", what, url=valkey.url)
    assert desk.state == "done" and client.llen("orders") == COUNT - 500, desk.counts


@pytest.mark.parametrize("kind", ["list", "stream"])
def test_originals_of_copies_stay(client: redis.Redis, valkey: Server, tmp_path: Path, kind: str) -> None:
    """Letters are moved in one step here: of what is to be copied that step is not taken."""
    for n in range(30):
        if kind == "list":
            client.lpush("dead", b"letter %d" % n)
        else:
            client.xadd("dead", {"body": b"letter %d" % n})
            client.xgroup_create("orders", "group", "0", mkstream=True) if not n else None
    what = order("dead", "orders", stamps=False, keeps=True, holds=True, judges=False)
    desk = run(tmp_path / "j", what, url=valkey.url)
    assert desk.state == "done" and (desk.counts.sent, desk.counts.removed) == (30, 0)
    read = client.xrange if kind == "stream" else lambda key: client.lrange(key, 0, -1)
    dead, orders = read("dead"), read("orders")
    assert len(dead) == 30 and [one[1] for one in dead] == [one[1] for one in orders]


@pytest.mark.parametrize("kind", ["list", "stream"])
def test_a_choice_in_a_queue_that_is_longer_than_can_be_held(
    client: redis.Redis, valkey: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """What is not chosen need not be held where letters are read at any place."""
    monkeypatch.setattr("collectors.brokers.redis.lease.MOST", 300)
    for n in range(COUNT):
        client.lpush("dead", b"letter %d" % n) if kind == "list" else client.xadd("dead", {"body": b"letter %d" % n})
    what = order("dead", "orders", stamps=False, holds=True, wants=lambda taken: taken.letter().body.endswith(b"9"))
    desk = run(tmp_path / "j", what, url=valkey.url)
    assert desk.state == "done" and desk.counts.removed == client.llen("orders") == COUNT // 10, desk.reason
    copies = order("dead", "copies", stamps=False, holds=True, keeps=True, judges=False)
    assert run(tmp_path / "copies", copies, url=valkey.url).counts.sent == client.llen("copies") == COUNT - COUNT // 10


def test_a_queue_that_is_emptied_meanwhile_is_over(
    client: redis.Redis, valkey: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What others took is no fault of the destination's."""
    client.lpush("dead", *(b"letter %d" % n for n in range(COUNT)))
    once(monkeypatch, RedisLease, "take", 2, lambda: client.delete("dead"))
    desk = run(tmp_path / "j", order("dead", "orders", stamps=False), url=valkey.url)
    assert desk.state == "done" and desk.counts.removed == client.llen("orders")
    assert desk.counts.failed == 0 and desk.counts.total <= COUNT


def test_a_server_that_is_demoted_meanwhile_is_waited_for(
    client: redis.Redis, valkey: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A replica takes nothing: no letter is given up for that."""
    client.lpush("dead", *(b"letter %d" % n for n in range(COUNT)))
    monkeypatch.setattr("dashboard.replay.runner.PAUSES", (0.2,))
    once(monkeypatch, RedisLease, "take", 2, lambda: client.replicaof("127.0.0.1", 1))
    desk = Desk()
    trouble = desk.trouble

    def told(sentence: str) -> None:
        trouble(sentence)
        if len(desk.troubles) == 3:
            client.replicaof("no", "one")

    desk.trouble = told  # type: ignore[method-assign]
    run(tmp_path / "j", order("dead", "orders", stamps=False), desk, url=valkey.url)
    assert desk.state == "done" and desk.counts.failed == 0
    assert desk.counts.removed == client.llen("orders") == COUNT


def test_what_was_underway_when_the_primary_died_is_not_said_to_be_taken_by_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was moved in one step, or not at all; the replica that takes over has it."""
    if not available("valkey9"):
        pytest.skip("valkey9 is not installed")
    with redis_with_sentinels("valkey9", sentinels=1) as watched:
        client, replica = watched.primary.client(), watched.replica.client()
        client.lpush("dead", *(b"letter %d" % n for n in range(COUNT)))
        assert client.wait(1, 60_000) == 1
        real = Wire.ask

        def ask(wire: Wire, commands: Sequence[bytes]) -> list[Any]:
            answers = real(wire, commands)
            if commands and b"EVAL" in commands[0][:20] and watched.primary.process.poll() is None:
                until(lambda: replica.llen("dead") == client.llen("dead"))
                watched.primary.process.kill()
                watched.primary.process.wait()
                watched.give_up()
                raise Unreachable("The connection was lost before the answer came.")
            return answers

        monkeypatch.setattr(Wire, "ask", ask)
        desk = run(tmp_path / "j", order("dead", "orders", stamps=False), url=watched.url + "?timeout=1s")
        now = redis.Redis(port=watched.replica.port, protocol=2)
        assert desk.state == "done" and desk.reason == "", (desk.reason, desk.counts)
        assert now.llen("dead") == 0 and now.llen("orders") == COUNT == desk.counts.removed


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with redis_cluster("valkey9") as cluster:
        yield cluster


def test_a_slot_that_moves_meanwhile_is_waited_for(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While one of two keys is on the other node already, no command about both is taken by either."""
    client, dead, orders = cluster.client(), "{o}:dead", "{o}:orders"
    client.rpush(orders, "first")
    client.rpush(dead, *(b"letter %d" % n for n in range(COUNT)))
    holder = cluster.holder(dead)
    target = next(server for server in cluster.primaries if server is not holder)

    def finish() -> None:
        holder.client().execute_command("MIGRATE", "127.0.0.1", target.port, orders, 0, 5000)
        cluster.finish(dead, target)

    rest = Timer(1.0, finish)

    def begin() -> None:
        cluster.move(dead, target, finish=False)
        rest.start()

    once(monkeypatch, RedisLease, "take", 2, begin)
    desk = run(tmp_path / "j", order(dead, orders, stamps=False), url=cluster.url)
    rest.join()
    assert desk.state == "done" and desk.counts.failed == desk.counts.skipped == 0, (desk.reason, desk.counts)
    assert client.llen(dead) == 0 and client.llen(orders) == COUNT + 1 and desk.counts.removed == COUNT
