"""A replay that was paused while its worker was dead, and another one that begins over its queue meanwhile."""

from __future__ import annotations

import pytest

from dashboard.models import Replay
from dashboard.replay import left_open
from dashboard.replay.journal import Journal
from dashboard.replay.places import journal_path, place
from dashboard.replay.states import State

from ..letterbox import Letterbox

pytestmark = pytest.mark.django_db


def made(box: Letterbox, state: str, *states: State) -> Replay:
    queue = box.dlq
    replay = Replay.objects.create(
        queue=queue, queue_name=queue.name, broker_name=box.name, state=state, plan={}, place=place(), made_by="ana"
    )
    with Journal(journal_path(replay.own), "dead") as journal:
        for n, one in enumerate(states):
            journal.add(f"id {n}", one, 1, "orders")
        journal.commit()
    return replay


def named(replay: Replay) -> tuple[int, list[int]]:
    replay.refresh_from_db()
    with Journal(journal_path(replay.own), "reader") as journal:
        again = journal._read("select again from message order by n")
    return replay.possibly_duplicated, [times for (times,) in again]


@pytest.mark.parametrize("state", ["paused", "failed"])
def test_what_it_left_open_is_named_once(box, state):
    left = made(box, state, State.REMOVED, State.SENDING, State.SENT, State.PLANNED)
    for _ in range(2):
        left_open.name_those_of_others(made(box, "running"), "me")
        assert named(left) == (2, [0, 1, 1, 0])


def test_what_a_worker_has_in_its_hands_is_left_to_it(box):
    left, elsewhere = (made(box, "paused", State.SENDING) for _ in range(2))
    Replay.objects.filter(pk=left.pk).update(owner="alive", owned_until="2999-01-01T00:00:00Z")
    Replay.objects.filter(pk=elsewhere.pk).update(place="another folder")
    beginning = made(box, "running", State.SENDING)
    left_open.name_those_of_others(beginning, "me")
    assert [named(one) for one in (left, elsewhere, beginning)] == [(0, [0])] * 3


def test_a_journal_that_cannot_be_read_holds_nobody_up(box, caplog):
    left = made(box, "paused", State.SENDING)
    journal_path(left.own).write_bytes(b"no database" * 100)
    left_open.name_those_of_others(made(box, "running"), "me")
    assert f"What replay {left.pk} left open could not be named" in caplog.text
