"""The embedded store: the contract, and what is its own."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from collectors.protocol import Quality
from dashboard.store import FILE_NAME, Store, StoreError, open_store
from dashboard.store.embedded import EmbeddedStore
from dashboard.store.steps import step_for, usual_interval

from ..store_contract import START, StoreContract, assert_same, tick

READER = """
import sys
from dashboard.store import open_store
store = open_store(sys.argv[1])
print("ready", flush=True)
seen = 0
while seen < 40:
    newest = store.latest(1)
    depths = set(newest.column("depth").tolist())
    assert len(newest) == 300 and len(depths) == 1, depths
    assert depths.pop() >= seen
    seen = int(newest.column("depth")[0])
print("done", seen, flush=True)
"""


class TestEmbedded(StoreContract):
    def open(self, folder: Path) -> Store:
        return open_store(folder)

    def test_a_second_process_reads_while_this_one_writes(self, store: Store, tmp_path: Path) -> None:
        store.append(tick(START, dict.fromkeys(range(300), 0.0)))
        reader = subprocess.Popen([sys.executable, "-c", READER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        try:
            assert reader.stdout is not None and reader.stdout.readline() == "ready\n"
            for i in range(1, 41):
                store.append(tick(START + i, dict.fromkeys(range(300), float(i))))
            assert reader.communicate(timeout=60)[0] == "done 40\n"
        finally:
            reader.kill()
            reader.wait()
        assert reader.returncode == 0


def test_the_folder_is_made_when_it_is_not_there(tmp_path: Path) -> None:
    store = open_store(tmp_path / "new" / "folder")
    assert (tmp_path / "new" / "folder" / FILE_NAME).exists()
    store.close()


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be kept"):
        open_store(tmp_path / "file")


def test_two_stores_have_two_uuids_and_one_store_has_one(tmp_path: Path) -> None:
    one, other = open_store(tmp_path / "a"), open_store(tmp_path / "b")
    again = open_store(tmp_path / "a")
    assert one.uuid != other.uuid and one.uuid == again.uuid
    for store in (one, other, again):
        store.close()


def test_many_may_open_a_new_store_at_once(tmp_path: Path) -> None:
    uuids: list[str] = []

    def open_one() -> None:
        store = open_store(tmp_path)
        uuids.append(store.uuid)
        store.close()

    threads = [threading.Thread(target=open_one) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(uuids) == 8 and len(set(uuids)) == 1


def test_a_newer_layout_is_refused_in_a_sentence(tmp_path: Path) -> None:
    open_store(tmp_path).close()
    with sqlite3.connect(tmp_path / FILE_NAME) as connection:
        connection.execute("PRAGMA user_version = 3")
    connection.close()
    with pytest.raises(StoreError, match=r"newer Weir \(layout 3, this one reads 2\)"):
        open_store(tmp_path)


@pytest.mark.parametrize("content", [b"not a database, but long enough to be looked at" * 20, None])
def test_a_file_of_another_kind_is_refused_and_left_alone(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / FILE_NAME
    if content is None:
        with sqlite3.connect(path) as connection:
            connection.execute("CREATE TABLE other(x)")
        connection.close()
    else:
        path.write_bytes(content)
    with pytest.raises(StoreError):
        open_store(tmp_path)
    if content is not None:
        assert path.read_bytes() == content


def test_a_metric_that_is_new_is_unknown_in_old_samples(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.append(tick(START, {1: 5.0}))
    store.close()
    with sqlite3.connect(tmp_path / FILE_NAME) as connection:
        connection.execute("ALTER TABLE hot DROP COLUMN redelivery_rate")
    connection.close()
    store = open_store(tmp_path)
    newest = store.latest(1)
    assert newest is not None and newest.column("depth")[0] == 5.0
    assert np.isnan(newest.column("redelivery_rate")[0]) and newest.quality[-1, 0] == Quality.UNKNOWN
    store.append(tick(START + 10, {1: 6.0}))
    store.close()


def test_the_check_notices_a_file_that_went_away(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    (tmp_path / FILE_NAME).rename(tmp_path / "moved")
    with pytest.raises(StoreError, match="are gone"):
        store.check()
    (tmp_path / FILE_NAME).write_bytes(b"")
    with pytest.raises(StoreError, match="replaced"):
        store.check()
    store.close()


def test_a_reader_that_waits_does_not_hold_up_the_writer(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.append(tick(START, {1: 1.0}))
    reader = sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)
    reader.execute("BEGIN")
    assert reader.execute("SELECT count(*) FROM hot").fetchone() == (1,)
    store.append(tick(START + 10, {1: 2.0}))
    assert store.prune(START + 5) == 1
    assert reader.execute("SELECT count(*) FROM hot").fetchone() == (1,)
    reader.close()
    store.close()


def test_many_queues_are_asked_for_in_portions(tmp_path: Path) -> None:
    store, ids = open_store(tmp_path), list(range(1, 1301))
    for i in range(3):
        store.append(tick(START + 10 * i, {q: float(q + i) for q in ids}))
    found = store.range(ids[::-1], ["depth"], START, START + 30)
    np.testing.assert_array_equal(found.values["depth"][:, 2], np.array(ids[::-1]) + 2.0)
    np.testing.assert_array_equal(store.window(ids, "depth", 20, "max"), np.array(ids) + 2.0)
    assert len(store.top("depth", 2000)) == 1300
    store.close()


def test_a_sample_takes_few_bytes(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    for i in range(30):
        store.append(tick(START + 10 * i, {q: float(q % 50) for q in range(2000)}))
    store.close()
    assert (tmp_path / FILE_NAME).stat().st_size / (30 * 2000) < 60


def test_a_full_disk_is_a_sentence_and_loses_nothing_that_was_kept(tmp_path: Path) -> None:
    store = EmbeddedStore(tmp_path / FILE_NAME)
    store.append(tick(START, {1: 5.0}))
    pages = store.connections.writer.execute("PRAGMA page_count").fetchone()[0]
    store.connections.writer.execute(
        f"PRAGMA max_page_count = {pages + 2}"
    )  # what SQLite says then, it says of a full disk too
    with pytest.raises(StoreError, match="cannot be written: database or disk is full"):
        store.append(tick(START + 10, dict.fromkeys(range(5000), 1.5)))
    assert_same(store.latest(1), tick(START, {1: 5.0}))
    store.connections.writer.execute("PRAGMA max_page_count = 1000000")
    store.append(tick(START + 10, dict.fromkeys(range(5000), 1.5)))
    store.close()


def test_steps_are_round_and_not_finer_than_the_samples() -> None:
    hour = 3600.0
    assert step_for(0, hour, 300, 10) == 15
    assert step_for(0, hour, 400, 10) == 10
    assert step_for(0, hour, 400, 10.4) == 10
    assert step_for(0, hour, 400, 12) == 15
    assert step_for(0, 24 * hour, 300, 10) == 300
    assert step_for(0, 7 * 24 * hour, 300, 10) == 3600
    assert step_for(0, 3 * 365 * 24 * hour, 300, 10) == 4 * 86400
    assert usual_interval(np.array([0.0, 10, 20, 90])) == 10
    assert usual_interval(np.array([5.0])) == 0
