"""Every way of measuring a real RabbitMQ tells the same depths, and rates that fit the traffic."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pika
import pytest

from collectors.brokers.rabbitmq import measure
from collectors.protocol import LagMethod, Poll, Quality
from tests.brokers.rabbitmq_polls import depths, fact, poll_until, polling, sample
from tests.servers.rabbitmq import Node

pytestmark = [pytest.mark.slow, pytest.mark.rabbitmq]

KINDS = {"classic": {}, "quorum": {"x-queue-type": "quorum"}, "stream": {"x-queue-type": "stream"}}


@pytest.fixture
def filled(rabbitmq_node: Node, vhost: str) -> str:
    """A virtual host with a classic queue of 7 messages, a quorum queue of 5, and a stream of 9."""
    with rabbitmq_node.connect(vhost) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        for (kind, arguments), count in zip(KINDS.items(), (7, 5, 9), strict=True):
            channel.queue_declare(kind, durable=True, arguments=arguments)
            for _ in range(count):
                channel.basic_publish("", kind, b"x")
    return vhost


def is_settled(poll: Poll) -> bool:
    return depths(poll) == {"classic": 7, "quorum": 5, "stream": None}


@contextmanager
def traffic(node: Node, vhost: str, queue: str, *, rate: float, reads: bool) -> Iterator[list[float]]:
    """Publishes about `rate` messages a second to a queue, and reads them when told so, until the end; when each was
    published: a busy machine makes fewer."""
    done, published = threading.Event(), list[float]()

    def run() -> None:
        with node.connect(vhost) as connection:
            channel = connection.channel()
            if reads:
                channel.basic_consume(queue, lambda ch, method, _, __: ch.basic_ack(method.delivery_tag))
            while not done.is_set():
                channel.basic_publish("", queue, b"x")
                published.append(time.time())
                connection.process_data_events(0)
                done.wait(1 / rate)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield published
    finally:
        done.set()
        thread.join(60)


def test_prometheus_tells_depths_and_types(rabbitmq_node: Node, filled: str):
    with polling(rabbitmq_node.url(vhost=filled)) as broker:
        first = broker.poll()
        poll = first if is_settled(first) else poll_until(broker, is_settled)
    assert "/metrics/detailed" in poll.method
    assert poll.version == f"RabbitMQ {rabbitmq_node.api('GET', 'overview')['rabbitmq_version']}"
    assert {s.kind for s in poll.samples} == set(KINDS)
    assert fact(first, "stream", "Type") == "Stream"


def test_the_full_list_of_a_small_broker_tells_the_same_without_prometheus(rabbitmq_node: Node, filled: str):
    with polling(rabbitmq_node.without_prometheus_url(vhost=filled)) as broker:
        poll = poll_until(broker, is_settled)
    assert "full list" in poll.method
    assert poll.problems == []


def test_the_totals_of_a_larger_broker_tell_the_same_and_only_the_net_flow(
    rabbitmq_node: Node, filled: str, monkeypatch: pytest.MonkeyPatch
):
    with polling(rabbitmq_node.without_prometheus_url(vhost=filled)) as broker:
        poll_until(broker, is_settled)  # of queues that it counts not yet, totals tell nothing
    monkeypatch.setattr(measure, "FEW_QUEUES", 2)
    with polling(rabbitmq_node.without_prometheus_url(vhost=filled)) as broker:
        assert is_settled(broker.poll())
        found = sample(broker.poll(), "classic")
    assert (found.net_rate, found.in_rate, found.out_rate, found.consumers) == (0, None, None, None)
    assert found.quality["in_rate"] is Quality.UNKNOWN


def test_a_prometheus_endpoint_of_the_url_that_does_not_answer_is_a_problem_but_no_failure(
    rabbitmq_node: Node, filled: str
):
    url = rabbitmq_node.without_prometheus_url(vhost=filled) + "&prometheus=http://127.0.0.1:9"
    with polling(url) as broker:
        poll = poll_until(broker, is_settled)
    assert poll.complete
    assert "http://127.0.0.1:9" in " ".join(poll.problems)


def test_prometheus_alone_works_too_and_says_what_it_cannot_know(rabbitmq_node: Node, filled: str):
    with polling(rabbitmq_node.url(vhost=filled, management="none")) as broker:
        poll = poll_until(broker, lambda p: depths(p).get("classic") == 7 and depths(p).get("quorum") == 5)
    assert {s.kind for s in poll.samples} == {"queue"}
    assert poll.relations is None
    assert "Types of queues" in dict(poll.details)


@pytest.mark.parametrize("way", ["prometheus", "management"])
def test_rates_fit_a_running_publisher_and_consumer(rabbitmq_node: Node, filled: str, way: str):
    url = rabbitmq_node.url(vhost=filled) if way == "prometheus" else rabbitmq_node.without_prometheus_url(vhost=filled)
    with polling(url) as broker, traffic(rabbitmq_node, filled, "classic", rate=50, reads=True) as published:
        time.sleep(6)  # the seven that wait are read by then
        first = broker.poll()
        time.sleep(10)
        second = broker.poll()
        found = sample(second, "classic")
    rate = sum(first.at < at <= second.at for at in published) / (second.at - first.at)
    assert found.in_rate is not None and found.out_rate is not None
    assert 0.4 * rate < found.in_rate < 1.6 * rate
    assert abs(found.in_rate - found.out_rate) < 0.3 * found.in_rate
    assert found.consumers == 1
    assert found.quality.get("in_rate", Quality.EXACT) is (
        Quality.APPROXIMATE if way == "prometheus" else Quality.EXACT
    )


def test_a_channel_that_closes_never_makes_a_negative_rate(rabbitmq_node: Node, filled: str):
    with polling(rabbitmq_node.url(vhost=filled)) as broker:
        broker.poll()
        with traffic(rabbitmq_node, filled, "classic", rate=100, reads=False):
            time.sleep(3)
            broker.poll()
        rates = []
        for _ in range(9):  # rates are means over a quarter of a minute
            time.sleep(2)
            rates.append(sample(broker.poll(), "classic").in_rate)
    assert all(rate is not None and rate >= 0 for rate in rates)
    assert rates[-1] == 0


def test_arrivals_through_short_lived_channels_are_found_by_the_backlog(rabbitmq_node: Node, filled: str):
    """Every message has a channel of its own, gone before the next poll: most of them no channel tells of."""
    done = threading.Event()
    published = []

    def publish() -> None:
        while not done.wait(0.02):
            with rabbitmq_node.connect(filled) as connection:
                connection.channel().basic_publish("", "classic", b"x")
            published.append(time.monotonic())

    thread = threading.Thread(target=publish, daemon=True)
    with polling(rabbitmq_node.url(vhost=filled)) as broker:
        thread.start()
        for _ in range(8):  # it takes some polls until the counts are doubted
            broker.poll()
            time.sleep(7)
        asked, found = time.monotonic(), sample(broker.poll(), "classic")
        done.set()
        thread.join(10)
    # A connection for each message costs so much that the pace goes with what else runs: that of the time the rate
    # is the mean of, three intervals.
    rate = sum(asked - 21 < at <= asked for at in published) / 21
    assert found.in_rate is not None
    assert 0.7 * rate < found.in_rate < 1.3 * rate


def test_a_queue_that_someone_looks_at_shows_the_time_in_its_oldest_message(rabbitmq_node: Node, filled: str):
    with rabbitmq_node.connect(filled) as connection:
        channel = connection.channel()
        channel.queue_declare("stamped", durable=True)
        sent = int(time.time()) - 100
        channel.basic_publish("", "stamped", b"x", pika.BasicProperties(timestamp=sent))
    with polling(rabbitmq_node.url(vhost=filled)) as broker:
        broker.watch([f"{filled}\x1fstamped"])
        poll = poll_until(broker, lambda p: bool(sample(p, "stamped").lag_seconds))
    found = sample(poll, "stamped")
    assert found.lag_method is LagMethod.MESSAGE_TIME
    assert poll.at - sent - 2 < (found.lag_seconds or 0) <= time.time() - sent


def test_lag_by_position_grows_while_nobody_reads(rabbitmq_node: Node, filled: str):
    with polling(rabbitmq_node.url(vhost=filled)) as broker:
        with rabbitmq_node.connect(filled) as connection:
            connection.channel().queue_declare("waiting", durable=True)
        poll_until(broker, lambda p: depths(p).get("waiting") == 0)
        assert sample(broker.poll(), "waiting").lag_seconds == 0
        with traffic(rabbitmq_node, filled, "waiting", rate=50, reads=False) as published:
            for _ in range(8):
                time.sleep(1)
                poll = broker.poll()
            found = sample(poll, "waiting")
            age = poll.at - published[0]
    assert found.lag_method is LagMethod.POSITION
    assert found.quality["lag_seconds"] is Quality.ESTIMATED
    assert abs((found.lag_seconds or 0) - age) < 4
