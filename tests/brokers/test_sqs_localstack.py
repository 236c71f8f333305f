"""SQS once more, on LocalStack where there is one (tests/servers/localstack.py): the contract, and what is measured."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from collectors.brokers.sqs import SQS
from collectors.letters import Bounds
from collectors.protocol import Relation
from tests.servers.localstack import absent, localstack_peer, localstack_server  # noqa: F401
from tests.servers.sqs import REGION, Peer

from . import test_sqs_contract as contract
from . import test_sqs_letters_contract as letters
from .sqs_letters import counts, everything, url_of
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
from .test_sqs_moving import (  # noqa: F401  here on moves that are no double's
    dead,
    test_a_move_that_is_cancelled_leaves_the_rest_where_it_is,
    test_a_whole_queue_is_moved,
    test_where_it_does_not_fit_it_says_why,
)

pytestmark = pytest.mark.slow
if why := absent():
    pytest.skip(why, allow_module_level=True)


@pytest.fixture
def sqs_peer(localstack_peer: Peer) -> Peer:  # noqa: F811
    return localstack_peer


@pytest.fixture
def mover(sqs_peer: Peer) -> Iterator[SQS]:
    with polling(sqs_peer.url()) as broker:
        yield broker


class _AsItIs:
    """LocalStack asks nobody for a password."""

    @pytest.fixture
    def wrong_password_url(self) -> str:
        pytest.skip("LocalStack lets everybody in")


class TestStandard(_AsItIs, contract.TestStandard): ...


class TestFifo(_AsItIs, contract.TestFifo): ...


class TestLettersOfStandardQueues(letters.TestLettersOfStandardQueues):
    missing = f"{REGION}:000000000000:no-such-queue"


class TestLettersOfFifoQueues(letters.TestLettersOfFifoQueues):
    missing = f"{REGION}:000000000000:no-such-queue.fifo"


def test_where_a_letter_died_is_told_and_kept_when_it_is_renewed(sqs_peer: Peer, dead: str) -> None:  # noqa: F811
    """Only LocalStack, and AWS, name the source of a dead letter."""
    policy = {"RedrivePolicy": sqs_peer.redrive("other", 2)}
    sqs_peer.client().set_queue_attributes(QueueUrl=url_of(sqs_peer, dead), Attributes=policy)
    with polling(sqs_peer.url()) as broker:
        looks = [broker.look(dead, Bounds()) for _ in range(4)]
    assert sum(look.renewed for look in looks) > 0
    for look in looks:
        assert {letter.origin for letter in look.letters} == {sqs_peer.key("orders")}
        assert {letter.deaths[0].queue for letter in look.letters} == {"orders"}
    assert len({frozenset(letter.id for letter in look.letters) for look in looks}) == 1
    assert counts(sqs_peer, url_of(sqs_peer, sqs_peer.key("other"))) == (0, 0)
    assert len(everything(sqs_peer, url_of(sqs_peer, dead), 12)) == 12


def test_relations_are_those_that_sqs_names_from_the_other_side(sqs_peer: Peer) -> None:
    url = sqs_peer.create("dead")
    for name in ("orders", "mails"):
        sqs_peer.create(name, RedrivePolicy=sqs_peer.redrive("dead"))
    told = sqs_peer.client().list_dead_letter_source_queues(QueueUrl=url)["queueUrls"]
    with polling(sqs_peer.url()) as broker:
        relations = broker.poll().relations
    assert {url.rsplit("/", 1)[1] for url in told} == {"orders", "mails"}
    assert {(r.source, r.target) for r in relations if isinstance(r, Relation)} == {
        (sqs_peer.key(name), sqs_peer.key("dead")) for name in ("orders", "mails")
    }
