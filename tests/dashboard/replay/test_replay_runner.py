"""A replay from its beginning to its end on a memory broker: what is sent, left, held, and when it stops."""

from __future__ import annotations

import threading
import time

import pytest

from collectors.errors import Unreachable
from collectors.letters import Death
from dashboard.replay.guards import Limits, Pace
from dashboard.replay.journal import Journal
from dashboard.replay.passes import BATCH
from dashboard.replay.report import Reading
from dashboard.replay.states import Fenced, State

from ..replays import QUICK, Crash, Desk, check_nothing_lost, fill, in_queue, order, run, runner, shop


def test_all_go_back_to_where_they_died_with_stamps(tmp_path):
    bodies = fill(shop(), 700)
    desk = run(tmp_path / "j", order())
    assert desk.state == "done" and (desk.counts.removed, desk.total) == (700, 700)
    assert in_queue(shop(), "orders") == bodies and in_queue(shop(), "orders.dead") == []
    with shop().still() as queues:
        first = queues["orders"].ready[0].headers
    assert first["replay-id"] == "own.1" and first["replay-count"] == 1 and first["replayed-by"] == "ana"


def test_a_letter_that_fails_again_at_once_is_not_replayed_for_ever(tmp_path):
    fill(shop(), 50)
    world = shop()
    came_back = []

    def fails_again(step, numbers):
        with world._lock:
            orders = world._queues["orders"]
            while orders.ready:
                message = orders.ready.popleft()
                came_back.append(message.body)
                dead = (Death("orders", "rejected", 1, 2000.0),)
                world._queues["orders.dead"].ready.append(message._replace(deaths=dead))

    world.interrupt = fails_again
    desk = run(tmp_path / "j", order())
    world.interrupt = None
    assert desk.state == "done" and desk.counts.removed == 50 == len(came_back)
    assert desk.counts.came_back == 50 and desk.reason == "50 of 50 came back."
    assert len(in_queue(world, "orders.dead")) == 50


def test_a_trial_of_which_some_come_back_stops(tmp_path):
    fill(shop(), 20)
    world = shop()
    desk = Desk()

    def one_fails(step, numbers):
        with world._lock:
            orders = world._queues["orders"]
            if orders.ready:
                world._queues["orders.dead"].ready.append(orders.ready.popleft())
                world.interrupt = None

    world.interrupt = one_fails
    run(tmp_path / "j", order(trial=3, limits=Limits(watch=0, trial_wait=0.3)), desk)
    assert desk.state == "stopped" and desk.reason == "1 of the trial of 3 came back."
    assert desk.counts.sent == 3 and desk.counts.came_back == 1
    with Reading(tmp_path / "j") as journal:
        assert [row.n for row in journal.messages("came_back")] == [1]


def test_a_trial_that_goes_well_is_followed_by_the_rest(tmp_path):
    fill(shop(), 20)
    desk = run(tmp_path / "j", order(trial=3, ramp=True))
    assert desk.state == "done" and desk.counts.removed == 20
    assert desk.states[:2] == ["trial", "ramping"]


def test_only_what_matches_is_sent_and_the_rest_is_given_back_in_order(tmp_path):
    bodies = fill(shop(), 600)
    desk = run(tmp_path / "j", order(holds=True, wants=lambda one: one.letter().body.endswith(b"7")))
    sent = [body for body in bodies if body.endswith(b"7")]
    assert in_queue(shop(), "orders") == sent
    assert in_queue(shop(), "orders.dead") == [body for body in bodies if body not in sent]
    assert desk.counts.removed == len(sent) and desk.counts.skipped == 0


def test_chosen_ids_count_equal_letters_and_what_is_gone_is_said(tmp_path):
    fill(shop(), 12, equal=3)
    from collectors.brokers.memory.letters import identity

    with shop().still() as queues:
        id = identity(queues["orders.dead"].ready[3])
    desk = run(tmp_path / "j", order(named=True, planned={id: 2, "no such letter": 1}, holds=True))
    assert in_queue(shop(), "orders") == [b"letter 1"] * 2
    assert len(in_queue(shop(), "orders.dead")) == 10
    assert (desk.counts.removed, desk.counts.skipped) == (2, 1)


def test_the_loop_guard_and_letters_without_an_origin_are_left_out(tmp_path):
    fill(shop(), 2)
    shop().put_letter("orders.dead", b"often", [Death("orders")], **{"replay-count": 3, "replay-id": "old.1"})
    shop().put_letter("orders.dead", b"from nowhere")
    desk = run(tmp_path / "j", order(guard=3))
    assert (desk.counts.removed, desk.counts.skipped) == (2, 2)
    with Reading(tmp_path / "j") as journal:
        whys = [row.why for row in journal.messages("skipped")]
    assert whys[0] == "It was replayed 3 times before." and "does not tell" in whys[1]
    assert in_queue(shop(), "orders.dead") == [b"often", b"from nowhere"]


