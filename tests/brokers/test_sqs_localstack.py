"""SQS once more, on LocalStack where there is one (tests/servers/localstack.py): the contract, and what is measured."""

from __future__ import annotations

import pytest

from collectors.protocol import Relation
from tests.servers.localstack import absent, localstack_peer, localstack_server  # noqa: F401
from tests.servers.sqs import Peer

from . import test_sqs_contract as contract
from .sqs_polls import polling
from .test_sqs_measuring import (  # noqa: F401  the same tests on another peer; its CloudWatch takes no values
    test_a_changed_redrive_policy_is_seen,
    test_a_dead_letter_queue_that_keeps_no_longer_than_its_source_is_warned_of,
    test_a_fifo_queue_says_so,
    test_a_redrive_policy_is_a_relation_and_a_fact,
    test_facts_say_what_is_set,
    test_messages_that_were_received_too_often_show_in_the_dead_letter_queue,
    test_sources_out_of_view_are_listed_when_a_dead_letter_queue_is_looked_at,
    test_waiting_in_flight_and_delayed_are_told_apart_and_approximate,
    test_what_sqs_does_not_tell_is_unknown,
)

pytestmark = pytest.mark.slow
if why := absent():
    pytest.skip(why, allow_module_level=True)


@pytest.fixture
def sqs_peer(localstack_peer: Peer) -> Peer:  # noqa: F811
    return localstack_peer


class _AsItIs:
    """LocalStack asks nobody for a password."""

    @pytest.fixture
    def wrong_password_url(self) -> str:
        pytest.skip("LocalStack lets everybody in")


class TestStandard(_AsItIs, contract.TestStandard): ...


class TestFifo(_AsItIs, contract.TestFifo): ...


def test_relations_are_those_that_sqs_names_from_the_other_side(sqs_peer: Peer) -> None:
    dead = sqs_peer.create("dead")
    for name in ("orders", "mails"):
        sqs_peer.create(name, RedrivePolicy=sqs_peer.redrive("dead"))
    told = sqs_peer.client().list_dead_letter_source_queues(QueueUrl=dead)["queueUrls"]
    with polling(sqs_peer.url()) as broker:
        relations = broker.poll().relations
    assert {url.rsplit("/", 1)[1] for url in told} == {"orders", "mails"}
    assert {(r.source, r.target) for r in relations if isinstance(r, Relation)} == {
        (sqs_peer.key(name), sqs_peer.key("dead")) for name in ("orders", "mails")
    }
