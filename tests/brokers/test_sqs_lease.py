"""Leases of SQS: copies byte for byte, originals gone only after them, order, time, and what goes wrong on the way."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any
from unittest.mock import patch

import pytest

from collectors.brokers.sqs import SQS, digests, lease, receiving
from collectors.brokers.sqs.copying import stamped
from collectors.brokers.sqs.sending import text
from collectors.letters import REPLAY_ID, STAMPS, Bounds, Destination, Outcome, Parcel, Receipt, Stamp
from tests.servers.aws_proxy import AwsProxy, in_front_of
from tests.servers.sqs import Peer

from .renewals import Book
from .sqs_letters import counts, everything, in_groups, put, url_of
from .sqs_polls import polling

STAMP = Stamp("replay-7", "2026-11-25T12:00:00Z", "ana")
TRACE = "Root=1-5759e988-bd862e3fe1be46a994272793"


class Moving:
    """A broker behind a proxy, a dead-letter queue and a queue to send to."""

    def __init__(self, peer: Peer, broker: SQS, proxy: AwsProxy) -> None:
        self.peer, self.broker, self.proxy = peer, broker, proxy

    def queue(self, name: str, **attributes: str) -> str:
        self.peer.create(name, **attributes)
        return self.peer.key(name)

    def found(self, key: str, at_least: int = 0) -> list[dict[str, Any]]:
        return everything(self.peer, url_of(self.peer, key), at_least)

    def fail(self, action: str, *answers: tuple[int, str, str]) -> None:
        """The next calls of an action are answered so, one after the other."""
        left = list(answers)
        self.proxy.answers = lambda called, _: left.pop(0) if called == action and left else None


@pytest.fixture
def moving(sqs_peer: Peer) -> Iterator[Moving]:
    with in_front_of(sqs_peer.port) as proxy, polling(sqs_peer.url("timeout=30s", endpoint=proxy.endpoint)) as broker:
        yield Moving(sqs_peer, broker, proxy)


def settle(held: lease.SQSLease, count: int) -> dict[int, Receipt]:
    receipts: list[Receipt] = []
    deadline = time.monotonic() + 60
    while len(receipts) < count and time.monotonic() < deadline:
        receipts += held.settled(1.0)
    assert len(receipts) == count
    return {receipt.tag: receipt for receipt in receipts}


def sent(held: lease.SQSLease, to: str, most: int = 10, **parcel: Any) -> Sequence[Receipt]:
    """Take and send copies; what became of them, by the order of the letters."""
    taken = held.take(most)
    held.send([Parcel(one.tag, Destination(to), **parcel) for one in taken])
    receipts = settle(held, len(taken))
    return [receipts[one.tag] for one in taken]


# --- what a copy is --------------------------------------------------------------------------------------------------
def attributes() -> dict[str, Any]:
    return {
        "precise": {"DataType": "Number.int", "StringValue": "12345678901234567890123456789012345678"},
        "raw": {"DataType": "Binary.png", "BinaryValue": bytes(range(256))},
        "SQSLargePayloadSize": {"DataType": "Number", "StringValue": "300000"},
        "greeting": {"DataType": "String", "StringValue": " grüße\t"},
    }


@pytest.mark.parametrize("kind", ["", ".fifo"])
def test_a_copy_is_the_original_and_the_stamps(moving: Moving, kind: str) -> None:
    dead, orders = moving.queue(f"dead{kind}"), moving.queue(f"orders{kind}")
    body = '["software.amazon.payloadoffloading.PayloadS3Pointer",{"s3BucketName":"b","s3Key":"k"}]'
    given = attributes()
    trace = {"AWSTraceHeader": {"DataType": "String", "StringValue": TRACE}}
    more = {} if kind else {"MessageGroupId": "tenant-1"}
    put(moving.peer, dead, body, "g1", MessageAttributes=given, MessageSystemAttributes=trace, **more)
    calls: list[bytes] = []
    moving.proxy.answers = lambda action, call: calls.append(call) if action == "SendMessageBatch" else None
    held = moving.broker.lease(dead, 60)
    assert [receipt.outcome for receipt in sent(held, orders, stamp=STAMP)] == [Outcome.SENT]
    held.close()
    [copy] = moving.found(orders)
    assert copy["Body"] == body and {n: copy["MessageAttributes"][n] for n in given} == given
    stamps = {name: copy["MessageAttributes"][name]["StringValue"] for name in STAMPS}
    assert list(stamps.values()) == ["replay-7", "1", "2026-11-25T12:00:00Z", "ana"]
    assert TRACE.encode() in calls[0]  # moto does not keep it when it comes in a batch
    assert copy["Attributes"]["MessageGroupId"] == ("g1" if kind else "tenant-1")
    if kind:
        [original] = moving.found(dead)
        assert copy["Attributes"]["MessageDeduplicationId"] == f"replay-replay-7-{original['MessageId']}"


def test_stamps_take_only_the_room_that_there_is() -> None:
    assert set(stamped({str(n): text("x") for n in range(6)}, STAMP, 1)) >= set(STAMPS)
    assert [name for name in stamped({str(n): text("x") for n in range(9)}, STAMP, 1) if name in STAMPS] == [REPLAY_ID]
    full = {str(n): text("x") for n in range(10)}
    assert stamped(full, STAMP, 1) == full
    again = stamped(stamped({}, STAMP, 1), Stamp("replay-8", "", ""), 2)
    assert {name: one["StringValue"] for name, one in again.items()} == {"replay-id": "replay-8", "replay-count": "2"}


def test_an_edited_letter_keeps_the_types_of_its_attributes(moving: Moving) -> None:
    dead, orders = moving.queue("dead"), moving.queue("orders")
    given = {"n": {"DataType": "Number.int", "StringValue": "7"}, "old": {"DataType": "String", "StringValue": "x"}}
    put(moving.peer, dead, "{}", MessageAttributes=given)
    held = moving.broker.lease(dead, 60)
    [receipt] = sent(held, orders, headers={"n": 8, "old": None, "new": b"\x00"}, body=b'{"n": 2}')
    assert receipt.outcome is Outcome.SENT
    [copy] = moving.found(orders)
    assert copy["Body"] == '{"n": 2}' and set(copy["MessageAttributes"]) == {"n", "new"}
    assert copy["MessageAttributes"]["n"] == {"DataType": "Number.int", "StringValue": "8"}
    assert copy["MessageAttributes"]["new"]["BinaryValue"] == b"\x00"
    held.send([Parcel(receipt.tag, Destination(orders), body=b"\xff")])
    [refused] = settle(held, 1).values()
    assert refused.outcome is Outcome.REFUSED and "no UTF-8" in refused.why
    held.close()


# --- FIFO ------------------------------------------------------------------------------------------------------------
def test_groups_of_a_fifo_queue_keep_their_order(moving: Moving) -> None:
    dead, orders = moving.queue("dead.fifo"), moving.queue("orders.fifo")
    in_groups(moving.peer, dead, 3, 12)
    held, rounds = moving.broker.lease(dead, 60), 0
    while taken := held.take(100, 0.0):
        rounds += 1
        held.send([Parcel(one.tag, Destination(orders), stamp=STAMP) for one in reversed(taken)])
        assert {receipt.outcome for receipt in settle(held, len(taken)).values()} == {Outcome.SENT}
        assert all(receipt.outcome is Outcome.REMOVED for receipt in held.remove([one.tag for one in taken]))
    held.close()
    assert rounds >= 2
    copies = moving.found(orders, 36)
    for group in ("g0", "g1", "g2"):
        numbers = [int(one["Body"]) for one in copies if one["Attributes"]["MessageGroupId"] == group]
        assert numbers == sorted(numbers) and len(numbers) == 12


def test_what_stands_behind_a_copy_that_did_not_arrive_is_not_sent(moving: Moving) -> None:
    dead, orders = moving.queue("dead.fifo"), moving.queue("orders.fifo", MaximumMessageSize="1024")
    for body, group in (("x" * 2000, "bad"), ("after it", "bad"), ("another", "good")):
        put(moving.peer, dead, body, group)
    held = moving.broker.lease(dead, 60)
    first, behind, other = sent(held, orders)
    assert (first.outcome, behind.outcome, other.outcome) == (Outcome.REFUSED, Outcome.REFUSED, Outcome.SENT)
    assert "message group" in behind.why
    held.close()
    assert [one["Body"] for one in moving.found(orders)] == ["another"] and len(moving.found(dead, 3)) == 3


def test_the_same_replay_sends_a_letter_of_a_fifo_queue_once(moving: Moving) -> None:
    """A worker that died after sending: the next one sends again, and SQS itself drops that."""
    dead, orders = moving.queue("dead.fifo"), moving.queue("orders.fifo")
    put(moving.peer, dead, "once")
    for _ in range(2):
        held = moving.broker.lease(dead, 60)
        assert [receipt.outcome for receipt in sent(held, orders, stamp=STAMP)] == [Outcome.SENT]
        held.close()
    assert len(moving.found(orders)) == 1


# --- what goes wrong -------------------------------------------------------------------------------------------------
def test_what_fails_inside_a_batch_is_refused_and_the_rest_is_sent(moving: Moving) -> None:
    dead, orders = moving.queue("dead"), moving.queue("orders")
    for n in range(10):
        put(moving.peer, dead, str(n))
    moving.proxy.entries = lambda action, entry: "InvalidMessageContents" if entry.get("MessageBody") == "3" else ""
    held = moving.broker.lease(dead, 60)
    receipts = sent(held, orders)
    assert [one.outcome for one in receipts].count(Outcome.SENT) == 9
    [refused] = [one for one in receipts if one.outcome is not Outcome.SENT]
    assert refused.outcome is Outcome.REFUSED and "InvalidMessageContents" in refused.why
    moving.proxy.entries = lambda action, entry: "ReceiptHandleIsInvalid" if entry["Id"] == "0" else ""
    removed = held.remove([one.tag for one in receipts if one is not refused])
    assert [one.outcome for one in removed].count(Outcome.REMOVED) == 8
    [kept] = [one for one in removed if one.outcome is Outcome.UNKNOWN]
    assert "ReceiptHandleIsInvalid" in kept.why
    moving.proxy.entries = lambda action, entry: ""
    held.close()
    assert {one["Body"] for one in moving.found(orders)} == {str(n) for n in range(10)} - {"3"}
    assert [one["Body"] for one in moving.found(dead)] == ["3"]  # the other comes back by itself


@pytest.mark.parametrize("kind", ["", ".fifo"])
def test_a_send_whose_answer_is_lost_is_not_called_sent_nor_made_twice(moving: Moving, kind: str) -> None:
    dead, orders = moving.queue(f"dead{kind}"), moving.queue(f"orders{kind}")
    put(moving.peer, dead, "x")
    moving.proxy.loses = lambda action: action == "SendMessageBatch"
    held = moving.broker.lease(dead, 60)
    [receipt] = sent(held, orders, stamp=STAMP)
    assert receipt.outcome is Outcome.UNKNOWN and receipt.why.endswith(".")
    held.close()
    assert len(moving.found(orders)) == 1 and len(moving.found(dead)) == 1
    assert moving.proxy.calls["SendMessageBatch"] == (3 if kind else 1)


def test_a_refusal_after_a_try_whose_answer_was_lost_is_no_refusal(moving: Moving) -> None:
    """On a FIFO queue a send is tried again; the copy of the first try is there, whatever is said of the second."""
    dead, orders = moving.queue("dead.fifo"), moving.queue("orders.fifo")
    put(moving.peer, dead, "x")
    first = iter([True])
    moving.proxy.loses = lambda action: action == "SendMessageBatch" and next(first, False)
    moving.proxy.entries = lambda action, _: (
        "InternalError" if action == "SendMessageBatch" and moving.proxy.calls[action] > 1 else ""
    )
    held = moving.broker.lease(dead, 60)
    [receipt] = sent(held, orders, stamp=STAMP)
    assert receipt.outcome is Outcome.UNKNOWN and "InternalError" in receipt.why
    held.close()
    assert len(moving.found(orders)) == 1 and len(moving.found(dead)) == 1


def test_a_copy_that_was_stored_otherwise_is_not_called_sent(moving: Moving) -> None:
    dead, orders = moving.queue("dead"), moving.queue("orders")
    put(moving.peer, dead, "x")
    held = moving.broker.lease(dead, 60)
    [taken] = held.take(1)
    with patch.object(digests, "of_body", lambda body: "0" * 32):
        held.send([Parcel(taken.tag, Destination(orders))])
        receipt = settle(held, 1)[taken.tag]
    assert receipt.outcome is Outcome.UNKNOWN and "MD5" in receipt.why
    held.close()


@pytest.mark.parametrize(
    ("answer", "outcome", "calls"),
    [
        ((400, "InvalidMessageContents", "no"), Outcome.REFUSED, 1),
        ((403, "AccessDeniedException", "no"), Outcome.REFUSED, 1),
        ((500, "InternalFailure", "oops"), Outcome.UNKNOWN, 1),
        ((400, "RequestThrottled", "slow down"), Outcome.SENT, 2),
    ],
)
def test_a_refused_send_is_told_from_one_that_may_have_arrived(
    moving: Moving, answer: tuple[int, str, str], outcome: Outcome, calls: int
) -> None:
    dead, orders = moving.queue("dead"), moving.queue("orders")
    put(moving.peer, dead, "x")
    moving.fail("SendMessageBatch", answer)
    held = moving.broker.lease(dead, 60)
    [receipt] = sent(held, orders)
    assert receipt.outcome is outcome and (receipt.why.endswith(".") or outcome is Outcome.SENT)
    assert moving.proxy.calls["SendMessageBatch"] == calls
    held.close()
    assert len(moving.found(dead, 1)) == 1


# --- time ------------------------------------------------------------------------------------------------------------
@pytest.mark.slow
def test_letters_stay_hidden_while_the_lease_goes_on_and_no_longer(
    moving: Moving, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hidden for twelve seconds at once, nine before their end for longer: a lease that is used keeps its letters, one
    that is not lets go of them."""
    for name, seconds in (("FIRST", 12.0), ("LEFT", 9.0), ("LONGER", 12.0)):
        monkeypatch.setattr(lease, name, seconds)
    dead, orders = moving.queue("dead"), moving.queue("orders")
    put(moving.peer, dead, "x")
    held = moving.broker.lease(dead, 60)
    [taken] = held.take(1)
    moving.proxy.calls.clear()
    end = time.monotonic() + 13
    while time.monotonic() < end:
        held.settled(0.2)
        assert counts(moving.peer, url_of(moving.peer, dead)) == (0, 1)
    made = moving.proxy.calls["ChangeMessageVisibilityBatch"]
    assert 1 <= made <= 6
    monkeypatch.setattr(lease, "LONGER", 2.0)  # the last time
    while moving.proxy.calls["ChangeMessageVisibilityBatch"] == made:
        held.settled(0.2)
    while counts(moving.peer, url_of(moving.peer, dead)) != (1, 0):
        time.sleep(0.1)
    held.send([Parcel(taken.tag, Destination(orders))])
    receipt = settle(held, 1)[taken.tag]
    assert receipt.outcome is Outcome.LATE and "had passed" in receipt.why
    assert held.remove([taken.tag])[0].outcome is Outcome.UNKNOWN
    assert moving.found(orders) == [] and len(moving.found(dead)) == 1
    held.close()


