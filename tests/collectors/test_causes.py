"""From letters to groups: the realistic set, and what a cause says."""

from __future__ import annotations

import hashlib
from collections import defaultdict

import pytest

from collectors.causes import VERSION, cause_of
from collectors.registry import FAILURES

from .failure_letters import letters, templates


def grouped(each: int, seed: int) -> tuple[dict[str, set[str]], dict[str, set[str]]]:
    """Fingerprints by expected group, and expected groups by fingerprint."""
    fingerprints, groups = defaultdict(set), defaultdict(set)
    for letter in letters(each, seed):
        cause = cause_of(letter.headers, letter.value, queue=letter.queue, readers=FAILURES)
        fingerprints[letter.group].add(cause.fingerprint)
        groups[cause.fingerprint].add(letter.group)
    return fingerprints, groups


@pytest.mark.parametrize("seed", [1, 2])
def test_realistic_letters_fall_into_exactly_the_groups_that_a_person_sees(seed):
    assert len(templates()) * 5 >= 500
    fingerprints, groups = grouped(each=5, seed=seed)
    assert {group: len(found) for group, found in fingerprints.items() if len(found) != 1} == {}
    assert [found for found in groups.values() if len(found) != 1] == []
    assert len(groups) == len(templates())


def test_a_fingerprint_is_the_same_tomorrow():
    """It is stored: changing it would open every group anew."""
    cause = cause_of({"x-error-type": "ValidationError", "x-error-message": "order 17 is late"}, queue="orders")
    assert cause.fingerprint == "58e2b896764af3ea"


def death(reason="rejected", queue="orders"):
    return {"x-death": [{"queue": queue, "reason": reason, "count": 1}, {"queue": "retry", "reason": "expired"}]}


@pytest.mark.parametrize(
    ("reason", "title"),
    [
        ("rejected", "Rejected by a consumer in orders"),
        ("expired", "Expired in orders"),
        ("maxlen", "Pushed out, the queue was full: orders"),
        ("delivery_limit", "Delivered too often in orders"),
        ("something new", "something new in orders"),
    ],
)
def test_a_death_without_an_error_is_said_in_words(reason, title):
    cause = cause_of(death(reason), queue="orders.dead")
    assert (cause.title, cause.reason, cause.queue, cause.source) == (title, reason, "orders", "RabbitMQ")


def test_without_an_error_the_kind_of_message_tells_groups_apart():
    one = cause_of(death(), {"order": 1, "lines": [{"sku": "a"}]}).fingerprint
    assert cause_of(death(), {"order": 2, "lines": [{"sku": "b"}, {"sku": "c"}]}).fingerprint == one
    assert cause_of(death(), {"invoice": 1}).fingerprint != one
    typed = cause_of(death(), {"order": 1}, message_type="billing.capture")
    assert typed.title == "Rejected by a consumer in orders: billing.capture"
    assert cause_of(death(), {"invoice": 1}, message_type="billing.capture").fingerprint == typed.fingerprint


def test_nothing_told_is_said_to_be_nothing():
    cause = cause_of({}, queue="orders.dead")
    assert (cause.title, cause.error_class, cause.source) == ("No reason told in orders.dead", "", "")


def test_an_error_goes_before_the_reason_of_the_broker():
    cause = cause_of({**death(), "x-error-type": "ValidationError", "x-error-message": "amount is -3"})
    assert (cause.title, cause.reason) == ("ValidationError: amount is <n>", "rejected")


def test_the_wrapper_of_a_net_exception_is_not_its_cause():
    inner = {"NServiceBus.ExceptionInfo.InnerExceptionType": "Acme.StockException"}
    outer = {"NServiceBus.ExceptionInfo.ExceptionType": "System.AggregateException"}
    assert cause_of({**outer, **inner}).error_class == "Acme.StockException"


def test_a_skipped_message_of_masstransit_has_its_reason():
    headers = {"MT-Reason": "skipped", "MT-Fault-InputAddress": "rabbitmq://h/v/orders"}
    assert cause_of(headers).title == "No consumer for this type in orders"


def test_headers_of_bytes_and_repeated_headers_are_read():
    cause = cause_of({"x-error-type": [b"First", b"Last"], "x-error-message": b"caf\xe9"})
    assert cause.title == "Last: caf\ufffd"


def test_what_a_cause_says_hides_nothing():
    cause = cause_of(
        {"x-error-type": "E\x1b[31m", "x-error-message": "a\u202eb \x00", "x-death": [{"reason": "r\x07"}]}
    )
    assert (cause.title, cause.error_class, cause.reason) == ("E\ufffd[31m: a\ufffdb \ufffd", "E\ufffd[31m", "r\ufffd")


@pytest.mark.parametrize(
    "headers",
    [
        {"x-death": "no list"},
        {"x-death": [1, 2]},
        {"x-death": [{}]},
        {"x-exception-stacktrace": 7},
        {"MT-Fault-ExceptionType": None, "DeadLetterReason": ["a"], "ErrorMessage": {}, "RequestID": 1},
        {7: "x", "error": {"a": 1}},
        {"stacktrace": "[1", "failedReason": "x"},
    ],
)
def test_headers_of_strange_shape_harm_nothing(headers):
    assert cause_of(headers, {"result": 1, "traceback": [], "status": {}}, readers=FAILURES).fingerprint


def test_an_error_that_stands_beside_its_message_is_its_class_and_what_is_in_an_envelope_is_found():
    beside = cause_of({"error": "KeyError", "error_message": "'kettle-7' is not there"})
    assert (beside.error_class, beside.title) == ("KeyError", "KeyError: <text> is not there")
    assert cause_of({"error": "the bank is away"}).error_class == ""
    envelope = {"message": {"id": 7}, "error": {"type": "CardDeclined", "message": "refused 81"}, "queue": "payments"}
    inside = cause_of({}, envelope, queue="payments.dlq")
    assert (inside.title, inside.queue) == ("CardDeclined: refused <n>", "payments")
    for strange in ({"error": {"type": [{}]}}, {"error": {"message": {}}}, {"exception": {"stack": {}, "type": 7}}):
        assert cause_of({}, strange).fingerprint


@pytest.mark.parametrize(
    ("value", "title"),
    [
        ({"pay": 1, "error": "ValueError: no 'card' 17"}, "ValueError: no <text> <n>"),
        ({"pay": 1, "exception": "java.net.ConnectException"}, "ConnectException"),
        ({"pay": 1, "error_message": "the bank is closed"}, "the bank is closed"),
        ({"pay": 1, "error": "customer moved"}, "No reason told in pay.dlq"),  # a word of the message's own
    ],
)
def test_an_error_that_stands_as_a_text_in_the_message(value, title):
    assert cause_of({}, value, queue="pay.dlq").title == title


def test_whoever_changes_what_causes_say_raises_their_version():
    """Letters that are known are read again only then. Raise `collectors.causes.VERSION`, and write both here."""
    read = [cause_of(one.headers, one.value, queue=one.queue, readers=FAILURES) for one in letters(1, 7)]
    said = sorted((cause.fingerprint, cause.title, cause.message) for cause in read)
    assert (VERSION, hashlib.sha256(repr(said).encode()).hexdigest()[:12]) == (1, "2aac7add8a45")
