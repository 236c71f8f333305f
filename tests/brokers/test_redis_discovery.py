"""Finding the keys: bounded, resumed, of any name, and without changing anything."""

from __future__ import annotations

import time

import pytest

from collectors.brokers.redis import inventory as inventory_module
from collectors.protocol import Poll
from tests.brokers.redis_polls import polling, sample
from tests.servers.redis import Server

#: All that Weir may ever send; the first two lines are those of the connection itself.
READING = {
    "client", "client|setname", "client|setinfo", "client|no-touch", "select", "hello",
    "scan", "llen", "lindex", "lpos", "memory", "memory|usage", "xinfo", "xinfo|stream", "xinfo|groups",
    "xinfo|consumers", "xrange", "xpending", "scard", "smembers", "zcard", "hlen", "hvals", "time", "info", "pubsub",
    "pubsub|channels", "pubsub|numsub", "pubsub|numpat", "client|list", "config", "config|get",
}  # fmt: skip

HOSTILE = [
    b"two words", b"line\nbreak", b"\xff\xfe not utf-8", b"nul\x00inside", b"x" * 3000, "עברית ‮right".encode(),
    b"<script>alert(1)</script>", b"a\x1fb", b"\x1b[31mred", "schön 🐇".encode(), b"", b"back\\slash", b"%s%d{}",
]  # fmt: skip


def test_only_reading_commands_are_sent_and_nothing_changes(redis_clean: Server) -> None:
    client = redis_clean.client()
    client.lpush("mail", "a", "b")
    client.lpush("celery", "x")
    client.sadd("_kombu.binding.celery", b"celery\x06\x16\x06\x16celery")
    client.hset("unacked", "1", '[{}, "celery", "celery"]')
    for i in range(5):
        entry = client.xadd("orders", {"n": i})
    client.xgroup_create("orders", "billing", id="0")
    client.xreadgroup("billing", "reader-1", {"orders": ">"}, count=2)
    client.xdel("orders", entry)
    keys, groups = sorted(client.keys()), client.xinfo_groups("orders")
    client.config_resetstat()
    with polling(redis_clean.url) as broker:
        for _ in range(3):
            broker.poll()
        broker.check()
        sent = {name.removeprefix("cmdstat_") for name in client.info("commandstats")}
    sent.discard("config|resetstat")  # the test's own
    assert "scan" in sent and "llen" in sent
    assert sent <= READING, sent - READING
    assert (sorted(client.keys()), client.xinfo_groups("orders")) == (keys, groups)


@pytest.mark.parametrize("raw", HOSTILE, ids=lambda raw: repr(raw[:12]))
def test_a_key_of_any_name_is_shown_and_can_be_stored(redis_clean: Server, raw: bytes) -> None:
    client = redis_clean.client()
    client.lpush(raw, "a")
    client.xadd(raw + b":stream", {"a": 1})
    client.xgroup_create(raw + b":stream", raw or b"g", id="0")
    with polling(redis_clean.url) as broker:
        first, second = broker.poll(), broker.poll()
    assert [s.depth for s in first.samples] == [1, 1]
    assert [s.key for s in first.samples] == [s.key for s in second.samples]
    for s in first.samples:
        assert 0 < len(s.key) <= 600 and 0 < len(s.name) <= 600
        assert s.name.isprintable() and "\x00" not in s.key
        s.key.encode()  # no lone surrogate: every database takes it


def test_keys_that_look_alike_stay_apart(redis_clean: Server) -> None:
    client = redis_clean.client()
    alike = [b"\xff", b"\\xff", b"a" * 1500, b"a" * 1501, b"a\x1fb", b"a\nb", b"a\\nb"]
    for raw in alike:
        client.lpush(raw, "a")
    with polling(redis_clean.url) as broker:
        assert len({s.key for s in broker.poll().samples}) == len(alike)


def fill(server: Server, count: int) -> None:
    pipe = server.client().pipeline(transaction=False)
    for i in range(count):
        pipe.set(f"cache:{i}", "x")
    pipe.execute()


def test_a_large_database_is_walked_through_over_several_polls(
    redis_clean: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inventory_module, "FIRST_PAGES", 3)
    fill(redis_clean, 20_000)
    redis_clean.client().lpush("mail", "a")
    polls: list[Poll] = []
    with polling(redis_clean.url) as broker:
        while not polls or (not polls[-1].complete and len(polls) < 50):
            polls.append(broker.poll())
    assert 5 <= len(polls) < 50
    assert all(poll.cost.requests < 40 for poll in polls)
    assert "still being walked through" in polls[0].problems[0]
    assert sample(polls[-1], "mail").depth == 1 and polls[-1].problems == []


def test_a_new_queue_is_seen_at_the_next_poll(redis_clean: Server) -> None:
    client = redis_clean.client()
    with polling(redis_clean.url) as broker:
        assert broker.poll().samples == []
        client.lpush("mail", "a")
        assert sample(broker.poll(), "mail").depth == 1


def test_more_queues_than_are_watched_are_cut_and_said(redis_clean: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inventory_module, "MOST_KEYS", 20)
    client = redis_clean.client()
    for i in range(30):
        client.lpush(f"list{i}", "a")
    with polling(redis_clean.url) as broker:
        poll = broker.poll()
    assert (len(poll.samples), poll.complete) == (20, False)
    assert "keys=" in poll.problems[0]


def test_an_empty_list_is_forgotten_after_a_day(redis_clean: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    client = redis_clean.client()
    client.lpush("mail", "a")
    with polling(redis_clean.url) as broker:
        broker.poll()
        client.delete("mail")
        assert len(broker.poll().samples) == 1
        monkeypatch.setattr(inventory_module, "REMEMBERED_SECONDS", 0.01)
        time.sleep(0.02)
        assert broker.poll().samples == []


def test_key_patterns_and_globs_narrow_what_is_watched(redis_clean: Server) -> None:
    client = redis_clean.client()
    for key in ("shop:mail", "shop:fax", "lab:mail", "other"):
        client.lpush(key, "a")
    with polling(f"{redis_clean.url}?keys=shop:*&keys=lab:*&exclude=*fax") as broker:
        assert {s.name for s in broker.poll().samples} == {"shop:mail", "lab:mail"}


def test_one_thousand_streams_and_lists_are_one_cheap_poll(redis_clean: Server) -> None:
    client = redis_clean.client()
    pipe = client.pipeline(transaction=False)
    for i in range(1000):
        pipe.xadd(f"stream{i}", {"a": 1})
        pipe.xgroup_create(f"stream{i}", "g", id="0")
        pipe.lpush(f"list{i}", f"message {i}")
    pipe.execute()
    with polling(redis_clean.url) as broker:
        broker.poll()
        began = time.process_time()
        poll = broker.poll()
        assert time.process_time() - began < 2
    assert len(poll.samples) == 2000
    assert all(s.depth == 1 for s in poll.samples)
