"""Streams on real servers: every consumer group, also where the server tells no lag (6.2, deleted entries)."""

from __future__ import annotations

import time

import pytest

from collectors.protocol import LagMethod, Quality
from tests.brokers.redis_polls import fact, per_second, polling, sample
from tests.servers.redis import Server

NAME = "orders · billing"


def fill(server: Server, count: int, *, key: str = "orders", start: int = 1) -> list[bytes]:
    """Entries one millisecond apart, an hour ago; their ids."""
    client = server.client()
    base = int(time.time() * 1000) - 3_600_000
    pipe = client.pipeline(transaction=False)
    for i in range(start, start + count):
        pipe.xadd(key, {"n": i}, id=f"{base + i}-0")
    return pipe.execute()


def test_a_group_shows_what_waits_what_is_pending_and_who_reads(redis_clean: Server) -> None:
    client = redis_clean.client()
    fill(redis_clean, 10)
    client.xgroup_create("orders", "billing", id="0")
    client.xreadgroup("billing", "reader-1", {"orders": ">"}, count=3)
    client.xreadgroup("billing", "reader-2", {"orders": ">"}, count=1)
    with polling(redis_clean.url) as broker:
        poll = broker.poll()
    billing = sample(poll, NAME)
    assert (billing.kind, billing.key) == ("stream group", "orders\x1fbilling")
    assert (billing.depth, billing.lag_messages, billing.in_flight, billing.consumers) == (6, 6, 4, 2)
    assert billing.quality.get("depth", Quality.EXACT) is Quality.EXACT
    assert "3 pending" in fact(poll, NAME, "Consumers")


def test_two_groups_are_two_queues(redis_clean: Server) -> None:
    client = redis_clean.client()
    fill(redis_clean, 4)
    client.xgroup_create("orders", "billing", id="0")
    client.xgroup_create("orders", "search", id="$")
    with polling(redis_clean.url) as broker:
        poll = broker.poll()
    assert (sample(poll, NAME).depth, sample(poll, "orders · search").depth) == (4, 0)
    assert len(poll.samples) == 2


def test_a_deleted_entry_ahead_of_a_group_never_makes_its_depth_zero(redis_clean: Server) -> None:
    client = redis_clean.client()
    ids = fill(redis_clean, 10)
    client.xgroup_create("orders", "billing", id="0")
    client.xreadgroup("billing", "reader-1", {"orders": ">"}, count=3)
    client.xdel("orders", ids[6])
    if redis_clean.engine != "redis62":
        assert client.xinfo_groups("orders")[0]["lag"] is None
    with polling(redis_clean.url) as broker:
        billing = sample(broker.poll(), NAME)
    assert (billing.depth, billing.in_flight) == (6, 3)


def test_a_long_backlog_without_a_lag_is_estimated_from_ids(redis_clean: Server) -> None:
    client = redis_clean.client()
    ids = fill(redis_clean, 20_000)
    client.xgroup_create("orders", "billing", id="0")
    client.xreadgroup("billing", "reader-1", {"orders": ">"}, count=2_000)
    client.xdel("orders", ids[15_000])
    with polling(redis_clean.url) as broker:
        billing = sample(broker.poll(), NAME)
    assert billing.depth == pytest.approx(17_999, rel=0.02)
    assert billing.quality["depth"] is billing.quality["lag_messages"] is Quality.ESTIMATED


def test_the_lag_is_the_age_of_the_oldest_waiting_entry(redis_clean: Server) -> None:
    client = redis_clean.client()
    fill(redis_clean, 5)
    client.xgroup_create("orders", "billing", id="0")
    with polling(redis_clean.url) as broker:
        billing = sample(broker.poll(), NAME)
    assert billing.lag_seconds == pytest.approx(3600, abs=10)
    assert billing.lag_method is LagMethod.ENTRY_ID


def test_a_pending_entry_is_waited_for_too(redis_clean: Server) -> None:
    client = redis_clean.client()
    fill(redis_clean, 1)
    client.xgroup_create("orders", "billing", id="0")
    client.xreadgroup("billing", "reader-1", {"orders": ">"})
    client.xadd("orders", {"n": 2})
    with polling(redis_clean.url) as broker:
        billing = sample(broker.poll(), NAME)
        assert billing.lag_seconds == pytest.approx(3600, abs=10)
        client.xack("orders", "billing", client.xpending("orders", "billing")["min"])
        assert sample(broker.poll(), NAME).lag_seconds == pytest.approx(0, abs=10)


def test_nothing_waiting_and_nothing_pending_is_no_lag(redis_clean: Server) -> None:
    client = redis_clean.client()
    fill(redis_clean, 3)
    client.xgroup_create("orders", "billing", id="$")
    with polling(redis_clean.url) as broker:
        billing = sample(broker.poll(), NAME)
    assert (billing.depth, billing.lag_seconds) == (0, 0)


def test_ids_that_are_no_times_give_no_lag(redis_clean: Server) -> None:
    client = redis_clean.client()
    for i in range(1, 4):
        client.xadd("orders", {"n": i}, id=f"{i}-1")
    client.xgroup_create("orders", "billing", id="0")
    with polling(redis_clean.url) as broker:
        billing = sample(broker.poll(), NAME)
    assert (billing.depth, billing.lag_seconds, billing.lag_method) == (3, None, LagMethod.NONE)


