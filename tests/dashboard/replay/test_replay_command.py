"""`manage.py replay`: the plan, the deed, and how it ended, on a terminal and as JSON."""

from __future__ import annotations

import io
import json
import time

import pytest
from django.core.management import CommandError, call_command
from django.db import connections

from dashboard.models import Replay
from dashboard.replay.telling import Voice

from ..letterbox import Letterbox

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def box(web, monkeypatch):
    monkeypatch.setattr("dashboard.management.commands.replay.ALONE", 0.0)
    monkeypatch.setattr("dashboard.management.commands.replay.close_store", lambda: None)
    box = Letterbox()
    box.put(12)
    box.poll()
    yield box
    connections.close_all()


def replay(*words: str) -> str:
    out = io.StringIO()
    call_command("replay", *words, stdout=out)
    return out.getvalue()


def test_a_dry_run_shows_the_plan_and_sends_nothing(box):
    said = replay("orders.dlq", "--all", "--dry-run", "--trial", "3")
    assert "Replay" in said and "12 messages" in said and "to      orders, no limit" in said
    assert "trial   3 first" in said and "mind    Nobody reads orders now" in said
    made = Replay.objects.get()
    assert len(box.ready()) == 12 and made.state == "planned" and f"--start {made.pk}" in said
    assert json.loads(replay("--show", str(made.pk), "--json"))["planned"]["count"] == 12
    Replay.objects.update(limits={"watch": 0, "trial_wait": 0})
    assert "is done: 12 sent" in replay("--start", str(made.pk)) and box.ready() == []


def test_it_is_done_by_this_process_where_no_worker_is(box):
    said = replay(f"{box.name}/orders.dlq", "--oldest", "5", "--yes", "--watch", "0")
    assert "is done: 5 sent, 5 removed, 0 came back" in said
    assert len(box.ready()) == 7 and len(box.ready("orders")) == 5
    told = json.loads(replay("orders.dlq", "--all", "--yes", "--watch", "0", "--json"))
    assert (told["state"], told["removed"], told["made_by"][-14:]) == ("done", 7, "(command line)")


def until_told(monkeypatch, enough) -> None:
    """What is waited for lasts until who watches was told `enough` of it, however late that is on a busy machine."""
    wait = Voice.wait

    def longer(voice, until, reason, latest=None):
        end = time.monotonic() + 60
        wait(voice, until, reason, latest)
        while not enough(voice.state) and time.monotonic() < end:
            wait(voice, time.time() + 0.1, reason, latest)

    monkeypatch.setattr(Voice, "wait", longer)


def test_who_watches_hears_of_each_change_a_program_in_lines_of_json_beside_its_one_object(box, monkeypatch):
    monkeypatch.setattr("dashboard.management.watching.AGAIN", 0.6)
    out, errors = io.StringIO(), io.StringIO()
    until_told(monkeypatch, lambda state: state != "trial" or errors.getvalue().count("waiting whether") >= 3)
    words = ("orders.dlq", "--oldest", "5", "--trial", "2", "--limit", "trial_wait=1", "--watch", "1", "--yes")
    call_command("replay", *words, "--json", stdout=out, stderr=errors)
    told = [json.loads(line) for line in errors.getvalue().splitlines()]
    states = [one["state"] for one in told]
    assert json.loads(out.getvalue())["state"] == states[-1] == "done" and states.count("trial") >= 3
    assert any("waiting whether they come back" in (one["reason"] or "") for one in told)
    assert (told[-1]["sent"], told[-1]["total"], told[-1]["id"]) == (5, 5, json.loads(out.getvalue())["id"])
    out = io.StringIO()
    until_told(monkeypatch, lambda state: state != "watching" or "is watching" in out.getvalue())
    call_command("replay", "orders.dlq", "--all", "--watch", "1", "--yes", stdout=out)
    said = out.getvalue()
    assert "is watching: 7 sent" in said and said.count("is watching") == 1
    assert said.splitlines()[-1].split(" is ")[1].startswith("done: 7 sent")


def test_nothing_starts_unasked_and_purging_needs_the_count(box):
    with pytest.raises(CommandError, match="say --yes"):
        replay("orders.dlq", "--all")
    with pytest.raises(CommandError, match="This concerns 12 messages"):
        replay("orders.dlq", "--all", "--deed", "delete", "--yes")
    assert "is done" in replay("orders.dlq", "--all", "--deed", "delete", "--confirm", "12")
    assert box.ready() == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--all"], "Name a queue"),
        (["nonsense", "--all"], "There is no queue named nonsense"),
        (["orders.dlq"], "exactly one of"),
        (["orders.dlq", "--all", "--rate", "0"], "The rate must be"),
        (["orders.dlq", "--filter", "body:("], "position"),
        (["--stop", "999"], "There is no replay 999"),
    ],
)
def test_what_is_wrong_is_one_sentence(box, words, said):
    with pytest.raises(CommandError, match=said):
        replay(*words)


def test_what_was_left_out_is_repeated_and_what_was_deleted_put_back(box):
    said = replay("orders.dlq", "--all", "--deed", "delete", "--confirm", "12", "--json")
    assert json.loads(said)["removed"] == 12 and box.ready() == []
    assert "12 were put back" in replay("--restore", str(json.loads(said)["id"])) and len(box.ready()) == 12
    with box.world.still() as queues:
        last = queues["orders.dlq"].ready.pop()
        queues["orders.dlq"].ready.append(last._replace(headers={"replay-count": 5, "replay-id": "o.1"}))
    told = json.loads(replay("orders.dlq", "--all", "--yes", "--watch", "0", "--limit", "depth=500", "--json"))
    assert (told["skipped"], told["limits"]["depth"], told["limits"]["watch"]) == (1, 500.0, 0.0)
    assert "1 messages" in replay("--repeat", str(told["id"]), "--dry-run")
    with pytest.raises(CommandError, match="None was sent, 1 left out"):
        replay("orders.dlq", "--all", "--yes", "--watch", "0")
    with pytest.raises(CommandError, match="say a number"):
        replay("orders.dlq", "--all", "--limit", "depth=much")
