"""What a deletion has kept goes back into a queue that may have no room for it; copies that an earlier Weir kept."""

from __future__ import annotations

import sqlite3
from itertools import count
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from collectors.brokers.memory.broker import Memory
from collectors.errors import Unreachable
from collectors.powers import Bounded
from dashboard.models import Replay
from dashboard.replay import keeping, orders

from .test_replay_api import settled, worker  # noqa: F401

pytestmark = pytest.mark.django_db(transaction=True)
SAID = "orders.dlq holds at most 44 messages; beyond that it drops the oldest, and tells nobody."


@pytest.fixture
def gone(looked, operator_api, worker) -> int:  # noqa: F811
    """A deletion of five."""
    asked = {"queue_id": looked.dlq.pk, "selection": {"oldest": 5}}
    return settled(operator_api, operator_api.send("post", "dead-letters/delete", asked, 201)["id"])["id"]


class Tight(Memory):
    """Its queues push their oldest out for what comes."""

    room = 0

    def bounded(self, key: str) -> Bounded:
        return Bounded(SAID, True, self.room, silent=True)


def bounded(monkeypatch: pytest.MonkeyPatch, room: int, away: int = 0) -> None:
    """From now on; to the first so many who ask the broker does not answer."""
    connect, asked = orders.adapter, count(1)

    def adapter(broker: Any) -> Any:
        if next(asked) <= away:
            raise Unreachable("It is away.")
        one = connect(broker)
        one.__class__ = Tight
        return one

    monkeypatch.setattr(Tight, "room", room)
    monkeypatch.setattr(orders, "adapter", adapter)


def test_a_queue_that_would_drop_its_oldest_for_what_comes_asks_for_the_count(looked, operator_api, gone, monkeypatch):
    bounded(monkeypatch, room=4)
    path = f"deletions/{gone}/restore"
    for said in ({}, {"confirm": 4}):
        refused = operator_api.send("post", path, said, 400)["error"]
        assert (refused["field"], refused["message"][: len(SAID)]) == ("confirm", SAID)
        assert "This concerns 5 messages" in refused["message"]
    with pytest.raises(CommandError, match="This concerns 5 messages"):
        call_command("replay", "--restore", str(gone))
    assert not Replay.objects.filter(deed="restore").exists() and len(looked.ready()) == 40
    back = operator_api.send("post", path, {"confirm": 5}, 201)
    assert (back["planned"]["warnings"], back["planned"]["confirm"]) == ([SAID], 5)
    assert settled(operator_api, back["id"])["sent"] == 5 and len(looked.ready()) == 45


def test_where_there_is_room_the_bound_is_said_and_nothing_asked(looked, operator_api, gone, monkeypatch):
    bounded(monkeypatch, room=5)
    back = operator_api.send("post", f"deletions/{gone}/restore", status=201)
    assert back["planned"]["warnings"] == [SAID] and back["planned"]["destinations"][0]["name"] == "orders.dlq"
    assert settled(operator_api, back["id"])["sent"] == 5


def test_a_bound_of_which_nobody_could_be_asked_is_seen_before_anything_is_put_back(
    looked, operator_api, gone, monkeypatch
):
    """The broker was away when it was ordered."""
    bounded(monkeypatch, room=0, away=1)
    back = settled(operator_api, operator_api.send("post", f"deletions/{gone}/restore", status=201)["id"])
    assert back["state"] == "failed" and f"{SAID} Nothing was put back: restore it anew" in back["reason"]
    assert len(looked.ready()) == 40


def test_each_that_is_put_back_has_its_place_size_and_time_also_of_what_an_earlier_weir_kept(
    looked, operator_api, gone
):
    with sqlite3.connect(keeping.path_of(Replay.objects.get(pk=gone).own)) as db:
        db.execute("drop index counted")
        for name in ("size", "at", "again"):
            db.execute(f"alter table kept drop column {name}")
    back = settled(operator_api, operator_api.send("post", f"deletions/{gone}/restore", status=201)["id"])
    rows = operator_api.get(f"replays/{back['id']}/messages")["items"]
    assert len(rows) == 5 and {(row["destination"], row["state"]) for row in rows} == {("orders.dlq", "removed")}
    assert all(row["at"] and row["size_bytes"] > 10 for row in rows)
    assert operator_api.get("deletions")["items"][0]["kept_bytes"] == sum(row["size_bytes"] for row in rows)


def test_how_many_are_kept_is_told_without_reading_them(looked, gone):
    """The list of deletions asks each file, and those may hold half a gigabyte."""
    with keeping.opened(Replay.objects.get(pk=gone).own) as db:
        (how,) = [detail for *_, detail in db.execute(f"explain query plan {keeping._COUNTS}")]
    assert "COVERING INDEX counted" in how
