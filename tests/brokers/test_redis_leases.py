"""Leases on real servers: what goes back is what its library expects, and what fails loses nothing."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import kombu
import pytest
import redis

from collectors import registry
from collectors.brokers.redis import Redis
from collectors.brokers.redis.acting import ACTING_RECIPE
from collectors.brokers.redis.items import Item
from collectors.brokers.redis.lease import RedisLease
from collectors.brokers.redis.moves import _runs, _stretches
from collectors.brokers.redis.powers import RECIPE
from collectors.brokers.redis.target import Copy, Target, copy_of
from collectors.errors import NotSupported
from collectors.letters import Destination, Outcome, Parcel, Receipt, Stamp
from tests.brokers.redis_polls import polling
from tests.brokers.test_redis_looks import poisoned
from tests.servers.redis import Server
from tests.servers.redis_cluster import Cluster, redis_cluster

RECORDED = Path(__file__).parents[1] / "recordings" / "letters"
STAMP = Stamp("replay-7", "2026-11-25T12:00:00Z", "ana")


@pytest.fixture
def client(valkey: Server) -> redis.Redis:
    client = valkey.client()
    client.flushall()
    return client


@contextmanager
def leasing(url: str, key: str, seconds: float = 60.0) -> Iterator[RedisLease]:
    with polling(url) as broker:
        lease = broker.lease(key, seconds)
        try:
            yield lease
        finally:
            lease.close()


def sent(lease: RedisLease, to: str, most: int = 100, **parcel: object) -> list[Receipt]:
    """Take, send, and what became of each, in order."""
    taken = lease.take(most, 0.0)
    lease.send([Parcel(one.tag, Destination(to), **parcel) for one in taken])  # type: ignore[arg-type]
    return sorted(lease.settled(), key=lambda one: one.tag)


def outcomes(receipts: list[Receipt]) -> list[Outcome]:
    return [one.outcome for one in receipts]


# --- dialects --------------------------------------------------------------------------------------------------------
JOB = (
    '{"retry":true,"queue":"mail","class":"Mail","args":[12345678901234567890123, 1.10, "\\u00fc"],"jid":"b4a5",'
    '"created_at":1700000000000,"enqueued_at":1700000000001,"error_message":"no","error_class":"E",'
    '"failed_at":1700000000002,"retry_count":24, "at": 1700000009.5}'
)


def test_a_dead_job_of_sidekiq_goes_back_as_its_own_retry_does_it(redis_clean: Server) -> None:
    client = redis_clean.client()
    other = JOB.replace("b4a5", "b4a6").replace("1700000000001", "1700000000.5").replace("1700000000000", "1.7e9")
    client.zadd("dead", {JOB: 1.7e9, other: 1.7e9})  # of one score
    began = time.time()
    with leasing(redis_clean.url, "dead") as lease:
        assert outcomes(sent(lease, "queue:mail")) == [Outcome.REMOVED] * 2
    assert client.zcard("dead") == 0 and client.smembers("queues") == {b"mail"}
    first, second = sorted(client.lrange("queue:mail", 0, -1), key=lambda raw: b"b4a6" in raw)
    at, at_seconds = json.loads(first)["enqueued_at"], json.loads(second)["enqueued_at"]
    assert isinstance(at, int) and began * 1000 - 1 <= at <= time.time() * 1000
    assert isinstance(at_seconds, float) and began <= at_seconds <= time.time()
    expected = JOB.replace("1700000000001", str(at)).replace("24", "23").replace(', "at": 1700000009.5', "")
    assert first.decode() == expected


def test_a_job_of_sidekiq_may_forget_its_failures(client: redis.Redis, valkey: Server) -> None:
    client.zadd("dead", {JOB: 1.7e9})
    with leasing(valkey.url, "dead") as lease:
        sent(lease, "queue:mail", options=frozenset({"sidekiq_forget"}))
    (raw,) = client.lrange("queue:mail", 0, -1)
    assert not {"retry_count", "failed_at", "error_class", "error_message", "at"} & json.loads(raw).keys()
    assert b"[12345678901234567890123, 1.10," in raw


def test_a_dead_task_of_celery_is_received_again(client: redis.Redis, valkey: Server) -> None:
    """Put aside as kombu restores it, received by kombu itself, acknowledged under a tag of its own."""
    with kombu.Connection(valkey.url) as connection:
        queue = kombu.Queue("celery", kombu.Exchange("celery", "direct"), routing_key="celery")
        producer = connection.Producer()
        for n in range(2):
            producer.publish({"n": n}, exchange=queue.exchange, routing_key="celery", declare=[queue], priority=n * 3)
        marked = []
        for key in ("celery", "celery\x06\x163"):
            envelope = json.loads(client.rpop(key))
            envelope["headers"]["redelivered"] = envelope["properties"]["delivery_info"]["redelivered"] = True
            marked.append(envelope)
            client.lpush("celery_dead", json.dumps(envelope))
        client.lpush("celery\x06\x163", json.dumps(envelope))  # this queue has a list of that step
        with leasing(valkey.url, "celery_dead") as lease:
            assert outcomes(sent(lease, "celery")) == [Outcome.REMOVED] * 2
        assert (client.llen("celery"), client.llen("celery\x06\x163")) == (1, 2)
        message = queue(connection.channel()).get(no_ack=False)
        assert message is not None and message.payload == {"n": 0}
        assert "redelivered" not in message.headers and "redelivered" not in message.delivery_info
        assert message.delivery_tag != marked[0]["properties"]["delivery_tag"]
        message.ack()
        assert client.hlen("unacked") == 0


def test_a_step_that_no_worker_is_seen_to_read_is_not_used(client: redis.Redis, valkey: Server) -> None:
    envelope = {"body": "e30=", "content-type": "application/json", "properties": {"priority": 9, "delivery_tag": "a"}}
    client.lpush("celery_dead", json.dumps(envelope))
    with leasing(valkey.url, "celery_dead") as lease:
        sent(lease, "celery")
    assert client.llen("celery") == 1


def test_a_failed_job_of_rq_waits_in_its_queue_again(client: redis.Redis, valkey: Server) -> None:
    job = {"data": b"\x80pickle", "origin": "mail", "status": "failed", "created_at": "2026-01-02T03:04:05.000000Z"}
    client.hset("rq:job:j1", mapping={**job, "ended_at": "2026-01-02T03:05:05.000000Z"})
    client.expire("rq:job:j1", 3600)
    client.zadd("rq:failed:mail", {"j1": time.time() + 3600, "expired": time.time() + 7200})
    with leasing(valkey.url, "rq:failed:mail") as lease:
        assert outcomes(sent(lease, "orders")) == [Outcome.REFUSED] * 2  # no queue of RQ
        lease.give_back([1, 2])
        one, gone = sent(lease, "rq:queue:mail")
    assert one.outcome is Outcome.REMOVED
    assert gone.outcome is Outcome.REFUSED and "expired" in gone.why
    assert client.lrange("rq:queue:mail", 0, -1) == [b"j1"] and client.smembers("rq:queues") == {b"rq:queue:mail"}
    assert client.zrange("rq:failed:mail", 0, -1) == [b"expired"] and client.ttl("rq:job:j1") == -1
    assert client.hget("rq:job:j1", "status") == b"queued" and not client.hexists("rq:job:j1", "ended_at")


def test_a_dead_message_of_dramatiq_is_as_new(client: redis.Redis, valkey: Server) -> None:
    body = base64.b64decode(json.loads((RECORDED / "dramatiq-dead.json").read_text("utf-8"))["body"])
    client.hset("dramatiq:billing.XQ.msgs", "m1", body)
    client.zadd("dramatiq:billing.XQ", {"m1": int(time.time() * 1000)})
    with leasing(valkey.url, "dramatiq:billing.XQ") as lease:
        assert outcomes(sent(lease, "dramatiq:billing")) == [Outcome.REMOVED]
    assert client.lrange("dramatiq:billing", 0, -1) == [b"m1"]
    again, before = json.loads(client.hget("dramatiq:billing.msgs", "m1")), json.loads(body)
    assert again["options"].pop("retries") == 0 and "traceback" not in again["options"]
    assert {**again, "options": 0} == {**before, "options": 0, "queue_name": "billing"}
    assert not client.exists("dramatiq:billing.XQ", "dramatiq:billing.XQ.msgs")


@pytest.mark.slow
def test_large_messages_that_lie_apart_are_fetched_whole_or_not_written_anew(
    client: redis.Redis, valkey: Server
) -> None:
    message = {"queue_name": "billing", "actor_name": "a", "args": [], "kwargs": {}, "message_id": "m", "options": {}}
    for n, megabytes in enumerate((6, 6, 6, 11)):
        body = json.dumps({**message, "args": ["x" * (megabytes << 20)]})
        client.hset("dramatiq:billing.XQ.msgs", f"m{n}", body)
        client.zadd("dramatiq:billing.XQ", {f"m{n}": 1.7e12 + n})
    with leasing(valkey.url, "dramatiq:billing.XQ") as lease:
        taken = [one for _ in range(4) for one in lease.take(10, 0.0)]
        assert [len(one.letter().body) >> 20 for one in taken] == [6, 6, 6, 0]
        lease.send([Parcel(one.tag, Destination("dramatiq:billing")) for one in taken])
        found = {one.tag: one for one in lease.settled()}
    assert outcomes([found[one.tag] for one in taken]) == [Outcome.REMOVED] * 3 + [Outcome.REFUSED]
    assert "11.0 MB, which is too large" in found[taken[3].tag].why
    assert client.hstrlen("dramatiq:billing.XQ.msgs", "m3") > 11 << 20 and client.hlen("dramatiq:billing.msgs") == 3


def test_failed_jobs_of_bullmq_are_looked_at_only(client: redis.Redis, valkey: Server) -> None:
    client.zadd("bull:mail:failed", {"7": 1.7e12})
    with polling(valkey.url) as broker, pytest.raises(NotSupported, match="its own scripts"):
        broker.lease("bull:mail:failed", 60)


# --- streams ---------------------------------------------------------------------------------------------------------
def test_a_poisoned_entry_is_added_again_and_acknowledged_in_one_step(redis_clean: Server) -> None:
    client = redis_clean.client()
    ids = poisoned(client, 3, 5)
    client.xdel("work", ids[1])
    with leasing(redis_clean.url, "work\x1fmail\x1fdead") as lease:
        receipts = sent(lease, "work", stamp=STAMP)
        assert outcomes(receipts) == [Outcome.REMOVED, Outcome.REFUSED, Outcome.REMOVED]
        assert "deleted or trimmed" in receipts[1].why
        assert outcomes(list(lease.remove([receipts[1].tag]))) == [Outcome.REMOVED]
    assert client.xpending("work", "mail")["pending"] == 0
    copies = [fields for id, fields in client.xrange("work") if id not in ids]
    assert [one[b"n"] for one in copies] == [b"0", b"2"] and copies[0][b"replay-id"] == b"replay-7"


def test_an_entry_is_edited_as_the_object_of_its_fields(client: redis.Redis, valkey: Server) -> None:
    client.xadd("orders:dlq", {"order": "A-1", "amount": "10", "replay-id": "older", "replay-count": "1"})
    client.xadd("orders", {"x": "y"})
    with leasing(valkey.url, "orders:dlq") as lease:
        (one,) = lease.take(1)
        assert (one.replayed, json.loads(one.letter().body)) == (1, {"order": "A-1", "amount": "10"})
        for bad in (b"[]", b'{"order": 1}', b"no"):
            lease.send([Parcel(one.tag, Destination("orders"), body=bad)])
            (receipt,) = lease.settled()
            assert receipt.outcome is Outcome.REFUSED and "JSON object of its fields" in receipt.why
        lease.send([Parcel(one.tag, Destination("orders"), STAMP, b'{"order": "A-1", "amount": "9"}')])
        assert outcomes(list(lease.settled())) == [Outcome.REMOVED]
    copy = client.xrevrange("orders", count=1)[0][1]
    assert (copy[b"amount"], copy[b"replay-count"], copy[b"replay-id"]) == (b"9", b"2", b"replay-7")


def test_what_a_group_has_not_read_is_not_taken_from_others(client: redis.Redis, valkey: Server) -> None:
    client.xgroup_create("work", "mail", mkstream=True)
    with polling(valkey.url) as broker, pytest.raises(NotSupported, match="other groups"):
        broker.lease("work\x1fmail", 60)


# --- what goes wrong -------------------------------------------------------------------------------------------------
def test_equal_letters_are_moved_as_often_as_was_asked_for(client: redis.Redis, valkey: Server) -> None:
    client.lpush("dlq", "a", "same", "b", "same", "same")
    with leasing(valkey.url, "dlq") as lease:
        same = next(one for one in lease.take(5) if one.letter().body == b"same")
    with leasing(valkey.url, "dlq") as lease:
        taken = lease.take_these({same.id: 2})
        lease.send([Parcel(one.tag, Destination("orders")) for one in taken])
        assert outcomes(list(lease.settled())) == [Outcome.REMOVED] * 2
    assert client.lrange("orders", 0, -1) == [b"same"] * 2 and sorted(client.lrange("dlq", 0, -1)) == [
        b"a",
        b"b",
        b"same",
    ]


def test_what_somebody_else_took_is_sent_by_nobody(client: redis.Redis, valkey: Server) -> None:
    client.lpush("dlq", "one", "two")
    with leasing(valkey.url, "dlq") as lease:
        taken = lease.take(2)
        client.delete("dlq")  # or evicted
        lease.send([Parcel(one.tag, Destination("orders")) for one in taken])
        receipts = list(lease.settled())
    assert outcomes(receipts) == [Outcome.REFUSED] * 2 and "somebody else took it" in receipts[0].why
    assert not client.exists("orders")


@pytest.mark.parametrize("kind", ["list", "zset", "stream"])
def test_a_destination_of_another_type_loses_nothing(client: redis.Redis, valkey: Server, kind: str) -> None:
    """Known before a letter is sent; and once more in the script, for a key that changes meanwhile."""
    client.set("orders", "text")
    if kind == "list":
        client.lpush("dlq", "one")
    elif kind == "zset":
        client.zadd("dlq", {"one": 1})
    else:
        client.xadd("dlq", {"body": "one"})
    before = client.dump("dlq")
    with leasing(valkey.url, "dlq") as lease:
        (receipt,) = sent(lease, "orders")
        assert receipt.outcome is Outcome.REFUSED and "is a string in Redis" in receipt.why
        target = Target(b"orders", "stream" if kind == "stream" else "list")
        item = lease._held[receipt.tag]
        (receipt,) = lease._moves.move([(item, copy_of(item, Parcel(item.tag, Destination("orders")), target))])
        assert receipt.outcome is Outcome.REFUSED and "WRONGTYPE" in receipt.why
    assert client.dump("dlq") == before and client.get("orders") == b"text"


def test_a_set_does_not_swallow_a_member_that_it_has(client: redis.Redis, valkey: Server) -> None:
    client.zadd("dead", {JOB: 1})
    client.zadd("other", {JOB: 1})
    with leasing(valkey.url, "dead") as lease:
        for to in ("dead", "other"):
            receipts = sent(lease, to)
            assert outcomes(receipts) == [Outcome.REFUSED] and "lies there already" in receipts[0].why
            lease.give_back([one.tag for one in receipts])
    assert client.zcard("dead") == 1


@pytest.mark.parametrize("missing", ["-lrem", "-lpush", "-eval", "-lpos", "resetkeys ~dlq"])
def test_a_user_who_may_not_move_changes_nothing(redis_clean: Server, missing: str) -> None:
    client = redis_clean.client()
    client.lpush("dlq", "one", "two")
    rules = [*RECIPE.split(), *ACTING_RECIPE.split(), *missing.split()]
    client.execute_command("ACL", "SETUSER", "actor", "reset", "on", ">secret-word", *rules)
    try:
        with leasing(f"redis://actor:secret-word@127.0.0.1:{redis_clean.port}/0", "dlq") as lease:
            receipts = sent(lease, "orders")
    except Exception as error:
        assert "resetkeys" in missing and "may not read the keys" in str(error)
    else:
        assert outcomes(receipts) == [Outcome.REFUSED] * 2 and all(one.why.endswith(".") for one in receipts)
    finally:
        client.execute_command("ACL", "DELUSER", "actor")
    assert client.lrange("dlq", 0, -1) == [b"two", b"one"] and not client.exists("orders")


def test_the_rules_of_the_readme_are_enough_to_move(redis_clean: Server) -> None:
    client = redis_clean.client()
    client.lpush("dlq", "one")
    client.zadd("dead", {JOB: 1})
    poisoned(client, 1, 5)
    rules = [*RECIPE.split(), *ACTING_RECIPE.split()]
    client.execute_command("ACL", "SETUSER", "actor", "reset", "on", ">secret-word", *rules)
    url = f"redis://actor:secret-word@127.0.0.1:{redis_clean.port}/0"
    try:
        for key, to in (("dlq", "orders"), ("dead", "queue:mail"), ("work\x1fmail\x1fdead", "work"), ("work", "work")):
            with leasing(url, key) as lease:
                assert set(outcomes(sent(lease, to))) == {Outcome.REMOVED}, key
    finally:
        client.execute_command("ACL", "DELUSER", "actor")


def test_a_server_without_memory_keeps_every_letter(client: redis.Redis, valkey: Server) -> None:
    client.lpush("dlq", "one", "two")
    with leasing(valkey.url, "dlq") as lease:
        taken = lease.take(2)
        client.config_set("maxmemory", "1mb")
        try:
            lease.send([Parcel(one.tag, Destination("orders")) for one in taken])
            receipts = list(lease.settled())
        finally:
            client.config_set("maxmemory", "0")
    assert outcomes(receipts) == [Outcome.REFUSED] * 2 and "OOM" in receipts[0].why
    assert client.llen("dlq") == 2


@pytest.mark.slow
def test_a_letter_that_is_too_large_stays_and_holds_up_no_other(client: redis.Redis, valkey: Server) -> None:
    bodies = [b"a", b"x" * 20_000_000, *(b"%d" % n for n in range(30))]
    client.rpush("dlq", *bodies[::-1])
    moved = 0
    with leasing(valkey.url, "dlq") as lease:
        while receipts := sent(lease, "orders", 7):
            moved += outcomes(receipts).count(Outcome.REMOVED)
            assert set(outcomes(receipts)) == {Outcome.REMOVED}
    assert moved == 31 and client.llen("dlq") == 1 and client.lrange("orders", 0, -1)[::-1] == [b"a", *bodies[2:]]


def test_ids_are_found_again_wherever_they_lie(client: redis.Redis, valkey: Server) -> None:
    client.lpush("dlq", *range(3000))
    with polling(valkey.url) as broker:
        lease = broker.lease("dlq", 60)
        everything = [one for _ in range(6) for one in lease.take(500)]
        lease.close()
        ids = {one.letter().body: one.id for one in everything}
        lease = broker.lease("dlq", 60)
        for part in (range(10, 900, 3), range(2000, 2900, 7), range(10)):
            taken = lease.take_these({ids[b"%d" % n]: 1 for n in part})
            assert sorted(int(one.letter().body) for one in taken) == list(part)
            lease.send([Parcel(one.tag, Destination("orders")) for one in taken])
            assert set(outcomes(list(lease.settled()))) == {Outcome.REMOVED}
        lease.close()
    left = sorted(int(body) for body in client.lrange("dlq", 0, -1))
    assert sorted(left + [int(body) for body in client.lrange("orders", 0, -1)]) == list(range(3000))


def test_what_was_taken_by_its_id_does_not_shift_what_is_taken_in_order(client: redis.Redis, valkey: Server) -> None:
    client.lpush("dlq", *range(10))
    with leasing(valkey.url, "dlq") as lease:
        last = lease.take(10)[-1]
        lease.give_back(range(1, 11))
        lease.take_these({last.id: 1})
        assert [one.letter().body for one in lease.take(3)] == [b"0", b"1", b"2"]
        assert [one.letter().body for one in lease.take(3)] == [b"3", b"4", b"5"]


def test_letters_that_lie_deep_are_moved_in_short_runs() -> None:
    """A run of a script keeps the server from everybody else for as long as it walks through the list."""
    copy = Copy(b"to", "LPUSH", (b"x",))
    pairs = [(Item(b"x", "", b"x", 1, at=at), copy) for at in [0] * 100 + [40_000] * 5 + [900_000] * 3]
    runs = list(_runs(pairs, lambda pair: 1, lambda item: item.at))
    assert [len(run) for run in runs] == [64, 38, 2, 1, 1, 1, 1]
    deep = pairs[-3:] * 4
    assert [len(part) for part in _stretches(deep, lambda pair: pair[0].at)] == [5, 5, 2]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with redis_cluster("valkey9", replicas=1) as cluster:
        yield cluster


@pytest.mark.slow
def test_in_a_cluster_one_slot_is_one_step_and_two_are_two(cluster: Cluster) -> None:
    client = cluster.client()
    near, far = "{orders}:dlq", next(f"q{n}" for n in range(999) if cluster.holder(f"q{n}") is cluster.primaries[0])
    client.lpush(near, "one", "two")
    broker = registry.connect(registry.parse(cluster.url))
    assert isinstance(broker, Redis)
    lease = broker.lease(near, 60)
    first, second = lease.take(2)
    lease.send([Parcel(first.tag, Destination("orders")), Parcel(second.tag, Destination(far))])
    found = {one.tag: one for one in lease.settled()}
    assert (found[first.tag].outcome, found[second.tag].outcome) == (Outcome.REMOVED, Outcome.SENT)
    assert not found[second.tag].why  # the node's replica has it
    assert client.lrange(near, 0, -1) == [b"two"] and client.lrange(far, 0, -1) == [b"two"]
    assert outcomes(list(lease.remove([second.tag]))) == [Outcome.REMOVED]
    lease.close()
    broker.close()
    assert not client.exists(near) and client.lrange("orders", 0, -1) == [b"one"]
