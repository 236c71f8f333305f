"""Looks into queues of SQS: what they see, what they cost, and that all of it comes back."""

from __future__ import annotations

import inspect
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import moto.sqs.models
import pytest

from collectors.brokers.sqs import looking, renewing
from collectors.errors import AccessRefused, CollectorError, NotSupported
from collectors.letters import Bounds, Death, Look
from tests.servers.aws_proxy import in_front_of
from tests.servers.sqs import REGION, Peer

from .sqs_letters import counts, everything, in_groups, put
from .sqs_polls import polling


# --- a queue that moves letters on -----------------------------------------------------------------------------------
@pytest.mark.parametrize("kind", ["", ".fifo"])
def test_fifty_looks_at_a_queue_with_its_own_redrive_policy_move_nothing(sqs_peer: Peer, kind: str) -> None:
    last = sqs_peer.create(f"last{kind}")
    url = sqs_peer.create(f"dead{kind}", RedrivePolicy=sqs_peer.redrive(f"last{kind}", 3))
    in_groups(sqs_peer, sqs_peer.key("dead.fifo"), 3, 3) if kind else sqs_peer.send(url, 9)
    with polling(sqs_peer.url()) as broker:
        key = sqs_peer.key(f"dead{kind}")
        price = broker.price(key)
        assert price.limit == 2 and price.renews and "sqs" in price.sentence.lower() and "'last" in price.beyond
        looks = [broker.look(key, Bounds()) for _ in range(50)]
    ids = {frozenset(letter.id for letter in look.letters) for look in looks}
    assert len(ids) == 1 and len(next(iter(ids))) == 9, "renewed letters keep their ids"
    assert all(look.deliveries is not None and look.deliveries < 3 for look in looks)
    assert sum(look.renewed for look in looks) >= 9 * 20
    assert [note for look in looks for note in look.notes] == []
    assert {letter.attempts for letter in looks[-1].letters} == {50}
    assert counts(sqs_peer, last) == (0, 0) and counts(sqs_peer, url) == (9, 0)
    found = everything(sqs_peer, url, 9)
    assert len({message["Body"] for message in found}) == len(found) == 9


def test_a_real_dead_letter_is_told_with_what_is_known(sqs_peer: Peer) -> None:
    dead = sqs_peer.create("dead", MessageRetentionPeriod="345600")
    url = sqs_peer.create("orders", RedrivePolicy=sqs_peer.redrive("dead", 2))
    client, began = sqs_peer.client(), time.time()
    attributes = {
        "count": {"DataType": "Number.int", "StringValue": "7"},
        "exact": {"DataType": "Number", "StringValue": "1.10"},
        "raw": {"DataType": "Binary", "BinaryValue": b"\x00\xff"},
        "Content-Type": {"DataType": "String", "StringValue": "application/json"},
    }
    client.send_message(QueueUrl=url, MessageBody="grüße", MessageAttributes=attributes)
    for _ in range(3):
        client.receive_message(QueueUrl=url, VisibilityTimeout=0)
    assert counts(sqs_peer, dead)[0] == 1
    with polling(sqs_peer.url()) as broker:
        [letter] = broker.look(sqs_peer.key("dead"), Bounds()).letters
    assert letter.body == "grüße".encode() and letter.content_type == "application/json"
    assert letter.headers["count"] == 7 and letter.headers["exact"] == "1.10" and letter.headers["raw"] == b"\x00\xff"
    assert ("type of count", "Number.int") in letter.properties
    assert letter.attempts == 3 and letter.deliveries is None
    assert letter.enqueued_at is not None and abs(letter.enqueued_at - began) < 60
    assert letter.expires_at == letter.enqueued_at + 345600


def test_where_letters_do_not_say_where_they_died_the_redrive_policies_do(sqs_peer: Peer) -> None:
    """moto writes no DeadLetterQueueSourceArn, as older ones of its kind; Amazon does, and is not asked further."""
    assert not re.search("DeadLetterQueueSourceArn", inspect.getsource(moto.sqs.models)), "test another that does not"
    dead = sqs_peer.create("dead")
    orders = sqs_peer.create("orders", RedrivePolicy=sqs_peer.redrive("dead", 2))
    sqs_peer.create("elsewhere", RedrivePolicy=sqs_peer.redrive("orders", 2))
    sqs_peer.send(orders, 1)
    for _ in range(3):
        sqs_peer.client().receive_message(QueueUrl=orders, VisibilityTimeout=0)
    put(sqs_peer, sqs_peer.key("dead"), "sent here by somebody")
    with polling(sqs_peer.url()) as broker:
        by_body = {one.body: one for one in broker.look(sqs_peer.key("dead"), Bounds()).letters}
        moved = by_body[b"message 0"]
        assert moved.origin == sqs_peer.key("orders")
        via = "its redrive policy (more than 2 receives)"
        assert moved.deaths == (Death("orders", "maxReceiveCount", via=via),)
        assert by_body[b"sent here by somebody"].deaths == ()
        lease = broker.lease(sqs_peer.key("dead"), 30.0)
        assert {one.letter().body: one.origin for one in lease.take(2, 5.0)}[b"message 0"] == sqs_peer.key("orders")
        lease.close()
        sqs_peer.create("payments", RedrivePolicy=sqs_peer.redrive("dead", 2))
        again = {one.body: one for one in broker.look(sqs_peer.key("dead"), Bounds()).letters}
        [death] = again[b"message 0"].deaths
        assert death.queue == "orders or payments" and again[b"message 0"].origin == ""
    assert counts(sqs_peer, dead)[0] == 2


