"""No state of a replay that nobody leaves, and none that hides what is not known: plans that are not made any more,
replays that were stopped while no worker had them, and such as were stopped just when theirs let go."""

from __future__ import annotations

import time
from datetime import timedelta
from threading import Event, Timer
from types import SimpleNamespace

import pytest
from django.db import OperationalError, connections
from django.utils import timezone

from dashboard.live.bus import the_bus
from dashboard.models import AuditEntry, Broker, Replay
from dashboard.models.replays import ACTIVE
from dashboard.replay import deeds, orders, pruning, working
from dashboard.replay.desks import RowDesk
from dashboard.replay.journal import Journal
from dashboard.replay.places import journal_path
from dashboard.replay.states import State
from dashboard.replay.working import AT_ONCE, Replayer

from .test_replay_api import body
from .test_replay_left_open import made, named

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def worker(web):
    """Works only when it is told to."""
    worker = Replayer(the_bus())
    yield worker
    worker.stop()
    connections.close_all()


def work(worker: Replayer) -> None:
    worker.round()
    for thread in list(worker._threads.values()):
        thread.join(60)


def test_one_that_is_stopped_while_it_is_paused_names_what_it_left_open(box, operator_api, worker):
    left = made(box, "paused", State.REMOVED, State.SENDING, State.SENT, State.PLANNED)
    told = operator_api.send("post", f"replays/{left.pk}/stop")
    assert told["state"] == "stopped" and told["ended_at"]
    for _ in range(2):
        work(worker)
        assert named(left) == (2, [0, 1, 1, 0]) and left.owner == ""
        assert left.reason.endswith("Of 2 it is not known whether they were moved: they may be there twice, or lie "
                                    "here still.")  # fmt: skip
    assert AuditEntry.objects.filter(action="end replay").count() == 1


@pytest.mark.parametrize("before", [True, False])
def test_one_that_is_stopped_just_as_its_worker_lets_go_is_closed_all_the_same(box, worker, before, monkeypatch):
    left = made(box, "paused", State.SENDING)
    Replay.objects.filter(pk=left.pk).update(owner=worker.name)
    left.refresh_from_db()
    desk, stop = RowDesk(left, worker.name, the_bus()), Replay.objects.filter(pk=left.pk)
    if before:
        stop.update(state="stopped")
    else:  # between reading and writing
        read = Replay.refresh_from_db
        monkeypatch.setattr(Replay, "refresh_from_db", lambda row: [read(row), stop.update(state="stopped")])
    worker._let_go(left, desk)
    monkeypatch.undo()
    work(worker)
    assert named(left) == (1, [1]) and left.owner == "" and left.ended_at


def test_one_that_failed_says_of_how_many_it_does_not_know_and_may_be_resumed(box, worker):
    left = made(box, "running", State.SENDING)
    desk = RowDesk(left, worker.name, the_bus())
    Replay.objects.filter(pk=left.pk).update(owner=worker.name, state="failed", reason="The broker is away.")
    with Journal(journal_path(left.own), "me") as journal:
        for _ in range(2):
            worker._close_books(left, desk, journal)
    assert named(left) == (1, [1]) and left.reason.count("Of 1 it is not known") == 1


@pytest.mark.parametrize("state", ["running", "stopped", "stopped, with no journal"])
def test_one_whose_broker_is_deleted_ends_and_says_of_how_many_it_does_not_know(box, worker, state):
    left = made(box, "running", State.REMOVED, State.SENDING)
    left.state, left.owner = state.split(",")[0], "dead"
    left.owned_until = timezone.now() - timedelta(seconds=1)
    left.save()
    box.broker.delete()
    if known := "no journal" not in state:
        work(worker)
        assert named(left) == (1, [0, 1])
        assert "Of 1 it is not known whether they were moved" in left.reason
    else:
        journal_path(left.own).unlink()
        work(worker)
    left.refresh_from_db()
    assert left.owner == "" and left.ended_at and left.state == ("failed" if state == "running" else "stopped")
    assert ("is no longer known here" in left.reason) == (state == "running") and known == bool(left.reason)


def test_one_whose_end_the_database_did_not_take_is_done_all_the_same(box, operator_api, worker, monkeypatch):
    id = operator_api.send("post", "replays", body(box, dry_run=False), 201)["id"]
    tell, locked = RowDesk.tell, [OperationalError("database is locked")]

    def told(desk, state, *more):
        if state == "done" and locked:
            raise locked.pop()
        tell(desk, state, *more)

    monkeypatch.setattr(RowDesk, "tell", told)
    work(worker)
    assert Replay.objects.get(pk=id).state in ACTIVE
    work(worker)
    ended = Replay.objects.get(pk=id)
    assert (ended.state, ended.removed, locked) == ("done", 45, [])


