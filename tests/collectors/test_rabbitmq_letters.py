"""What a look costs by version, kind and settings; and how a message tells where it died. Both without a broker."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from collectors.brokers.rabbitmq.copies import Copier
from collectors.brokers.rabbitmq.fields import Fields, entry, in_order, written
from collectors.brokers.rabbitmq.frames import GET_OK, Arrived
from collectors.brokers.rabbitmq.letters import Held
from collectors.brokers.rabbitmq.new import properties_of
from collectors.brokers.rabbitmq.price import SPARE, Rules, release_of, rules_of
from collectors.errors import BadAnswer, NotSupported
from collectors.letters import Stamp

STAMP = Stamp("replay-7", "2026-11-25T12:00:00Z", "ana")


def rules(version: str, policy: dict[str, Any] | None = None, **row: Any) -> Rules:
    return rules_of({"type": "quorum", "effective_policy_definition": policy or {}, **row}, version, 10.0)


# --- the price -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("version", "arguments", "policy", "limit", "counts", "by_closing"),
    [
        ("3.10.8", {}, {}, None, False, True),
        ("3.13.7", {"x-delivery-limit": 5}, {}, 5, True, True),
        ("3.13.7", {}, {"delivery-limit": 7}, 7, True, True),
        ("3.13.7", {"x-delivery-limit": 5}, {"delivery-limit": 3}, 3, True, True),
        ("4.0.0", {}, {}, 20, True, True),
        ("4.1.3-alpha.1", {"x-delivery-limit": -1}, {}, None, False, True),
        ("4.2.0", {"x-delivery-limit": -1}, {"delivery-limit": 50}, 50, True, True),
        ("4.3.0", {}, {}, 20, False, False),
        ("4.3.0", {"x-delivery-limit": 100}, {"delivery-limit": 40}, 40, False, False),
        ("5.0.0", {}, {}, 20, False, False),
        ("", {}, {}, 20, True, True),
    ],
)
def test_what_counts_in_a_quorum_queue_of_each_version(
    version: str, arguments: dict[str, Any], policy: dict[str, Any], limit: int | None, counts: bool, by_closing: bool
) -> None:
    found = rules(version, policy, arguments=arguments)
    assert (found.limit, found.counts, found.by_closing) == (limit, counts, by_closing)
    assert found.price.limit == (limit if counts else None) and found.price.renews == (limit is not None)
    assert not found.price.free and found.price.sentence.endswith(".")


def test_a_letter_is_renewed_before_it_could_die() -> None:
    """Given back `SPARE` times more, or lost with as many connections, it is still there."""
    limited = rules("4.1.0")
    assert limited.limit == 20
    assert [limited.at_limit(count) for count in (0, 20 - SPARE - 1, 20 - SPARE, 20, 21)] == [False, False, *[True] * 3]
    assert not rules("3.12.0").at_limit(1000)


def test_only_quorum_queues_count() -> None:
    classic = rules("4.1.0", {"delivery-limit": 3}, type="classic")
    assert classic.limit is None and not classic.by_closing and not classic.price.renews
    stream = rules("4.1.0", type="stream")
    assert stream.price.free and stream.price.hidden_seconds == 0


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({"exclusive": True}, "one connection alone"),
        ({"arguments": {"x-single-active-consumer": True}}, "single active consumer"),
        ({"arguments": {"x-delivery-limit": 0}}, "delivery limit of this queue is 0"),
        ({"type": "rabbit_mqtt_qos0"}, "is not known"),
    ],
)
def test_what_must_not_be_looked_at(row: dict[str, Any], why: str) -> None:
    price = rules("4.1.0", **row).price
    assert why in price.refused and price.refused in price.sentence


@pytest.mark.parametrize(
    ("row", "policy", "words"),
    [
        ({"consumers": 2}, {}, "2 consumers, which do not get those letters meanwhile"),
        ({}, {"max-length": 100}, "the oldest are dropped as ever"),
        ({"arguments": {"x-message-ttl": 5000}}, {}, "live for 5 seconds, and may expire"),
        ({}, {"dead-letter-exchange": "graves"}, "after 20 the broker moves it to the exchange 'graves'"),
        ({}, {}, "after 20 the broker drops it"),
        ({}, {"delayed-retry-type": "all"}, "delays what is given back"),
    ],
)
def test_what_else_a_look_may_do_is_said(row: dict[str, Any], policy: dict[str, Any], words: str) -> None:
    assert words in rules("4.1.0", policy, **row).price.sentence


def test_quiet_settings_are_not_worth_a_sentence() -> None:
    policy = {"max-length": 9, "overflow": "reject-publish", "message-ttl": 86_400_000}
    assert rules("3.12.0", policy, consumers=0).price.sentence == rules("3.12.0").price.sentence


def test_half_of_the_consumer_timeout_is_known() -> None:
    assert rules("3.12.0").timeout == 1800 and rules("3.12.0", {"consumer-timeout": 60_000}).timeout == 60
    assert release_of("3.10.8") == (3, 10) and release_of("nonsense") == (4, 0)


# --- where it died ---------------------------------------------------------------------------------------------------
class Known:
    """Queues of which some pass messages on, and an exchange that has one queue."""

    def passes_on(self, vhost: str, queue: str) -> bool:
        return queue.endswith(".wait")

    def only_queue(self, vhost: str, exchange: str, routing_key: str) -> str:
        return "payments" if (exchange, routing_key) == ("shop", "paid") else ""


def held(headers: dict[str, Any] | None = None, body: bytes = b"x", **texts: str) -> Held:
    parts = {name: bytes([len(text)]) + text.encode() for name, text in texts.items()}
    table = None if headers is None else b"".join(entry(name, value) for name, value in headers.items())
    arguments = b"\x00" * 7 + b"\x01\x00\x00\x04dead\x00\x00\x00\x00"
    return Held(1, Arrived(1, GET_OK, arguments, written(in_order(parts), table), body, len(body)), "/", Known())


def death(queue: str, reason: str = "rejected", count: int = 1, year: int = 2026) -> dict[str, Any]:
    at = datetime(year, 1, 1, tzinfo=UTC)
    return {"queue": queue, "reason": reason, "count": count, "time": at, "exchange": "shop", "routing-keys": [queue]}


@pytest.mark.parametrize(
    ("headers", "origin"),
    [
        ({"x-death": [death("orders")]}, "orders"),
        ({"x-death": [death("orders.wait", "expired", 3), death("orders", count=3)]}, "orders"),
        # array order and never time: the times are those of first deaths
        ({"x-death": [death("orders", year=2020), death("carts", year=2026)]}, "orders"),
        ({"x-death": [death("a.wait"), death("b.wait")], "x-first-death-queue": "carts"}, "carts"),
        ({"x-death": [death("a.wait"), death("b.wait")]}, "a.wait"),
        ({"x-death": [death("orders.wait", "expired")]}, "orders.wait"),
        ({"x-original-exchange": "", "x-original-routingKey": "orders"}, "orders"),
        ({"x-original-exchange": "shop", "x-original-routingKey": "paid"}, "payments"),
        ({"x-original-exchange": "shop", "x-original-routingKey": "other"}, ""),
        ({"NServiceBus.FailedQ": "orders@machine"}, "orders"),
        ({"MT-Fault-InputAddress": "rabbitmq://rabbit/shop/order%2Dqueue?durable=true"}, "order-queue"),
        ({"MT-Fault-InputAddress": "http://[broken"}, ""),
        ({"x-death": "nonsense"}, ""),
        ({}, ""),
        (None, ""),
    ],
)
def test_where_a_letter_died(headers: dict[str, Any] | None, origin: str) -> None:
    one = held(headers)
    assert one.origin == (f"/\x1f{origin}" if origin else "") == one.letter().origin


def test_a_letter_tells_what_it_knows_and_no_more() -> None:
    letter = held({"x-death": [death("orders", count=2)], "x-delivery-count": 4}, message_id="m-1").letter()
    assert letter.deaths[0].count == 2 and letter.deaths[0].at == datetime(2026, 1, 1, tzinfo=UTC).timestamp()
    assert letter.died_at is None, "of two deaths RabbitMQ keeps the time of the first"
    assert letter.attempts == 2 and letter.deliveries == 5 and ("message_id", "m-1") in letter.properties
    bare = held().letter()
    assert (bare.died_at, bare.attempts, bare.deliveries, bare.enqueued_at) == (None, None, 1, None)


def test_an_identity_is_that_of_what_was_written_and_how_it_died() -> None:
    headers = {"task": "charge", "x-death": [death("orders")]}
    first = held(headers, user_id="ana").id
    stamped = {
        "x-delivery-count": 3,
        **dict(reversed(headers.items())),
        "replay-id": "r",
        "replay-count": 2,
        "CC": ["x"],
    }
    assert held(stamped).id == first
    others = [
        held(headers, b"y"),
        held({**headers, "task": "refund"}),
        held(headers, type="t"),
        held({"task": "charge"}),
    ]
    assert len({first, *(other.id for other in others)}) == 5


def test_a_letter_whose_properties_are_broken_is_shown_and_never_copied() -> None:
    one = Held(1, Arrived(1, GET_OK, b"\x00" * 20, b"\x20\x00\x00\x00\xff\xff", b"body", 4), "/", Known())
    assert one.letter().body == b"body" and "break off" in dict(one.letter().properties)["unreadable"]
    assert one.id and not one.stamped and one.origin == "" and one.count == 0
    with pytest.raises(BadAnswer):
        Copier().copy(one.fields)


# --- copies ----------------------------------------------------------------------------------------------------------
def copy(headers: dict[str, Any], *options: str, stamp: Stamp | None = STAMP, **texts: str) -> Fields:
    return Fields.read(Copier(stamp, frozenset(options)).copy(held(headers, **texts).fields))


GONE = {
    "x-death": [death("orders")], "x-first-death-queue": "orders", "x-last-death-reason": "rejected",
    "x-exception-message": "boom", "x-original-routingKey": "orders", "MT-Fault-Message": "boom",
    "NServiceBus.FailedQ": "orders", "NServiceBus.ExceptionInfo.Message": "boom",
}  # fmt: skip


def test_a_copy_leaves_out_what_would_act_and_keeps_the_rest() -> None:
    headers = {**GONE, "x-delivery-count": 3, "x-acquired-count": 9, "CC": ["audit"], "task": "charge", "x-own": 1}
    found = copy(headers, user_id="ana", message_id="m")
    stamps = {"replay-id": "replay-7", "replay-count": 1, "replayed-at": STAMP.at, "replayed-by": "ana"}
    assert found.values() == {"task": "charge", "x-own": 1, **stamps, "replay-user-id": "ana", "replay-cc": ["audit"]}
    assert found.text("user_id") == "" and found.text("message_id") == "m"
    kept = copy(headers, "keep_deaths", "keep_cc").values()
    assert kept == {**GONE, "CC": ["audit"], "task": "charge", "x-own": 1, **stamps}


def test_stamps_count_on_and_take_the_place_of_older_ones() -> None:
    before = {"replay-id": "replay-6", "replay-count": 2, "replayed-by": "bo", "n": 1}
    assert copy(before).values() == {
        "n": 1,
        "replay-id": "replay-7",
        "replay-count": 3,
        "replayed-at": STAMP.at,
        "replayed-by": "ana",
    }
    assert copy(before, stamp=None).values() == before
    assert copy({"replay-count": "many"}).values()["replay-count"] == 1
    assert copy({"x-death": [death("orders")]}, stamp=None).headers is None


def test_a_time_to_live_comes_back_only_when_it_is_asked_for() -> None:
    expired = {"x-death": [{**death("orders", "expired"), "original-expiration": "60000"}]}
    assert copy(expired).text("expiration") == ""
    restored = copy(expired, "restore_expiration", content_type="text/plain", message_id="m")
    assert [restored.text(name) for name in ("content_type", "expiration", "message_id")] == [
        "text/plain",
        "60000",
        "m",
    ]
    assert copy({"x-death": [death("orders")]}, "restore_expiration").text("expiration") == ""


# --- one new message -------------------------------------------------------------------------------------------------
def test_properties_out_of_texts() -> None:
    raw = properties_of({"n": 1}, {"priority": "5", "message_id": "m", "content_type": "text/plain", "timestamp": "7"})
    fields = Fields.read(raw)
    assert fields.values() == {"n": 1} and fields.text("delivery_mode") == "2"
    assert [fields.text(name) for name in ("priority", "message_id", "content_type", "timestamp")] == [
        "5",
        "m",
        "text/plain",
        "7",
    ]


@pytest.mark.parametrize(
    ("name", "text", "error"),
    [
        ("user_id", "ana", NotSupported), ("headers", "{}", NotSupported), ("colour", "red", NotSupported),
        ("priority", "256", BadAnswer), ("priority", "high", BadAnswer), ("timestamp", "9" * 30, BadAnswer),
        ("expiration", "1.5", BadAnswer), ("message_id", "m" * 256, BadAnswer),
    ],
)  # fmt: skip
def test_properties_that_cannot_be_are_refused(name: str, text: str, error: type[Exception]) -> None:
    with pytest.raises(error, match=name) as caught:
        properties_of({}, {name: text})
    assert str(caught.value).endswith(".")
