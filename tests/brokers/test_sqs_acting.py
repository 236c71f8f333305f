"""What looking and replaying need on SQS: tried with users that lack exactly one action."""

from __future__ import annotations

import pytest

from collectors.brokers.sqs.acting import ACTIONS
from collectors.errors import AccessRefused
from tests.servers.sqs import REGION, Peer

from .sqs_polls import polling

pytestmark = pytest.mark.slow

NAMES = {operation: "sqs:" + operation.title().replace("_", "") for operation in ACTIONS}


def as_user(peer: Peer, *actions: str) -> str:
    key, secret = peer.only_with(*actions)
    return f"sqs://{key}:{secret.replace('/', '%2F')}@{REGION}?endpoint={peer.endpoint}"


@pytest.mark.parametrize("name", ["orders-dead", "orders-dead.fifo"])
def test_a_user_with_all_of_them_can_look_and_replay(sqs_peer: Peer, name: str) -> None:
    sqs_peer.create(name)
    with polling(as_user(sqs_peer, "sqs:ListQueues", *NAMES.values())) as broker:
        found = broker.check_acting([sqs_peer.key(name)], True)
    assert [check.ok for check in found] == [True] * len(ACTIONS)


@pytest.mark.parametrize("missing", ACTIONS)
def test_the_one_action_that_is_missing_is_named(sqs_peer: Peer, missing: str) -> None:
    sqs_peer.create("orders-dead")
    others = [name for operation, name in NAMES.items() if operation != missing]
    with polling(as_user(sqs_peer, "sqs:ListQueues", *others)) as broker:
        found = broker.check_acting([sqs_peer.key("orders-dead")], True)
    [broken] = [check for check in found if not check.ok]
    assert broken.power.endswith(NAMES[missing]) and ACTIONS[missing][1] in broken.sentence
    assert "user/weir" in broken.sentence


def test_where_nothing_is_replayed_only_looking_is_tried(sqs_peer: Peer) -> None:
    sqs_peer.create("orders-dead")
    with polling(sqs_peer.url()) as broker:
        found = broker.check_acting([], False)
    assert {check.power.partition(":")[0] for check in found} == {"looking"}


def test_credentials_that_find_no_queue_are_refused_in_a_sentence(sqs_peer: Peer) -> None:
    sqs_peer.create("orders-dead")
    with polling(as_user(sqs_peer, *NAMES.values())) as broker, pytest.raises(AccessRefused, match="sqs:ListQueues"):
        broker.check_acting([], True)


def test_no_message_is_taken_or_sent(sqs_peer: Peer) -> None:
    url = sqs_peer.create("orders-dead")
    sqs_peer.send(url, 3)
    with polling(sqs_peer.url()) as broker:
        broker.check_acting([sqs_peer.key("orders-dead")], True)
    taken = sqs_peer.client().receive_message(QueueUrl=url, MaxNumberOfMessages=10, AttributeNames=["All"])["Messages"]
    assert len(taken) == 3
    assert {message["Attributes"]["ApproximateReceiveCount"] for message in taken} == {"1"}