def test_the_oldest_n(tmp_path):
    bodies = fill(shop(), 30)
    desk = run(tmp_path / "j", order(oldest=7))
    assert in_queue(shop(), "orders") == bodies[:7] and desk.total == 7
    assert in_queue(shop(), "orders.dead") == bodies[7:]


def test_the_oldest_of_a_queue_that_is_empty_are_none(tmp_path):
    world = shop()
    world.queue("orders.dead")

    def some_arrive(step, numbers):
        if step == "take":
            world.interrupt = None
            fill(world, 3)

    world.interrupt = some_arrive
    desk = run(tmp_path / "j", order(oldest=2))
    world.interrupt = None
    assert desk.state == "done" and (desk.counts.total, in_queue(world, "orders")) == (0, [])


def test_a_trial_of_which_nothing_can_be_sent_is_not_followed_by_the_rest(tmp_path):
    fill(shop(), 4)
    desk = run(tmp_path / "j", order(to="nowhere", trial=2))
    assert desk.state == "failed" and desk.reason.startswith("Nothing of the trial could be sent: ")
    assert len(in_queue(shop(), "orders.dead")) == 4


def test_a_destination_that_is_missing_refuses_and_nothing_is_lost(tmp_path):
    bodies = fill(shop(), 150)
    shop().delete("orders")
    desk = run(tmp_path / "j", order())
    assert desk.state == "failed" and "takes nothing" in desk.reason
    assert sorted(in_queue(shop(), "orders.dead")) == sorted(bodies) and desk.counts.removed == 0


def test_copies_leave_the_originals(tmp_path):
    bodies = fill(shop(), 30)
    shop().queue("audit")
    desk = run(tmp_path / "j", order(to="audit", keeps=True, judges=False))
    assert in_queue(shop(), "audit") == bodies == in_queue(shop(), "orders.dead")
    assert desk.counts.sent == 30 and desk.counts.removed == 0


def test_a_broker_that_is_away_is_waited_for(tmp_path):
    bodies = fill(shop(), 40)
    world, desk = shop(), Desk()
    breaks = iter([False, False, True, False, False, True])

    def interrupt(step, numbers):
        if step in ("send", "confirm") and next(breaks, False):
            raise Unreachable("The connection was cut.")

    world.interrupt = interrupt
    run(tmp_path / "j", order(), desk)
    assert desk.state == "done" and desk.troubles
    check_nothing_lost(tmp_path / "j", bodies, in_queue(world, "orders.dead"), in_queue(world, "orders"))


def test_pausing_lets_go_of_everything_and_resuming_goes_on(tmp_path):
    bodies = fill(shop(), 400)
    desk = Desk()
    desk.rate = 100.0
    one = runner(tmp_path / "j", order(), desk)
    thread = threading.Thread(target=one.run)
    thread.start()
    while one.journal.counts.sent < 40:
        time.sleep(0.01)
    desk.going = False
    thread.join()
    one.journal.close()
    with shop().still() as queues:
        assert not queues["orders.dead"].taken
    assert len(in_queue(shop(), "orders")) + len(in_queue(shop(), "orders.dead")) == 400
    after = run(tmp_path / "j", order())
    assert after.state == "done" and after.counts.removed == 400 and after.counts.possibly_duplicated == 0
    assert sorted(in_queue(shop(), "orders")) == sorted(bodies)


def test_what_was_given_back_right_before_it_was_sent_is_no_second_message(tmp_path):
    fill(shop(), BATCH + 50)
    desk = Desk()
    asked = iter([True, False])  # before letters are taken, and before they are sent
    desk.go_on = lambda: next(asked, False)
    before = run(tmp_path / "j", order(), desk)
    assert before.counts.total == BATCH and before.counts.sent == 0
    after = run(tmp_path / "j", order())
    assert after.state == "done" and after.total == after.counts.removed == BATCH + 50 and not after.counts.skipped


def test_the_rate_is_kept_and_can_be_changed(tmp_path):
    fill(shop(), 60)
    desk = Desk()
    desk.rate = 20.0
    one = runner(tmp_path / "j", order(), desk)
    thread = threading.Thread(target=one.run)
    began = time.monotonic()
    thread.start()
    while one.journal.counts.sent < 21:
        time.sleep(0.01)
    assert time.monotonic() - began > 0.4  # 21 at 20 a second, of which half a second's worth may go at once
    desk.rate = None
    thread.join(20)
    assert not thread.is_alive() and desk.counts.removed == 60
    one.journal.close()


@pytest.mark.parametrize("ramp", [False, True])
def test_a_rate_that_is_set_late_owes_nothing_for_what_went_before(ramp):
    """What was sent without a limit does not have to be waited off at the new one."""
    now = 0.0
    pace = Pace(None, ramp, now=lambda: now)
    for _ in range(300):
        now += 0.1
        pace.spent(pace.allowed(500))
    pace.rate = 50.0
    assert pace.wait() < 0.1 and pace.allowed(500) <= 25
    now += 0.1
    assert pace.allowed(500) in range(4, 26)


