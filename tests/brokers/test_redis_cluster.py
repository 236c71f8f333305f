"""Redis Cluster: one table over all primaries, slots that move, primaries that die."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator

import pytest

from collectors import registry
from collectors.errors import BadURL, CollectorError, Unreachable
from collectors.protocol import Poll
from tests.brokers.redis_polls import failure, polling, sample
from tests.servers.redis import available, running
from tests.servers.redis_cluster import Cluster, redis_cluster

pytestmark = pytest.mark.slow
QUEUES = [f"mail-{n}" for n in range(12)]


@pytest.fixture(scope="module", params=["valkey9", "redis7"])
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """Three primaries, for tests that leave them as they were."""
    if not available(request.param):
        pytest.skip(f"{request.param} is not installed")
    with redis_cluster(request.param) as cluster:
        yield cluster


@pytest.fixture
def filled(cluster: Cluster) -> Cluster:
    """QUEUES with one message each, on all three primaries."""
    for server in cluster.primaries:
        server.client().client_kill_filter(_type="pubsub")  # the end of subscribers may be seen late
        server.client().flushall()
    client = cluster.client()
    for name in QUEUES:
        client.lpush(name, "a")
    client.close()
    assert {cluster.holder(name).port for name in QUEUES} == {server.port for server in cluster.primaries}
    return cluster


def poll_until(broker, wanted: Callable[[Poll], object], seconds: float = 60.0) -> Poll:  # type: ignore[no-untyped-def]
    """Poll until a poll is as wanted; polls that fail are tried again."""
    deadline, last = time.monotonic() + seconds, None
    while time.monotonic() < deadline:
        try:
            last = broker.poll()
            if wanted(last):
                return last
        except CollectorError as error:
            last = error
        time.sleep(0.2)
    raise AssertionError(f"it did not come about: {last}")


def depths(poll: Poll) -> dict[str, float | None]:
    return {s.name: s.depth for s in poll.samples}


def test_queues_of_all_primaries_are_one_table(filled: Cluster) -> None:
    client = filled.client()
    client.xadd("orders", {"n": 1})
    client.xgroup_create("orders", "shop", 0)
    with polling(filled.url) as broker:
        poll = broker.poll()
    assert poll.complete and not poll.problems
    assert depths(poll) == dict.fromkeys(QUEUES, 1) | {"orders · shop": 1}
    details = dict(poll.details)
    assert details["Cluster"] == "3 primaries, 0 replicas"
    assert all("answers" in details[f"Node 127.0.0.1:{server.port}"] for server in filled.primaries)
    client.close()


def test_commands_are_asked_of_each_node_in_pipelines(filled: Cluster) -> None:
    for server in filled.primaries:
        server.client().config_resetstat()
    with polling(filled.url) as broker:
        broker.poll()
        poll = broker.poll()
    calls = [server.client().info("commandstats")["cmdstat_llen"] for server in filled.primaries]
    assert sum(stats["calls"] for stats in calls) == 2 * len(QUEUES)
    assert not any(stats["failed_calls"] for stats in calls)  # none was asked of the wrong node
    assert poll.cost.requests > 2 * len(QUEUES) and poll.cost.bytes > 0


def test_queues_of_a_dialect_lie_on_several_nodes(filled: Cluster) -> None:
    client = filled.client()
    client.sadd("queues", "default", "low")
    client.lpush("queue:default", '{"class":"A"}')
    client.lpush("queue:low", '{"class":"A"}')
    client.close()
    with polling(filled.url) as broker:
        found = {s.name for s in broker.poll().samples if s.dialect == "sidekiq"}
    assert {"default", "low"} <= found


def test_a_channel_has_the_subscribers_of_all_nodes(filled: Cluster) -> None:
    listeners = [server.client().pubsub() for server in filled.primaries[:2]]
    for listener in listeners:
        listener.subscribe("news")
        assert listener.get_message(timeout=60)
    with polling(filled.url) as broker:
        assert sample(broker.poll(), "news").consumers == 2
    for listener in listeners:
        listener.close()


def test_a_slot_that_moves_takes_its_queue_along(filled: Cluster) -> None:
    name = QUEUES[0]
    target = next(server for server in filled.primaries if server is not filled.holder(name))
    with polling(filled.url) as broker:
        broker.poll()
        filled.move(name, target)
        for _ in range(2):
            poll = broker.poll()
            assert depths(poll) == dict.fromkeys(QUEUES, 1) and poll.complete
        filled.move_back(name, target)
        assert depths(broker.poll()) == dict.fromkeys(QUEUES, 1)


def test_a_slot_on_its_way_is_asked_where_the_queue_is_now(filled: Cluster) -> None:
    name = QUEUES[1]
    target = next(server for server in filled.primaries if server is not filled.holder(name))
    with polling(filled.url) as broker:
        broker.poll()
        filled.move(name, target, finish=False)
        try:
            assert depths(broker.poll())[name] == 1
        finally:
            filled.move_back(name, target)


def test_one_server_is_told_from_a_cluster() -> None:
    if not available("redis7"):
        pytest.skip("redis7 is not installed")
    with running("redis7") as server:
        assert "is no cluster" in failure(f"redis+cluster://127.0.0.1:{server.port}", BadURL)
    with pytest.raises(BadURL, match="only database 0"):
        registry.connect(registry.parse("redis+cluster://127.0.0.1:1/3"))


def test_no_node_that_answers_is_one_sentence() -> None:
    assert "None of the 2 known nodes" in failure("redis+cluster://127.0.0.1:1,127.0.0.1:2", Unreachable)


def test_check_says_what_is_missing_on_a_cluster(filled: Cluster) -> None:
    with polling(filled.url) as broker:
        lines = broker.check()
    assert lines[0].ok and all(line.ok for line in lines), [line for line in lines if not line.ok]


# --- nodes that die --------------------------------------------------------------------------------------------------
def test_a_primary_that_dies_leaves_its_queues_out_and_is_named() -> None:
    if not available("valkey9"):
        pytest.skip("valkey9 is not installed")
    with redis_cluster("valkey9") as cluster:
        client = cluster.client()
        keys = {server.port: cluster.key_on(server) for server in cluster.primaries}
        for key in keys.values():
            client.lpush(key, "a", "b")
        client.close()
        dead = cluster.primaries[0]  # the one that the URL names
        with polling(cluster.url + "?timeout=2s") as broker:
            assert broker.poll().complete
            dead.process.kill()
            dead.process.wait()
            for _ in range(3):
                poll = broker.poll()
                assert not poll.complete and keys[dead.port] not in depths(poll)
                assert depths(poll) == {key: 2 for port, key in keys.items() if port != dead.port}
                assert f"127.0.0.1:{dead.port}" in poll.problems[0]


def test_a_primary_that_hangs_costs_one_time_out_and_its_queues_come_back() -> None:
    if not available("redis7"):
        pytest.skip("redis7 is not installed")
    with redis_cluster("redis7") as cluster:
        client = cluster.client()
        for server in cluster.primaries:
            client.lpush(cluster.key_on(server), "a")
        client.close()
        with polling(cluster.url + "?timeout=1s") as broker:
            broker.poll()
            cluster.primaries[1].process.send_signal(signal.SIGSTOP)
            try:
                began = time.monotonic()
                poll = broker.poll()
                assert len(poll.samples) == 2 and "did not answer within 1 seconds" in poll.problems[0]
                assert time.monotonic() - began < 5
            finally:
                cluster.primaries[1].process.send_signal(signal.SIGCONT)
            poll = poll_until(broker, lambda p: p.complete)
            assert len(poll.samples) == 3 and not poll.problems


def test_a_replica_takes_over_and_the_queues_are_whole_again() -> None:
    if not available("valkey9"):
        pytest.skip("valkey9 is not installed")
    with redis_cluster("valkey9", 3, 1) as cluster:
        holder, key = cluster.primaries[0].client(), cluster.key_on(cluster.primaries[0])
        holder.lpush(key, "a", "b")
        assert holder.wait(1, 60_000) == 1  # over the connection by which it was written: that is waited for
        with polling(cluster.url + "?timeout=2s") as broker:
            assert depths(broker.poll()) == {key: 2}
            cluster.primaries[0].process.kill()
            cluster.primaries[0].process.wait()
            assert not broker.poll().complete
            cluster.give_up()
            poll = poll_until(broker, lambda p: p.complete)
            assert depths(poll) == {key: 2}
            assert f"Node 127.0.0.1:{cluster.replicas[0].port}" in dict(poll.details)


def test_a_cluster_that_says_it_is_down_loses_no_queue() -> None:
    if not available("redis7"):
        pytest.skip("redis7 is not installed")
    with redis_cluster("redis7", 3, 0, "--cluster-require-full-coverage", "yes") as cluster:
        client = cluster.client()
        key = cluster.key_on(cluster.primaries[1])
        client.lpush(key, "a")
        client.close()
        with polling(cluster.url + "?timeout=2s") as broker:
            assert depths(broker.poll()) == {key: 1}
            cluster.primaries[2].process.kill()
            cluster.primaries[2].process.wait()
            cluster.give_up()
            poll = poll_until(broker, lambda p: any("says that it is down" in words for words in p.problems))
            assert not poll.complete and not poll.samples
