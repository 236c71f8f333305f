"""Leases on real servers: what goes back is what its library expects, and what fails loses nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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


JOB = (
    '{"retry":true,"queue":"mail","class":"Mail","args":[12345678901234567890123, 1.10, "\\u00fc"],"jid":"b4a5",'
    '"created_at":1700000000000,"enqueued_at":1700000000001,"error_message":"no","error_class":"E",'
    '"failed_at":1700000000002,"retry_count":24, "at": 1700000009.5}'
)


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
    assert outcomes(receipts) == [Outcome.GONE] * 2 and "somebody else took it" in receipts[0].why
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