@pytest.mark.parametrize(("most", "words"), [(1, "single receive"), (3, "look-only")])
def test_a_queue_in_which_no_look_is_safe_is_refused(sqs_peer: Peer, most: int, words: str) -> None:
    sqs_peer.create("last")
    url = sqs_peer.create("dead", RedrivePolicy=sqs_peer.redrive("last", most))
    sqs_peer.send(url, 1)
    with polling(sqs_peer.url("look_only=true" if most > 1 else "")) as broker:
        assert words in broker.price(sqs_peer.key("dead")).refused
        with pytest.raises(NotSupported, match=words):
            broker.look(sqs_peer.key("dead"), Bounds())
    assert everything(sqs_peer, url, 1)[0]["Attributes"]["ApproximateReceiveCount"] == "1"


def test_who_may_not_renew_receives_nothing_where_that_may_be_needed(sqs_peer: Peer) -> None:
    sqs_peer.create("last")
    sqs_peer.create("dead", RedrivePolicy=sqs_peer.redrive("last", 5))
    key, secret = sqs_peer.only_with("sqs:GetQueueAttributes", "sqs:ReceiveMessage", "sqs:ChangeMessageVisibility")
    with in_front_of(sqs_peer.port) as proxy:
        user = f"sqs://{key}:{secret.replace('/', '%2F')}@{REGION}?endpoint={proxy.endpoint}"
        with polling(user) as broker, pytest.raises(AccessRefused, match="sqs:SendMessage"):
            broker.look(sqs_peer.key("dead"), Bounds())
        assert proxy.calls["ReceiveMessage"] == 0