def test_one_that_its_worker_could_not_let_go_of_is_let_go_of_later(box, operator_api, worker, monkeypatch):
    id = operator_api.send("post", "replays", body(box, dry_run=False), 201)["id"]

    def locked(replay):
        monkeypatch.undo()
        raise OperationalError("database is locked")

    monkeypatch.setattr(working, "_note_end", locked)
    work(worker)
    row, ends = Replay.objects.filter(pk=id), AuditEntry.objects.filter(action="end replay")
    assert (row.get().state, row.get().owner, ends.count()) == ("done", worker.name, 0)
    row.update(owned_until=timezone.now())
    for _ in range(2):
        work(worker)
        assert (row.get().state, row.get().owner, ends.count()) == ("done", "", 1)


def test_a_plan_that_breaks_off_is_not_planned_for_ever(box, operator_api, monkeypatch):
    monkeypatch.setattr("dashboard.replay.plan.fill", lambda plan, replay: 1 / 0)
    told = operator_api.send("post", "replays", body(box), 201)
    assert (told["state"], told["reason"]) == ("failed", "Weir itself failed at this; its log says where.")
    monkeypatch.setattr(deeds, "make_plan", lambda id: [])  # its process ended
    id = operator_api.send("post", "replays", body(box), 202)["id"]
    pruning.prune()
    assert Replay.objects.get(pk=id).state == "planning"
    pruning.prune(time.time() + 1000)
    assert Replay.objects.get(pk=id).reason == "The process that was to plan this has ended: plan it anew."


def test_a_plan_that_nobody_starts_goes_after_a_week(box, operator_api, monkeypatch):
    id = operator_api.send("post", "replays", body(box), 201)["id"]
    for days, state in ((6, "planned"), (8, "stopped")):
        pruning.prune(time.time() + days * 86400)
        assert Replay.objects.get(pk=id).state == state


def test_those_that_yield_or_watch_keep_no_other_from_a_worker(worker, monkeypatch):
    rooms: list[int] = []
    monkeypatch.setattr(worker, "_take_on", rooms.append)
    worker._desks = {n: SimpleNamespace(said=said) for n, said in enumerate(("yielding", "watching", "running"))}
    worker.round()
    worker._desks = {}
    assert rooms == [AT_ONCE - 1]


def test_what_the_last_round_of_a_worker_takes_on_is_given_back(box, operator_api, worker, monkeypatch):
    id = operator_api.send("post", "replays", body(box, rate=2, dry_run=False), 201)["id"]
    taking, stopping, take_on = Event(), Event(), worker._take_on
    monkeypatch.setattr(worker, "_take_on", lambda most: [taking.set(), stopping.wait(60), take_on(most)])
    worker.start()
    assert taking.wait(60)
    Timer(0.2, stopping.set).start()
    worker.stop(timeout=60)
    left = Replay.objects.get(pk=id)
    assert stopping.is_set() and left.state in ACTIVE and left.owner == "" and left.place, "it was taken, and let go of"


def test_copies_say_when_they_were_sent_not_when_that_was_planned(box):
    replay = made(box, "running")
    replay.started_at = replay.made_at + timedelta(days=3)
    told = orders.order_of(replay, box.adapter).task.at
    assert told == f"{replay.started_at:%Y-%m-%dT%H:%M:%SZ}"


def begun(box, api, worker) -> int:
    """A slow replay that has sent some."""
    id = api.send("post", "replays", body(box, rate=2, dry_run=False), 201)["id"]
    worker.round()
    end = time.monotonic() + 60
    while not box.ready("orders"):
        assert time.monotonic() < end
        time.sleep(0.05)
    return id


def refused(worker) -> None:
    for thread in list(worker._threads.values()):
        worker.round()
        thread.join(60)
    work(worker)


def test_a_broker_that_is_deleted_is_changed_no_more(box, operator_api, worker):
    slow = begun(box, operator_api, worker)
    Broker.objects.all().delete()
    refused(worker)
    told = operator_api.get(f"replays/{slow}")
    assert (told["state"], told["reason"]) == ("failed", "orders.dlq is no longer known here.")
    assert 0 < told["sent"] == len(box.ready("orders")) < 45


def test_a_broker_that_becomes_look_only_is_changed_no_more(box, operator_api, worker):
    planned = operator_api.send("post", "replays", body(box), 201)["id"]
    slow = begun(box, operator_api, worker)
    Broker.objects.update(look_only=True)
    refused(worker)
    said = "is look-only: nothing on it is changed from here."
    told = operator_api.get(f"replays/{slow}")
    assert told["state"] == "failed" and told["reason"].endswith(said) and 0 < told["sent"] < 45
    for id, verb in ((planned, "start"), (slow, "resume")):
        assert operator_api.send("post", f"replays/{id}/{verb}", status=409)["error"]["message"].endswith(said)
    Broker.objects.update(look_only=False)
    assert operator_api.send("post", f"replays/{slow}/resume")["state"] == "running"
    operator_api.send("post", f"replays/{slow}/stop")
