"""What is asked for over the API and cannot be: which field is wrong, why, and that no plan is left behind."""

from __future__ import annotations

import pytest
from django.db import connections

from collectors.errors import NotSupported
from dashboard.models import Queue, Replay
from dashboard.replay import plan

from .test_replay_api import body

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def closed():
    yield
    connections.close_all()


CANNOT = [
    ({"options": ["nope"]}, "options", "There is no option 'nope' here; there are: none."),
    ({"selection": {"cause": "f" * 16}}, "selection", "There is no cause with the fingerprint ffffffffffffffff."),
    ({"selection": {"ids": ["typed by hand"]}}, "selection", "None of these letters is known in orders.dlq."),
    ({"to": {}}, "to", "Say to which queue (queue_id) or exchange; without to, each goes to where it died."),
    ({"to": {"routing_key": "k"}}, "to", "Say to which queue (queue_id) or exchange"),
    ({"to": {"queue_id": 1, "exchange": "e"}}, "to", "Say to which queue, or to which exchange: not both."),
    ({"to": {"exchange": "e", "routing_key": "ü" * 128}}, "to", "routing_key has more than the 255 bytes"),
    ({"to": {"exchange": "e"}}, "to", "knows no exchanges: name a queue."),
    ({"deed": "delete", "to": {"queue_id": 1}}, "to", "What is deleted goes nowhere."),
    ({"options": ["nope"] * 101}, "options", "options has more than 100 entries."),
    ({"limits": {"watch": 1e10}}, "limits", "watch must be a number from 0 to 1,000,000,000."),
    ({"deed": "explode"}, "deed", "deed must be 'replay', 'move', 'copy' or 'delete'."),
]


def test_what_cannot_be_asked_for_is_refused_and_leaves_no_plan(looked, operator_api):
    for asked, field, sentence in CANNOT:
        error = operator_api.send("post", "replays", body(looked, **asked), 400)["error"]
        assert error["field"] == field and sentence in error["message"], error
    assert not Replay.objects.filter(state="planned").exists()


def test_why_a_plan_is_refused_is_not_forgotten_where_the_broker_has_no_move_of_its_own():
    planned = plan.Plan(refused="Nothing receives what is sent there.")
    plan._own_move(planned, Replay(selection={"all": True}), Queue(), object(), None)
    assert planned.refused == "Nothing receives what is sent there."


def test_a_choice_of_nothing_or_of_what_is_unknown_is_said_by_the_plan(looked, operator_api):
    planned = operator_api.send("post", "replays", body(looked, selection={"filter": "body:nowhere"}), 201)["planned"]
    assert planned["count"] == 0
    assert "None of what lies there is chosen: nothing would be done." in planned["warnings"]
    known = operator_api.get("dead-letters", limit=1)["items"][0]["id"]
    some = {"ids": [known, known + 10_000, "no such key"]}
    planned = operator_api.send("post", "replays", body(looked, selection=some), 201)["planned"]
    assert not planned["exact"] and any(said.startswith("2 of these are not known") for said in planned["warnings"])


def test_what_was_to_start_at_once_and_cannot_says_why_and_leaves_no_plan(looked, operator_api, monkeypatch):
    error = operator_api.send("post", f"queues/{looked.dlq.pk}/purge", {"confirm": 3}, 400)["error"]
    assert error["field"] == "confirm" and not Replay.objects.filter(state="planned").exists()

    def kept(broker, key, seconds):
        raise NotSupported("A stream keeps its messages.")

    monkeypatch.setattr(type(looked.adapter), "lease", kept)
    error = operator_api.send("post", "replays", body(looked, dry_run=False), 409)["error"]
    assert error["message"] == "This cannot be done: A stream keeps its messages."


def test_what_is_no_deletion_is_not_found_among_them(looked, operator_api):
    made = operator_api.send("post", "replays", body(looked), 201)
    error = operator_api.send("post", f"deletions/{made['id']}/restore", status=404)["error"]
    assert error["message"] == f"There is no deletion {made['id']}."
    error = operator_api.send("post", f"replays/{made['id']}/resume", status=409)["error"]
    assert error["message"] == "This replay is planned: it cannot resume now."
