"""Which queue is the dead-letter queue of which, by names alone."""

from __future__ import annotations

import pytest

from collectors.conventions import alone, is_dead_letters, queue_of

KNOWN = {"orders", "mail-queue", "billing.fifo", "eu-west-1:123456789012:orders", "orders.retry", "logs", ":", "a"}


@pytest.mark.parametrize(
    "name",
    ["orders:dlq", "orders.DLQ", "orders-dlq", "orders_dlq", "orders:dead", "orders_dead", "orders:failed", "orders.XQ",
     "orders_error", "orders_skipped", "orders.parkingLot", "orders.dead-letter", "orders-dead-letters",
     "orders_dead_letter_queue", "orders-deadletter", "dlq.orders", "dead-letter:orders"],
)  # fmt: skip
def test_the_queue_is_found_among_those_that_exist(name: str) -> None:
    assert queue_of(name, KNOWN) == "orders"


@pytest.mark.parametrize(
    ("name", "queue"),
    [
        ("mail-dlq", "mail-queue"),
        ("billing-dlq.fifo", "billing.fifo"),
        ("eu-west-1:123456789012:orders-dlq", "eu-west-1:123456789012:orders"),
        ("orders.retry.dlq", "orders.retry"),
    ],
)
def test_what_a_name_has_beside_the_word_is_kept(name: str, queue: str) -> None:
    assert queue_of(name, KNOWN) == queue


@pytest.mark.parametrize(
    "name",
    ["orders", "orders.retry", "orders.DQ", "orders.delay", "logs.error", "orders-dead-ends", "dead", ":dlq", "dlq",
     "others:dlq", "ordersdlq", "", "a" * 5000 + ":dlq"],
)  # fmt: skip
def test_other_names_say_nothing(name: str) -> None:
    assert queue_of(name, KNOWN) is None


def test_no_name_takes_long() -> None:
    """A pattern that tries again and again would not come to its end here."""
    assert not is_dead_letters("a.dead-letters_queue" * 45 + "!")


@pytest.mark.parametrize("name", ["orders:dlq", "dlq", "orders-dlq.fifo", "payments.DLT", "a.dead-letters", "dlq-x"])
def test_some_names_say_it_alone(name: str) -> None:
    assert alone(name)


@pytest.mark.parametrize("name", ["orders", "failed", "dead", "orders:failed", "orders_error", "adlq", "dlqs"])
def test_others_need_their_queue(name: str) -> None:
    assert not alone(name)
