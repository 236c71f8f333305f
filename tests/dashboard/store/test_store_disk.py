"""The store and the disk: what is written moves into the file beside the ticks, and a disk that is full is said."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread

import pytest

from dashboard.store import FILE_NAME, connections
from dashboard.store.checkpoints import Checkpoints
from dashboard.store.embedded import EmbeddedStore

from ..store_contract import START, tick

QUEUES = 2500
FULL = f"""
import resource, sys, time
from pathlib import Path
from dashboard.store import StoreError, open_store
from tests.dashboard.store_contract import tick
folder = Path(sys.argv[1])
store = open_store(folder)
number = 0
def append():
    global number
    store.append(tick({START} + number, dict.fromkeys(range({QUEUES}), float(number))))
    print("kept", number, flush=True)
    number += 1
for _ in range(5):
    append()
resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, -1))  # no file can grow over that, as if the disk were full
try:
    for _ in range(100):
        append()
except StoreError as error:
    print("full", error, flush=True)
time.sleep(1)  # checkpoints fail meanwhile
resource.setrlimit(resource.RLIMIT_FSIZE, (-1, -1))
for _ in range(3):
    append()
print("end", flush=True)
time.sleep(60)
"""


def wait_for(true: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not true():
        assert time.monotonic() < until
        time.sleep(0.05)


def test_what_was_written_moves_into_the_file_without_a_commit_that_does_it(tmp_path: Path) -> None:
    store = EmbeddedStore(tmp_path / FILE_NAME)
    store.append(tick(START, dict.fromkeys(range(QUEUES), 1.0)))
    wait_for(lambda: (tmp_path / FILE_NAME).stat().st_size > 50 * QUEUES)
    assert (tmp_path / f"{FILE_NAME}-wal").stat().st_size < 4096 * 1000  # where SQLite itself would have begun
    store.close()
    assert not (tmp_path / f"{FILE_NAME}-wal").exists()


def test_long_work_gives_way_to_a_tick_but_not_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, went = EmbeddedStore(tmp_path / FILE_NAME), Event()

    def work() -> None:
        store.connections.give_way()
        went.set()

    with store.connections.first(), store.connections.first():
        began = time.monotonic()
        store.connections.give_way()
        assert time.monotonic() - began > 0.1
        monkeypatch.setattr(connections, "LONGEST_WAY", 60.0)
        Thread(target=work).start()
        assert not went.wait(0.02)
    assert went.wait(30)
    store.close()


def test_an_end_beside_the_first_write_waits_for_no_thread_that_never_began(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for n in range(100):
        checkpoints = Checkpoints(lambda: sqlite3.connect(tmp_path / FILE_NAME))
        writer = Thread(target=checkpoints.note, args=(n,))
        writer.start()
        checkpoints.stop()
        writer.join()
        checkpoints.stop()
    checkpoints.note(10_000)
    assert checkpoints._thread is None or not checkpoints._thread.is_alive()
    assert caplog.text == ""


@pytest.mark.slow
def test_a_full_disk_keeps_what_was_acknowledged_and_ticks_go_on_when_there_is_room(tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", FULL, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    said = []
    for line in child.stdout:
        said.append(line)
        if line == "end\n":
            break
    child.kill()  # as it stands: nothing is put in order at the end
    child.wait()
    full = [line for line in said if line.startswith("full")]
    assert len(full) == 1 and "cannot be written" in full[0], said
    kept = [int(line.split()[1]) for line in said if line.startswith("kept")]
    assert 5 < len(kept) < 100 and said.index(full[0]) == len(said) - 5
    store = EmbeddedStore(tmp_path / FILE_NAME)
    ticks = store.recent(1, 200)
    assert [int(one.at - START) for one in ticks] == kept == list(range(len(kept)))
    assert all(len(one) == QUEUES and (one.column("depth") == one.at - START).all() for one in ticks)
    store.check()
    store.close()
