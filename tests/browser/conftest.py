"""A real Chromium before a whole Weir: the server in a child process, pages that must stay free of errors."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.servers.ports import free_port

CHROMIUM = os.environ.get("WEIR_CHROMIUM") or "/usr/bin/chromium"
ROOT = Path(__file__).resolve().parents[2]
ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
             "--disable-component-update", "--disable-sync")  # fmt: skip

expect.set_options(timeout=30_000)  # as long as for all else; five seconds are short for a machine that is busy

#: Runs before a page's own scripts: what its Content Security Policy refused, and tasks that held it up.
WATCH = """
window.refused = [];
addEventListener("securitypolicyviolation", (e) => refused.push(`${e.violatedDirective} ${e.blockedURI}`));
window.longTasks = [];
new PerformanceObserver((list) => longTasks.push(...list.getEntries().map((e) => Math.round(e.duration))))
  .observe({ type: "longtask" });
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    missing = pytest.mark.skip(reason=f"Chromium is not at {CHROMIUM} (WEIR_CHROMIUM)")
    for item in items:
        if "tests/browser" in item.path.as_posix():
            item.add_marker(pytest.mark.slow)
            item.add_marker(pytest.mark.browser)
            if item.get_closest_marker("timeout") is None:
                item.add_marker(pytest.mark.timeout(300))  # more than the waits in it, on a machine that is busy
            if not shutil.which(CHROMIUM):
                item.add_marker(missing)


@dataclass
class Weir:
    """One server with its own data folder; it may be stopped and started again at the same port."""

    folder: Path
    arguments: tuple[str, ...]
    port: int = field(default_factory=free_port)
    url: str = ""
    session: str = ""
    process: subprocess.Popen[str] | None = None

    def start(self) -> Weir:
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("WEIR_", "DATABASE_URL", "REDIS_URL"))}
        environment |= {"WEIR_DATA": str(self.folder), "DJANGO_SETTINGS_MODULE": "dashboard.settings"}
        command = [sys.executable, "-W", "ignore", "-m", "tests.browser.server", "--port", str(self.port)]
        self.process = subprocess.Popen(
            [*command, *self.arguments], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"the server ended with {self.process.wait()}"
        told = json.loads(line)
        self.url, self.session = told["url"], self.session or told["session"]
        return self

    def stop(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None


def served(tmp_path_factory: pytest.TempPathFactory, *arguments: str) -> Iterator[Weir]:
    weir = Weir(tmp_path_factory.mktemp("weir"), arguments).start()
    yield weir
    weir.stop()


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Weir]:
    """Seventeen queues of three brokers in every state, with an hour of past, polled every second."""
    yield from served(tmp_path_factory, "--history", "3600")


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Weir]:
    """Ten thousand queues, polled every ten seconds."""
    yield from served(tmp_path_factory, "--scene", "empty", "--queues", "10000", "--interval", "10")


Starts = Callable[..., Weir]


@pytest.fixture
def another(tmp_path: Path) -> Iterator[Starts]:
    """Start servers of a test's own, with arguments of `server.py`. Ask for it before the page, which ends first."""
    started: list[Weir] = []

    def start(*arguments: str) -> Weir:
        started.append(Weir(tmp_path / str(len(started)), arguments).start())
        return started[-1]

    yield start
    for weir in started:
        weir.stop()


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict) -> dict:
    return {**browser_type_launch_args, "executable_path": CHROMIUM, "args": list(ARGUMENTS)}


@pytest.fixture(scope="session")
def browser_context_args(browser_context_args: dict) -> dict:
    return {**browser_context_args, "viewport": {"width": 1440, "height": 900}, "color_scheme": "dark"}


def signed_in(context: BrowserContext, weir: Weir) -> None:
    context.add_cookies([{"name": "weir_session", "value": weir.session, "url": weir.url}])


@dataclass
class Watched:
    """A page whose console errors and refusals by its policy are collected. `allowed`: parts of errors to expect."""

    page: Page
    problems: list[str] = field(default_factory=list)
    allowed: list[str] = field(default_factory=list)

    def check(self) -> None:
        problems = self.problems + self.page.evaluate("window.refused ?? []")
        assert not [p for p in problems if not any(part in p for part in self.allowed)]


@pytest.fixture
def watched(page: Page) -> Iterator[Watched]:
    """The page of a test; at the end it must have logged no error, thrown nothing, and broken no policy."""
    watched = Watched(page)
    page.add_init_script(WATCH)
    page.on("console", lambda m: m.type == "error" and watched.problems.append(m.text))
    page.on("pageerror", lambda error: watched.problems.append(str(error)))
    yield watched
    watched.check()


@pytest.fixture
def queues(watched: Watched, context: BrowserContext, shop: Weir) -> Page:
    """The queues page of the shop, live."""
    signed_in(context, shop)
    watched.page.goto(f"{shop.url}/")
    live(watched.page)
    return watched.page


def live(page: Page) -> None:
    """Wait until frames arrive."""
    page.wait_for_selector("#live[data-state=live]")


def row_of(page: Page, name: str) -> str:
    """A selector of the row of a queue."""
    return f'.queues .rows tr:has(.name a:text-is("{name}"))'


def until(page: Page, expression: str, seconds: float = 30) -> Any:
    """Wait until a JavaScript expression is true; its value. (`wait_for_function` would need eval.)"""
    deadline = time.monotonic() + seconds
    while not (value := page.evaluate(expression)):
        assert time.monotonic() < deadline, f"still not true after {seconds} s: {expression}"
        page.wait_for_timeout(50)
    return value
