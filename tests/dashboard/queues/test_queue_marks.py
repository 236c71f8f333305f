"""Hiding, tags, and the archive: what people do to queues, and what polls leave of it."""

from __future__ import annotations

import time

import numpy as np
import pytest

from collectors.protocol import Poll, QueueFacts, Sample
from dashboard.inventory import Inventory
from dashboard.live.feed import fleet
from dashboard.live.summary import summary
from dashboard.models import AuditEntry, Broker, Queue, TagRule
from dashboard.samples import the_store

from ..fleets import made_up_broker, made_up_tick
from ..web import kept, seen


def names(answer) -> list[str]:
    return sorted(item["name"] for item in answer["items"])


def until(true, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def with_gone(queues=("orders", "old"), gone=("old",), name="prod"):
    """A broker that showed these queues and then no longer those that are gone: the broker, ids by name."""
    broker, ids = seen(name, list(queues), depth=5)
    by_name = dict(zip(queues, ids, strict=True))
    Queue.objects.filter(pk__in=[by_name[one] for one in gone]).update(gone_at="2026-01-02T03:04:05Z")
    left = [id for one, id in by_name.items() if one not in gone]
    kept(made_up_tick(broker.pk, left, at=time.time() + 1, inventory=2, depth=5))
    return broker, by_name


class TestHiding:
    def test_a_hidden_queue_is_neither_shown_nor_counted_and_found_by_its_flag(self, operator_api):
        _, [orders, _] = seen(queues=["orders", "noise"], depth=[1, 50])
        answer = operator_api.get("queues", filter="noise")
        shown = operator_api.send("patch", f"queues/{answer['items'][0]['id']}", {"hidden": True})
        assert shown["hidden"] and "operator in a test" in shown["why_hidden"]
        assert names(operator_api.get("queues")) == ["orders"]
        assert names(operator_api.get("queues", filter="is:hidden")) == ["noise"]
        told = summary(fleet().snapshot(), fleet().sparks)
        assert (told["queues"], told["backlog"]) == (1, 1)
        assert orders

    def test_many_are_hidden_by_a_filter_and_shown_again_by_what_it_answered(self, operator_api):
        _, ids = seen(queues=["tmp-1", "tmp-2", "orders"], depth=1)
        Queue.objects.filter(pk=ids[0]).update(hidden=True, why_hidden="a timer")
        done = operator_api.send("post", "queues/hide", {"filter": "tmp-*"})
        assert done == {"changed": 1, "ids": [ids[1]]}
        undone = operator_api.send("post", "queues/hide", {"ids": done["ids"], "hidden": False})
        assert undone["changed"] == 1
        assert Queue.objects.filter(hidden_by_hand=None).count() == 3

    def test_what_the_broker_hides_can_be_shown_by_hand_and_polls_leave_it_so(self, operator_api):
        broker, [id] = seen(queues=["amq.gen"], depth=1)
        facts = {"amq.gen": QueueFacts(hidden=True, why_hidden="exclusive")}
        inventory = Inventory(broker.pk)
        inventory.resolve(Poll(1.0, [Sample("amq.gen", "amq.gen", "list")], facts=facts))
        operator_api.send("patch", f"queues/{id}", {"hidden": False})
        facts = {"amq.gen": QueueFacts(hidden=True, why_hidden="exclusive", tags=("new",))}
        inventory.resolve(Poll(2.0, [Sample("amq.gen", "amq.gen", "list")], facts=facts))
        queue = Queue.objects.get(pk=id)
        assert (queue.hidden, queue.hidden_by_hand, queue.tags) == (True, False, ["new"])
        kept(made_up_tick(broker.pk, [id], at=time.time() + 1, inventory=9, depth=1))
        assert names(operator_api.get("queues")) == ["amq.gen"]

    def test_one_deed_is_one_line_of_the_audit_trail(self, operator_api):
        seen(queues=30, depth=1)
        operator_api.send("post", "queues/hide", {"filter": ""})
        [entry] = AuditEntry.objects.filter(action="hide queue")
        assert (entry.target, entry.details["queues"], len(entry.details["names"])) == ("30 queues", 30, 20)

    def test_nothing_is_done_without_a_choice_or_with_a_wrong_filter(self, operator_api):
        seen(queues=2, depth=1)
        for body in ({}, {"filter": "a", "ids": [1]}, {"filter": "depth>>1"}):
            assert operator_api.send("post", "queues/hide", body, 400)["error"]["field"] == "filter"
        assert not Queue.objects.exclude(hidden_by_hand=None).exists()

    @pytest.mark.slow
    def test_ten_thousand_are_hidden_in_one_call(self, operator_api):
        seen(queues=10_000, depth=1)
        began = time.process_time()
        assert operator_api.send("post", "queues/hide", {"filter": "queue-*"})["changed"] == 10_000
        assert time.process_time() - began < 30
        assert operator_api.get("queues")["total"] == 0


class TestTags:
    def test_tags_by_hand_stand_beside_those_of_the_broker_its_url_and_a_file(self, operator_api):
        broker, ids = made_up_broker("prod", ["orders", "mail"])
        Broker.objects.filter(pk=broker.pk).update(safe_url="memory://prod?tags=eu,live")
        Queue.objects.filter(pk=ids[0]).update(tags=["team:shop"])
        TagRule.objects.create(broker="prod*", queues="ord*", tags=["tier:1"])
        TagRule.objects.create(broker="test*", queues="*", tags=["never"])
        kept(made_up_tick(broker.pk, ids, depth=1))
        shown = operator_api.send("patch", f"queues/{ids[0]}", {"tags": ["urgent", "team:shop", "eu"]})
        assert shown["tags"] == ["team:shop", "eu", "live", "tier:1", "urgent"]
        assert shown["tags_by_hand"] == ["urgent"]
        assert names(operator_api.get("queues", filter="tag:tier:*")) == ["orders"]
        assert names(operator_api.get("queues", filter="tag:live")) == ["mail", "orders"]
        assert operator_api.send("patch", f"queues/{ids[0]}", {"tags": []})["tags_by_hand"] == []

    @pytest.mark.parametrize("tags", [[""], ["x" * 101], ["a\nb"], [f"t{n}" for n in range(31)]])
    def test_what_is_no_tag_is_refused(self, operator_api, tags):
        _, [id] = seen(queues=1, depth=1)
        assert operator_api.send("patch", f"queues/{id}", {"tags": tags}, 400)["error"]["field"] == "tags"

    def test_other_processes_see_it_without_being_told(self, operator_api):
        """`manage.py apply` is a process of its own: readers notice by the database."""
        broker, [id] = seen(queues=1, depth=1)
        assert fleet().snapshot().entries[0].tags == ()
        Queue.objects.filter(pk=id).update(tags_by_hand=["new"])
        Broker.objects.filter(pk=broker.pk).update(marks=7)
        until(lambda: fleet().snapshot().entries[0].tags == ("new",))


class TestArchive:
    def test_what_is_gone_is_found_by_its_flag_alone_and_nothing_is_known_of_it(self, viewer_api):
        _, by_name = with_gone()
        assert names(viewer_api.get("queues")) == ["orders"]
        assert names(viewer_api.get("queues", filter="is:gone")) == ["old"]
        assert names(viewer_api.get("queues", filter="is:stale")) == []
        shown = viewer_api.get(f"queues/{by_name['old']}")
        assert (shown["depth"], shown["state"], shown["stale"]) == (None, "unknown", True)
        assert shown["gone_at"] == "2026-01-02T03:04:05.000Z" and "has not shown this queue" in shown["reason"]

    def test_what_is_gone_is_not_counted(self, viewer_api):
        with_gone()
        told = summary(fleet().snapshot(), fleet().sparks)
        assert (told["queues"], told["by_state"]["unknown"], told["needs_attention"]) == (1, 0, 0)
        assert viewer_api.get("queues")["total"] == 1

    def test_hidden_ones_that_are_gone_take_both_flags(self, viewer_api):
        _, by_name = with_gone(("orders", "reply", "old"), ("reply", "old"))
        Queue.objects.filter(pk=by_name["reply"]).update(hidden=True)
        Broker.objects.update(marks=1)
        until(lambda: fleet().snapshot().hidden.any())
        assert names(viewer_api.get("queues", filter="is:gone")) == ["old"]
        assert names(viewer_api.get("queues", filter="is:gone is:hidden")) == ["reply"]
        assert names(viewer_api.get("queues", filter="is:hidden")) == []

    def test_only_what_is_gone_can_be_deleted_and_its_history_goes(self, admin_api):
        _, by_name = with_gone()
        error = admin_api.send("delete", f"queues/{by_name['orders']}", status=409)["error"]
        assert "orders is there" in error["message"]
        admin_api.send("delete", f"queues/{by_name['old']}", status=204)
        assert admin_api.get("queues", filter="is:gone")["total"] == 0
        assert list(Queue.objects.values_list("name", flat=True)) == ["orders"]
        ids = [by_name["old"], by_name["orders"]]

        def depths():
            return the_store().range(ids, ["depth"], time.time() - 600, time.time() + 60, 10).values["depth"]

        until(lambda: bool(np.isnan(depths()[0]).all()))
        assert not np.isnan(depths()[1]).all()

    def test_the_archive_is_emptied_by_a_filter_and_spares_what_is_there(self, admin_api):
        with_gone(("orders", "tmp-1", "tmp-2", "old"), ("tmp-1", "tmp-2", "old"))
        assert admin_api.send("post", "queues/delete", {"filter": "is:gone tmp-*"}) == {"deleted": 2}
        assert admin_api.send("post", "queues/delete", {"filter": ""}) == {"deleted": 0}
        assert sorted(Queue.objects.values_list("name", flat=True)) == ["old", "orders"]

    def test_one_that_comes_back_has_its_history_its_tags_and_its_hiding(self, operator_api):
        broker, _ = made_up_broker("shop", [])
        inventory = Inventory(broker.pk)
        both, one = [Sample(k, k, "list") for k in "ab"], [Sample("a", "a", "list")]
        _, b = inventory.resolve(Poll(1.0, both)).tolist()
        operator_api.send("patch", f"queues/{b}", {"tags": ["mine"], "hidden": True}, 404)
        inventory.resolve(Poll(2.0, one))
        assert Queue.objects.get(pk=b).gone_at is not None
        assert inventory.resolve(Poll(3.0, both)).tolist()[1] == b
        back = Queue.objects.get(pk=b)
        assert (back.gone_at, back.tags_by_hand, back.hidden_by_hand) == (None, ["mine"], True)

    def test_one_that_was_deleted_comes_back_as_a_new_one(self, admin_api):
        broker, _ = made_up_broker("shop", [])
        inventory = Inventory(broker.pk)
        both, one = [Sample(k, k, "list") for k in "ab"], [Sample("a", "a", "list")]
        a, b = inventory.resolve(Poll(1.0, both)).tolist()
        inventory.resolve(Poll(2.0, one))
        admin_api.send("delete", f"queues/{b}", status=204)
        again = inventory.resolve(Poll(3.0, both)).tolist()
        assert again[0] == a and again[1] > b
        assert Queue.objects.get(pk=again[1]).gone_at is None
