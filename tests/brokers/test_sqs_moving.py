"""SQS's own move of a dead-letter queue: where it fits, how far it is, and that it can be stopped."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from collectors.brokers.sqs import SQS
from collectors.errors import BadAnswer
from collectors.letters import Destination
from collectors.powers import MoveProgress, MovesByItself
from tests.servers.aws_proxy import in_front_of
from tests.servers.sqs import Peer

from .sqs_letters import counts, everything, put, url_of
from .sqs_move_double import MoveDouble
from .sqs_polls import polling

MESSAGES = 12


@pytest.fixture
def mover(sqs_peer: Peer) -> Iterator[SQS]:
    """moto behind a double of the three calls that it does not know."""
    with in_front_of(sqs_peer.port) as proxy, polling(sqs_peer.url(endpoint=proxy.endpoint)) as broker:
        MoveDouble(sqs_peer, proxy)
        yield broker


@pytest.fixture
def dead(sqs_peer: Peer) -> str:
    """A dead-letter queue of `orders`, with letters that SQS itself moved there; and `other`."""
    for name in ("dead", "other", "other.fifo"):
        sqs_peer.create(name)
    orders = sqs_peer.create("orders", RedrivePolicy=sqs_peer.redrive("dead", 1))
    client = sqs_peer.client()
    sqs_peer.send(orders, MESSAGES)
    deadline = time.monotonic() + 60
    while counts(sqs_peer, url_of(sqs_peer, sqs_peer.key("dead")))[0] < MESSAGES:
        assert time.monotonic() < deadline
        client.receive_message(QueueUrl=orders, MaxNumberOfMessages=10, VisibilityTimeout=0)
    return sqs_peer.key("dead")


def until(broker: SQS, key: str, handle: str, reached: Callable[[MoveProgress], bool]) -> MoveProgress:
    deadline = time.monotonic() + 60
    while not reached(progress := broker.move_progress(key, handle)):
        assert time.monotonic() < deadline, progress
        time.sleep(0.1)
    return progress


@pytest.mark.parametrize("to", [None, "other"])
def test_a_whole_queue_is_moved(sqs_peer: Peer, mover: SQS, dead: str, to: str | None) -> None:
    assert isinstance(mover, MovesByItself)
    where = Destination(sqs_peer.key(to)) if to else None
    assert mover.fits(dead, where) == ""
    progress = until(mover, dead, mover.start_move(dead, where, None), lambda told: told.state != "running")
    assert (progress.state, progress.moved) == ("done", MESSAGES)
    assert len(everything(sqs_peer, url_of(sqs_peer, sqs_peer.key(to or "orders")), MESSAGES)) == MESSAGES
    assert counts(sqs_peer, url_of(sqs_peer, dead)) == (0, 0)


def test_a_move_that_is_cancelled_leaves_the_rest_where_it_is(sqs_peer: Peer, mover: SQS, dead: str) -> None:
    handle = mover.start_move(dead, Destination(sqs_peer.key("other")), 1.0)
    assert "already" in mover.fits(dead, None)
    until(mover, dead, handle, lambda told: bool(told.moved))
    mover.cancel_move(dead, handle)
    assert until(mover, dead, handle, lambda told: told.state != "running").state == "cancelled"
    mover.cancel_move(dead, handle)  # it is over: no failure
    moved = len(everything(sqs_peer, url_of(sqs_peer, sqs_peer.key("other")), 1))
    left = len(everything(sqs_peer, url_of(sqs_peer, dead), MESSAGES - moved))
    assert 1 <= moved < MESSAGES and moved + left == MESSAGES


def test_where_it_does_not_fit_it_says_why(sqs_peer: Peer, mover: SQS, dead: str) -> None:
    other = sqs_peer.key("other")
    put(sqs_peer, other, "x")
    assert "no queue sends its dead letters to 'other'" in mover.fits(other, None)
    assert "FIFO" in mover.fits(dead, Destination(sqs_peer.key("other.fifo")))
    assert "into itself" in mover.fits(dead, Destination(dead))
    assert "region and account" in mover.fits(dead, Destination("eu-west-1:999999999999:other"))
    with pytest.raises(BadAnswer, match="the last 10"):
        mover.move_progress(dead, "99999999999999:gone")


def test_an_endpoint_that_knows_no_move_is_told(sqs_peer: Peer) -> None:
    sqs_peer.create("dead")
    with polling(sqs_peer.url()) as broker:
        assert broker.fits(sqs_peer.key("dead"), None).endswith(".")
