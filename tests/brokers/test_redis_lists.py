"""Lists on real servers: depth, flow by search, which end is the newest, heads."""

from __future__ import annotations

import pytest

from collectors.brokers.redis import lists as lists_module
from collectors.protocol import Quality
from tests.brokers.redis_polls import per_second, polling, sample
from tests.servers.redis import Server


def test_depth_is_the_length_and_a_first_poll_knows_no_flow(redis_clean: Server) -> None:
    redis_clean.client().lpush("mail", "a", "b", "c")
    with polling(redis_clean.url) as broker:
        mail = sample(broker.poll(), "mail")
    assert (mail.kind, mail.depth, mail.dialect) == ("list", 3, None)
    assert (mail.in_rate, mail.out_rate, mail.net_rate, mail.lag_seconds, mail.in_flight) == (None,) * 5


def test_an_emptied_list_is_still_shown_and_holds_zero(redis_clean: Server) -> None:
    client = redis_clean.client()
    client.lpush("mail", "a", "b")
    with polling(redis_clean.url) as broker:
        broker.poll()
        client.delete("mail")
        mail = sample(broker.poll(), "mail")
    assert (mail.depth, mail.head) == (0, "")


@pytest.mark.parametrize(("push", "pop"), [("lpush", "rpop"), ("rpush", "lpop")])
def test_arrivals_and_completions_are_told_apart_in_either_direction(redis_clean: Server, push: str, pop: str) -> None:
    client = redis_clean.client()

    def work() -> None:
        for i in range(30):
            getattr(client, push)("mail", f"new {i}")
        for _ in range(20):
            getattr(client, pop)("mail")

    getattr(client, push)("mail", *(f"old {i}" for i in range(50)))
    with polling(redis_clean.url) as broker:
        broker.poll()
        getattr(client, push)("mail", "one more")  # alone, so that the direction shows
        poll, least, most = per_second(broker, 30, work)
    mail = sample(poll, "mail")
    assert mail.in_rate is not None and mail.out_rate is not None
    assert least <= mail.in_rate <= most
    assert mail.out_rate / mail.in_rate == pytest.approx(20 / 30)


def test_flow_by_search_is_called_estimated(redis_clean: Server) -> None:
    client = redis_clean.client()
    client.lpush("mail", "a")
    with polling(redis_clean.url) as broker:
        broker.poll()
        client.lpush("mail", "b")
        mail = sample(broker.poll(), "mail")
    assert mail.in_rate and mail.quality["in_rate"] is mail.quality["out_rate"] is Quality.ESTIMATED


def test_when_the_newest_message_is_gone_only_the_net_change_is_known(redis_clean: Server) -> None:
    client = redis_clean.client()
    client.lpush("mail", "a", "b", "c")
    with polling(redis_clean.url) as broker:
        broker.poll()
        client.delete("mail")
        client.lpush("mail", "x", "y")
        mail = sample(broker.poll(), "mail")
    assert (mail.in_rate, mail.out_rate) == (None, None)
    assert mail.net_rate is not None and mail.net_rate < 0


def test_equal_messages_give_no_flow_and_no_head_rather_than_a_wrong_one(redis_clean: Server) -> None:
    client = redis_clean.client()
    client.lpush("mail", *["same"] * 10)
    with polling(redis_clean.url) as broker:
        broker.poll()
        client.lpush("mail", *["same"] * 10)
        for _ in range(5):
            client.rpop("mail")
        mail = sample(broker.poll(), "mail")
    assert (mail.depth, mail.in_rate, mail.out_rate, mail.head) == (15, None, None, None)


def test_a_message_that_comes_back_now_and_then_gives_no_flow(redis_clean: Server) -> None:
    client = redis_clean.client()
    client.lpush("mail", "first", "beat", "other", "beat")
    with polling(redis_clean.url) as broker:
        broker.poll()
        client.lpush("mail", "new")
        mail = sample(broker.poll(), "mail")
    assert mail.in_rate is None and mail.net_rate is not None and mail.net_rate > 0


