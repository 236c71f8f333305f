"""Which queue keeps the dead letters of which on Redis, as a poll tells it."""

from __future__ import annotations

import pytest
import redis

from collectors.brokers.redis import Redis
from collectors.protocol import Poll, Quality, Relation
from tests.brokers.redis_polls import polling, sample
from tests.servers.redis import Server


@pytest.fixture
def client(valkey: Server) -> redis.Redis:
    client = valkey.client()
    client.flushall()
    return client


def related(poll: Poll) -> set[tuple[str, str, str]]:
    assert poll.relations is not None
    return {(one.source, one.target, one.via) for one in poll.relations if one.kind == "dead_letters"}


def polled(server: Server) -> Poll:
    with polling(server.url) as broker:
        return broker.poll()


def test_by_names_of_lists_streams_and_sorted_sets(client: redis.Redis, valkey: Server) -> None:
    for key in ("orders", "orders:dlq", "mail", "mail_dead", "lonely.dlq", "mail.retry"):
        client.lpush(key, "x")
    client.xadd("events", {"a": "b"})
    client.xadd("events.DLQ", {"a": "b"})
    client.zadd("orders:failed", {"x": 1})
    client.zadd("highscores", {"x": 1})
    poll = polled(valkey)
    pairs = {("orders", "orders:dlq"), ("mail", "mail_dead"), ("events", "events.DLQ"), ("orders", "orders:failed")}
    assert related(poll) == {(*pair, "by its name") for pair in pairs}
    assert sample(poll, "orders:failed").depth == 1 and "highscores" not in {s.name for s in poll.samples}


def test_dead_sets_of_libraries_and_their_queues_which_may_be_empty(client: redis.Redis, valkey: Server) -> None:
    client.zadd("rq:failed:mail", {"job": 1})
    client.zadd("dramatiq:billing.XQ", {"id": 1, "id2": 2})
    client.zadd("bull:pictures:failed", {"7": 1})
    client.zadd("dramatiq:billing.DQ", {"id": 1})
    poll = polled(valkey)
    assert related(poll) == {
        ("rq:queue:mail", "rq:failed:mail", "RQ keeps dead messages there"),
        ("dramatiq:billing", "dramatiq:billing.XQ", "Dramatiq keeps dead messages there"),
        ("bull:pictures:wait", "bull:pictures:failed", "BullMQ keeps dead messages there"),
    }
    dead = sample(poll, "dramatiq:billing.XQ")
    assert (dead.depth, dead.dialect, dead.kind) == (2, "dramatiq", "dead set")
    assert sample(poll, "rq:queue:mail").depth == 0


def test_a_dead_set_that_was_emptied_stays_known(client: redis.Redis, valkey: Server) -> None:
    client.zadd("rq:failed:mail", {"job": 1})
    with polling(valkey.url) as broker:
        broker.poll()
        client.delete("rq:failed:mail")
        assert sample(broker.poll(), "rq:failed:mail").depth == 0


def failed(client: redis.Redis, entries: int, deliveries: int) -> list[bytes]:
    ids = [client.xadd("work", {"n": n}) for n in range(entries)]
    client.xreadgroup("mail", "one", {"work": ">"})
    for _ in range(deliveries - 1):
        client.xclaim("work", "mail", "one", 0, ids)
    return ids


def poison(broker: Redis) -> tuple[float | None, list[Relation]]:
    broker._told = (frozenset(), 0.0)  # tell relations again
    poll = broker.poll()
    found = [s for s in poll.samples if s.name == "work · mail · dead"]
    relations = [one for one in poll.relations or () if one.kind == "dead_letters"]
    return (found[0].depth if found else None), relations


def test_what_a_group_fails_at_again_and_again_is_a_queue_of_its_own(client: redis.Redis, valkey: Server) -> None:
    client.xgroup_create("work", "mail", mkstream=True)
    with polling(valkey.url) as broker:
        young = failed(client, 4, 4)
        assert poison(broker) == (None, [])
        old = failed(client, 30, 5)
        client.xack("work", "mail", *young)
        depth, (relation,) = poison(broker)
        assert depth == 30
        assert (relation.source, relation.target) == ("work\x1fmail", "work\x1fmail\x1fdead")
        assert relation.via == "delivered 5 times or more and still pending"
        client.xack("work", "mail", *old)
        assert poison(broker)[0] == 0


def test_of_very_many_pending_entries_the_count_is_approximate(client: redis.Redis, valkey: Server) -> None:
    client.xgroup_create("work", "mail", mkstream=True)
    failed(client, 1500, 5)
    found = sample(polled(valkey), "work · mail · dead")
    assert found.depth == 1000 and found.quality["depth"] is Quality.APPROXIMATE
