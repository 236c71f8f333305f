"""Which queues of SQS are found: past a thousand, by prefix, tag, glob, region and role."""

from __future__ import annotations

import time

import pytest

from collectors.errors import AccessRefused
from tests.servers.aws_proxy import in_front_of
from tests.servers.sqs import Peer

from .sqs_polls import fact, names, polling, sample

pytestmark = pytest.mark.slow


def test_prefixes_narrow_what_is_listed(sqs_peer: Peer) -> None:
    for name in ("orders-new", "orders-old", "mails", "logs"):
        sqs_peer.create(name)
    with polling(sqs_peer.url("prefix=orders-&prefix=mails")) as broker:
        assert names(broker.poll()) == ["mails", "orders-new", "orders-old"]


def test_globs_choose_among_what_is_listed(sqs_peer: Peer) -> None:
    for name in ("orders-new", "orders-old", "mails"):
        sqs_peer.create(name)
    with polling(sqs_peer.url("exclude=*-old")) as broker:
        assert names(broker.poll()) == ["mails", "orders-new"]


def test_a_tag_chooses_queues_that_have_it(sqs_peer: Peer) -> None:
    sqs_peer.create("ours", tags={"team": "growth", "stage": "live"})
    sqs_peer.create("ours-too", tags={"team": "growth"})
    sqs_peer.create("theirs", tags={"team": "other"})
    with polling(sqs_peer.url("tag=team:growth")) as broker:
        assert names(broker.poll()) == ["ours", "ours-too"]
    with polling(sqs_peer.url("tag=team:growth&tag=stage")) as broker:
        assert names(broker.poll()) == ["ours"]


def test_tags_of_queues_become_tags_here(sqs_peer: Peer) -> None:
    sqs_peer.create("orders", tags={"team": "growth", "critical": ""})
    with polling(sqs_peer.url()) as broker:
        facts = broker.poll().facts
    assert facts is not None
    assert facts[sqs_peer.key("orders")].tags == ("critical", "team:growth")


def test_a_queue_is_found_soon_and_one_that_was_deleted_is_gone(sqs_peer: Peer) -> None:
    url = sqs_peer.create("first")
    with polling(sqs_peer.url()) as broker:
        broker.poll()
        sqs_peer.client().delete_queue(QueueUrl=url)
        sqs_peer.create("second")
        broker.poll()  # is told that the first does not exist, and looks at the list again
        poll = broker.poll()
    assert names(poll) == ["second"]
    assert (poll.complete, poll.problems) == (True, [])


def test_a_region_is_one_place_and_several_are_told_apart(sqs_peer: Peer) -> None:
    sqs_peer.create("orders")
    sqs_peer.create("orders", region="us-east-1")
    with polling(sqs_peer.url(region="us-east-1")) as broker:
        assert [s.key for s in broker.poll().samples] == [sqs_peer.key("orders", "us-east-1")]
    with polling(sqs_peer.url(region="eu-west-1,us-east-1")) as broker:
        poll = broker.poll()
        assert names(poll) == ["eu-west-1/orders", "us-east-1/orders"]
        assert fact(poll, "us-east-1/orders", "Region") == "us-east-1"


def test_roles_are_assumed_one_for_each_account(sqs_peer: Peer) -> None:
    sqs_peer.create("home")
    roles = [f"arn:aws:iam::{account}:role/weir" for account in ("111122223333", "444455556666")]
    for number, role in enumerate(roles):
        keys = sqs_peer.client("sts").assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
        there = sqs_peer.client(
            aws_access_key_id=keys["AccessKeyId"],
            aws_secret_access_key=keys["SecretAccessKey"],
            aws_session_token=keys["SessionToken"],
        )
        there.create_queue(QueueName=f"abroad-{number}")
    with in_front_of(sqs_peer.port) as proxy:
        assumed: list[bytes] = []
        proxy.answers = lambda action, body: assumed.append(body) if b"AssumeRole" in body else None
        parameters = "&".join(f"role_arn={role}" for role in roles) + "&external_id=weir-42"
        with polling(sqs_peer.url(parameters, endpoint=proxy.endpoint)) as broker:
            assert names(broker.poll()) == ["111122223333/abroad-0", "444455556666/abroad-1"]
            broker.poll()
    assert len(assumed) == 2  # once each, not at every poll
    assert all(b"RoleSessionName=weir" in body and b"ExternalId=weir-42" in body for body in assumed)


def test_a_role_that_may_not_be_assumed_is_named_and_the_other_account_goes_on(sqs_peer: Peer) -> None:
    good, bad = (f"arn:aws:iam::{account}:role/weir" for account in ("111122223333", "444455556666"))
    with in_front_of(sqs_peer.port) as proxy:
        proxy.answers = lambda action, body: (403, "AccessDenied", "no") if b"444455556666" in body else None
        with polling(sqs_peer.url(f"role_arn={good}&role_arn={bad}", endpoint=proxy.endpoint)) as broker:
            poll = broker.poll()
            assert not poll.complete
            assert (
                len(poll.problems) == 1 and "sts:AssumeRole" in poll.problems[0] and "444455556666" in poll.problems[0]
            )
        with (
            polling(sqs_peer.url(f"role_arn={bad}", endpoint=proxy.endpoint)) as broker,
            pytest.raises(AccessRefused, match="sts:AssumeRole"),
        ):
            broker.poll()


@pytest.mark.slow
def test_more_than_a_thousand_queues_are_found(ministack_peer: Peer) -> None:
    ministack_peer.create_many([f"queue-{n:04}" for n in range(1500)])
    with polling(ministack_peer.url("calls=1000&prefix=queue-")) as broker:
        polls, deadline = [broker.poll()], time.monotonic() + 90
        while any(s.depth is None for s in polls[-1].samples):  # what a poll had no time for is asked in the next one
            assert time.monotonic() < deadline
            polls.append(broker.poll())
    assert {len(poll.samples) for poll in polls} == {1500}
    assert sum(s.depth == 0 for s in polls[-1].samples) == 1500
    assert sum(poll.cost.requests for poll in polls) >= 1502
    assert sample(polls[-1], "queue-1499").kind == "standard"
