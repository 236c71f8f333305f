"""Quorum queues whose letters are near their delivery limit: each is replaced by a copy in the same queue. Whoever is
killed between the copy and the end of the original leaves both there, and that is named."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from collectors import registry
from collectors.brokers.rabbitmq import returning
from collectors.letters import Bounds
from dashboard.replay.report import Reading
from tests.dashboard.replay_child import CONTEXT
from tests.dashboard.replays import order, run
from tests.servers.children import ROOT
from tests.servers.rabbitmq import Node

from .rabbitmq_letters import QUORUM, declare, drain, drained, put, unread
from .renewals import Book

pytestmark = [pytest.mark.slow, pytest.mark.rabbitmq, pytest.mark.usefixtures("alone")]

BODIES = [b"letter %d" % n for n in range(6)]


@pytest.fixture
def worn(rabbitmq_node: Node, vhost: str) -> str:
    """The key of a queue in which each letter was delivered so often that it must not simply be given back."""
    key = declare(rabbitmq_node, vhost, "dead", {**QUORUM, "x-delivery-limit": 4})
    put(rabbitmq_node, vhost, "dead", BODIES)
    broker = registry.connect(registry.parse(rabbitmq_node.url(vhost=vhost)))
    broker.look(key, Bounds())
    broker.close()
    return key


@pytest.mark.parametrize("way", ["look", "lease"])
def test_what_is_replaced_is_written_down_before_and_taken_out_after(
    rabbitmq_node: Node, vhost: str, worn: str, way: str
) -> None:
    broker = registry.connect(registry.parse(rabbitmq_node.url(vhost=vhost)))
    for book, renewed in ((Book(fails=True), 0), (Book(), 6)):
        broker.note_renewals(book)
        if way == "look":
            look = broker.look(worn, Bounds())
            assert look.renewed == renewed and ("The book is away." in " ".join(look.notes)) is book.fails
        else:
            lease = broker.lease(worn, 60.0)
            lease.take(6, 5.0)
            lease.close()
        assert (book.begun, +book.open) == (renewed, Counter())
    broker.close()
    assert sorted(drained(rabbitmq_node, vhost, "dead", 6)) == BODIES


def dies(url: str, key: str, to: str, path: Path) -> None:
    """A replay whose process ends when copies are confirmed, before an original is acknowledged."""
    ended = type("Frames", (), {**vars(returning.frames), "ack": lambda *_: os.kill(os.getpid(), signal.SIGKILL)})
    returning.frames = ended  # type: ignore[attr-defined]
    run(path, order(key, to, judges=False), url=url)


def test_a_replay_that_is_killed_in_between_names_them(
    rabbitmq_node: Node, vhost: str, worn: str, tmp_path: Path
) -> None:
    to, url, path = declare(rabbitmq_node, vhost, "orders"), rabbitmq_node.url(vhost=vhost), tmp_path / "j"
    child = CONTEXT.Process(target=dies, args=(url, worn, to, path), daemon=True)
    child.start()
    child.join(60)
    assert child.exitcode == -signal.SIGKILL
    desk = run(path, order(worn, to, judges=False), url=url)
    with Reading(path) as journal:
        rows, counts = journal.messages("doubled"), journal.counts()
        sent = {row.id for row in journal.messages("removed")}
    many = len({row.id for row in rows})  # those that had come when the first were replaced
    which = "A letter" if many == 1 else f"{many} letters"
    assert desk.state == "done" and desk.reason.startswith(f"{which} near the delivery limit may lie there twice")
    left = [body for body, _ in drain(rabbitmq_node, vhost, "dead")]
    arrived = drained(rabbitmq_node, vhost, "orders", 6)
    assert set(left + arrived) == set(BODIES) and len(left + arrived) == 6 + many
    assert 1 <= many == len(rows) and (many < 6 or sent <= {row.id for row in rows})
    assert all(row.again and "may lie there twice" in row.why for row in rows)
    assert (counts.total, counts.removed, counts.possibly_duplicated) == (6, 6, many) == (
        desk.total, desk.counts.removed, desk.counts.possibly_duplicated,
    )  # fmt: skip


def looked(data: Path, *given: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "WEIR_DATA": str(data), "DJANGO_SETTINGS_MODULE": "dashboard.settings"}
    words = [sys.executable, "-m", "tests.dashboard.dying", "look", *given]
    return subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)


def test_a_look_that_is_killed_in_between_is_told_of_by_the_next(
    rabbitmq_node: Node, vhost: str, worn: str, tmp_path: Path
) -> None:
    url = rabbitmq_node.url(vhost=vhost)
    assert looked(tmp_path, url, worn, "confirmed").returncode == -signal.SIGKILL
    unread(rabbitmq_node, vhost, "dead")
    next_one = looked(tmp_path, url, worn, "")
    assert next_one.returncode == 0, next_one.stderr
    told: dict[str, Any] = json.loads(next_one.stdout)
    assert told["letters"] == 12 and len(told["doubles"]) == 6
    assert told["notes"][-1].startswith(
        "6 letters near the delivery limit may lie there twice (number 1, 2, 3, 4, 5, 6)"
    )
    assert Counter(drained(rabbitmq_node, vhost, "dead", 12)) == Counter(BODIES * 2)
