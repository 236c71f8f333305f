"""Weather inside the house: databases that are locked, a full disk, a clock that jumps."""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from collectors.brokers import memory
from collectors.protocol import Poll, Sample
from dashboard.live.bus import InProcess
from dashboard.live.feed import Feed
from dashboard.models import Broker
from dashboard.pipeline import Ingest
from dashboard.store import connections, open_store
from tests.weather.house import House, locked
from tests.weather.watch import is_one_sentence, until

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Iterator[House]:
    """At the end no traceback was logged, and not much at all."""
    caplog.set_level(logging.INFO, "weir")
    monkeypatch.setattr(connections, "BUSY_SECONDS", 0.3)
    memory.world("shop").put("orders", 3)
    house = House(tmp_path)
    yield house
    house.stop()
    assert not [r for r in caplog.records if r.exc_info or "Traceback" in r.getMessage()]
    assert len(caplog.records) < 30, [r.getMessage() for r in caplog.records]


def test_locked_samples_cost_history_and_nothing_else(house: House) -> None:
    with locked(house.store.path):
        is_one_sentence(house.says("could not store"))
        kept = house.kept
        memory.world("shop").put("orders", 4)
        house.polls(3)
        until(lambda: house.depths() == [7])  # the page goes on
        assert house.kept == kept
        assert house.feed.fleet.snapshot().broker_states[house.broker.id] == "failing"
    until(lambda: house.said() == "")
    until(lambda: house.kept > kept)


# --- in a process of its own, with a state database on a disk of its own ---------------------------------------------
def told_by(scene: str, data: Path) -> dict[str, Any]:
    """What a scene of tests.weather.house told, played in another process on this data folder."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("WEIR_") and k != "DATABASE_URL"}
    environment |= {"WEIR_DATA": str(data), "DJANGO_SETTINGS_MODULE": "dashboard.settings"}
    done = subprocess.run(
        [sys.executable, "-m", "tests.weather.house", scene], env=environment, cwd=settings.BASE_DIR,
        capture_output=True, text=True, timeout=150, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert told["traces"] == [] and len(told["logged"]) < 30, told
    return told


@pytest.mark.timeout(180)
def test_a_locked_state_database_stops_no_poll(tmp_path: Path) -> None:
    told = told_by("locked", tmp_path)
    is_one_sentence(told["said"])
    assert "locked" in told["said"]


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("mount"), reason="a small disk is mounted, which needs root")
@pytest.mark.timeout(180)
def test_a_full_disk_costs_history_and_nothing_else(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", disk], check=False, capture_output=True)
    if mounted.returncode:
        pytest.skip(f"no small disk: {mounted.stderr.decode().strip()}")
    try:
        told = told_by("full", disk)
    finally:
        subprocess.run(["umount", "-l", disk], check=True)
    is_one_sentence(told["said"])
    assert "full" in told["said"] and told["rows"] == 300


# --- a clock that jumps ----------------------------------------------------------------------------------------------
HOUR = 3600.0


@pytest.mark.parametrize("jump", [-HOUR, HOUR, -24 * HOUR, 400 * 24 * HOUR])
def test_a_clock_that_jumps_and_comes_back_holds_up_nothing(tmp_path: Path, jump: float) -> None:
    broker = Broker.objects.create(name="one", kind="memory", secret_url="", safe_url="", interval=10)
    bus, store = InProcess(), open_store(tmp_path)
    feed = Feed(bus, store)
    ingest = Ingest(broker.id, store, bus.publish)
    begin = time.time() - 600
    times = [begin + 10 * n for n in range(6)]
    times += [begin + jump + 60 + 10 * n for n in range(6)]
    times += [begin + 120 + 10 * n for n in range(6)]
    for n, at in enumerate(times):
        assert ingest(Poll(at, [Sample("a", "a", "list", depth=n)])) is not None
        [depth] = feed.fleet.snapshot(at).column("depth")
        assert depth == n  # the page shows the newest answer, whatever its time
    again = Ingest(broker.id, store, bus.publish)  # a restart among ticks of a time that has not come yet
    assert again(Poll(begin + 200, [Sample("a", "a", "list", depth=99)])) is not None
    feed.stop()
    again_feed = Feed(bus, store)
    again(Poll(begin + 210, [Sample("a", "a", "list", depth=100)]))
    [depth] = again_feed.fleet.snapshot(begin + 210).column("depth")
    assert depth == 100
    again_feed.stop()
    store.close()


def test_a_step_back_of_a_second_leaves_one_answer_out(tmp_path: Path) -> None:
    broker = Broker.objects.create(name="one", kind="memory", secret_url="", safe_url="", interval=10)
    with closing(open_store(tmp_path)) as store:
        ingest = Ingest(broker.id, store, lambda tick: None)
        now = time.time()
        assert ingest(Poll(now, [Sample("a", "a", "list", depth=1)])) is not None
        assert ingest(Poll(now - 1, [Sample("a", "a", "list", depth=2)])) is None
        assert ingest(Poll(now + 9, [Sample("a", "a", "list", depth=3)])) is not None