def test_a_ramp_that_yielded_for_a_day_is_over():
    now = 0.0
    pace = Pace(None, True, now=lambda: now)
    now = 86400.0
    assert not pace.ramping and pace.allowed(500) == 500


def test_a_full_destination_is_yielded_to_without_a_lease(tmp_path):
    fill(shop(), 10)
    desk = Desk()
    desk.full = "orders waits 80 s; the limit is 60 s."
    one = runner(tmp_path / "j", order(), desk)
    thread = threading.Thread(target=one.run)
    thread.start()
    while desk.state != "yielding":
        time.sleep(0.01)
    with shop().still() as queues:
        assert not queues["orders.dead"].taken
    assert desk.reason == desk.full and desk.counts.sent == 0
    desk.full = ""
    thread.join(20)
    assert desk.state == "done" and desk.counts.removed == 10
    one.journal.close()


def test_a_worker_that_was_taken_over_sends_nothing_more(tmp_path, monkeypatch):
    monkeypatch.setattr("dashboard.replay.hidden.HELD_ON", 1.0)
    bodies = fill(shop(), 300)
    desk = Desk()
    desk.rate = 40.0
    old = runner(tmp_path / "j", order(lease_seconds=4.0), desk, journal=Journal(tmp_path / "j", "old"))
    thread = threading.Thread(target=old.run)
    thread.start()
    while old.journal.counts.sent < 20:
        time.sleep(0.01)
    new = run(tmp_path / "j", order(lease_seconds=4.0))
    thread.join(20)
    assert not thread.is_alive() and desk.state in ("running", "ramping")
    assert new.state == "done"
    check_nothing_lost(tmp_path / "j", bodies, in_queue(shop(), "orders.dead"), in_queue(shop(), "orders"))


def test_a_journal_of_another_owner_is_not_written(tmp_path):
    old = Journal(tmp_path / "j", "old")
    with Journal(tmp_path / "j", "new"):
        old.add("id", State.SENDING, 1, "")
        with pytest.raises(Fenced):
            old.commit()
    old.close()


def test_more_than_may_be_held_is_not_read_through(tmp_path, monkeypatch):
    fill(shop(), 200)
    from collectors.brokers.memory.letters import MemoryLease

    monkeypatch.setattr(MemoryLease, "most_held", 50)
    desk = run(tmp_path / "j", order(holds=True, wants=lambda one: False))
    assert desk.state == "failed" and "staging queue" in desk.reason
    assert len(in_queue(shop(), "orders.dead")) == 200 and QUICK.watch == 0


def test_what_was_confirmed_and_not_removed_is_removed_without_being_sent_again(tmp_path):
    fill(shop(), 30, ids=True)
    world = shop()

    def killed(step, numbers):
        if step == "remove":
            world.interrupt = None
            raise Crash

    world.interrupt = killed
    with pytest.raises(Crash):
        run(tmp_path / "j", order())
    assert len(in_queue(world, "orders")) == 30 == len(in_queue(world, "orders.dead"))
    desk = run(tmp_path / "j", order())
    assert desk.counts.removed == 30 and desk.counts.possibly_duplicated == 0
    assert len(in_queue(world, "orders")) == 30 and in_queue(world, "orders.dead") == []


def test_an_equal_letter_is_not_taken_for_one_that_was_sent(tmp_path, monkeypatch):
    """The original of the first is gone, which was not written down: the second, its twin, must not go unsent."""
    monkeypatch.setattr("dashboard.replay.passes.BATCH", 1)
    monkeypatch.setattr("dashboard.replay.passes.MOST_UNDERWAY", 1)
    monkeypatch.setattr("dashboard.replay.hidden.HELD_ON", 0.5)
    bodies, world = fill(shop(), 2, equal=2), shop()
    done = []

    def killed(step, numbers):
        if step == "take" and "remove" in done:
            world.interrupt = None
            raise Crash
        done.append(step)

    world.interrupt = killed
    with pytest.raises(Crash):
        run(tmp_path / "j", order(lease_seconds=1.0))
    assert len(in_queue(world, "orders.dead")) == 1
    desk = run(tmp_path / "j", order(lease_seconds=1.0))
    assert in_queue(world, "orders") == bodies and desk.counts.possibly_duplicated == 1


def test_a_journal_that_is_just_being_made_is_an_empty_one(tmp_path):
    """A page may ask between the file and its tables."""
    (tmp_path / "own.sqlite").touch()
    with Reading(tmp_path / "own.sqlite") as journal:
        assert journal.messages() == [] and journal.by_time() == [] and journal.counts().total == 0
