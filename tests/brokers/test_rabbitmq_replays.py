"""Whole replays over RabbitMQ, with their journal: every letter is where it says, whatever is cut and whoever dies."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from dashboard.replay.report import Reading
from tests.brokers.rabbitmq_letters import QUORUM, declare, drain, put, shows, through, waiting
from tests.dashboard.replays import Crash, Desk, check_nothing_lost, failing, order, run, runner
from tests.servers.proxy import FAIR, Proxy, Weather
from tests.servers.rabbitmq import Node

pytestmark = [pytest.mark.slow, pytest.mark.rabbitmq]

BODIES = [b"letter %d" % n for n in range(400)]


@pytest.fixture(params=[{}, {**QUORUM, "x-delivery-limit": 20}], ids=["classic", "quorum"])
def shop(request: pytest.FixtureRequest, rabbitmq_node: Node, vhost: str) -> tuple[str, str]:
    """The keys of a queue of dead letters and of where they go."""
    keys = declare(rabbitmq_node, vhost, "dead", request.param), declare(rabbitmq_node, vhost, "orders", request.param)
    put(rabbitmq_node, vhost, "dead", BODIES)
    return keys


def bodies(node: Node, vhost: str, queue: str) -> list[bytes]:
    return [body for body, _ in drain(node, vhost, queue)]


def test_a_replay_moves_everything_in_order(
    rabbitmq_node: Node, vhost: str, shop: tuple[str, str], tmp_path: Path
) -> None:
    desk = run(tmp_path / "journal", order(*shop, trial=5), url=rabbitmq_node.url(vhost=vhost))
    assert desk.state == "done", desk.reason
    assert bodies(rabbitmq_node, vhost, "orders") == BODIES and shows(rabbitmq_node, vhost, "dead", 0)


@pytest.mark.parametrize("seed", range(2))
def test_a_replay_in_trouble_names_what_may_be_there_twice(
    rabbitmq_node: Node, vhost: str, shop: tuple[str, str], tmp_path: Path, seed: int
) -> None:
    """Connections are cut, answers break off, and the worker dies at a step of its journal, again and again."""
    chance, path, what = random.Random(seed), tmp_path / "journal", order(*shop, lease_seconds=6.0)
    with Proxy(rabbitmq_node.amqp) as proxy:
        for _ in range(6):
            one = runner(path, what, url=through(rabbitmq_node, proxy, vhost), journal=failing(path, chance))
            proxy.weather = Weather("slow", delay=0.01) if chance.random() < 0.3 else FAIR
            cut = threading.Timer(chance.uniform(0.0, 0.5), proxy.hang_up)
            cut.start()
            try:
                one.run()
            except Crash:
                proxy.hang_up()  # the kernel does so for a process that is gone
            finally:
                one.journal.close()
                cut.join()
    desk = run(path, what, Desk(), url=rabbitmq_node.url(vhost=vhost))
    assert desk.state == "done", desk.reason
    left, arrived = bodies(rabbitmq_node, vhost, "dead"), bodies(rabbitmq_node, vhost, "orders")
    check_nothing_lost(path, BODIES, left, arrived)
    with Reading(path) as journal:
        assert journal.counts().removed == len(BODIES) and left == []


CHILD = """
import sys
from pathlib import Path
from tests.dashboard.replays import Desk, order, run
desk = Desk()
desk.rate = 200.0
run(Path(sys.argv[1]), order(sys.argv[2], sys.argv[3], lease_seconds=6.0), desk, url=sys.argv[4])
"""


def test_a_replay_that_is_killed_goes_on(
    rabbitmq_node: Node, vhost: str, shop: tuple[str, str], tmp_path: Path
) -> None:
    """There are so many letters that none of its lives comes to its end before it is killed, however late that is."""
    path, url = tmp_path / "journal", rabbitmq_node.url(vhost=vhost)
    more = [b"later %d" % n for n in range(800)]
    put(rabbitmq_node, vhost, "dead", more)
    for least in (40, 120):
        child: subprocess.Popen[Any] = subprocess.Popen([sys.executable, "-c", CHILD, str(path), *shop, url])
        deadline = time.monotonic() + 60
        while waiting(rabbitmq_node, vhost, "orders") < least:
            assert child.poll() is None and time.monotonic() < deadline
            time.sleep(0.02)
        os.kill(child.pid, signal.SIGKILL)
        child.wait(10)
    desk = run(path, order(*shop, lease_seconds=6.0), url=url)
    assert desk.state == "done", desk.reason
    left, arrived = bodies(rabbitmq_node, vhost, "dead"), bodies(rabbitmq_node, vhost, "orders")
    check_nothing_lost(path, BODIES + more, left, arrived)
    assert left == []
