"""Tidying up in the midst of life: processes that die while they seal, readers and a writer beside it."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from dashboard.store import FILE_NAME, Retention, open_store
from dashboard.store.embedded import EmbeddedStore

from ..store_contract import START, tick

QUEUES = 200
RETENTION = Retention(raw=2 * 86_400, minute=9e9, hour=9e9)
#: Ticks every ten seconds, whose depths say which tick it is; somebody tidies up without a pause.
COMMON = f"""
import sys, threading, time
from dashboard.store import Retention, open_store
from tests.dashboard.store_contract import tick
from tests.dashboard.store.test_store_tidying import RETENTION, assert_whole
store = open_store(sys.argv[1])
START, QUEUES = {START}, {QUEUES}
def number():
    newest = store.latest(1)
    return -1 if newest is None else int(newest.column("depth")[0])
def append(n):
    store.append(tick(START + 10 * n, {{q: float(n + q) for q in range(QUEUES)}}))
"""
WRITER = f"""{COMMON}
def tidy():
    while True:
        store.tidy(START + 10 * number(), RETENTION)
threading.Thread(target=tidy, daemon=True).start()
for n in range(number() + 1, 100_000):
    append(n)
    print(n, flush=True)
"""
TIDIER = f"""{COMMON}
print("ready", flush=True)
while number() < 1500:
    done = store.tidy(START + 10 * number(), RETENTION)
    assert done and not done.problems, done
store.tidy(START + 10 * number(), RETENTION)  # however few turns it had beside the writer
print("done", flush=True)
"""
READER = f"""{COMMON}
print("ready", flush=True)
while (n := number()) < 1500:
    assert_whole(store, n)
print("done", flush=True)
"""


def assert_whole(store: EmbeddedStore, newest: int) -> None:
    """Each queue says in each tick what it was given, whether that is hot, sealed or between."""
    queues = [0, 7, QUEUES - 1]
    found = store.range(queues, ["depth"], START, START + 10 * newest + 5, newest + 10)
    assert found.step == 10
    expected = np.arange(newest + 1) + np.array(queues)[:, None]
    np.testing.assert_array_equal(found.values["depth"], expected)


@contextmanager
def started(script: str, folder: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen([sys.executable, "-c", script, str(folder)], stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def starved(*processes: subprocess.Popen[str]) -> float:
    """Seconds for which this thread and these processes had to wait for a processor: that is the machine's affair."""
    files = ["/proc/thread-self/schedstat", *(f"/proc/{process.pid}/schedstat" for process in processes)]
    return sum(int(Path(file).read_text().split()[1]) for file in files) / 1e9


@pytest.mark.slow
@pytest.mark.timeout(300)  # twelve seconds on a free machine; on a busy one each life seals less
def test_kill_9_while_sealing_loses_nothing(tmp_path: Path) -> None:
    chance, acknowledged = random.Random(4), -1
    sealed, longer = 0, 1.0
    while sealed < 3 or acknowledged < 1000:
        with started(WRITER, tmp_path) as writer:
            assert writer.stdout is not None
            first = writer.stdout.readline()
            time.sleep(chance.uniform(0.3, 1.5) * longer)
            writer.send_signal(signal.SIGKILL)
            acknowledged = int([first, *writer.stdout.read().splitlines()][-1])
        store = EmbeddedStore(tmp_path / FILE_NAME)
        newest = store.latest(1)
        assert newest is not None and newest.at >= START + 10 * acknowledged
        assert_whole(store, acknowledged)
        with store.connections.writing() as connection:  # nobody is there any more: the lease need not be waited for
            connection.execute("DELETE FROM about WHERE name = 'tidying'")
            sealed = connection.execute("SELECT count(*) FROM seal WHERE state = 1").fetchone()[0]
        store.close()
        if acknowledged > 360 * (sealed + 2):  # no life was long enough to seal the hours that are over: a busy machine
            longer *= 1.5
    store = EmbeddedStore(tmp_path / FILE_NAME)
    done = store.tidy(START + 10 * acknowledged, RETENTION)
    assert done and not done.problems
    assert_whole(store, acknowledged)
    with store.connections.reading() as reader:
        assert reader.execute("SELECT count(*) FROM seal WHERE state <> 1").fetchone() == (0,)
        assert reader.execute("SELECT count(*) FROM leftover").fetchone() == (0,)
        rows, ticks = (reader.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("hot", "tick"))
        assert rows == ticks * QUEUES
        seals = "SELECT count(*) FROM chunk WHERE (id >> 32) NOT IN (SELECT id FROM seal)"
        assert reader.execute(seals).fetchone() == (0,)
    store.close()


@pytest.mark.slow
def test_two_readers_and_a_tidier_beside_a_writer(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    waited = []
    for n in range(5):
        store.append(tick(START + 10 * n, {q: float(n + q) for q in range(QUEUES)}))
    with (
        started(READER, tmp_path) as one,
        started(READER, tmp_path) as other,
        started(TIDIER, tmp_path) as tidier,
    ):
        for process in (one, other, tidier):
            assert process.stdout is not None and process.stdout.readline() == "ready\n"
        for n in range(5, 1501):
            made = tick(START + 10 * n, {q: float(n + q) for q in range(QUEUES)})
            began, idle = time.monotonic(), starved(tidier)
            store.append(made)
            waited.append(time.monotonic() - began - (starved(tidier) - idle))
        for process in (one, other, tidier):
            assert process.communicate(timeout=60)[0] == "done\n"
    assert max(waited) < 2, "a tick waits for whoever tidies up, but not for long"
    with store.connections.reading() as reader:
        assert reader.execute("SELECT count(*) FROM seal WHERE state = 1").fetchone()[0] >= 2
    assert_whole(store, 1500)
    store.close()