def test_more_arrivals_than_are_searched_give_only_the_net_change(
    redis_clean: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lists_module, "FARTHEST", 1000)
    client = redis_clean.client()
    client.lpush("mail", "a")
    with polling(redis_clean.url) as broker:
        broker.poll()
        client.lpush("mail", *range(5000))
        first = sample(broker.poll(), "mail")
        client.lpush("mail", *range(5000, 5600))
        second = sample(broker.poll(), "mail")
    assert first.in_rate is None and first.net_rate is not None
    assert second.in_rate is not None  # after a miss it is searched for farther


def test_a_busy_list_is_searched_far_enough(redis_clean: Server) -> None:
    client = redis_clean.client()
    client.lpush("mail", "a")
    with polling(redis_clean.url) as broker:
        for n in range(4):
            poll = broker.poll()
            client.lpush("mail", *range(n * 5000, (n + 1) * 5000))
        busy = sample(poll, "mail")
    assert busy.in_rate is not None and busy.in_rate == pytest.approx(busy.net_rate)


def test_the_head_moves_when_the_oldest_message_is_taken_and_only_then(redis_clean: Server) -> None:
    client = redis_clean.client()
    client.lpush("mail", "a", "b", "c")
    with polling(redis_clean.url) as broker:
        first = sample(broker.poll(), "mail").head
        client.lpush("mail", "d")
        second = sample(broker.poll(), "mail").head
        client.rpop("mail")
        third = sample(broker.poll(), "mail").head
    assert first == second != third
    assert None not in (first, third)


def test_the_head_of_large_messages_is_not_fetched(redis_clean: Server) -> None:
    client = redis_clean.client()
    client.lpush("films", *(bytes([i]) * 1_000_000 for i in range(3)))
    with polling(redis_clean.url) as broker:
        poll = broker.poll()
    films = sample(poll, "films")
    assert (films.depth, films.head) == (3, None)
    assert poll.cost.bytes < 100_000


def test_what_somebody_looks_at_is_fetched_first_when_all_would_be_too_much(
    redis_clean: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lists_module, "LOOKS_BYTES", 5000)
    client = redis_clean.client()
    for i in range(20):
        client.lpush(f"list{i:02}", bytes([65 + i]) * 1000)
    with polling(redis_clean.url) as broker:
        poll = broker.poll()
        unlooked = [s.key for s in poll.samples if s.head is None]
        assert len(unlooked) >= 15 and "were left out" in poll.method
        broker.watch(unlooked[-1:])
        assert sample(broker.poll(), unlooked[-1]).head is not None


def test_a_key_that_becomes_another_type_is_no_list_any_more(redis_clean: Server) -> None:
    client = redis_clean.client()
    client.lpush("mail", "a")
    with polling(redis_clean.url) as broker:
        broker.poll()
        client.delete("mail")
        client.xadd("mail", {"a": 1})
        broker.poll()
        poll = broker.poll()
    assert (sample(poll, "mail").kind, poll.problems) == ("stream", [])


def test_another_database_is_another_broker(redis_clean: Server) -> None:
    redis_clean.client(db=3).lpush("mail", "a")
    with polling(f"redis://127.0.0.1:{redis_clean.port}/3") as third, polling(redis_clean.url) as zeroth:
        assert [s.name for s in third.poll().samples] == ["mail"]
        assert zeroth.poll().samples == []


def test_dead_letters_are_related_by_their_name(redis_clean: Server) -> None:
    client = redis_clean.client()
    for key in ("mail", "mail:dlq", "fax.DLQ", "fax", "lost:failed"):
        client.lpush(key, "a")
    with polling(redis_clean.url) as broker:
        relations = broker.poll().relations
    assert {(r.source, r.target, r.kind) for r in relations or ()} == {
        ("mail", "mail:dlq", "dead_letters"),
        ("fax", "fax.DLQ", "dead_letters"),
    }
