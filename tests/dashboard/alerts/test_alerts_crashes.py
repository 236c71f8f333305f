"""Crash schedules: processes killed with SIGKILL between any two steps lose no message and open nothing twice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.rules.tree import ROOT
from tests.servers import postgresql
from tests.servers.receivers import hook

pytestmark = pytest.mark.slow


def running(folder: Path, **more: str) -> Callable[..., tuple[int, str]]:
    """Runs `tests.dashboard.dying` in a folder of its own; the exit code, and what was printed."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("WEIR_", "DATABASE_URL", "REDIS_URL"))}
    environment = kept | {"WEIR_DATA": str(folder), "DJANGO_SETTINGS_MODULE": "dashboard.settings"} | more

    def run(*arguments: str) -> tuple[int, str]:
        command = [sys.executable, "-W", "ignore", "-m", "tests.dashboard.dying", *arguments]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=100)
        assert done.returncode in (0, -9), done.stderr[-2000:]
        return done.returncode, done.stdout

    return run


@pytest.fixture
def weir(tmp_path):
    return running(tmp_path)


@pytest.fixture
def weir_on_postgresql(tmp_path):
    if postgresql.programs() is None:
        pytest.skip("PostgreSQL is not on this machine")
    with postgresql.running() as url:
        yield running(tmp_path, DATABASE_URL=url, WEIR_SECRET_KEY="x" * 40, WEIR_ENCRYPTION_KEY="y" * 40)


@pytest.mark.timeout(300)
def test_a_sender_killed_at_any_step_loses_nothing_and_repeats_with_the_same_key(weir):
    with hook() as receiver:
        weir("setup", str(receiver.port), "3")
        for step in ("leased", "sending", "sent", "noted"):
            code, _ = weir("work", step)
            assert code == -9, f"it was to die when {step}"
        assert weir("work", "")[0] == 0
        books = json.loads(weir("state")[1])["tellings"]
    assert [row[2] for row in books] == ["sent"] * 3
    got = Counter(receiver.keys)
    assert set(got) == {row[0] for row in books}, "every message arrived"
    assert got.total() == 4, "and one twice: it was sent and not yet written down when the sender died"


@pytest.mark.postgresql
@pytest.mark.timeout(300)
def test_a_collector_killed_at_any_step_opens_and_tells_once(weir_on_postgresql):
    weir = weir_on_postgresql
    with hook() as receiver:
        weir("setup", str(receiver.port), "0")
        done = 0
        for step, until in (*[("in the transaction", 5)] * 2, ("before the store", 5), ("after it", 8)):
            code, _ = weir("polls", step, str(done), str(until))
            assert code == -9, f"it was to die {step}"
            done = until - 1 if step == "in the transaction" else until
        books = json.loads(weir("state")[1])
        assert books["incidents"] == [["orders", "open"]]
        assert [row[1:] for row in books["tellings"]] == [["opened", "waiting"]]
        weir("work", "")
        weir("polls", "", str(done), "16")
        weir("work", "")
        books = json.loads(weir("state")[1])
    assert books["incidents"] == [["orders", "closed"]]
    assert [row[1:] for row in books["tellings"]] == [["opened", "sent"], ["closed", "sent"]]
    assert [one["json"]["event"] for one in receiver.got] == ["opened", "closed"]