def test_where_a_letter_cannot_be_renewed_no_further_look_is_made(
    sqs_peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where a key of KMS may be used for reading only: the permission to send is there, and sending fails."""
    monkeypatch.setattr(renewing, "_stuck", {})
    last = sqs_peer.create("last")
    url = sqs_peer.create("dead", RedrivePolicy=sqs_peer.redrive("last", 3))
    sqs_peer.send(url, 2)
    key = sqs_peer.key("dead")
    with in_front_of(sqs_peer.port) as proxy, polling(sqs_peer.url(endpoint=proxy.endpoint)) as broker:
        refused = (400, "KmsAccessDenied", "no")
        proxy.answers = lambda action, _: refused if action == "SendMessageBatch" else None
        assert broker.look(key, Bounds()).notes == []
        look = broker.look(key, Bounds())
        assert look.renewed == 0 and look.deliveries == 2 and "KmsAccessDenied" in look.notes[0]
        assert "KmsAccessDenied" in broker.price(key).refused
        for attempt in (broker.look, broker.lease):
            with pytest.raises(NotSupported, match="could not be renewed"):
                attempt(key, Bounds() if attempt == broker.look else 60.0)
    assert counts(sqs_peer, last) == (0, 0)
    assert {one["Attributes"]["ApproximateReceiveCount"] for one in everything(sqs_peer, url, 2)} == {"3"}


def test_only_where_letters_are_renewed_an_attribute_says_what_a_letter_was(sqs_peer: Peer) -> None:
    """Else anybody could give a message the id of another one."""
    forged = "11111111-2222-3333-4444-555555555555 1795000000000 3 eu-west-1:123456789012:orders"
    attributes = {"renewed-from": {"DataType": "String", "StringValue": forged}}
    sqs_peer.create("dead")
    put(sqs_peer, sqs_peer.key("dead"), "x", MessageAttributes=attributes)
    with polling(sqs_peer.url()) as broker:
        [letter] = broker.look(sqs_peer.key("dead"), Bounds()).letters
    assert not letter.id.startswith("11111111") and letter.attempts == 1 and letter.origin == ""
    assert letter.headers["renewed-from"] == forged


# --- FIFO ------------------------------------------------------------------------------------------------------------
def test_a_look_into_a_fifo_queue_keeps_its_order(sqs_peer: Peer) -> None:
    url = sqs_peer.create("dead.fifo")
    in_groups(sqs_peer, sqs_peer.key("dead.fifo"), 1, 12)
    with polling(sqs_peer.url()) as broker:
        for _ in range(2):
            look = broker.look(sqs_peer.key("dead.fifo"), Bounds(seconds=30.0))
            assert [letter.body for letter in look.letters] == [b"%d" % n for n in range(10)]
            assert look.of == 12 and "out of sight" in look.notes[0]
    assert [message["Body"] for message in everything(sqs_peer, url, 12)] == [str(n) for n in range(12)]


# --- what goes wrong -------------------------------------------------------------------------------------------------
CHILD = """
import sys, time
from collectors import registry
from collectors.brokers.sqs import looking, renewing
from collectors.letters import Bounds
def held(*_):
    print("held", flush=True)
    time.sleep(600)
if sys.argv[3] == "before anything is given back":
    looking.Looking._let_go = held
else:
    renewing.delete = held
looking.GIVING_BACK = 2.0  # hidden for little longer than it takes
registry.connect(registry.parse(sys.argv[1])).look(sys.argv[2], Bounds(seconds=9.0))
"""


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["before anything is given back", "between a copy and its original"])
def test_a_look_that_is_killed_gives_everything_back(sqs_peer: Peer, moment: str) -> None:
    """kill -9 with twenty letters in hand, in a queue that moves them after three receives; then looks go on."""
    last = sqs_peer.create("last")
    url = sqs_peer.create("dead", RedrivePolicy=sqs_peer.redrive("last", 3))
    sqs_peer.send(url, 20)
    key = sqs_peer.key("dead")
    with polling(sqs_peer.url()) as broker:
        ids = {letter.id for letter in broker.look(key, Bounds()).letters}
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, sqs_peer.url(), key, moment], stdout=subprocess.PIPE, text=True
        )
        assert child.stdout is not None and child.stdout.readline() == "held\n"
        assert counts(sqs_peer, url)[1] == 20
        os.kill(child.pid, signal.SIGKILL)
        child.wait(10)
        child.stdout.close()
        deadline = time.monotonic() + 60
        while counts(sqs_peer, url)[1]:
            assert time.monotonic() < deadline, counts(sqs_peer, url)
            time.sleep(0.5)
        assert {letter.id for letter in broker.look(key, Bounds()).letters} == ids and len(ids) == 20
    assert counts(sqs_peer, last) == (0, 0)
    found = everything(sqs_peer, url, 20)
    twice = 10 if moment.startswith("between") else 0  # one batch of copies was sent, and each is named by its id
    assert len({message["Body"] for message in found}) == 20 and len(found) == 20 + twice


def look_through(sqs_peer: Peer, answers: Callable[[str, bytes], tuple[int, str, str] | None]) -> Look:
    """A look at ten of thirty letters and more, behind a proxy that answers some calls itself."""
    sqs_peer.send(sqs_peer.create("dead"), 30)
    with in_front_of(sqs_peer.port) as proxy:
        proxy.answers = answers
        with polling(sqs_peer.url(endpoint=proxy.endpoint)) as broker:
            return broker.look(sqs_peer.key("dead"), Bounds())


def test_a_look_that_breaks_off_tells_what_it_saw(sqs_peer: Peer) -> None:
    received: list[str] = []

    def answers(action: str, body: bytes) -> tuple[int, str, str] | None:
        received.extend([action] if action == "ReceiveMessage" else [])
        return (403, "AccessDeniedException", "no more") if len(received) > 1 and received.pop() else None

    look = look_through(sqs_peer, answers)
    assert len(look.letters) == 10 and "broke off" in look.notes[0] and "sqs:ReceiveMessage" in look.notes[0]
    assert counts(sqs_peer, sqs_peer.client().get_queue_url(QueueName="dead")["QueueUrl"]) == (30, 0)


def test_a_throttled_receive_is_tried_again(sqs_peer: Peer) -> None:
    said: list[str] = []

    def answers(action: str, body: bytes) -> tuple[int, str, str] | None:
        if action == "ReceiveMessage" and len(said) < 2:
            said.append(action)
            return 400, "RequestThrottled", "slow down"
        return None

    assert len(look_through(sqs_peer, answers).letters) == 30 and len(said) == 2


def test_letters_that_cannot_be_given_back_are_said_to_come_by_themselves(
    sqs_peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looking, "GIVING_BACK", 1.0)
    refused = (403, "AccessDeniedException", "no")
    look = look_through(sqs_peer, lambda action, _: refused if action == "ChangeMessageVisibilityBatch" else None)
    assert len(look.letters) == 30
    assert "30 letters could not be given back" in look.notes[0] and "by themselves" in look.notes[0]
    assert "sqs:ChangeMessageVisibilityBatch" in look.notes[0]


def test_a_look_that_may_not_receive_is_refused_in_a_sentence(sqs_peer: Peer) -> None:
    refused = (403, "AccessDeniedException", "no")
    with pytest.raises(CollectorError, match=r"may not call sqs:ReceiveMessage"):
        look_through(sqs_peer, lambda action, _: refused if action == "ReceiveMessage" else None)
