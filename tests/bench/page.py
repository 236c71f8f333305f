"""Pages and the API with 10,000 queues: `python -m tests.bench.page`.

A whole Weir in a process of its own polls 10,000 made-up queues every five seconds. Answers are timed one after
another, as one browser asks; the queues page is opened in Chromium, where its first paint and the tasks that hold it up
are noted.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import tempfile
import time
import urllib.request
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psutil

from tests.browser.conftest import ARGUMENTS, CHROMIUM, WATCH, Weir

from . import report
from .registry import Missing, Table, Target


def asked(weir: Weir, path: str, times: int) -> dict[str, Any]:
    """Milliseconds of one address, and what it costs the server."""
    request = urllib.request.Request(f"{weir.url}{path}", headers={"Cookie": f"weir_session={weir.session}"})
    assert weir.process is not None
    process = psutil.Process(weir.process.pid)
    spent, size = [], 0
    before = process.cpu_times()
    for _ in range(times):
        began = time.perf_counter()
        with urllib.request.urlopen(request, timeout=30) as answer:
            size = len(answer.read())
        spent.append(1000 * (time.perf_counter() - began))
    after = process.cpu_times()
    cpu = after.user + after.system - before.user - before.system
    p95 = sorted(spent)[max(0, round(0.95 * len(spent)) - 1)]
    return {"address": path, "p50 ms": statistics.median(spent), "p95 ms": p95, "server ms each": 1000 * cpu / times,
            "KB": size / 1000}  # fmt: skip


def answers(weir: Weir, times: int) -> list[dict[str, Any]]:
    request = urllib.request.Request(
        f"{weir.url}/api/v1/queues?limit=1&sort=-depth", headers={"Cookie": f"weir_session={weir.session}"}
    )
    queue = json.loads(urllib.request.urlopen(request, timeout=30).read())["items"][0]["id"]
    paths = (
        "/", f"/queues/{queue}/", "/api/v1/queues?limit=100", "/api/v1/queues?filter=state:growing",
        f"/api/v1/queues/{queue}", f"/api/v1/queues/{queue}/figure?range=1h", f"/api/v1/queues/{queue}/outlook",
        "/metrics",
    )  # fmt: skip
    return [asked(weir, path, times if path != "/metrics" else max(1, times // 5)) for path in paths]


def painted(weir: Weir, seconds: float) -> dict[str, Any]:
    """The queues page in Chromium: first paint, and the tasks over 50 ms, at the start and afterwards."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        context = browser.new_context(viewport={"width": 1440, "height": 900})
        context.add_cookies([{"name": "weir_session", "value": weir.session, "url": weir.url}])
        context.add_init_script(WATCH)
        found: dict[str, Any] = {}
        for name in ("cold", "warm"):
            page = context.new_page()
            page.goto(weir.url)
            page.get_by_text("service-").first.wait_for()
            page.wait_for_timeout(100 * seconds)
            found[name] = page.evaluate(
                "performance.getEntriesByType('paint').find((e) => e.name === 'first-contentful-paint').startTime"
            )
            early = page.evaluate("longTasks.splice(0).length")
            page.wait_for_timeout(1000 * seconds / 2)
            late = page.evaluate("longTasks")
            page.close()
        browser.close()
    return {
        "page": "/", "first paint ms, cold": found["cold"], "first paint ms, warm": found["warm"],
        "long tasks at the start": early, "long tasks afterwards": len(late), "longest ms": max(late, default=0),
    }  # fmt: skip


def bench(short: bool = False) -> list[Table]:
    queues, times = (200, 3) if short else (10_000, 40)
    with tempfile.TemporaryDirectory() as folder:
        os.environ.setdefault("WEIR_CHROMIUM", CHROMIUM)
        past = "300" if short else "900"
        arguments = ("--scene", "empty", "--queues", str(queues), "--interval", "5", "--history", past)
        weir = Weir(Path(folder), arguments).start()
        try:
            time.sleep(0 if short else 12)
            rows = answers(weir, times)
            if not shutil.which(CHROMIUM):
                raise Missing("Chromium is not installed")
            page = painted(weir, 2 if short else 20)
        finally:
            weir.stop()
    slowest = max(row["p95 ms"] for row in rows if row["address"] != "/metrics")
    targets = [] if short else [
        Target("the slowest p95 of pages and API in ms", slowest, 100),
        Target("first paint of the queues page in ms", page["first paint ms, warm"], 1000),
        Target("tasks over 50 ms afterwards", page["long tasks afterwards"], 0),
    ]  # fmt: skip
    note = "The browser and the polling share the machine's cores: wall times are upper bounds."
    return [Table(f"Answers with {queues:,} queues", rows, note),
            Table(f"The queues page with {queues:,} queues", [page], targets=targets)]  # fmt: skip


if __name__ == "__main__":
    print(report.text({"tables": [asdict(table) for table in bench()], "seconds": 0}))
