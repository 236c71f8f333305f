"""What is measured of queues on SQS, and what is said about them."""

from __future__ import annotations

import time

import pytest

from collectors.brokers.sqs import SQS
from collectors.protocol import LagMethod, Quality, Relation
from tests.servers.sqs import Peer

from .sqs_polls import fact, polling, sample

pytestmark = pytest.mark.slow


def test_waiting_in_flight_and_delayed_are_told_apart_and_approximate(sqs_peer: Peer) -> None:
    url = sqs_peer.create("orders")
    sqs_peer.send(url, 5)
    sqs_peer.send(url, 2, DelaySeconds=600)
    sqs_peer.client().receive_message(QueueUrl=url, MaxNumberOfMessages=2)
    with polling(sqs_peer.url()) as broker:
        orders = sample(broker.poll(), "orders")
    assert (orders.depth, orders.in_flight, orders.delayed) == (3, 2, 2)
    assert {orders.quality[m] for m in ("depth", "in_flight", "delayed")} == {Quality.APPROXIMATE}


def test_what_sqs_does_not_tell_is_unknown(sqs_peer: Peer) -> None:
    sqs_peer.send(sqs_peer.create("orders"), 1)
    with polling(sqs_peer.url()) as broker:
        poll = broker.poll()
    orders = sample(poll, "orders")
    assert (orders.lag_seconds, orders.in_rate, orders.out_rate, orders.consumers, orders.head) == (None,) * 5
    assert "CloudWatch only" in fact(poll, "orders", "Lag")
    assert "net change" in fact(poll, "orders", "Flow")


def test_a_fifo_queue_says_so(sqs_peer: Peer) -> None:
    sqs_peer.create("pay.fifo", ContentBasedDeduplication="true")
    with polling(sqs_peer.url()) as broker:
        poll = broker.poll()
    assert sample(poll, "pay.fifo").kind == "fifo"
    assert fact(poll, "pay.fifo", "Type") == "FIFO"
    assert "hash of the body" in fact(poll, "pay.fifo", "Deduplication")


def test_facts_say_what_is_set(sqs_peer: Peer) -> None:
    sqs_peer.create("orders", MessageRetentionPeriod="172800", VisibilityTimeout="90", KmsMasterKeyId="alias/ours")
    with polling(sqs_peer.url()) as broker:
        poll = broker.poll()
    assert fact(poll, "orders", "Kept for") == "2 days"
    assert fact(poll, "orders", "Hidden after a receive for") == "90 s"
    assert fact(poll, "orders", "Encryption") == "KMS key alias/ours"
    assert fact(poll, "orders", "Account") == sqs_peer.account


def test_a_redrive_policy_is_a_relation_and_a_fact(sqs_peer: Peer) -> None:
    sqs_peer.create("orders-dlq", MessageRetentionPeriod="1209600")
    sqs_peer.create("orders", RedrivePolicy=sqs_peer.redrive("orders-dlq", 4))
    with polling(sqs_peer.url()) as broker:
        poll = broker.poll()
    source, target = sqs_peer.key("orders"), sqs_peer.key("orders-dlq")
    assert poll.relations == [Relation(source, target, "dead_letters", "its redrive policy after 4 receives")]
    assert fact(poll, "orders", "Dead letters") == "go to orders-dlq after 4 receives"
    assert "Dead letters are lost" not in dict(poll.facts[source].facts)
    assert poll.facts[source].keeps_seconds == 4 * 86400
    assert poll.facts[target].keeps_seconds is None, "it counts from when they were first sent, which SQS does not tell"


def test_a_dead_letter_queue_that_keeps_no_longer_than_its_source_is_warned_of(sqs_peer: Peer) -> None:
    sqs_peer.create("orders-dlq")
    sqs_peer.create("orders", RedrivePolicy=sqs_peer.redrive("orders-dlq"))
    with polling(sqs_peer.url()) as broker:
        assert "4 days after they were first sent" in fact(broker.poll(), "orders", "Dead letters are lost")


def test_a_changed_redrive_policy_is_seen(sqs_peer: Peer) -> None:
    for name in ("dlq-a", "dlq-b"):
        sqs_peer.create(name)
    url = sqs_peer.create("orders", RedrivePolicy=sqs_peer.redrive("dlq-a"))
    with polling(sqs_peer.url()) as broker:
        broker.watch([sqs_peer.key("orders")])
        assert [r.target for r in broker.poll().relations] == [sqs_peer.key("dlq-a")]
        assert broker.poll().relations is None  # nothing changed
        sqs_peer.client().set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": sqs_peer.redrive("dlq-b")})
        poll = broker.poll()
        assert [r.target for r in poll.relations] == [sqs_peer.key("dlq-b")]
        assert fact(poll, "orders", "Dead letters") == "go to dlq-b after 3 receives"


