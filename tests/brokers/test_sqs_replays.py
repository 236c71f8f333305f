"""Whole replays over SQS, with their journal: every letter is where it says, whatever fails and whoever dies."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from collectors.brokers.sqs.receiving import TIMES
from dashboard.replay.report import Reading
from tests.dashboard.replays import Crash, Desk, check_nothing_lost, failing, order, run, runner
from tests.servers.aws_proxy import in_front_of
from tests.servers.sqs import Peer

from .sqs_letters import counts, everything, in_groups, troubled, url_of

pytestmark = pytest.mark.slow
LETTERS = 120


@pytest.fixture(params=["", ".fifo"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def peer(ministack_peer: Peer, kind: str) -> Iterator[Peer]:
    names = [f"dead{kind}", f"orders{kind}"]
    for name in names:
        ministack_peer.create(name)
    in_groups(ministack_peer, ministack_peer.key(names[0]), 12, LETTERS // 12)
    yield ministack_peer
    for name in names:
        ministack_peer.client().delete_queue(QueueUrl=url_of(ministack_peer, ministack_peer.key(name)))


def bodies(peer: Peer, key: str) -> list[bytes]:
    assert counts(peer, url_of(peer, key))[1] == 0, "nothing is in hands any more"
    return [one["Body"].encode() for one in everything(peer, url_of(peer, key))]


def test_a_replay_moves_everything_in_order(peer: Peer, kind: str, tmp_path: Path) -> None:
    dead, orders = peer.key(f"dead{kind}"), peer.key(f"orders{kind}")
    desk = run(tmp_path / "journal", order(dead, orders, trial=5), url=peer.url())
    assert desk.state == "done", desk.reason
    arrived = bodies(peer, orders)
    assert check_nothing_lost(tmp_path / "journal", [b"%d" % n for n in range(LETTERS)], [], arrived) == {}
    for group in range(12):
        numbers = [int(body) for body in arrived if int(body) % 12 == group]
        assert numbers == sorted(numbers) or not kind


@pytest.mark.parametrize("seed", range(2))
def test_a_replay_in_trouble_names_what_may_be_there_twice(peer: Peer, kind: str, tmp_path: Path, seed: int) -> None:
    """Calls fail, answers are lost, entries are refused, and the worker dies at a step of its journal."""
    chance, path = random.Random(seed), tmp_path / "journal"
    dead, orders = peer.key(f"dead{kind}"), peer.key(f"orders{kind}")
    what = order(dead, orders, lease_seconds=8.0)
    with in_front_of(peer.port) as proxy:
        troubled(proxy, chance)
        for _ in range(3):
            one = runner(
                path, what, url=peer.url("timeout=30s", endpoint=proxy.endpoint), journal=failing(path, chance)
            )
            try:
                one.run()
            except Crash:
                continue  # with all that it held: SQS takes it back by itself
            finally:
                one.journal.close()
    desk = Desk()
    run(path, what, desk, url=peer.url())
    assert desk.state in ("done", "partly", "failed"), desk.reason
    check_nothing_lost(path, [b"%d" % n for n in range(LETTERS)], bodies(peer, dead), bodies(peer, orders))
    with Reading(path) as journal:
        assert journal.counts().removed > 0


CHILD = """
import sys
from pathlib import Path
from tests.brokers.sqs_letters import Slows
from tests.dashboard.replays import order, run
run(Path(sys.argv[1]), order(sys.argv[2], sys.argv[3], lease_seconds=8.0), Slows(20), url=sys.argv[4])
"""


def test_a_replay_that_is_killed_goes_on_when_its_letters_are_back(peer: Peer, kind: str, tmp_path: Path) -> None:
    """kill -9 while letters are in its hands; the next worker waits for them, instead of finding the queue empty."""
    dead, orders, path = peer.key(f"dead{kind}"), peer.key(f"orders{kind}"), tmp_path / "journal"
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(path), dead, orders, peer.url()])
    deadline = time.monotonic() + 60
    while True:
        os.kill(child.pid, signal.SIGSTOP)  # it holds still while we look
        if counts(peer, url_of(peer, orders))[0] >= 20 and counts(peer, url_of(peer, dead))[1]:
            break
        os.kill(child.pid, signal.SIGCONT)
        assert child.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    os.kill(child.pid, signal.SIGKILL)
    child.wait(10)
    desk = run(path, order(dead, orders, lease_seconds=8.0), url=peer.url())
    assert desk.state == "done", desk.reason
    check_nothing_lost(path, [b"%d" % n for n in range(LETTERS)], bodies(peer, dead), bodies(peer, orders))
    with Reading(path) as journal:
        assert journal.counts().removed == LETTERS


def test_letters_behind_a_lost_receive_are_waited_for(peer: Peer, kind: str, tmp_path: Path) -> None:
    """The answer of a receive is lost: ten letters are hidden, of which nobody knows, and the queue looks empty."""
    dead, orders, path = peer.key(f"dead{kind}"), peer.key(f"orders{kind}"), tmp_path / "journal"
    with in_front_of(peer.port) as proxy:
        lost = iter([True])
        proxy.loses = lambda action: action == "ReceiveMessage" and next(lost, False)
        desk = run(path, order(dead, orders, lease_seconds=4.0), url=peer.url("timeout=30s", endpoint=proxy.endpoint))
    assert desk.state == "done", desk.reason
    check_nothing_lost(path, [b"%d" % n for n in range(LETTERS)], bodies(peer, dead), bodies(peer, orders))
    with Reading(path) as journal:
        assert journal.counts().removed == LETTERS


def test_a_letter_whose_deletion_failed_is_not_called_gone(peer: Peer, kind: str, tmp_path: Path) -> None:
    """It stays hidden for a while, so that the next pass does not meet it; its copy is confirmed, and it is there."""
    dead, orders, path = peer.key(f"dead{kind}"), peer.key(f"orders{kind}"), tmp_path / "journal"
    handles: list[str] = []

    def fails(action: str, entry: dict[str, Any]) -> str:
        if action != "DeleteMessageBatch" or (handles and entry["ReceiptHandle"] != handles[0]):
            return ""
        handles.append(entry["ReceiptHandle"])
        return "InternalError" if len(handles) <= TIMES else ""

    with in_front_of(peer.port) as proxy:
        proxy.entries = fails
        desk = run(path, order(dead, orders, lease_seconds=4.0), url=peer.url("timeout=30s", endpoint=proxy.endpoint))
    assert desk.state == "done" and len(handles) == TIMES, desk.reason
    assert bodies(peer, dead) == [] and desk.counts.removed == LETTERS
    check_nothing_lost(path, [b"%d" % n for n in range(LETTERS)], [], bodies(peer, orders))


def test_letters_that_are_taken_out_of_sight_meanwhile_are_waited_for(
    peer: Peer, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A console receives ten when the replay has begun, and lets them come back by themselves."""
    dead, orders, path = peer.key(f"dead{kind}"), peer.key(f"orders{kind}"), tmp_path / "journal"
    one = runner(path, order(dead, orders), desk := Desk(), url=peer.url())
    monkeypatch.setattr("dashboard.replay.hidden.HELD_ON", 20.0)
    rest, what = one._rest, {"QueueUrl": url_of(peer, dead), "MaxNumberOfMessages": 10, "VisibilityTimeout": 12}
    monkeypatch.setattr(one, "_rest", lambda: (peer.client().receive_message(**what), rest()))
    one.run()
    one.journal.close()
    assert desk.state == "done" and desk.counts.removed == LETTERS, desk.reason
    check_nothing_lost(path, [b"%d" % n for n in range(LETTERS)], bodies(peer, dead), bodies(peer, orders))
