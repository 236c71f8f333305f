"""Looks into real servers: they change nothing, are bounded, go on where they ended, and know the dialects."""

from __future__ import annotations

import base64
import json
import time
import zlib
from pathlib import Path

import pytest
import redis

from collectors.brokers.redis import Redis
from collectors.errors import BadAnswer, CollectorError, NotSupported
from collectors.letters import Bounds, Letter, Look
from tests.brokers.redis_polls import polling
from tests.servers.redis import Server

RECORDED = Path(__file__).parents[1] / "recordings" / "letters"
MILLION = 1_000_000


@pytest.fixture
def client(valkey: Server) -> redis.Redis:
    client = valkey.client()
    client.flushall()
    return client


def look(server: Server, key: str, messages: int = 50, **bounds: float) -> Look:
    with polling(server.url) as broker:
        return broker.look(key, Bounds(messages, **bounds))  # type: ignore[arg-type]


def walked(broker: Redis, key: str, step: int) -> list[Letter]:
    """All letters, in looks of `step`."""
    letters: list[Letter] = []
    after = ""
    while True:
        seen = broker.look(key, Bounds(step), after)
        letters += seen.letters
        after = seen.after
        if not after:
            return letters


def poisoned(client: redis.Redis, entries: int, deliveries: int) -> list[bytes]:
    """A stream `work` of which the group `mail` has every entry pending, delivered so often."""
    ids = [client.xadd("work", {"n": str(n), "order": f"A-{n}"}) for n in range(entries)]
    client.xgroup_create("work", "mail", id="0")
    client.xreadgroup("mail", "one", {"work": ">"})
    for _ in range(deliveries - 1):
        client.xclaim("work", "mail", "one", 0, ids)
    return ids