def test_sources_out_of_view_are_listed_when_a_dead_letter_queue_is_looked_at(sqs_peer: Peer) -> None:
    sqs_peer.create("dead-orders")
    sqs_peer.create("orders", RedrivePolicy=sqs_peer.redrive("dead-orders"))
    with polling(sqs_peer.url("prefix=dead-")) as broker:
        poll = broker.poll()
        assert "Dead letters of" not in dict(poll.facts[sqs_peer.key("dead-orders")].facts)
        broker.watch([sqs_peer.key("dead-orders")])
        assert fact(broker.poll(), "dead-orders", "Dead letters of") == "orders, not watched here"


def test_messages_that_were_received_too_often_show_in_the_dead_letter_queue(sqs_peer: Peer) -> None:
    sqs_peer.create("orders-dlq")
    url = sqs_peer.create("orders", RedrivePolicy=sqs_peer.redrive("orders-dlq", 1))
    sqs_peer.send(url, 2)
    client = sqs_peer.client()
    for _ in range(2):
        client.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0)
    with polling(sqs_peer.url()) as broker:
        poll = broker.poll()
    assert (sample(poll, "orders").depth, sample(poll, "orders-dlq").depth) == (0, 2)


def seed(peer: Peer, name: str, **minutes: list[float]) -> None:
    """Put values into CloudWatch, one a minute; the last one is four minutes old."""
    words = {
        "sent": "NumberOfMessagesSent",
        "received": "NumberOfMessagesReceived",
        "deleted": "NumberOfMessagesDeleted",
    }
    words["age"] = "ApproximateAgeOfOldestMessage"
    last = (int(time.time()) // 60 - 4) * 60
    for word, values in minutes.items():
        for ago, value in enumerate(reversed(values)):
            row = {
                "MetricName": words[word],
                "Dimensions": [{"Name": "QueueName", "Value": name}],
                "Timestamp": last - 60 * ago,
                "Value": value,
            }
            peer.client("cloudwatch").put_metric_data(Namespace="AWS/SQS", MetricData=[row])


def test_cloudwatch_gives_rates_and_the_age_of_the_oldest_message(sqs_peer: Peer) -> None:
    sqs_peer.send(sqs_peer.create("orders"), 3)
    seed(sqs_peer, "orders", sent=[120, 240], received=[90, 150], deleted=[60, 120], age=[30, 75])  # 0.75 s a second
    with polling(sqs_peer.url("cloudwatch=true")) as broker:
        poll = broker.poll()
    orders = sample(poll, "orders")
    assert (orders.in_rate, orders.out_rate, orders.redelivery_rate) == (3.0, 1.5, 0.5)
    assert orders.lag_seconds == pytest.approx(75 + 0.75 * 210, abs=0.75 * 60)  # that was three to four minutes ago
    assert orders.lag_method is LagMethod.MONITORED
    assert (orders.quality["in_rate"], orders.quality["redelivery_rate"]) == (Quality.APPROXIMATE, Quality.ESTIMATED)
    assert "poison hides from it" in fact(poll, "orders", "Lag")
    assert poll.problems == []


def test_cloudwatch_without_values_is_unknown_and_never_zero(sqs_peer: Peer) -> None:
    sqs_peer.create("orders")
    with polling(sqs_peer.url("cloudwatch=true")) as broker:
        orders = sample(broker.poll(), "orders")
    assert (orders.in_rate, orders.out_rate, orders.lag_seconds, orders.redelivery_rate) == (None,) * 4


def test_an_age_of_zero_while_messages_wait_may_hide_poison_and_is_not_said(sqs_peer: Peer) -> None:
    sqs_peer.send(sqs_peer.create("orders"), 3)
    seed(sqs_peer, "orders", received=[600], deleted=[0], age=[0])
    with polling(sqs_peer.url("cloudwatch=true")) as broker:
        orders = sample(broker.poll(), "orders")
    assert (orders.lag_seconds, orders.lag_method) == (None, LagMethod.NONE)
    assert orders.redelivery_rate == 10


def test_arrivals_at_a_dead_letter_queue_are_unknown_because_cloudwatch_does_not_count_them(sqs_peer: Peer) -> None:
    sqs_peer.create("orders-dlq")
    sqs_peer.create("orders", RedrivePolicy=sqs_peer.redrive("orders-dlq"))
    seed(sqs_peer, "orders-dlq", sent=[0], deleted=[6])
    with polling(sqs_peer.url("cloudwatch=true")) as broker:
        broker.poll()
        dead = sample(broker.poll(), "orders-dlq")
    assert (dead.in_rate, dead.out_rate) == (None, 0.1)


def test_more_queues_than_one_call_to_cloudwatch_takes_are_asked_in_several(
    sqs_peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SQS, "_go_on_until", lambda self, began: lambda: True)  # one poll, however slow moto is
    names = [f"q{n:03}" for n in range(130)]
    sqs_peer.create_many(names)
    for name in (names[0], names[-1]):
        seed(sqs_peer, name, sent=[60])
    with polling(sqs_peer.url("cloudwatch=true&calls=1000")) as broker:
        poll = broker.poll()
    assert sample(poll, names[0]).in_rate == sample(poll, names[-1]).in_rate == 1.0
    assert poll.cost.requests == 1 + 130 + 2 + 130  # list, attributes, CloudWatch, tags
