"""The demo's SQS, with a real server: what it shows, and that nothing of it stays behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from random import Random

import psutil
import pytest
from moto.core import DEFAULT_ACCOUNT_ID
from moto.sqs.models import sqs_backends

from collectors import registry
from collectors.protocol import Poll
from dashboard.demo import DemoSQS, sqs
from dashboard.demo.flow import Moment
from dashboard.demo.sqs_shop import flows

ROOT = Path(__file__).parents[3]
QUEUES = {"checkout-events", "image-resize", "ledger.fifo", "nightly-exports", "partner-hooks", "partner-hooks-dlq"}


SOON = 90.0  # seconds: a generous bound, for a machine that is busy


class Told:
    """What a demo said, and the moment at which it did; it says that it is ready when it may."""

    def __init__(self) -> None:
        self.url = self.sentence = ""
        self.said, self.may = threading.Event(), threading.Event()
        self.may.set()

    def ready(self, url: str) -> None:
        self.may.wait(SOON)
        self.url = url
        self.said.set()

    def unavailable(self, sentence: str) -> None:
        self.sentence = sentence
        self.said.set()


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    told = Told()
    with DemoSQS(told.ready, told.unavailable):
        assert told.said.wait(SOON)
        assert told.sentence == ""
        yield told.url


@contextmanager
def polling(url: str) -> Iterator[Callable[[], Poll]]:
    """What polls it."""
    broker = registry.connect(registry.parse(url.replace("moving_every=5s", "moving_every=0s")))
    try:
        yield broker.poll
    finally:
        broker.close()


def test_it_has_six_queues_one_of_them_fifo_and_one_with_dead_letters(url: str) -> None:
    with polling(url) as poll_now:
        poll = poll_now()
    assert {s.name for s in poll.samples} == QUEUES
    assert [s.name for s in poll.samples if s.kind == "fifo"] == ["ledger.fifo"]
    names = {s.key: s.name for s in poll.samples}
    assert [(names[r.source], names[r.target]) for r in poll.relations or ()] == [
        ("partner-hooks", "partner-hooks-dlq")
    ]
    assert {s.name: s.depth for s in poll.samples}["partner-hooks-dlq"] >= 23
    assert poll.problems == []


@pytest.mark.slow
def test_its_queues_live(url: str) -> None:
    changed: set[str] = set()
    taken, deadline = 0.0, time.monotonic() + SOON
    with polling(url) as poll_now:
        before = {s.name: (s.depth, s.in_flight) for s in poll_now().samples}
        while len(changed) < 3 or not taken:
            assert time.monotonic() < deadline, f"only these changed: {changed}; {taken} were in flight"
            time.sleep(1)
            after = {s.name: (s.depth, s.in_flight) for s in poll_now().samples}
            changed |= {name for name in QUEUES if after[name] != before[name]}
            taken += sum(in_flight for _, in_flight in after.values())


def test_its_url_says_that_it_is_a_demo(url: str) -> None:
    assert "name=demo-sqs" in url and "tags=demo" in url and "http://127.0.0.1:" in url


def test_nothing_is_left_after_stop() -> None:
    told = Told()
    told.may.clear()
    demo = DemoSQS(told.ready, told.unavailable)
    demo.start()
    assert not told.said.is_set(), "the start waits for nothing"
    told.may.set()
    assert told.said.wait(SOON)
    process = psutil.Process(demo.pid)
    demo.stop()
    demo.stop()
    assert not process.is_running()


def test_one_that_is_stopped_before_it_is_ready_says_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    never_ready = [sys.executable, "-c", "import sys; sys.stdin.read()"]
    started = subprocess.Popen
    monkeypatch.setattr(sqs.subprocess, "Popen", lambda _command, **more: started(never_ready, **more))
    told = Told()
    with DemoSQS(told.ready, told.unavailable) as demo:
        process = psutil.Process(demo.pid)
    assert not process.is_running()
    assert (told.url, told.sentence) == ("", "")


def test_without_moto_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    found = sqs.importlib.util.find_spec
    monkeypatch.setattr(sqs.importlib.util, "find_spec", lambda name: None if name == "moto" else found(name))
    told = Told()
    with DemoSQS(told.ready, told.unavailable):
        assert told.said.is_set()
    assert "needs moto" in told.sentence and "pip install" in told.sentence


@pytest.mark.slow
def test_it_ends_with_a_process_that_is_killed() -> None:
    program = (
        "import time\nfrom dashboard.demo import DemoSQS\n"
        "demo = DemoSQS(lambda url: print(demo.pid, flush=True), print)\ndemo.start()\ntime.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        os.kill(parent.pid, signal.SIGKILL)
        child.wait(SOON)
    finally:
        parent.kill()
        parent.wait()


def test_what_was_moved_on_while_the_machine_slept_does_not_end_the_traffic():
    """Messages in hand become visible again while nothing runs, and are given up before the consumer is done."""
    backend = sqs_backends[DEFAULT_ACCOUNT_ID][sqs.REGION]
    flow = next(flow for flow in flows() if flow.name == "checkout-events")
    moment = partial(Moment, dt=0.5, now=time.time(), dice=Random(1))
    flow.begin(backend, moment(t=0.0))
    for n in range(20):
        flow.step(backend, moment(t=n / 2))
    assert flow._in_hand
    backend.get_queue(flow.name)._messages.clear()
    for n in range(20, 80):
        flow.step(backend, moment(t=n / 2))
    assert backend.get_queue(flow.name)._messages
