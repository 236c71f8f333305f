"""What may befall the file: upgrades, damage, a full disk in the midst of sealing."""

from __future__ import annotations

import gzip
import logging
from pathlib import Path

import numpy as np
import pytest

from dashboard.store import FILE_NAME, Retention, StoreError, open_store
from dashboard.store.embedded import EmbeddedStore

from ..store_contract import START, assert_same, tick

RECORDED = Path(__file__).parents[2] / "recordings" / "samples-1.sqlite3.gz"
FOREVER = Retention(raw=9e9, minute=9e9, hour=9e9)
HOUR = 3600.0


def recorded_depth(i: int, queue: int) -> float | None:
    """What layout 1 was fed with when the recording was made: 300 ticks of 5 queues, one every 30 s."""
    return None if (i + queue) % 17 == 0 else float((i * queue) % 40)


def filled(folder: Path, hours: int = 3) -> EmbeddedStore:
    store = EmbeddedStore(folder / FILE_NAME)
    for i in range(hours * 120):
        store.append(tick(START + 30 * i, {q: float(i * q % 50) for q in range(1, 41)}))
    return store


def test_a_file_of_layout_1_is_taken_along_with_all_it_holds(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(gzip.decompress(RECORDED.read_bytes()))
    store = EmbeddedStore(tmp_path / FILE_NAME)
    newest = store.recent(1, 60)
    assert len(newest) == 60
    assert_same(newest[-1], tick(START + 30 * 299, {q: recorded_depth(299, q) for q in range(1, 6)}))
    assert store.extent(1) == (300, START) and store.extent(2) == (100, START + 1)
    for _ in range(2):  # as it came over, and sealed
        found = store.range([3, 9], ["depth"], START, START + 9000, 300)
        wanted = [np.nan if (d := recorded_depth(i, 3)) is None else d for i in range(300)]
        with store.connections.reading() as reader:
            assert reader.execute("PRAGMA user_version").fetchone() == (2,)
        assert found.step == 120
        one = store.range([3], ["depth"], START, START + 9000, 900).values["depth"][0]
        assert sorted(set(one[~np.isnan(one)])) == sorted(set(np.array(wanted)[~np.isnan(wanted)]))
        done = store.tidy(START + 9000, FOREVER)
        assert done is not None
    store.close()


def test_a_damaged_chunk_is_a_gap_that_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = filled(tmp_path)
    store.tidy(START + 3 * HOUR, FOREVER)
    before = store.range([1, 2], ["depth"], START, START + 2 * HOUR, 900).values["depth"]
    with store.connections.writing() as writer:
        number, data = writer.execute("SELECT id, data FROM chunk WHERE id & 4294967295 = 1 ORDER BY id").fetchone()
        writer.execute("UPDATE chunk SET data = ? WHERE id = ?", (data[:20] + b"?" + data[21:], number))
    with caplog.at_level(logging.WARNING):
        after = store.range([1, 2], ["depth"], START, START + 2 * HOUR, 900).values["depth"]
    assert "queue 1 " in caplog.text and "damaged" in caplog.text
    np.testing.assert_array_equal(after[1], before[1])
    gone = np.isnan(after[0]) & ~np.isnan(before[0])
    assert gone.any() and not gone.all()
    np.testing.assert_array_equal(after[0][~gone], before[0][~gone])
    store.close()


@pytest.mark.parametrize("table", ["chunk", "hot", "tick"])
def test_a_damaged_file_is_set_aside_and_the_rest_is_served(
    tmp_path: Path, table: str, caplog: pytest.LogCaptureFixture
) -> None:
    store = filled(tmp_path)
    store.tidy(START + 3 * HOUR, FOREVER)
    before = store.range(range(1, 41), ["depth"], START, START + 3 * HOUR, 900).values["depth"]
    pages = store.connections.writer.execute("SELECT pageno FROM dbstat WHERE name = ?", (table,)).fetchall()
    store.connections.writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    store.close()
    content = bytearray((tmp_path / FILE_NAME).read_bytes())
    place = 4096 * (pages[len(pages) // 2][0] - 1)
    content[place : place + 4096] = b"\xff" * 4096
    (tmp_path / FILE_NAME).write_bytes(content)
    damaged = open_store(tmp_path)
    with pytest.raises(StoreError, match="Restart Weir"):
        damaged.range(range(1, 41), ["depth"], START, START + 3 * HOUR, 900)
        damaged.recent(1, 60)
    damaged.close()
    with caplog.at_level(logging.ERROR):
        again = open_store(tmp_path)
    assert "were damaged" in caplog.text and list(tmp_path.glob("*-damaged-2*"))
    after = again.range(range(1, 41), ["depth"], START, START + 3 * HOUR, 900).values["depth"]
    known = ~np.isnan(after)
    np.testing.assert_array_equal(after[known], before[known])
    lost = np.isnan(after) & ~np.isnan(before)
    assert lost.any() and lost.mean() < 0.6
    assert again.uuid == store.uuid
    again.append(tick(START + 3 * HOUR, {1: 1.0}))
    assert_same(again.latest(1), tick(START + 3 * HOUR, {1: 1.0}))
    done = again.tidy(START + 4 * HOUR, FOREVER)
    assert done and not done.problems
    again.close()


def test_a_full_disk_while_sealing_is_said_and_leaves_all_as_it_was(tmp_path: Path) -> None:
    store = filled(tmp_path)
    before = store.range(range(1, 41), ["depth"], START, START + 3 * HOUR, 900)
    pages = store.connections.writer.execute("PRAGMA page_count").fetchone()[0]
    store.connections.writer.execute(f"PRAGMA max_page_count = {pages + 1}")
    done = store.tidy(START + 3 * HOUR, FOREVER)
    assert done and done.sealed == 0 and "disk is full" in done.problems[0]
    np.testing.assert_array_equal(
        store.range(range(1, 41), ["depth"], START, START + 3 * HOUR, 900).values["depth"], before.values["depth"]
    )
    store.connections.writer.execute("PRAGMA max_page_count = 1000000")
    done = store.tidy(START + 3 * HOUR, FOREVER)
    assert done and done.sealed == 2 and not done.problems
    np.testing.assert_array_equal(
        store.range(range(1, 41), ["depth"], START, START + 3 * HOUR, 900).values["depth"], before.values["depth"]
    )
    store.close()


def test_one_process_tidies_at_a_time(tmp_path: Path) -> None:
    store, other = filled(tmp_path), open_store(tmp_path)
    answers = []

    def ask() -> bool:
        if not answers:
            answers.append(other.tidy(START + 3 * HOUR, FOREVER))
        return False

    done = store.tidy(START + 3 * HOUR, FOREVER, ask)
    assert done and done.sealed == 2 and answers == [None]
    assert other.tidy(START + 3 * HOUR, FOREVER) is not None
    store.close()
    other.close()


def test_a_round_that_is_stopped_goes_on_later(tmp_path: Path) -> None:
    store = filled(tmp_path)
    before = store.range([1, 40], ["depth"], START, START + 3 * HOUR, 900).values["depth"]
    for patience in range(1, 12):
        left = iter(range(patience))
        done = store.tidy(START + 3 * HOUR, FOREVER, lambda left=left: next(left, None) is None)
        assert done is not None
        after = store.range([1, 40], ["depth"], START, START + 3 * HOUR, 900).values["depth"]
        np.testing.assert_array_equal(after, before)
    done = store.tidy(START + 3 * HOUR, FOREVER)
    assert done and not done.problems
    assert store.extent(1)[0] == 360
    store.close()
