"""Journals that break: a full disk, a file that is cut off or gone. Nothing is sent that was not written down."""

from __future__ import annotations

import sqlite3

import pytest

from dashboard.replay.journal import Journal
from dashboard.replay.report import Reading
from dashboard.replay.states import JournalError, State

from ..replays import Desk, check_nothing_lost, fill, in_queue, order, run, runner, shop


def test_a_full_disk_stops_before_anything_is_sent_and_is_resumed(tmp_path, monkeypatch):
    """The journal may not grow at some moment: what was not written down was not sent."""
    monkeypatch.setattr("dashboard.replay.hidden.HELD_ON", -1000.0)
    bodies, path, desk = fill(shop(), 4000), tmp_path / "j", Desk()
    one = runner(path, order(), desk)
    (pages,) = one.journal._db.execute("pragma page_count").fetchone()
    one.journal._db.execute(f"pragma max_page_count={pages + 20}")
    one.run()
    one.journal.close()
    assert desk.state == "failed" and desk.reason.startswith(
        "The journal j cannot be written: database or disk is full"
    )
    left, arrived = in_queue(shop(), "orders.dead"), in_queue(shop(), "orders")
    assert 0 < len(arrived) < len(bodies) and set(left) | set(arrived) == set(bodies)
    with shop().still() as queues:
        assert not queues["orders.dead"].taken
    again = run(path, order())
    assert again.state == "done" and again.counts.removed == len(bodies)
    double = check_nothing_lost(path, bodies, in_queue(shop(), "orders.dead"), in_queue(shop(), "orders"))
    assert sum(double.values()) == again.counts.possibly_duplicated <= 1000  # confirmed, which could not be written


def test_a_file_that_is_cut_off_is_said_and_nothing_is_sent(tmp_path):
    path = tmp_path / "j"
    with Journal(path, "old") as journal:
        for n in range(2000):
            journal.add(f"letter {n}", State.PLANNED, 1, "")
        journal.commit()
    with sqlite3.connect(path) as db:
        db.execute("pragma wal_checkpoint(truncate)")
    db.close()
    for size in (path.stat().st_size // 2 + 100, 5000, 50):
        path.write_bytes(path.read_bytes()[:size])
        fill(shop(), 3)
        try:
            desk = run(path, order())
        except JournalError as error:  # it cannot even be opened
            assert str(error).startswith("The journal j cannot be opened:")
        else:
            assert desk.state == "failed" and desk.reason.startswith("The journal j cannot be ")
        assert in_queue(shop(), "orders") == []


def test_a_line_that_was_not_whole_on_the_disk_counts_as_not_written(tmp_path):
    """The write-ahead log breaks off in the midst of a record: the transactions before it hold."""
    bodies, path = fill(shop(), 30), tmp_path / "j"
    one = runner(path, order(oldest=20))
    one.run()
    before = (path.read_bytes(), path.with_name("j-wal").read_bytes())
    one.journal.add("more", State.SENDING, 1, "")
    one.journal.commit()
    whole = path.with_name("j-wal").read_bytes()
    one.journal.close()
    path.write_bytes(before[0])
    path.with_name("j-shm").unlink(missing_ok=True)
    path.with_name("j-wal").write_bytes(whole[: len(before[1]) + 700])
    with Reading(path) as journal:
        assert journal.counts().removed == 20 and journal.counts().total == 20
    desk = run(path, order(oldest=20))
    assert desk.state == "done" and desk.counts.possibly_duplicated == 0
    check_nothing_lost(path, bodies, in_queue(shop(), "orders.dead"), in_queue(shop(), "orders"))


def test_a_journal_of_an_earlier_weir_goes_on(tmp_path):
    """Version 1 knew no handles of letters in hands and no marks."""
    path = tmp_path / "j"
    with Journal(path, "old") as journal:
        journal.add("letter", State.REMOVED, 1, "")
        journal.commit()
    with sqlite3.connect(path) as db:
        for table in ("held", "unmarked", "unreplicated", "renewing"):
            db.execute(f"drop table {table}")
        db.execute("pragma user_version=1")
    db.close()
    with Reading(path) as journal:
        assert [row.marks for row in journal.messages()] == [4] and journal.marks() == {4: 1} and not journal.held()
    with Journal(path, "new") as journal:
        journal.hold({1: "handle"})
        journal.mark(1, 0, "print")
        journal.commit()
    with Reading(path) as journal:
        assert journal.held() == 1 and journal.marks() == {0: 1}


def test_a_newer_journal_is_left_alone(tmp_path):
    Journal(tmp_path / "j", "me").close()
    with sqlite3.connect(tmp_path / "j") as db:
        db.execute("pragma user_version=99")
    db.close()
    with pytest.raises(JournalError, match="was written by a newer Weir"):
        Journal(tmp_path / "j", "me")


def test_a_chart_has_few_points_of_many_messages_and_ends_with_all(tmp_path):
    with Journal(tmp_path / "j", "me") as journal:
        for _ in range(30):
            numbers = [journal.add("id", State.SENDING, 1, "orders") for _ in range(10)]
            journal.commit()
            journal.move(numbers, State.SENDING, State.SENT)
            journal.came_back(numbers[:2])
            journal.commit()
    with Reading(tmp_path / "j") as reading:
        line = reading.by_time(points=5)
    assert 1 <= len(line) <= 6 and line[-1][1:] == (300, 60) and line == sorted(line)
