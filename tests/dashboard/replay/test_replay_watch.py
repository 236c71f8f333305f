"""A replay that has sent all and only watches for returns keeps nobody off its queue; what is waited for is said."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest

from collectors.errors import NotSupported, Unreachable
from dashboard.management.watching import why
from dashboard.models import Replay
from dashboard.refused import DeedRefused
from dashboard.replay import deeds, returns, working
from dashboard.replay.guards import Limits

from ..letterbox import Letterbox, Watched
from ..replays import Desk, fill, in_queue, order, run, shop
from .test_replay_api import QUICK, body, settled, worker
from .test_replay_at_once import OPERATOR

__all__ = ["worker"]

pytestmark = pytest.mark.django_db(transaction=True)


def watching(api, box, **more) -> dict:
    """A replay of what lies there that has sent it, and watches."""
    made = api.send("post", "replays", body(box, limits={"trial_wait": 0}, dry_run=False, **more), 201)
    end = time.monotonic() + 60
    while (told := api.get(f"replays/{made['id']}"))["state"] != "watching":
        assert time.monotonic() < end, told
        time.sleep(0.05)
    return told


def test_another_begins_and_the_watch_ends_with_a_last_look(looked, operator_api, worker):
    first = watching(operator_api, looked)
    assert first["reason"] == "Everything was sent; watching for returns."
    left = datetime.fromisoformat(first["waits_until"]) - datetime.now(UTC)
    assert 200 < left.total_seconds() <= 300
    assert f"Until {first['waits_until'][11:19]} UTC at the latest." in why(Replay.objects.get(pk=first["id"]))
    looked.put(2)
    looked.put(3, **{"replay-id": f"{first['replay_id']}.7", "replay-count": 1})
    looked.poll()
    second = operator_api.send("post", "replays", body(looked, dry_run=False), 201)
    assert second["state"] == "running"
    done, ended = settled(operator_api, second["id"]), settled(operator_api, first["id"])
    assert (ended["state"], ended["came_back"], ended["waits_until"]) == ("done", 1, None)
    assert ended["reason"] == f"1 of 45 came back. Watched until replay {second['id']} began."
    assert (done["state"], done["removed"], looked.ready()) == ("done", 5, [])
    assert ended["ended_at"] <= done["ended_at"]


def test_where_contents_tell_returns_the_last_look_comes_before_another_takes_them(operator_api, worker, valkey):
    """Lists of Redis bear no stamps: what the second one took could not be counted any more."""
    client = valkey.client()
    client.flushall()
    client.lpush("orders", "waits")
    client.lpush("orders:dlq", *(f"letter {n}" for n in range(30)))
    shop = Watched("shop", "redis", valkey.url)
    shop.poll()
    choice = {"queue_id": shop.queue("orders:dlq").pk, "selection": {"all": True}, "dry_run": False}
    first = operator_api.send("post", "replays", {**choice, "limits": {"came_back": 100.0}}, 201)
    end = time.monotonic() + 60
    while operator_api.get(f"replays/{first['id']}")["state"] != "watching":
        assert time.monotonic() < end
        time.sleep(0.05)
    client.lpush("orders:dlq", *(f"letter {n}" for n in range(4)))
    second = operator_api.send("post", "replays", {**choice, "limits": QUICK}, 201)
    assert settled(operator_api, second["id"])["removed"] == 4 and client.llen("orders:dlq") == 0
    assert settled(operator_api, first["id"])["came_back"] == 4


def test_a_restore_ends_a_watch_too_and_what_still_sends_stays_alone(box, operator_api, worker):
    gone = operator_api.send("post", "replays", body(box, deed="delete", selection={"oldest": 3}, dry_run=False), 201)
    settled(operator_api, gone["id"])
    first = watching(operator_api, box)
    deletion = Replay.objects.get(pk=gone["id"])
    made = deeds.restore(OPERATOR, deletion)
    ended = settled(operator_api, first["id"])
    settled(operator_api, made.pk)
    assert ended["reason"].endswith(f"Watched until restore {made.pk} began.") and ended["came_back"] == 0
    slow = operator_api.send("post", "replays", body(box, rate=0.5, dry_run=False), 201)
    other = operator_api.send("post", "replays", body(box), 201)
    with pytest.raises(DeedRefused, match="one at a time"):
        deeds.start(OPERATOR, Replay.objects.get(pk=other["id"]))
    operator_api.send("post", f"replays/{slow['id']}/stop")
    settled(operator_api, slow["id"])


def test_those_that_watch_keep_no_other_from_a_worker(box, operator_api, worker, monkeypatch):
    monkeypatch.setattr(working, "AT_ONCE", 1)
    watching(operator_api, box)
    another = Letterbox()
    another.put(4)
    another.poll()
    made = operator_api.send("post", "replays", body(another, limits=QUICK, dry_run=False), 201)
    assert settled(operator_api, made["id"])["removed"] == 4


def test_a_broker_that_is_away_at_the_last_look_holds_nobody_up(tmp_path, monkeypatch):
    fill(shop(), 3)
    desk = Desk()
    desk.followed = "replay 8"

    def away(*_, **__):
        raise Unreachable("The shop is closed.")

    monkeypatch.setattr(returns, "check", away)
    run(tmp_path / "j", order(limits=Limits(lag=None, watch=60.0, trial_wait=0.0)), desk)
    said = "Whether any came back is not known: The shop is closed. Watched until replay 8 began."
    assert (desk.state, desk.reason) == ("done", said)


@pytest.mark.parametrize("error", [NotSupported("There is no such queue any more."), Unreachable("It is closed.")])
def test_one_that_has_sent_everything_is_done_though_its_queue_cannot_be_looked_at(tmp_path, monkeypatch, error):
    monkeypatch.setattr("dashboard.replay.runner.NO_LAST_LOOK", 0.3)
    bodies = fill(shop(), 3)

    def away(*_, **__):
        raise error

    monkeypatch.setattr(returns, "check", away)
    desk = run(tmp_path / "j", order(limits=Limits(lag=None, watch=0.1, trial_wait=0.0)))
    assert (desk.state, desk.reason) == ("done", f"Whether any came back is not known: {error}")
    assert in_queue(shop(), "orders") == bodies


def test_what_is_out_of_sight_is_waited_for_and_said(tmp_path, monkeypatch):
    """Somebody has one of them in his hands while the others are sent."""
    monkeypatch.setattr("dashboard.replay.hidden.LOOKED_AT", 1.5)
    fill(shop(), 5)
    world, desk, began = shop(), Desk(), time.time()

    def one_is_taken(step, numbers):
        if step == "take":
            world.interrupt = None
            with world.still() as queues:
                queues["orders.dead"].ready.pop()

    world.interrupt = one_is_taken
    run(tmp_path / "j", order(), desk)
    world.interrupt = None
    said = "Waiting for a letter that may be out of sight: there are fewer than there should be, and somebody may"
    assert any(reason.startswith(said) for reason in desk.reasons), desk.reasons
    assert desk.state == "done" and desk.until is not None and 0 < desk.until - began < 60
