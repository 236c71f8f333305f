"""The budget of calls, counted at the peer; and what a poll says of the queues that it does not ask."""

from __future__ import annotations

import time

import pytest

from collectors.protocol import Poll, Quality
from tests.servers.aws_proxy import in_front_of
from tests.servers.sqs import Peer

from .sqs_polls import polling, sample

pytestmark = pytest.mark.slow


def test_queues_that_are_not_asked_keep_their_values_and_say_since_when(sqs_peer: Peer) -> None:
    url = sqs_peer.create("orders")
    sqs_peer.create("mails")
    sqs_peer.send(url, 3)
    with polling(sqs_peer.url("moving_every=1h&quiet_every=2h").replace("moving_every=0s&", "")) as broker:
        first = broker.poll()
        assert [s.measured_at for s in first.samples] == [None, None]
        time.sleep(0.01)
        second = broker.poll()
    carried = [s for s in second.samples if s.measured_at is not None]
    assert [s.measured_at for s in carried] == [first.at]  # one is asked, to know that SQS is there
    assert {s.name: s.depth for s in second.samples} == {"orders": 3, "mails": 0}
    assert carried[0].quality["depth"] is Quality.ESTIMATED
    assert second.complete and second.problems == []


def test_what_was_never_asked_is_unknown_and_not_zero(sqs_peer: Peer) -> None:
    sqs_peer.create_many([f"q{n:02}" for n in range(30)])
    with polling(sqs_peer.url("calls=1")) as broker:
        began = time.monotonic()
        poll = broker.poll()
        took = time.monotonic() - began
    unasked = [s for s in poll.samples if s.measured_at == 0.0]
    # ten calls may be saved up, one made the list, and one comes with each second of the poll
    assert len(poll.samples) == 30 and 21 - int(took) <= len(unasked) <= 21
    assert {s.depth for s in unasked} == {None}
    assert dict(poll.details)["Not measured yet"] == f"{len(unasked)} queues"


def test_a_queue_that_is_looked_at_is_asked_at_every_poll(sqs_peer: Peer) -> None:
    sqs_peer.create_many([f"q{n:02}" for n in range(30)])
    with polling(sqs_peer.url("calls=2")) as broker:
        broker.watch([sqs_peer.key("q29")])
        for _ in range(4):
            assert sample(broker.poll(), "q29").measured_at is None


@pytest.mark.slow
def test_the_budget_is_kept_as_counted_by_the_peer(sqs_peer: Peer) -> None:
    """Every call counts, those to other actions included; the budget may be saved up for ten seconds."""
    sqs_peer.create_many([f"q{n:03}" for n in range(120)])
    with in_front_of(sqs_peer.port) as proxy, polling(sqs_peer.url("calls=5", endpoint=proxy.endpoint)) as broker:
        began = time.monotonic()
        polls: list[Poll] = []
        while time.monotonic() - began < 12:
            polls.append(broker.poll())
            time.sleep(0.5)
        allowed = 5 * (time.monotonic() - began + 10)
        made = sum(proxy.calls.values())
    assert made == sum(poll.cost.requests for poll in polls)
    assert 0.7 * allowed <= made <= allowed + len(polls)  # one call tells at each poll that SQS is there
    newest = polls[-1]
    assert sum(s.depth is None for s in newest.samples) < sum(s.depth is None for s in polls[0].samples)
    assert "per minute" in dict(newest.details)["Calls"] and "$" in dict(newest.details)["Price"]


def test_retries_are_counted(sqs_peer: Peer) -> None:
    sqs_peer.create("orders")
    fails = iter([True])
    with in_front_of(sqs_peer.port) as proxy:
        proxy.answers = lambda action, body: (500, "InternalError", "oops") if next(fails, False) else None
        with polling(sqs_peer.url(endpoint=proxy.endpoint)) as broker:
            poll = broker.poll()
    assert poll.problems == []
    assert poll.cost.requests == sum(proxy.calls.values()) == 4  # list twice, attributes, tags
