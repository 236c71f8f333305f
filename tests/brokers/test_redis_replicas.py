"""Moves on a Redis with replicas: what none of them had in time is named, for a fail-over undoes it."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from collectors.brokers.redis import replication
from collectors.brokers.redis.wire import Wire
from dashboard.replay.report import Reading
from tests.dashboard.replays import Desk, order, run
from tests.servers.proxy import Proxy, Weather
from tests.servers.redis import Server, available, running
from tests.servers.redis_cluster import redis_cluster

pytestmark = pytest.mark.slow

COUNT = 1200  # three batches


NOW = ("--repl-diskless-sync-delay", "0")  # a replica is made at once
PATIENT = 30_000  # milliseconds for which a replica is waited for that is to have it, however busy the machine


@dataclass
class Pair:
    """A primary, and a replica that is told of writes through a proxy."""

    primary: Server
    replica: Server
    between: Proxy

    def moved(self, path: Path, **more: object) -> Desk:
        return moved(self.primary.url, path, **more)

    def fail_over(self) -> int:
        """The primary dies and the replica takes its place; how many lie in the queue then."""
        self.primary.process.kill()
        self.primary.process.wait()
        self.replica.client().replicaof("no", "one")
        return int(self.replica.client().llen("dead"))  # type: ignore[arg-type]


@pytest.fixture(params=["valkey9", "redis62"])
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    """Full of letters, which the replica has."""
    if not available(request.param):
        pytest.skip(f"{request.param} is not installed")
    with (
        running(request.param, *NOW) as primary,
        running(request.param) as replica,
        Proxy(primary.port) as between,
    ):
        replica.client().replicaof("127.0.0.1", between.port)  # type: ignore[arg-type]
        primary.client().lpush("dead", *(b"letter %d" % n for n in range(COUNT)))
        until(lambda: replica.client().llen("dead") == COUNT)
        yield Pair(primary, replica, between)


def until(true, seconds: float = 30.0) -> None:  # type: ignore[no-untyped-def]
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


def moved(url: str, path: Path, to: str = "orders", **more: object) -> Desk:
    desk = run(path, order("dead", to, stamps=False, judges=False, **more), url=f"{url}?timeout=60s")
    assert desk.state == "done" and desk.counts.removed == COUNT, desk.reason
    return desk


def test_what_a_replica_had_is_moved_after_a_fail_over_too(
    pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replication, "WAIT_MILLISECONDS", PATIENT)
    desk = pair.moved(tmp_path / "j")
    told: Any = pair.primary.client().info("commandstats")
    assert desk.counts.unreplicated == 0 and 1 <= told["cmdstat_wait"]["calls"] <= 4
    assert told["cmdstat_info"]["calls"] == 1, "whether there are replicas is learned once"
    assert pair.fail_over() == 0 and pair.replica.client().llen("orders") == COUNT


def test_what_no_replica_had_is_named(pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fail-over undoes it, and the report has said so."""
    monkeypatch.setattr(replication, "WAIT_MILLISECONDS", 50)
    pair.between.weather = Weather("nothing more is told", silent=True)
    desk = pair.moved(tmp_path / "j")
    back = pair.fail_over()
    with Reading(tmp_path / "j") as journal:
        named = [row for row in journal.messages("removed", most=COUNT) if "No replica of 127.0.0.1" in row.why]
    assert back == len(named) == desk.counts.unreplicated == COUNT


def test_a_replica_that_comes_to_have_it_takes_the_names_away(
    pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, waits, process = Wire.replicated, [0], pair.replica.process

    def replicated(*given: Any) -> str:
        waits[0] += 1
        if waits[0] == 3:
            monkeypatch.setattr(replication, "WAIT_MILLISECONDS", PATIENT)
            process.send_signal(signal.SIGCONT)
        return real(*given)

    monkeypatch.setattr(Wire, "replicated", replicated)
    process.send_signal(signal.SIGSTOP)
    try:
        desk = pair.moved(tmp_path / "j")
    finally:
        process.send_signal(signal.SIGCONT)
    with Reading(tmp_path / "j") as journal:
        named = [row.n for row in journal.messages("removed", most=COUNT) if row.why]
    assert waits[0] >= 3 and (desk.counts.unreplicated, named) == (0, []) and pair.fail_over() == 0


def test_a_user_who_may_not_wait_is_told_so_and_nothing_is_asked_where_there_is_no_replica(tmp_path: Path) -> None:
    if not available("valkey9"):
        pytest.skip("valkey9 is not installed")
    with running("valkey9", *NOW) as primary, running("valkey9") as replica:
        client = primary.client()
        client.lpush("dead", *range(COUNT))
        moved(primary.url, tmp_path / "alone")
        assert "cmdstat_wait" not in client.info("commandstats")
        client.rename("orders", "dead")
        replica.client().replicaof("127.0.0.1", primary.port)  # type: ignore[arg-type]
        until(lambda: replica.client().llen("dead") == COUNT)
        client.execute_command("ACL", "SETUSER", "weir", "on", ">pw", "~*", "+@all", "-wait")
        desk = moved(primary.url.replace("://", "://weir:pw@"), tmp_path / "j")
        with Reading(tmp_path / "j") as journal:
            whys = {row.why for row in journal.messages("removed", most=COUNT)}
    assert desk.counts.unreplicated == COUNT and len(whys) == 1 and "may not ask (+wait)" in whys.pop()


def test_nodes_of_a_cluster_count_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not available("valkey9"):
        pytest.skip("valkey9 is not installed")
    monkeypatch.setattr(replication, "WAIT_MILLISECONDS", PATIENT)
    with redis_cluster("valkey9", 1, 1) as cluster:
        (replica,) = cluster.replicas
        cluster.client().lpush("dead", *range(COUNT))
        assert moved(cluster.url, tmp_path / "with", "other").counts.unreplicated == 0
        monkeypatch.setattr(replication, "WAIT_MILLISECONDS", 50)
        cluster.client().lpush("dead", *range(COUNT))
        replica.process.send_signal(signal.SIGSTOP)
        try:
            assert moved(cluster.url, tmp_path / "without", "orders").counts.unreplicated == COUNT
        finally:
            replica.process.send_signal(signal.SIGCONT)