def test_fifty_looks_change_nothing(redis_clean: Server) -> None:
    client = redis_clean.client()
    client.lpush("list:dlq", *(f"message {n}" for n in range(300)))
    client.zadd("dead", {json.dumps({"jid": f"{n}", "class": "Mail", "args": [n]}): 1.7e9 + n // 3 for n in range(300)})
    poisoned(client, 30, 6)
    keys = ["list:dlq", "dead", "work", "work\x1fmail", "work\x1fmail\x1fdead"]
    before = (
        [client.dump(key) for key in ("list:dlq", "dead", "work")],
        client.xpending_range("work", "mail", "-", "+", 99),
    )
    with polling(redis_clean.url) as broker:
        for _ in range(50):
            assert all(broker.price(key).free for key in keys)
            seen = [broker.look(key, Bounds(100)) for key in keys]
    after = (
        [client.dump(key) for key in ("list:dlq", "dead", "work")],
        client.xpending_range("work", "mail", "-", "+", 99),
    )
    idle = [row.pop("time_since_delivered") for rows in (before[1], after[1]) for row in rows]
    assert min(idle) >= 0 and before == after
    assert [len(one.letters) for one in seen] == [100, 100, 30, 0, 30]
    assert [one.of for one in seen] == [300, 300, 30, None, 30]


@pytest.mark.parametrize("step", [7, 100])
def test_looks_go_on_where_the_last_one_ended(client: redis.Redis, valkey: Server, step: int) -> None:
    sent = [b"message %d" % n for n in range(250)]
    client.lpush("list", *sent)
    client.zadd("set", {body: n // 40 for n, body in enumerate(sorted(sent))})  # many of one score
    for body in sent:
        client.xadd("stream", {"body": body})
    with polling(valkey.url) as broker:
        assert [one.body for one in walked(broker, "list", step)] == sent
        assert [one.body for one in walked(broker, "set", step)] == sorted(sent)
        assert [one.body for one in walked(broker, "stream", step)] == sent


def test_a_list_that_moves_on_between_two_looks_is_gone_on_with(client: redis.Redis, valkey: Server) -> None:
    client.lpush("list", *range(100))
    with polling(valkey.url) as broker:
        first = broker.look("list", Bounds(20))
        client.rpop("list", 5)  # the oldest are taken out
        client.lpush("list", *range(100, 110))
        second = broker.look("list", Bounds(20), first.after)
        assert [one.body for one in second.letters] == [b"%d" % n for n in range(20, 40)] and not second.notes
        client.rpush("list", *range(-30, 0))  # and others put in front of them
        third = broker.look("list", Bounds(5), second.after)
        assert [one.body for one in third.letters] == [b"%d" % n for n in range(40, 45)] and not third.notes
        client.rpop("list", 90)
        third = broker.look("list", Bounds(20), second.after)
    assert third.notes and "changed while it was read" in third.notes[0]


@pytest.mark.parametrize("push", ["lpush", "rpush"])
def test_times_in_messages_say_when_and_which_end_is_the_oldest(client: redis.Redis, valkey: Server, push: str) -> None:
    at = [1_700_000_000 + n for n in range(4)]
    bodies = [
        json.dumps({"order": 1, "created_at": at[0]}),
        json.dumps({"order": 2, "timestamp": "2023-11-14T22:13:21Z"}),
        json.dumps({"order": 3, "at": at[2] * 1000, "failed_at": at[3]}),
        json.dumps({"order": 4, "time": at[3] + 1, "ts": "no time"}),
    ]
    getattr(client, push)("list", *bodies)
    letters = look(valkey, "list").letters
    assert [json.loads(one.body)["order"] for one in letters] == [1, 2, 3, 4]
    assert [one.enqueued_at for one in letters] == [at[0], at[1], at[2], at[3] + 1]
    assert [one.died_at for one in letters] == [None, None, at[3], None]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_first_page_of_a_million_letters_costs_the_server_no_more_than_that_of_a_thousand(
    client: redis.Redis, valkey: Server
) -> None:
    for key, count in (("few", 1000), ("many", MILLION)):
        for start in range(0, count, 20_000):
            client.lpush(key, *(b"%d " % n + b"x" * 200 for n in range(start, min(start + 20_000, count))))
    with polling(valkey.url) as broker:
        spent = {}
        for key in ("few", "many"):
            before = valkey.cpu_seconds()
            for _ in range(20):
                seen = broker.look(key, Bounds(50))
            spent[key] = valkey.cpu_seconds() - before
            assert [one.body.split()[0] for one in seen.letters] == [b"%d" % n for n in range(50)]
        assert seen.of == MILLION
        far = broker.look("many", Bounds(50), f"{MILLION - 50}:")
        assert far.letters[-1].body.startswith(b"999999 ") and not far.after
    assert spent["many"] < spent["few"] + 1.0


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["list", "stream", "zset"])
def test_a_letter_of_20_mb_is_left_out_and_said(client: redis.Redis, valkey: Server, kind: str) -> None:
    bodies = [b"one", b"two", b"x" * 20_000_000, b"four", *(b"y%d" % n for n in range(40))]
    if kind == "list":
        client.rpush("letters", *bodies[::-1])
    elif kind == "zset":
        client.zadd("letters", {body: n for n, body in enumerate(bodies)})
    else:
        for body in bodies:
            client.xadd("letters", {"body": body})
    seen = look(valkey, "letters")
    shown = [one.body for one in seen.letters]
    assert shown == (bodies[:2] if kind == "stream" else [*bodies[:2], *bodies[3:]])
    assert len(seen.notes) == 1 and "larger than 12 MB" in seen.notes[0] and seen.notes[0].endswith(".")


def test_a_queue_of_nothing_but_such_letters_is_refused_before_one_is_fetched(
    client: redis.Redis, valkey: Server
) -> None:
    client.lpush("letters", b"x" * 20_000_000)
    with polling(valkey.url) as broker:
        with pytest.raises(BadAnswer, match=r"about 19\.1 MB each"):
            broker.look("letters", Bounds())
        sent = client.info()["total_net_output_bytes"]
        with pytest.raises(BadAnswer):
            broker.look("letters", Bounds())
        assert client.info()["total_net_output_bytes"] - sent < 1_000_000


def test_only_what_a_group_has_failed_at_is_its_poison(client: redis.Redis, valkey: Server) -> None:
    ids = poisoned(client, 6, 5)
    fresh = client.xadd("work", {"n": "7"})
    client.xreadgroup("mail", "one", {"work": ">"})
    client.xdel("work", ids[2])
    seen = look(valkey, "work\x1fmail\x1fdead")
    assert [one.id.encode() for one in seen.letters] == ids and fresh not in ids
    assert {one.deliveries for one in seen.letters} == {5} and seen.of == 6
    assert json.loads(seen.letters[0].body) == {"n": "0", "order": "A-0"}
    assert seen.letters[0].origin == "work\x1fmail"
    ghost = seen.letters[2]
    assert ghost.body == b"" and "deleted or trimmed" in dict(ghost.properties)["content"]


def test_an_entrys_body_is_its_field_of_that_name(client: redis.Redis, valkey: Server) -> None:
    client.xadd("orders:dlq", {"error": "ValueError: no", "payload": b"\xff\x00", "raw": b"\xfe"})
    (letter,) = look(valkey, "orders:dlq").letters
    assert (letter.body, letter.headers) == (b"\xff\x00", {"error": "ValueError: no", "raw": b"\xfe"})
    assert letter.died_at == pytest.approx(time.time(), abs=60) and letter.enqueued_at is None
    assert letter.origin == "orders"


def test_a_dead_job_of_sidekiq_tells_its_times_and_its_queue(client: redis.Redis, valkey: Server) -> None:
    died = 1_700_000_500.25
    job = {"class": "Mail", "args": [12345678901234567890], "jid": "b4a5", "queue": "mail", "retry_count": 24,
           "created_at": 1_700_000_000_000, "failed_at": 1_700_000_100.5}  # fmt: skip
    client.zadd("dead", {json.dumps(job): died})
    (letter,) = look(valkey, "dead").letters
    assert (letter.enqueued_at, letter.died_at, letter.attempts) == (1_700_000_000, died, 25)
    assert letter.origin == "queue:mail" and ("jid", "b4a5") in letter.properties


def test_a_failed_job_of_rq_is_put_together_again(client: redis.Redis, valkey: Server) -> None:
    recorded = json.loads((RECORDED / "rq-failed.json").read_text("utf-8"))
    fields = {k: base64.b64decode(v["base64"]) if isinstance(v, dict) else v for k, v in recorded["headers"].items()}
    result = {name: fields.pop(name) for name in ("exc_string", "type") if name in fields}
    body = base64.b64decode(recorded["body"])
    client.hset("rq:job:j1", mapping={**fields, "data": body})
    client.xadd("rq:results:j1", result)
    client.zadd("rq:failed:mail", {"j1": time.time() + 3600, "expired": time.time() + 3600})
    letter, gone = sorted(look(valkey, "rq:failed:mail").letters, key=lambda one: one.place, reverse=True)
    assert letter.body == body and zlib.decompress(base64.b64decode(letter.headers["exc_string"]))
    assert letter.origin == "rq:queue:mail" and letter.died_at and letter.expires_at
    assert (gone.body, gone.size) == (b"", 0)


def test_dead_messages_of_dramatiq_and_failed_jobs_of_bullmq_are_put_together(
    client: redis.Redis, valkey: Server
) -> None:
    recorded = json.loads((RECORDED / "dramatiq-dead.json").read_text("utf-8"))
    body = base64.b64decode(recorded["body"])
    now = time.time()
    client.hset("dramatiq:billing.XQ.msgs", "m1", body)
    client.zadd("dramatiq:billing.XQ", {"m1": int(now * 1000)})
    client.hset("bull:mail:7", mapping={"name": "send", "data": '{"to": 1}', "failedReason": "boom", "atm": "3"})
    client.zadd("bull:mail:failed", {"7": int(now * 1000)})
    (dead,) = look(valkey, "dramatiq:billing.XQ").letters
    assert (dead.body, dead.origin) == (body, "dramatiq:billing")
    assert dead.died_at == pytest.approx(now, abs=1) and dead.expires_at == pytest.approx(now + 7 * 86400, abs=1)
    (failed,) = look(valkey, "bull:mail:failed").letters
    assert (failed.body, failed.attempts, failed.origin) == (b'{"to": 1}', 3, "bull:mail:wait")
    assert failed.headers["failedReason"] == "boom"


def test_a_celery_queue_is_looked_at_through_all_its_priorities(client: redis.Redis, valkey: Server) -> None:
    body = base64.b64decode(json.loads((RECORDED / "celery-json.json").read_text("utf-8"))["body"])
    client.lpush("celery", body)
    client.lpush("celery\x06\x163", b"other")
    seen = look(valkey, "celery")
    assert [one.body for one in seen.letters] == [body, b"other"] and seen.of == 2
    assert ("task", "billing.capture") in seen.letters[0].properties


def test_a_key_of_any_bytes_is_found_again(client: redis.Redis, valkey: Server) -> None:
    keys = [b"bad\xff:dlq", b"with[brackets]*\n", b"long" * 300]
    for key in keys:
        client.lpush(key, b"in " + key)
    with polling(valkey.url) as broker:
        shown = [sample.key for sample in broker.poll().samples]
        assert len(shown) == 3
        assert sorted(broker.look(key, Bounds()).letters[0].body for key in shown) == sorted(b"in " + k for k in keys)
        client.delete(*keys)
        assert [broker.look(key, Bounds()).of for key in shown] == [0, 0, 0]  # emptied, as a replay leaves them


@pytest.mark.parametrize(
    ("key", "kind", "words"),
    [
        ("channel\x1f\x1fnews", NotSupported, "Pub/Sub keeps no message"),
        ("text", BadAnswer, "is a string in Redis"),
        ("gone\x1fgroup", BadAnswer, "no stream 'gone' any more"),
        ("stream\x1fgone", BadAnswer, "has no group 'gone' any more"),
        ("odd~0123456789abcdef", BadAnswer, "no key"),
    ],
)
def test_what_cannot_be_looked_at_is_said(
    client: redis.Redis, valkey: Server, key: str, kind: type[CollectorError], words: str
) -> None:
    client.set("text", "x")
    client.xadd("stream", {"a": "b"})
    with polling(valkey.url) as broker, pytest.raises(kind, match=words):
        broker.look(key, Bounds())


def test_a_place_to_go_on_from_that_is_none_is_refused(client: redis.Redis, valkey: Server) -> None:
    client.lpush("list", "a")
    client.xadd("stream", {"a": "b"})
    client.zadd("set", {"a": 1})
    with polling(valkey.url) as broker:
        for key in ("list", "stream", "set"):
            with pytest.raises(NotSupported):
                broker.look(key, Bounds(), "'; nonsense")
