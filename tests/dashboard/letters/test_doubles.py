"""Letters that may lie twice in their queue: told of by looks, plans and reports until a look finds no two of them."""

from __future__ import annotations

import time

import pytest

from collectors.errors import Busy
from collectors.letters import Letter as Seen
from collectors.letters import Look
from dashboard.letters import doubles, looks
from dashboard.models import Letter, Place, Replay
from dashboard.replay import left_open
from dashboard.replay.journal import Journal
from dashboard.replay.places import journal_path, place

from ..replay.test_replay_api import body, settled, worker

__all__ = ["worker"]

pytestmark = pytest.mark.django_db(transaction=True)


def seen(*ids: str) -> Look:
    return Look([Seen(id, b"", 0) for id in ids], time.time(), len(ids))


@pytest.fixture
def noted(looked) -> doubles.Book:
    """A book in which a look left two letters open."""
    Place.objects.update(doubles={})
    book = doubles.Book(looked.broker.pk)
    book.begin(looked.dlq.key, ["one", "two"])
    return book


def test_what_is_settled_is_taken_out_but_what_was_open_before_stays(looked, noted):
    another = doubles.Book(looked.broker.pk)
    another.begin(looked.dlq.key, ["two", "three"])
    another.end(looked.dlq.key, ["two", "three"])
    assert doubles.of(looked.dlq.pk) == ["one", "two"]
    noted.end(looked.dlq.key, ["one"])
    assert doubles.of(looked.dlq.pk) == ["two"]


def test_a_queue_that_is_not_known_any_more_cannot_be_written_down(looked):
    with pytest.raises(Busy, match="could not be written down before"):
        doubles.Book(looked.broker.pk).begin("no such queue", ["one"])


def test_they_are_forgotten_when_a_look_at_everything_finds_no_two_and_nobody_holds_another(looked, noted, monkeypatch):
    queue = looked.dlq.pk
    said = doubles.after(queue, seen("one", "two", "two"), everything=True)
    assert said.startswith("2 letters near the delivery limit may lie there twice: "), "held by a connection, perhaps"
    monkeypatch.setattr(doubles, "HELD_ON", -1.0)
    assert "2 letters" in doubles.after(queue, seen("two"), everything=False)
    assert doubles.after(queue, seen("one", "two", "two"), everything=True).startswith("A letter near")
    assert doubles.after(queue, seen(), everything=True) == "" and doubles.of(queue) == []


def test_plans_and_reports_name_them(looked, operator_api, worker):
    letter = Letter.objects.filter(queue=looked.dlq).first()
    Place.objects.filter(queue=looked.dlq).update(doubles={letter.key: 1.0})
    plan = operator_api.send("post", "replays", body(looked), 201)["planned"]
    said = f"A letter near the delivery limit may lie there twice (number {letter.pk})"
    assert any(one.startswith(said) for one in plan["warnings"])
    row = looks.place_of(looked.dlq)
    assert row.doubles == {letter.key: 1.0}
    made = operator_api.send("post", "replays", body(looked, dry_run=False), 201)
    done = settled(operator_api, made["id"])
    assert (done["total"], done["possibly_duplicated"], done["removed"]) == (45, 1, 45)
    assert done["reason"] == "A letter near the delivery limit may lie there twice: the report says which."
    (named,) = operator_api.get(f"replays/{made['id']}/messages", state="doubled")["items"]
    assert named["key"] == letter.key and named["possibly_duplicated"] and "both may have lain here" in named["why"]


def test_what_a_paused_replay_was_replacing_is_named_when_another_begins(box):
    queue = box.dlq
    rows = [
        Replay.objects.create(
            queue=queue, queue_name=queue.name, broker_name=box.name, state=state, plan={}, place=place(), made_by="ana"
        )
        for state in ("paused", "running")
    ]
    with Journal(journal_path(rows[0].own), "dead") as journal:
        journal.renewing(["one", "one", "two"])
        journal.renewed(["one"])
    left_open.name_those_of_others(rows[1], "me")
    rows[0].refresh_from_db()
    with Journal(journal_path(rows[0].own), "reader") as journal:
        named = journal._read("select id, again from message order by n")
        assert (named, journal.counts.possibly_duplicated) == ([("one", 1), ("two", 1)], 2)
        assert (journal.counts.total, journal.leave_open()) == (0, 0)
    assert rows[0].possibly_duplicated == 2
