"""`--jitter SEED`: the tests, with delays at random where threads, the database and answers meet.

What a machine does once in a hundred runs happens here in each: a thread begins late or at once, a statement or an
answer comes late, who waits is woken late. A test that fails then asks for something too early, or the product says
something too early. Each delay is shorter than what a busy machine brings by itself.
"""

from __future__ import annotations

import random
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any

import pytest
from django.db.backends.signals import connection_created
from django.test import Client

pause = time.sleep  # as it is before anybody replaces it


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--jitter", type=int, metavar="SEED", help="delay threads, statements and answers at random")


def pytest_configure(config: pytest.Config) -> None:
    seed = config.getoption("--jitter")
    if seed is not None:
        config.pluginmanager.register(Jitter(seed), "jitter-at-work")


class Jitter:
    """The delays of one run. Each test has its own, which depend on the seed and the name of the test."""

    def __init__(self, seed: int) -> None:
        self.seed, self.random = seed, random.Random(seed)

    def pytest_report_header(self) -> str:
        return f"jitter: seed {self.seed}"

    def perhaps(self, chance: float, seconds: float) -> None:
        """Wait for up to so many seconds, or not at all."""
        if self.random.random() < chance:
            pause(self.random.random() * seconds)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self.random = random.Random(f"{self.seed} {item.nodeid}")
        usual = sys.getswitchinterval()
        sys.setswitchinterval(self.random.choice((1e-5, usual, 0.05)))
        try:
            return (yield)
        finally:
            sys.setswitchinterval(usual)

    @pytest.hookimpl(wrapper=True)
    def pytest_sessionstart(self) -> Iterator[None]:
        connection_created.connect(self._connected, weak=False)
        Client.request = self._late(Client.request, 0.3, 0.5)  # type: ignore[method-assign]
        threading.Thread.start = self._start(threading.Thread.start)  # type: ignore[method-assign]
        threading.Event.wait = self._late(threading.Event.wait, 0.05, 0.2)  # type: ignore[method-assign]
        return (yield)

    def _late(self, call: Callable[..., Any], chance: float, seconds: float) -> Callable[..., Any]:
        """The same call, whose answer may come late."""

        @wraps(call)
        def late(*arguments: Any, **named: Any) -> Any:
            answer = call(*arguments, **named)
            self.perhaps(chance, seconds)
            return answer

        return late

    def _start(self, start: Callable[[threading.Thread], None]) -> Callable[[threading.Thread], None]:
        """A thread whose work begins late, or is ahead of who started it."""

        def jittered(thread: threading.Thread) -> None:
            thread.run = self._begun_late(thread.run)  # type: ignore[method-assign]
            start(thread)
            self.perhaps(0.2, 0.2)

        return jittered

    def _begun_late(self, run: Callable[[], None]) -> Callable[[], None]:
        def late() -> None:
            self.perhaps(0.3, 0.3)
            run()

        return late

    def _connected(self, connection: Any, **_: Any) -> None:
        if self._statement not in connection.execute_wrappers:
            connection.execute_wrappers.append(self._statement)

    def _statement(self, execute: Callable[..., Any], *arguments: Any) -> Any:
        self.perhaps(0.02, 0.1)
        answer = execute(*arguments)
        self.perhaps(0.02, 0.1)
        return answer
