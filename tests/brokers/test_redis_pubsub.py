"""Pub/Sub and what the server says about itself, on every engine."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

import pytest
import redis

from collectors.brokers.redis import channels as channels_module
from tests.brokers.redis_polls import fact, polling, sample
from tests.servers.redis import Server


def confirmed(subscriber: redis.client.PubSub, count: int) -> None:
    """Wait until the server has done so many subscriptions."""
    until(lambda: subscriber.get_message(timeout=60), count)


def until(true: Callable[[], object], times: int = 1) -> None:
    """Wait until something was true so often."""
    deadline = time.monotonic() + 60
    while times:
        assert time.monotonic() < deadline, "waited in vain"
        if true():
            times -= 1
        else:
            time.sleep(0.01)


def test_a_channel_shows_its_subscribers_and_no_depth(redis_clean: Server) -> None:
    client = redis_clean.client()
    with client.pubsub() as first, client.pubsub() as second, polling(redis_clean.url) as broker:
        first.subscribe("news")
        second.subscribe("news", "sport")
        second.psubscribe("weather.*")
        confirmed(first, 1)
        confirmed(second, 3)
        poll = broker.poll()
        news = sample(poll, "news")
        assert (news.kind, news.consumers, news.depth, news.lag_seconds) == ("pub/sub channel", 2, None, None)
        assert sample(poll, "sport").consumers == 1
        assert "no depth" in fact(poll, "news", "Kept")
        details = dict(poll.details)
    assert details["Pub/Sub clients"] == "2"
    assert details["Pub/Sub patterns"] == "1 subscribed"
    assert details["Pub/Sub buffer limit"] == "32.0 MB hard, 8.0 MB soft"


def test_a_channel_that_lost_its_last_subscriber_shows_zero_once_it_was_settled(redis_clean: Server) -> None:
    client = redis_clean.client()
    with polling(redis_clean.url) as broker:
        with client.pubsub() as subscriber:
            subscriber.subscribe("news", "once")
            confirmed(subscriber, 2)
            for _ in range(3):
                broker.poll()
            subscriber.unsubscribe("once")
        until(lambda: not client.pubsub_channels())
        assert sample(broker.poll(), "news").consumers == 0


def test_a_channel_that_was_seen_only_briefly_is_forgotten(redis_clean: Server) -> None:
    client = redis_clean.client()
    with polling(redis_clean.url) as broker:
        with client.pubsub() as subscriber:
            subscriber.subscribe("reply-1")
            confirmed(subscriber, 1)
            assert len(broker.poll().samples) == 1
        until(lambda: not client.pubsub_channels())
        assert broker.poll().samples == []


def test_channels_beyond_the_limit_are_counted(redis_clean: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channels_module, "MOST_CHANNELS", 5)
    with redis_clean.client().pubsub() as subscriber, polling(redis_clean.url) as broker:
        subscriber.subscribe(*(f"c{i}" for i in range(8)))
        confirmed(subscriber, 8)
        poll = broker.poll()
    assert len(poll.samples) == 5
    assert dict(poll.details)["Pub/Sub channels not shown"] == "3"


def test_a_subscriber_that_does_not_read_is_named_before_it_is_dropped(redis_clean: Server) -> None:
    client = redis_clean.client()
    client.config_set("client-output-buffer-limit", "pubsub 64mb 32mb 600")
    try:
        with socket.socket() as sleeper, polling(redis_clean.url) as broker:
            sleeper.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)  # else the kernel takes it all
            sleeper.connect(("127.0.0.1", redis_clean.port))
            sleeper.sendall(b"CLIENT SETNAME sleeper\r\nSUBSCRIBE news\r\n")
            until(lambda: client.pubsub_channels() == [b"news"])
            pipe = client.pipeline(transaction=False)
            for _ in range(3500):  # small ones: Valkey 9 keeps large ones once, and does not count them
                pipe.publish("news", bytes(8000))
            pipe.execute()
            details = dict(broker.poll().details)
    finally:
        client.config_set("client-output-buffer-limit", "pubsub 32mb 8mb 60")
    assert "of 32.0 MB" in details["About to be dropped"]
    assert "sleeper" in details["About to be dropped"]


def test_celerys_own_channels_are_hidden(redis_clean: Server) -> None:
    with redis_clean.client().pubsub() as subscriber, polling(redis_clean.url) as broker:
        subscriber.subscribe("/0.celery.pidbox", "/0.celeryev/worker.heartbeat", "/0.mine")
        confirmed(subscriber, 3)
        poll = broker.poll()
        assert poll.facts is not None
        hidden = {s.name for s in poll.samples if poll.facts[s.key].hidden}
    assert hidden == {"/0.celery.pidbox", "/0.celeryev/worker.heartbeat"}


def test_the_server_is_described(redis_clean: Server) -> None:
    with polling(redis_clean.url) as broker:
        poll = broker.poll()
    product = {"valkey9": "Valkey 9.", "redis7": "Redis 7.", "redis62": "Redis 6.2"}[redis_clean.engine]
    assert poll.version.startswith(product)
    details = dict(poll.details)
    assert details["Role"].startswith("primary")
    assert "no limit" in details["Memory"]
    assert details["Eviction"].startswith("noeviction")


def test_a_policy_that_can_throw_queues_away_is_said(redis_clean: Server) -> None:
    client = redis_clean.client()
    client.config_set("maxmemory-policy", "allkeys-lru")
    try:
        with polling(redis_clean.url) as broker:
            poll = broker.poll()
    finally:
        client.config_set("maxmemory-policy", "noeviction")
    assert "whole queues" in dict(poll.details)["Eviction"]
    assert poll.problems == []
