"""Marks of copies on SQS, of which only so many fit; and letters that a dead worker held are given back at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from collectors import registry
from collectors.letters import STAMPS
from dashboard.replay import returns
from dashboard.replay.journal import Journal
from dashboard.replay.report import Reading
from tests.dashboard.replays import Desk, check_nothing_lost, order, run
from tests.servers.sqs import Peer

from .sqs_letters import counts, everything, put, url_of

pytestmark = pytest.mark.slow


@pytest.fixture
def peer(ministack_peer: Peer) -> Iterator[Peer]:
    for name in ("dead", "orders"):
        ministack_peer.create(name)
    yield ministack_peer
    for name in ("dead", "orders"):
        ministack_peer.client().delete_queue(QueueUrl=url_of(ministack_peer, ministack_peer.key(name)))


def attributes(count: int) -> dict[str, Any]:
    return {f"own-{n}": {"DataType": "String", "StringValue": f"v{n}"} for n in range(count)}


def fails_again(peer: Peer, messages: list[dict[str, Any]]) -> None:
    """They lie among the dead again, as they were."""
    for one in messages:
        told = {
            name: {field: value for field, value in about.items() if field in ("DataType", "StringValue")}
            for name, about in one.get("MessageAttributes", {}).items()
        }
        put(peer, peer.key("dead"), one["Body"], **({"MessageAttributes": told} if told else {}))


def test_copies_bear_the_marks_that_fit_and_come_back_by_them_or_by_their_contents(peer: Peer, tmp_path: Path) -> None:
    """Two of ten attributes are equal in everything, and one of these comes back: it is counted once."""
    dead, orders, path = peer.key("dead"), peer.key("orders"), tmp_path / "journal"
    own = [0, 6, 7, 8, 9, 10, 10, 10]
    bodies = [f"letter {min(n, 6)} of {count}" for n, count in enumerate(own)]
    for body, count in zip(bodies, own, strict=True):
        put(peer, dead, body, **({"MessageAttributes": attributes(count)} if count else {}))
    run(path, order(dead, orders), url=peer.url())
    copies = everything(peer, url_of(peer, orders), at_least=len(own))
    for one in copies:
        told = one.get("MessageAttributes", {})
        marks, count = [name for name in STAMPS if name in told], int(one["Body"].split()[-1])
        assert marks == list(STAMPS[: 10 - count]) and sum(name.startswith("own-") for name in told) == count
    with Reading(path) as journal:
        assert sorted(row.marks for row in journal.messages()) == [0, 0, 0, 1, 2, 3, 4, 4]
        assert journal.marks() == {4: 2, 3: 1, 2: 1, 1: 1, 0: 3}
    twin = next(one for one in copies if one["Body"] == bodies[7])
    back = [one for one in copies if one["Body"] not in (bodies[0], bodies[7])] + [twin]
    fails_again(peer, back)
    put(peer, dead, "another letter", MessageAttributes=attributes(10))
    broker = registry.connect(registry.parse(peer.url()))
    with Journal(path, "me") as writing:
        for _ in range(2):  # looking again finds nothing new
            returns.check(broker, dead, writing, order(dead, orders).task)
            assert writing.counts.came_back == len(back) == 6
    broker.close()
    with Reading(path) as journal:
        assert {row.marks for row in journal.messages("came_back")} == {0, 1, 2, 3, 4}


def test_a_copy_without_marks_that_comes_back_at_once_is_not_sent_again(peer: Peer, tmp_path: Path) -> None:
    dead, orders, path = peer.key("dead"), peer.key("orders"), tmp_path / "journal"
    for n in range(6):
        put(peer, dead, f"letter {n}", MessageAttributes=attributes(10))
    desk = Desk()
    run(path, order(dead, orders, oldest=6, trial=2), PausesAfterSome(), url=peer.url())
    first = everything(peer, url_of(peer, orders), at_least=2)
    fails_again(peer, first)
    run(path, order(dead, orders, oldest=6, trial=2), desk, url=peer.url())
    rest = everything(peer, url_of(peer, orders), at_least=4)
    assert len(first) == 2 and sorted(one["Body"] for one in first + rest) == [f"letter {n}" for n in range(6)]
    assert sorted(one["Body"] for one in everything(peer, url_of(peer, dead))) == sorted(one["Body"] for one in first)
    with Reading(path) as journal:
        assert journal.counts().came_back == 2 and journal.counts().removed == 6


class PausesAfterSome(Desk):
    """Pauses as soon as something was sent: two, for the trial is of two."""

    def go_on(self) -> bool:
        return self.counts.sent < 2


CHILD = """
import sys
from pathlib import Path
from collectors.brokers.sqs import lease
from tests.brokers.sqs_letters import Slows
from tests.dashboard.replays import order, run
desk, lease.FIRST, lease.LEFT = Slows(30), 6.0, 3.0
odd = dict(holds=True, wants=lambda one: one.letter().body[-1] % 2)
run(Path(sys.argv[1]), order(sys.argv[2], sys.argv[3], lease_seconds=600.0, **odd), desk, url=sys.argv[4])
"""


def test_what_a_killed_worker_held_is_given_back_by_the_next_one(
    peer: Peer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The receipt handles of its letters are in the journal; only what it was just receiving stays hidden."""
    monkeypatch.setattr("collectors.brokers.sqs.letters.FIRST", 6.0)
    dead, orders, path = peer.key("dead"), peer.key("orders"), tmp_path / "journal"
    for n in range(120):
        put(peer, dead, str(n))
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(path), dead, orders, peer.url()])
    deadline = time.monotonic() + 90
    while True:
        os.kill(child.pid, signal.SIGSTOP)  # it holds still while we look
        if counts(peer, url_of(peer, orders))[0] >= 20 and counts(peer, url_of(peer, dead))[1] > 30:
            break
        os.kill(child.pid, signal.SIGCONT)
        assert child.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    os.kill(child.pid, signal.SIGKILL)
    child.wait(10)
    with Journal(path, "next") as journal:
        handles = journal.handles()
    broker = registry.connect(registry.parse(peer.url()))
    broker.give_back(dead, ["no handle", *handles])
    broker.close()
    assert len(handles) > 20 and counts(peer, url_of(peer, dead))[1] <= 10
    desk = run(path, order(dead, orders, lease_seconds=30.0), url=peer.url())
    assert desk.state == "done"
    left = [one["Body"].encode() for one in everything(peer, url_of(peer, dead))]
    arrived = [one["Body"].encode() for one in everything(peer, url_of(peer, orders), at_least=120)]
    check_nothing_lost(path, [b"%d" % n for n in range(120)], left, arrived)
    with Reading(path) as journal:
        assert journal.counts().removed == 120 and left == [] and not Journal(path, "last").handles()
