"""Journals go when they are old or take too much room; what goes is said, and what is at work or newest stays."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime

import pytest
from django.db import connections

from dashboard.live.bus import the_bus
from dashboard.models import Queue, Replay
from dashboard.replay import keeping, marks, pruning, undoing
from dashboard.replay.desks import RowDesk
from dashboard.replay.journal import Journal
from dashboard.replay.places import journal_path
from dashboard.replay.states import JournalError, State
from dashboard.replay.working import Replayer

from ..letterbox import Letterbox

pytestmark = pytest.mark.django_db(transaction=True)
DAY = 86400.0


@pytest.fixture
def box(web):
    box = Letterbox()
    box.put(3)
    box.poll()
    return box


def replay(queue: Queue, state: str, days: float, size: int = 10) -> Replay:
    """One that ended so many days ago, with its journal of about so many kilobytes."""
    at = datetime.fromtimestamp(time.time() - days * DAY, UTC)
    row = Replay.objects.create(
        queue=queue, queue_name=queue.name, broker_name="b", selection={"all": True}, state=state, made_by="ana",
        made_at=at, started_at=at, ended_at=at if state in ("done", "stopped", "failed") else None, sent=1,
    )  # fmt: skip
    with Journal(journal_path(row.own), "old") as journal:
        journal.add("x" * 1024 * size, State.REMOVED, 1, "")
        journal.commit()
        journal._db.execute("pragma wal_checkpoint(truncate)")
    return row


def kept(*rows: Replay) -> list[bool]:
    return [journal_path(row.own).exists() for row in rows]


def test_old_journals_go_and_their_replays_say_so(box, operator_api, client_operator):
    old, unfinished, failed = (replay(box.dlq, state, 100) for state in ("done", "paused", "failed"))
    young, newest = replay(box.dlq, "done", 80), replay(box.dlq, "done", 200)
    stray = journal_path("of-nobody")
    Journal(stray, "old").close()
    assert pruning.prune() == 2 and kept(old, failed, unfinished, young, newest) == [False, False, True, True, True]
    assert stray.exists() and pruning.prune() == 0
    os.utime(stray, (0, time.time() - 2 * DAY))
    assert pruning.prune() == 1 and not stray.exists()
    told = operator_api.get(f"replays/{old.pk}")
    assert told["journal_removed_at"] and told["notes"][0].startswith("Its journal was removed on 20")
    assert (
        "Its journal was removed on" in operator_api.get(f"replays/{old.pk}/messages", status=409)["error"]["message"]
    )
    for deed in ("resume", "repeat"):
        refused = operator_api.send("post", f"replays/{failed.pk}/{deed}", status=409)["error"]["message"]
        assert refused.startswith("Its journal was removed on")
    assert b"data-notes" in client_operator.get(f"/replays/{old.pk}/").content


def test_beyond_their_room_the_oldest_go_first_and_those_that_failed_last(box, settings):
    settings.WEIR_RETENTION_JOURNALS_DISK = 400 * 1024
    failed, old, older = (
        replay(box.dlq, state, days, size=100) for state, days in (("failed", 9), ("done", 5), ("done", 7))
    )
    running, newest = replay(box.dlq, "running", 8, size=100), replay(box.dlq, "done", 1, size=100)
    assert pruning.prune() == 2 and kept(older, old, failed, running, newest) == [False, False, True, True, True]
    settings.WEIR_RETENTION_JOURNALS_DISK = 1
    assert pruning.prune() == 1 and kept(failed, running, newest) == [False, True, True]


def test_a_replay_that_is_at_work_is_never_pruned(box):
    """It was resumed after it had been looked at: the row decides, not what was read."""
    row, newest = replay(box.dlq, "failed", 100), replay(box.dlq, "done", 1)
    seen = Replay.objects.get(pk=row.pk)
    Replay.objects.filter(pk=row.pk).update(state="running")
    assert not pruning._remove(seen, journal_path(row.own), time.time()) and kept(row, newest) == [True, True]


def test_a_journal_that_is_gone_is_not_begun_anew(box, operator_api):
    """What was being sent is not known any more: to begin anew could send it twice without saying so."""
    row, worker = replay(box.dlq, "running", 0.0), Replayer(the_bus())
    journal_path(row.own).unlink()
    worker.start()
    end = time.monotonic() + 60
    while (told := operator_api.get(f"replays/{row.pk}"))["state"] != "failed":
        assert time.monotonic() < end, told
        time.sleep(0.05)
    worker.stop()
    connections.close_all()
    assert told["reason"].startswith("The journal of this replay is no longer there") and len(box.ready()) == 3


def test_copies_without_room_for_marks_are_counted_in_words():
    assert marks.sentence(0, 0) == ""
    assert marks.sentence(1200, 3).startswith("Of the copies 3 have room for only some of the marks; 1,200 for none")


def test_copies_that_are_being_put_back_outlive_their_time(box):
    """And a restore that is resumed when they are gone says so, and puts back nothing."""
    deletion = replay(box.dlq, "done", 8)
    Replay.objects.filter(pk=deletion.pk).update(deed="delete", undone_until=datetime.now(UTC))
    back = replay(box.dlq, "paused", 0)
    Replay.objects.filter(pk=back.pk).update(deed="restore", repeats=deletion)
    with keeping.opened(deletion.own) as db:
        db.execute("insert into kept (id, secret) values ('x', '')")
    os.utime(keeping.path_of(deletion.own), (0, 0))
    assert keeping.prune() == 0 and keeping.counts(deletion.own)["kept"] == 1
    Replay.objects.filter(pk=back.pk).update(state="failed")
    os.utime(keeping.path_of(deletion.own), (0, 0))
    assert keeping.prune() == 1
    with pytest.raises(JournalError, match="no longer kept here"):
        undoing.restore(Replay.objects.get(pk=back.pk), RowDesk(back, "", the_bus()))
