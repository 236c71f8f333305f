"""Two nodes: each tells only of its own queues, so both are asked, and a missing one is said."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pika
import pytest

from tests.brokers.rabbitmq_polls import depths, poll_until, polling, sample
from tests.servers.rabbitmq import Node

pytestmark = [pytest.mark.slow, pytest.mark.rabbitmq, pytest.mark.timeout(240)]


@pytest.fixture
def spread(rabbitmq_pair: list[Node]) -> Iterator[list[Node]]:
    """The two nodes, with a queue of 4 messages on the first and one of 6 on the second."""
    for node, queue, count in zip(rabbitmq_pair, ("first", "second"), (4, 6), strict=True):
        with node.connect() as connection:
            channel = connection.channel()
            channel.confirm_delivery()
            channel.queue_declare(queue, durable=True)
            for _ in range(count):
                channel.basic_publish("", queue, b"x", pika.BasicProperties(delivery_mode=2))
    yield rabbitmq_pair
    for queue in ("first", "second"):
        rabbitmq_pair[0].api("DELETE", f"queues/%2F/{queue}")


def test_the_queues_of_both_nodes_are_measured(spread: list[Node]):
    with polling(spread[0].url(spread[1])) as broker:
        poll = poll_until(broker, lambda p: depths(p) == {"first": 4, "second": 6})
    assert poll.complete
    assert poll.problems == []


def test_the_endpoints_are_derived_from_the_list_of_nodes(spread: list[Node]):
    url = f"amqp://guest:guest@127.0.0.1:{spread[0].amqp}/?management=http://127.0.0.1:{spread[0].management}"
    with polling(url) as broker:
        poll = poll_until(broker, lambda p: depths(p) == {"first": 4, "second": 6})
        assert broker.poll().cost.requests == 2  # one per node, no spare address
    assert "/metrics/detailed" in poll.method


def test_a_running_node_that_is_not_asked_makes_a_partial_poll_that_names_it(spread: list[Node]):
    with polling(spread[0].url()) as broker:
        poll = poll_until(broker, lambda p: depths(p) == {"first": 4})
        assert not poll.complete
        assert spread[1].name in " ".join(poll.problems)
        time.sleep(1)
        assert sample(broker.poll(), "first").in_rate is None  # half of the channels were not seen


def test_a_publisher_on_the_other_node_counts(spread: list[Node]):
    with polling(spread[0].url(spread[1])) as broker, spread[1].connect() as connection:
        channel = connection.channel()
        broker.poll()
        for _ in range(40):
            channel.basic_publish("", "first", b"x")
            connection.process_data_events(0)
            time.sleep(0.1)
        poll = poll_until(broker, lambda p: (sample(p, "first").in_rate or 0) > 0)
    assert (sample(poll, "first").in_rate or 0) < 20


def test_a_node_that_stops_makes_a_partial_poll_and_comes_back(spread: list[Node]):
    with polling(spread[0].url(spread[1])) as broker:
        poll_until(broker, lambda p: depths(p) == {"first": 4, "second": 6})
        spread[1].stop()
        try:
            poll = broker.poll()
            assert not poll.complete
            assert depths(poll) == {"first": 4}
            assert poll.problems
        finally:
            spread[1].start()
        poll = poll_until(broker, lambda p: depths(p) == {"first": 4, "second": 6}, within=60)
    assert poll.complete
