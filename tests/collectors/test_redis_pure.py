"""What is found out from Redis without asking it: names, ids, the ends of lists, dialects."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.brokers.redis import names
from collectors.brokers.redis.ends import Ends
from collectors.brokers.redis.entries import EntryId, beyond
from collectors.brokers.redis.wire import pack
from collectors.dialects import ON_REDIS
from collectors.dialects.celery import CeleryOnRedis
from collectors.dialects.sidekiq import enqueued_at


@given(st.binary(max_size=2000))
def test_every_key_has_a_printable_name_and_a_storable_identity(raw: bytes) -> None:
    assert names.text(raw).isprintable() and 0 < len(names.text(raw)) <= names.LONGEST
    identity = names.identity(raw)
    assert identity.isprintable() and identity.encode() and 0 < len(identity) <= names.LONGEST


@given(st.lists(st.binary(max_size=600), unique=True, max_size=20))
def test_different_keys_have_different_identities(keys: list[bytes]) -> None:
    assert len({names.identity(key) for key in keys}) == len(keys)


@pytest.mark.parametrize(
    "raw", [b"", b"bad\xff:dlq", b"a\nb\t\r\x00", "x\x85y".encode(), b"a\x85b", "\u2028\U000e0001".encode()]
)
def test_an_odd_key_is_told_by_its_identity(raw: bytes) -> None:
    assert names.written(names.identity(raw)) == raw


@given(st.binary(max_size=400))
def test_no_identity_tells_another_key(raw: bytes) -> None:
    assert names.written(names.identity(raw)) in (raw, None)


def test_a_usual_key_is_its_own_identity() -> None:
    assert names.identity("orders:eu — größe".encode()) == "orders:eu — größe"


def test_a_command_is_packed_as_redis_reads_it() -> None:
    assert pack("LINDEX", b"k\r\n", -1) == b"*3\r\n$6\r\nLINDEX\r\n$3\r\nk\r\n\r\n$2\r\n-1\r\n"


def test_entry_ids_are_ordered_as_redis_orders_them() -> None:
    assert EntryId.of(b"9-9") < EntryId.of(b"10-0") < EntryId.of(b"10-1")
    assert EntryId.of(b"5") == EntryId(5, 0)
    with pytest.raises(ValueError):
        EntryId.of(b"x-1")


@pytest.mark.parametrize(
    ("milliseconds", "age"),
    [(1_700_000_000_000, 100), (1_700_000_200_000, 0), (17, None), (1_900_000_000_000, None)],
)
def test_only_an_id_that_is_a_time_has_an_age(milliseconds: int, age: float | None) -> None:
    assert EntryId(milliseconds, 0).age(1_700_000_100.0) == age


@given(st.integers(1, 1000), st.integers(1, 10**6), st.integers(0, 10**6))
def test_an_estimated_backlog_is_between_the_count_and_the_length(counted: int, length: int, reached: int) -> None:
    found = beyond(counted, max(length, counted), EntryId(0, 1), EntryId(reached, 0), EntryId(10**6, 0))
    if reached == 0:
        assert found is None
    else:
        assert found is not None and counted <= found <= max(length, counted)


class List:
    """A list as Redis keeps it, answering what `Ends` asks: the model that the search is tested against."""

    def __init__(self) -> None:
        self.items: list[bytes] = []

    def answer(self, command: bytes) -> object:
        parts = command.split(b"\r\n")[2::2]
        if parts[0] == b"LINDEX":
            return self.items[int(parts[2])] if self.items else None
        assert parts[0] == b"LPOS"
        options = dict(zip(parts[3::2], parts[4::2], strict=False))
        order = range(len(self.items)) if options[b"RANK"] == b"1" else reversed(range(len(self.items)))
        searched = list(order)[: int(options[b"MAXLEN"])]
        return [i for i in searched if self.items[i] == parts[2]][: int(options[b"COUNT"])]

    def poll(self, ends: Ends) -> None:
        ends.counted(len(self.items))
        if ends.wanted:
            ends.answered([self.answer(command) for command in ends.questions(64, 1000)])


moves = st.lists(st.tuples(st.integers(0, 80), st.integers(0, 80)), max_size=30)


@given(moves)
def test_what_is_told_of_a_queue_is_true(steps: list[tuple[int, int]]) -> None:
    queue, ends, number = List(), Ends(b"k", fixed=True), 0
    queue.poll(ends)
    for arriving, leaving in steps:
        had = len(queue.items)
        for _ in range(arriving):
            queue.items.insert(0, b"%d" % number)
            number += 1
        left = min(leaving, len(queue.items))
        del queue.items[len(queue.items) - left :]
        queue.poll(ends)
        if had or ends.used:
            assert ends.arrivals in (None, arriving)
        assert (ends.head == "") == (not queue.items)


@given(st.booleans(), st.lists(st.integers(1, 5), min_size=8, max_size=20))
def test_the_direction_is_learnt_from_movement(left: bool, steps: list[int]) -> None:
    queue, ends, number = List(), Ends(b"k", fixed=False), 0
    for i, n in enumerate(steps):
        for _ in range(n):
            queue.items.insert(0 if left else len(queue.items), b"%d" % number)
            number += 1
        queue.poll(ends)
        if i > 2:
            assert ends.oldest == b"0"
            assert ends.arrivals == n


def test_every_dialect_has_its_own_word() -> None:
    words = [layout.dialect for layout in ON_REDIS]
    assert len(set(words)) == len(words)


def test_configured_priority_steps_are_found_by_their_lists() -> None:
    registries = {b"_kombu.binding.celery": {b"celery\x06\x16\x06\x16celery"}}
    laid = CeleryOnRedis().lay(registries, [b"celery", b"celery\x06\x161", b"celery\x06\x16x", b"other\x06\x161"])
    assert len(laid.places) == 1
    assert b"celery\x06\x161" in laid.places[0].lists and b"other\x06\x161" not in laid.places[0].lists


def test_an_unacknowledged_message_belongs_to_the_queue_its_key_is_bound_to() -> None:
    registries = {
        b"_kombu.binding.shop": {b"mail\x06\x16\x06\x16mails", b"both\x06\x16\x06\x16a", b"both\x06\x16\x06\x16b"},
        b"_kombu.binding.celery": {b"celery\x06\x16\x06\x16celery"},
    }
    (ledger,) = CeleryOnRedis().lay(registries, ()).ledgers

    def owner(exchange: str | None, key: object) -> bytes | None:
        return ledger.owner(json.dumps([{}, exchange, key]).encode())

    assert owner("shop", "mail") == b"mails"
    assert owner("", "celery") == b"celery"
    assert owner("shop", "both") is None
    assert owner("shop", "nowhere") is None
    assert owner(None, ["odd"]) is None
    assert ledger.owner(b"not json") is None


@pytest.mark.parametrize(
    ("raw", "at"),
    [(b'{"enqueued_at": 1700000000.5}', 1700000000.5), (b'{"enqueued_at": 1700000000500}', 1700000000.5),
     (b'{"created_at": 1700000000}', 1700000000.0), (b"{}", None), (b"[]", None), (b"\x80", None),
     (b'{"enqueued_at": "soon"}', None)],
)  # fmt: skip
def test_the_time_of_a_sidekiq_job(raw: bytes, at: float | None) -> None:
    assert enqueued_at(raw) == at
