"""Replays of many letters of SQS on ministack: all of them arrive, whoever dies or fails on the way."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress

import pytest

from collectors.brokers.sqs import SQS
from collectors.brokers.sqs.lease import SQSLease
from collectors.errors import CollectorError
from collectors.letters import Destination, Outcome, Parcel, Stamp
from tests.servers.aws_proxy import in_front_of
from tests.servers.sqs import Peer

from .sqs_letters import counts, everything, put, troubled, url_of
from .sqs_polls import polling

pytestmark = pytest.mark.slow
STAMP = Stamp("replay-7", "2026-11-25T12:00:00Z", "ana")


@pytest.fixture
def peer(ministack_peer: Peer) -> Iterator[Peer]:
    ministack_peer.create("dead")
    ministack_peer.create("orders")
    yield ministack_peer
    for name in ("dead", "orders"):
        ministack_peer.client().delete_queue(QueueUrl=url_of(ministack_peer, ministack_peer.key(name)))


def replay(held: SQSLease, to: str, log: Counter[str]) -> None:
    """Everything that can be taken: sent, and removed when that is confirmed. Counts outcomes."""
    while taken := held.take(100, 1.0):
        held.send([Parcel(one.tag, Destination(to), STAMP) for one in taken])
        receipts = []
        while len(receipts) < len(taken):
            receipts += held.settled(1.0)
        log.update(receipt.outcome for receipt in receipts)
        fine = [receipt.tag for receipt in receipts if receipt.outcome is Outcome.SENT]
        log.update(f"not {receipt.outcome}" for receipt in held.remove(fine) if receipt.outcome is not Outcome.REMOVED)
        held.give_back([receipt.tag for receipt in receipts if receipt.outcome is not Outcome.SENT])


def test_a_thousand_letters_arrive_once_each(peer: Peer) -> None:
    dead, orders = peer.key("dead"), peer.key("orders")
    attributes = {"raw": {"DataType": "Binary.png", "BinaryValue": b"\x00\xff"}}
    peer.send(url_of(peer, dead), 1000, MessageAttributes=attributes)
    log: Counter[str] = Counter()
    with polling(peer.url()) as broker:
        held = broker.lease(dead, 600)
        replay(held, orders, log)
        held.close()
    assert log == {Outcome.SENT: 1000}
    copies = everything(peer, url_of(peer, orders), 1000)
    assert {one["Body"] for one in copies} == {f"message {n}" for n in range(1000)} and len(copies) == 1000
    assert {one["MessageAttributes"]["raw"]["BinaryValue"] for one in copies} == {b"\x00\xff"}
    assert counts(peer, url_of(peer, dead)) == (0, 0)


@pytest.mark.parametrize("seed", range(2))
def test_whatever_fails_every_letter_is_somewhere_and_twice_only_where_that_was_said(peer: Peer, seed: int) -> None:
    dead, orders = peer.key("dead"), peer.key("orders")
    peer.send(url_of(peer, dead), 300)
    log: Counter[str] = Counter()
    with in_front_of(peer.port) as proxy, polling(peer.url("timeout=30s", endpoint=proxy.endpoint)) as broker:
        troubled(proxy, random.Random(seed))
        for _ in range(3):
            held = lease_of(broker, dead)
            replay_as_far_as_it_goes(held, orders, log)
            with suppress(CollectorError):  # some of it comes back by itself
                held.close()
    copies = Counter(one["Body"] for one in everything(peer, url_of(peer, orders)))
    deadline = time.monotonic() + 60
    while counts(peer, url_of(peer, dead))[1] and time.monotonic() < deadline:
        time.sleep(0.5)  # what could not be given back comes by itself
    left = Counter(one["Body"] for one in everything(peer, url_of(peer, dead)))
    assert set(copies) | set(left) == {f"message {n}" for n in range(300)}
    twice = sum(copies.values()) + sum(left.values()) - 300
    assert twice <= log[Outcome.UNKNOWN] + log[f"not {Outcome.UNKNOWN}"], (twice, log)
    assert log[Outcome.UNKNOWN] > 0 and sum(copies.values()) > 100, "no trouble, or nothing else"


def lease_of(broker: SQS, key: str) -> SQSLease:
    while True:
        try:
            return broker.lease(key, 6.0)
        except Exception as error:
            assert "failed to answer" in str(error) or "too many" in str(error) or "lost" in str(error)


def replay_as_far_as_it_goes(held: SQSLease, to: str, log: Counter[str]) -> None:
    try:
        replay(held, to, log)
    except Exception as error:
        assert str(error).endswith("."), error


CHILD = """
import sys
from collectors import registry
from collectors.letters import Destination, Parcel, Stamp
held = registry.connect(registry.parse(sys.argv[1])).lease(sys.argv[2], 10.0)
taken = held.take(40)
parcels = [Parcel(one.tag, Destination(sys.argv[3]), Stamp("replay-7", "", "")) for one in taken]
held.send(parcels[:20])
sent = []
while len(sent) < 20:
    sent += held.settled(1.0)
held.remove([receipt.tag for receipt in sent[:10]])
print("ten removed, ten sent, twenty taken", flush=True)
sys.stdin.read()
"""


def test_the_letters_of_a_killed_replay_come_back_by_themselves(peer: Peer) -> None:
    dead, orders = peer.key("dead"), peer.key("orders")
    for n in range(40):
        put(peer, dead, str(n))
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, peer.url(), dead, orders],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdin is not None and child.stdout is not None and "ten" in child.stdout.readline()
    os.kill(child.pid, signal.SIGKILL)
    child.wait(10)
    child.stdin.close()
    child.stdout.close()
    assert counts(peer, url_of(peer, orders))[0] == 20
    deadline = time.monotonic() + 60
    while counts(peer, url_of(peer, dead)) != (30, 0):
        assert time.monotonic() < deadline, counts(peer, url_of(peer, dead))
        time.sleep(0.5)
    with polling(peer.url()) as broker:
        held, log = broker.lease(dead, 60), Counter[str]()
        replay(held, orders, log)
        held.close()
    copies = Counter(one["Body"] for one in everything(peer, url_of(peer, orders), 50))
    assert set(copies) == {str(n) for n in range(40)} and sum(copies.values()) == 50