def test_a_letter_is_hidden_from_when_sqs_was_asked_and_not_from_its_answer(moving: Moving) -> None:
    """Else a copy is sent of what is in other hands by then."""
    dead = moving.queue("dead")
    done: list[float] = []

    def late(action: str) -> bool:
        done.append(time.time())
        time.sleep(0.5)
        return False

    put(moving.peer, dead, "x")
    held = moving.broker.lease(dead, 60)
    [taken] = held.take(1)
    moving.proxy.loses = late
    assert receiving.hide(held._queue, [taken], 60) == ([], None)
    assert taken.hidden_until <= done[0] + 60
    held.close()


def test_the_longest_lease_is_half_of_what_sqs_allows(moving: Moving) -> None:
    held = moving.broker.lease(moving.queue("dead"), 1e6)
    assert held.until <= time.time() + 6 * 3600
    held.close()


def test_letters_given_back_to_a_queue_that_would_move_them_are_renewed(moving: Moving) -> None:
    last = moving.queue("last")
    dead = moving.queue("dead", RedrivePolicy=moving.peer.redrive("last", 3))
    for n in range(3):
        put(moving.peer, dead, str(n))
    ids, book = set(), Book()
    moving.broker.note_renewals(book)
    for _ in range(8):
        held = moving.broker.lease(dead, 60)
        taken = held.take(3)
        ids.add(frozenset(one.id for one in taken))
        held.give_back([one.tag for one in taken])
        held.close()
    assert len(ids) == 1 and counts(moving.peer, url_of(moving.peer, last)) == (0, 0)
    assert book.begun >= 6 and not +book.open, "each is written down before, and taken out when its original is gone"
    held = moving.broker.lease(dead, 60)
    assert {receipt.outcome for receipt in sent(held, last)} == {Outcome.SENT}
    held.close()
    assert not any("MessageAttributes" in one for one in moving.found(last)), "copies do not say that they were renewed"


def test_large_letters_are_held_only_as_far_as_memory_allows(moving: Moving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "MOST_BYTES", 25_000)
    dead = moving.queue("dead")
    for _ in range(40):
        put(moving.peer, dead, "x" * 1000)
    held = moving.broker.lease(dead, 60)
    taken = [*held.take(25), *held.take(20)]
    assert 25 <= len(taken) < 40 and held.most_held == len(taken)
    held.give_back([one.tag for one in taken])
    assert held.most_held == lease.MOST_HELD
    held.close()


def test_letters_of_the_largest_size_are_seen_and_sent(moving: Moving) -> None:
    """Ten in one answer, written in JSON with an escape for every character."""
    dead, orders = moving.queue("dead"), moving.queue("orders")
    body = "ü" * (1 << 19)
    for _ in range(10):
        put(moving.peer, dead, body)
    look = moving.broker.look(dead, Bounds(body_bytes=1000))
    assert [letter.size for letter in look.letters] == [1 << 20] * 10 and look.notes == []
    held = moving.broker.lease(dead, 60)
    assert {receipt.outcome for receipt in sent(held, orders)} == {Outcome.SENT}
    held.close()
    assert {one["Body"] for one in moving.found(orders, 10)} == {body}
