"""Messages of libraries on their way back from real servers, and what was deleted and is put back."""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path

import kombu
import pytest
import redis

from collectors.brokers.redis import Redis
from collectors.errors import NotSupported
from collectors.letters import Bounds, Destination, Letter, Outcome, Parcel
from tests.brokers.redis_polls import polling
from tests.brokers.test_redis_leases import JOB, leasing, outcomes, sent
from tests.servers.redis import Server

RECORDED = Path(__file__).parents[1] / "recordings" / "letters"


@pytest.fixture
def client(valkey: Server) -> redis.Redis:
    client = valkey.client()
    client.flushall()
    return client


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
    expected = JOB.replace('"retry_count":24', '"retry_count":23').replace(', "at": 1700000009.5', "")
    expected = expected.replace("1700000000001", str(at))
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


def restored(broker: Redis, key: str, letter: Letter) -> None:
    """As a deletion is undone: properties that mean nothing there are left out, one by one."""
    properties = dict(letter.properties)
    while True:
        try:
            broker.send_new(Destination(key), letter.body, letter.headers, properties)
            return
        except NotSupported as error:
            del properties[next(name for name in properties if f"'{name}'" in str(error))]


def written(client: redis.Redis, key: str) -> object:
    """The fields of the entry of a stream."""
    return [fields for _, fields in client.xrange(key)] if client.type(key) == b"stream" else None


@pytest.mark.parametrize("key", ["dead", "plain", "named", "fields", "dramatiq:billing.XQ", "rq:failed:mail"])
def test_what_is_deleted_can_be_put_back_as_it_was(client: redis.Redis, valkey: Server, key: str) -> None:
    client.zadd("dead", {JOB: 1.7e9})
    client.lpush("plain", "text")
    client.xadd("named", {"payload": b"\xff", "attempt": "3"})
    client.xadd("fields", {"order": "A-1", "amount": "10"})
    client.hset("dramatiq:billing.XQ.msgs", "m1", '{"actor_name": "a"}')
    client.zadd("dramatiq:billing.XQ", {"m1": 1.7e12})
    client.hset("rq:job:j1", mapping={"data": b"\x80", "origin": "mail", "status": "failed"})
    client.zadd("rq:failed:mail", {"j1": 4e9})
    with polling(valkey.url) as broker:
        before, fields = broker.look(key, Bounds()).letters, written(client, key)
        lease = broker.lease(key, 60)
        assert outcomes(list(lease.remove([one.tag for one in lease.take(9)]))) == [Outcome.REMOVED]
        lease.close()
        assert broker.look(key, Bounds()).letters == []
        restored(broker, key, before[0])
        (after,) = broker.look(key, Bounds()).letters
    assert (after.body, after.headers, after.origin) == (before[0].body, before[0].headers, before[0].origin)
    assert written(client, key) == fields
