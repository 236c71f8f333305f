"""Celery's queues as kombu really writes them, Sidekiq's as its Ruby code lays them, on every engine."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import kombu
import pytest
import redis

from collectors.protocol import LagMethod
from tests.brokers.redis_polls import polling, sample
from tests.servers.redis import Server


@pytest.fixture
def celery(redis_clean: Server) -> Iterator[kombu.Connection]:
    with kombu.Connection(redis_clean.url) as connection:
        yield connection


def publish(connection: kombu.Connection, queue: str, count: int, priority: int = 0) -> None:
    target = kombu.Queue(queue, kombu.Exchange(queue, "direct"), routing_key=queue)
    producer = connection.Producer()
    for i in range(count):
        producer.publish(
            {"n": i},
            exchange=target.exchange,
            routing_key=queue,
            declare=[target],
            priority=priority,
            serializer="json",
        )


def test_a_queue_is_the_sum_of_its_priorities(redis_clean: Server, celery: kombu.Connection) -> None:
    publish(celery, "celery", 3)
    publish(celery, "celery", 2, priority=3)
    publish(celery, "celery", 1, priority=9)
    with polling(redis_clean.url) as broker:
        poll = broker.poll()
    assert [(s.name, s.dialect, s.depth) for s in poll.samples] == [("celery", "celery", 6)]


def test_messages_that_workers_hold_are_in_flight_of_their_queue(redis_clean: Server, celery: kombu.Connection) -> None:
    publish(celery, "celery", 5)
    publish(celery, "mails", 4)
    taken = []
    channel = celery.channel()
    for queue, count in (("celery", 3), ("mails", 1)):
        bound = kombu.Queue(queue, kombu.Exchange(queue, "direct"), routing_key=queue)(channel)
        taken += [bound.get(no_ack=False) for _ in range(count)]
    assert len(taken) == 4 and None not in taken
    with polling(redis_clean.url) as broker:
        poll = broker.poll()
        found = {s.name: (s.depth, s.in_flight) for s in poll.samples}
        assert found == {"celery": (2, 3), "mails": (3, 1)}
        for message in taken:
            message.ack()
        time.sleep(0.05)
        assert sample(broker.poll(), "celery").in_flight == 0


def test_completions_are_acknowledgements_and_not_deliveries(redis_clean: Server, celery: kombu.Connection) -> None:
    publish(celery, "celery", 5)
    channel = celery.channel()
    queue = kombu.Queue("celery", kombu.Exchange("celery", "direct"), routing_key="celery")(channel)
    with polling(redis_clean.url) as broker:
        broker.poll()
        held = [queue.get(no_ack=False) for _ in range(3)]
        time.sleep(0.1)
        delivered = sample(broker.poll(), "celery")
        for message in held:
            message.ack()
        time.sleep(0.1)
        acknowledged = sample(broker.poll(), "celery")
    assert (delivered.out_rate, delivered.in_flight) == (0, 3)
    assert acknowledged.out_rate is not None and acknowledged.out_rate > 0


def test_a_pile_too_large_to_be_read_is_unknown_by_queue(redis_clean: Server, celery: kombu.Connection) -> None:
    publish(celery, "celery", 1)
    publish(celery, "mails", 1)
    redis_clean.client().hset("unacked", mapping={str(i): '[{}, "", "celery"]' for i in range(2500)})
    with polling(redis_clean.url) as broker:
        poll = broker.poll()
    assert [s.in_flight for s in poll.samples] == [None, None]
    assert dict(poll.details)["In flight in Celery"].startswith("2,500")


def test_a_prefix_before_all_keys_is_understood(redis_clean: Server) -> None:
    with kombu.Connection(redis_clean.url, transport_options={"global_keyprefix": "shop:"}) as connection:
        publish(connection, "celery", 2)
    with polling(redis_clean.url) as broker:
        queue = sample(broker.poll(), "celery")
    assert (queue.key, queue.dialect, queue.depth) == ("shop:celery", "celery", 2)


def test_queues_of_remote_control_are_hidden_and_only_shown_when_they_hold_something(
    redis_clean: Server, celery: kombu.Connection
) -> None:
    publish(celery, "celery", 1)
    client = redis_clean.client()
    client.sadd("_kombu.binding.celery.pidbox", b"\x06\x16\x06\x16celery@host.celery.pidbox")
    client.sadd("_kombu.binding.reply.celery.pidbox", b"a\x06\x16\x06\x16a.reply.celery.pidbox")
    client.lpush("a.reply.celery.pidbox", "answer")
    with polling(redis_clean.url) as broker:
        poll = broker.poll()
    assert {s.name for s in poll.samples} == {"celery", "a.reply.celery.pidbox"}
    assert poll.facts is not None and poll.facts["a.reply.celery.pidbox"].hidden


def job(**fields: object) -> str:
    return json.dumps({"class": "Mail", "args": [], "jid": "b4a5", "queue": "mail", **fields})


@pytest.fixture
def sidekiq(redis_clean: Server) -> redis.Redis:
    """Keys as sidekiq/api.rb describes them."""
    client = redis_clean.client()
    client.sadd("queues", "mail", "default")
    client.sadd("processes", "host:1:abc")
    return client


def test_sidekiqs_queues_are_found_by_its_own_list_of_names(redis_clean: Server, sidekiq: redis.Redis) -> None:
    sidekiq.lpush("queue:mail", job(enqueued_at=time.time()), job(enqueued_at=time.time()))
    with polling(redis_clean.url) as broker:
        poll = broker.poll()
    found = {s.name: (s.dialect, s.kind, s.depth) for s in poll.samples}
    assert found["mail"] == ("sidekiq", "list", 2)
    assert found["default"] == ("sidekiq", "list", 0)


@pytest.mark.parametrize("unit", [1, 1000])
def test_sidekiqs_lag_is_by_the_time_in_the_oldest_job_in_seconds_or_milliseconds(
    redis_clean: Server, sidekiq: redis.Redis, unit: int
) -> None:
    now = time.time()
    sidekiq.lpush("queue:mail", job(enqueued_at=(now - 90) * unit), job(enqueued_at=now * unit))
    with polling(redis_clean.url) as broker:
        poll = broker.poll()
    mail, passed = sample(poll, "mail"), time.time() - now
    assert mail.lag_seconds is not None and 90 - 0.1 <= mail.lag_seconds <= 90 + 0.1 + passed
    assert mail.lag_method is LagMethod.MESSAGE_TIME
    assert sample(poll, "default").lag_seconds == 0


def test_a_job_without_a_time_gives_no_lag(redis_clean: Server, sidekiq: redis.Redis) -> None:
    sidekiq.lpush("queue:mail", "not json")
    with polling(redis_clean.url) as broker:
        mail = sample(broker.poll(), "mail")
    assert (mail.depth, mail.lag_seconds) == (1, None)


def test_scheduled_retried_and_dead_jobs_are_counted_and_related(redis_clean: Server, sidekiq: redis.Redis) -> None:
    for key, count in (("schedule", 2), ("retry", 3), ("dead", 4)):
        sidekiq.zadd(key, {job(jid=str(i)): time.time() for i in range(count)})
    with polling(redis_clean.url) as broker:
        poll = broker.poll()
    assert (sample(poll, "schedule").delayed, sample(poll, "retry").delayed) == (2, 3)
    assert (sample(poll, "dead").depth, sample(poll, "schedule").depth) == (4, None)
    assert ("queue:mail", "dead", "dead_letters") in {(r.source, r.target, r.kind) for r in poll.relations or ()}


def test_a_set_called_queues_alone_is_not_sidekiq(redis_clean: Server) -> None:
    redis_clean.client().sadd("queues", "mail")
    with polling(redis_clean.url) as broker:
        assert broker.poll().samples == []