def test_arrivals_and_completions_come_from_the_counters(redis_clean: Server) -> None:
    client = redis_clean.client()
    client.xadd("orders", {"n": 0})
    client.xgroup_create("orders", "billing", id="0")

    def work() -> None:
        for i in range(40):
            client.xadd("orders", {"n": i})
        delivered = client.xreadgroup("billing", "reader-1", {"orders": ">"}, count=30)[0][1]
        client.xack("orders", "billing", *[entry for entry, _ in delivered[:20]])

    with polling(redis_clean.url) as broker:
        poll, least, most = per_second(broker, 40, work)
    billing = sample(poll, NAME)
    assert billing.in_rate is not None and billing.out_rate is not None
    assert least <= billing.in_rate <= most
    assert billing.out_rate / billing.in_rate == pytest.approx(20 / 40)
    counted = redis_clean.engine != "redis62"
    assert billing.quality.get("in_rate", Quality.EXACT) is (Quality.EXACT if counted else Quality.ESTIMATED)


def test_arrivals_at_a_stream_that_was_trimmed_are_unknown_to_an_old_server(redis_clean: Server) -> None:
    client = redis_clean.client()
    fill(redis_clean, 10)
    client.xgroup_create("orders", "billing", id="0")
    with polling(redis_clean.url) as broker:
        broker.poll()
        fill(redis_clean, 5, start=100)
        client.xtrim("orders", maxlen=8, approximate=False)
        in_rate = sample(broker.poll(), NAME).in_rate
    if redis_clean.engine == "redis62":
        assert in_rate is None
    else:
        assert in_rate is not None and in_rate > 0


def test_entries_that_were_trimmed_before_they_were_read_do_not_wait(redis_clean: Server) -> None:
    client = redis_clean.client()
    fill(redis_clean, 10)
    client.xgroup_create("orders", "billing", id="0")
    client.xtrim("orders", maxlen=4, approximate=False)
    with polling(redis_clean.url) as broker:
        assert sample(broker.poll(), NAME).depth == 4


def test_a_stream_that_no_group_reads_has_no_depth_and_says_so(redis_clean: Server) -> None:
    fill(redis_clean, 7)
    with polling(redis_clean.url) as broker:
        poll = broker.poll()
    assert (sample(poll, "orders").kind, sample(poll, "orders").depth) == ("stream", None)
    assert "no consumer group" in fact(poll, "orders", "Groups")
    assert fact(poll, "orders", "Length").startswith("7")


def test_a_stream_of_dead_letters_by_its_name_is_counted_by_its_length(redis_clean: Server) -> None:
    fill(redis_clean, 4, key="orders:dlq")
    fill(redis_clean, 4)
    redis_clean.client().xgroup_create("orders", "billing", id="$")
    with polling(redis_clean.url) as broker:
        poll = broker.poll()
    assert sample(poll, "orders:dlq").depth == 4
    assert [(r.source, r.target) for r in poll.relations or ()] == [("orders\x1fbilling", "orders:dlq")]


def test_a_deleted_stream_and_a_deleted_group_are_gone(redis_clean: Server) -> None:
    client = redis_clean.client()
    for key in ("orders", "mail"):
        fill(redis_clean, 2, key=key)
        client.xgroup_create(key, "billing", id="0")
    with polling(redis_clean.url) as broker:
        assert len(broker.poll().samples) == 2
        client.delete("mail")
        client.xgroup_destroy("orders", "billing")
        broker.poll()
        poll = broker.poll()
    assert [(s.name, s.kind) for s in poll.samples] == [("orders", "stream")]
    assert poll.problems == []


def test_large_entries_are_dated_by_the_last_delivered_one(redis_clean: Server) -> None:
    client = redis_clean.client()
    began = time.time()
    base = int(began * 1000) - 60_000
    for i in range(3):
        client.xadd("films", {"film": bytes(200_000)}, id=f"{base + i}-0")
    client.xgroup_create("films", "cut", id=f"{base}-0")
    with polling(redis_clean.url) as broker:
        cut = sample(broker.poll(), "films · cut")
    assert cut.depth == 2
    assert cut.lag_seconds is not None and 60 - 0.1 <= cut.lag_seconds <= 60 + 0.1 + time.time() - began
    if redis_clean.engine != "redis62":  # there the entries are fetched to be counted anyway
        assert cut.quality["lag_seconds"] is Quality.APPROXIMATE


def test_globs_choose_by_stream_and_by_group(redis_clean: Server) -> None:
    client = redis_clean.client()
    for key in ("orders", "mail"):
        fill(redis_clean, 1, key=key)
        client.xgroup_create(key, "billing", id="0")
        client.xgroup_create(key, "audit", id="0")
    with polling(f"{redis_clean.url}?include=orders*&exclude=*audit") as broker:
        assert [s.name for s in broker.poll().samples] == [NAME]


def test_entries_delivered_again_and_again_are_counted(redis_clean: Server) -> None:
    client = redis_clean.client()
    ids = fill(redis_clean, 5)
    client.xgroup_create("orders", "billing", id="0")
    client.xreadgroup("billing", "reader-1", {"orders": ">"})
    with polling(redis_clean.url) as broker:
        assert sample(broker.poll(), NAME).redelivery_rate is None
        poll, least, most = per_second(
            broker, 6, lambda: [client.xclaim("orders", "billing", "reader-2", 0, ids[:2]) for _ in range(3)]
        )
        again = sample(poll, NAME)
        assert least <= again.redelivery_rate <= most
        assert again.quality["redelivery_rate"] is Quality.ESTIMATED
        assert sample(broker.poll(), NAME).redelivery_rate == 0
