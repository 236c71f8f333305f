"""Replays over the API: planned, started, watched, paused, stopped, repeated; deletions and their undoing."""

from __future__ import annotations

import json
import time
from datetime import timedelta

import pytest
from django.db import connections
from django.utils import timezone

from collectors.errors import NotSupported
from dashboard.live.bus import the_bus
from dashboard.models import AuditEntry, Letter, Queue, Replay
from dashboard.replay import plan
from dashboard.replay.journal import Journal
from dashboard.replay.places import journal_path
from dashboard.replay.states import State
from dashboard.replay.working import Replayer

from ..letterbox import Letterbox
from ..web import Api

pytestmark = pytest.mark.django_db(transaction=True)

QUICK = {"watch": 0, "trial_wait": 0}


@pytest.fixture
def worker(web):
    worker = Replayer(the_bus())
    worker.start()
    yield worker
    worker.stop()
    connections.close_all()


def settled(api: Api, id: int, *states: str, seconds: float = 60.0) -> dict:
    """The replay, once it is in one of these states and nobody is at it any more."""
    end = time.monotonic() + seconds
    while True:
        row = Replay.objects.get(pk=id)
        if row.state in (states or ("done", "stopped", "failed")) and not row.owner:
            return api.get(f"replays/{id}")
        assert time.monotonic() < end, (row.state, row.reason, row.trouble, row.owner)
        time.sleep(0.05)


def body(box, **more) -> dict:
    return {"queue_id": box.dlq.pk, "selection": {"all": True}, "limits": QUICK} | more


def test_a_dry_run_is_a_plan_and_sends_nothing(looked, operator_api):
    made = operator_api.send("post", "replays", body(looked, rate=20, trial=5), 201)
    plan = made["planned"]
    assert made["state"] == "planned" and made["sent"] == 0 and len(looked.ready()) == 45
    assert (plan["count"], plan["of"], plan["exact"]) == (45, 45, True)
    assert plan["size"] == plan["bytes"] > 45 * 20 and plan["estimate"] == plan["seconds"] >= 45 / 20
    assert [one["name"] for one in plan["destinations"]] == ["orders"]
    assert "Nobody reads orders now: what is sent there waits." in plan["warnings"]
    assert plan["safety"].startswith("Each is kept until the broker confirms its copy.")


def test_planned_started_and_done_with_a_report_of_each(looked, operator_api, worker):
    made = operator_api.send("post", "replays", body(looked, trial=3), 201)
    id = made["id"]
    assert operator_api.send("post", f"replays/{id}/start")["state"] == "trial"
    done = settled(operator_api, id)
    assert (done["state"], done["sent"], done["removed"], done["total"]) == ("done", 45, 45, 45)
    assert looked.ready() == [] and len(looked.ready("orders")) == 45
    Queue.objects.filter(key="orders").update(name="the orders")  # on most brokers a key is not the name
    page = operator_api.get(f"replays/{id}/messages", limit=40)
    rest = operator_api.get(f"replays/{id}/messages", limit=40, cursor=page["next"])
    assert page["total"] == 45 and [m["n"] for m in page["items"] + rest["items"]] == list(range(1, 46))
    assert {m["state"] for m in page["items"]} == {"removed"} and page["items"][0]["destination"] == "the orders"
    assert not Letter.objects.filter(queue=looked.dlq, gone_at=None).exists()  # the index knows
    said = [(e.action, e.result) for e in AuditEntry.objects.filter(target=f"replay {id} of orders.dlq").order_by("pk")]
    assert said == [("plan replay", "done"), ("start replay", "done"), ("end replay", "done")]
    assert operator_api.send("post", f"replays/{id}/start", status=409)["error"]["message"].startswith("This replay is")


@pytest.mark.parametrize(
    ("selection", "sent"),
    [({"filter": "error:Timeout"}, 5), ({"oldest": 7}, 7), ({"filter": "body:4111-3"}, 12)],
)
def test_what_is_chosen_is_sent_and_nothing_else(looked, operator_api, worker, selection, sent):
    made = operator_api.send("post", "replays", body(looked, selection=selection, dry_run=False), 201)
    done = settled(operator_api, made["id"])
    assert (made["planned"]["count"], done["sent"], done["state"]) == (sent, sent, "done"), done
    assert len(looked.ready()) == 45 - sent and len(looked.ready("orders")) == sent


def test_ticked_letters_and_a_cause(looked, operator_api, worker):
    ids = [item["id"] for item in operator_api.get("dead-letters", filter="error:Timeout")["items"][:2]]
    made = operator_api.send("post", "replays", body(looked, selection={"ids": ids}, dry_run=False), 201)
    assert settled(operator_api, made["id"])["removed"] == 2
    cause = operator_api.get("dead-letters", filter="error:CardDeclined")["items"][0]["cause"]["fingerprint"]
    made = operator_api.send("post", "replays", body(looked, selection={"cause": cause}, dry_run=False), 201)
    done = settled(operator_api, made["id"])
    assert done["removed"] == made["planned"]["count"] == 40 and len(looked.ready()) == 3


def test_the_oldest_none_are_no_choice(box, operator_api):
    error = operator_api.send("post", "replays", body(box, selection={"oldest": 0}), 400)["error"]
    assert error["message"] == "oldest must be a whole number above 0."


def test_pause_rate_resume_and_stop(box, operator_api, worker):
    made = operator_api.send("post", "replays", body(box, rate=2, dry_run=False), 201)
    path = f"replays/{made['id']}"
    end = time.monotonic() + 30
    while operator_api.get(path)["sent"] < 2:
        assert time.monotonic() < end
        time.sleep(0.05)
    other = operator_api.send("post", "replays", body(box), 201)
    refused = operator_api.send("post", f"replays/{other['id']}/start", status=409)["error"]["message"]
    assert "one at a time" in refused
    assert operator_api.send("post", f"{path}/pause")["state"] == "paused"
    paused = settled(operator_api, made["id"], "paused")
    with box.world.still() as queues:
        assert not queues["orders.dlq"].taken
    assert paused["reason"].startswith("Paused by token operator")
    assert operator_api.send("patch", path, {"rate": None})["rate"] is None
    operator_api.send("post", f"{path}/resume")
    assert settled(operator_api, made["id"])["removed"] == 45
    assert operator_api.send("post", f"replays/{other['id']}/stop")["state"] == "stopped"
    assert operator_api.send("post", f"{path}/pause", status=409)["error"]["code"] == "conflict"


def test_what_failed_can_be_repeated(looked, operator_api, worker):
    looked.put(1, body=b"from nowhere")
    with looked.world.still() as queues:
        last = queues["orders.dlq"].ready.pop()
        queues["orders.dlq"].ready.append(last._replace(deaths=(), headers={"replay-count": 5, "replay-id": "o.1"}))
    made = operator_api.send("post", "replays", body(looked, dry_run=False), 201)
    done = settled(operator_api, made["id"])
    assert (done["removed"], done["skipped"]) == (45, 1)
    again = operator_api.send("post", f"replays/{made['id']}/repeat", status=201)
    assert again["repeats"] == made["id"] and again["planned"]["count"] == 1 and again["state"] == "planned"


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"selection": {}}, "selection"),
        ({"selection": {"all": True, "oldest": 3}}, "selection"),
        ({"selection": {"filter": "body:("}}, "selection"),
        ({"selection": {"ids": [987654]}}, "selection"),
        ({"rate": 0}, "rate"),
        ({"trial": -1}, "trial"),
        ({"to": {"queue_id": 987654}}, "to"),
        ({"limits": {"nonsense": 1}}, "limits"),
        ({"deed": "move"}, "to"),
        ({"queue_id": 987654}, "queue_id"),
    ],
)
def test_what_is_wrong_is_said_with_its_field(looked, operator_api, wrong, field):
    answer = operator_api.send("post", "replays", body(looked, **wrong), 404 if field == "queue_id" else 400)
    assert answer["error"]["field"] == field and answer["error"]["message"].endswith((".", ")"))
    assert not Replay.objects.exists()


def test_look_only_brokers_are_left_alone(operator_api):
    box = Letterbox(look_only=True)
    box.put(3)
    box.poll()
    answer = operator_api.send("post", "replays", body(box), 409)
    assert "look-only" in answer["error"]["message"]


def test_moving_and_copying(box, operator_api, worker):
    box.world.queue("parking")
    box.poll()
    to = {"queue_id": box.queue("parking").pk}
    made = operator_api.send("post", "replays", body(box, deed="copy", to=to, dry_run=False), 201)
    assert settled(operator_api, made["id"])["sent"] == 45
    assert len(box.ready("parking")) == 45 == len(box.ready())
    made = operator_api.send("post", "replays", body(box, deed="move", to=to, dry_run=False), 201)
    assert settled(operator_api, made["id"])["removed"] == 45
    assert len(box.ready("parking")) == 90 and box.ready() == []
    with box.world.still() as queues:
        assert "replay-id" not in queues["parking"].ready[-1].headers


def test_a_letter_is_deleted_and_restored(looked, operator_api, worker):
    ids = [item["id"] for item in operator_api.get("dead-letters", filter="error:Timeout")["items"]]
    before = looked.ready()
    gone = operator_api.send("post", "dead-letters/delete", {"queue_id": looked.dlq.pk, "selection": {"ids": ids}}, 201)
    settled(operator_api, gone["id"])
    assert looked.ready() == before[:40]
    (listed,) = operator_api.get("deletions")["items"]
    assert (listed["kept"], listed["can_restore"], listed["removed"]) == (5, True, 5)
    back = operator_api.send("post", f"deletions/{gone['id']}/restore", status=201)
    assert settled(operator_api, back["id"])["reason"] == "5 were put back."
    assert sorted(looked.ready()) == sorted(before)
    assert "restored" in operator_api.send("post", f"deletions/{gone['id']}/restore", status=409)["error"]["message"]


@pytest.mark.parametrize(("limit", "known"), [(20, True), (2, False)])
def test_what_is_put_back_is_looked_at_again_within_the_budget(box, operator_api, worker, limit, known):
    with box.world.still() as queues:
        queues["orders.dlq"].limit = limit
    gone = operator_api.send("post", f"queues/{box.dlq.pk}/purge", {"confirm": 45}, 201)
    settled(operator_api, gone["id"])
    assert not Letter.objects.filter(queue=box.dlq, gone_at=None).exists()
    back = operator_api.send("post", f"deletions/{gone['id']}/restore", status=201)
    said = settled(operator_api, back["id"])["reason"]
    assert len(box.ready()) == 45 and said.startswith("45 were put back.")
    assert ("after the next look" in said) is not known
    assert Letter.objects.filter(queue=box.dlq, gone_at=None).count() == (45 if known else 0)


def test_purging_asks_for_the_count(box, operator_api, worker, settings):
    box.put(100)
    path = f"queues/{box.dlq.pk}/purge"
    refused = operator_api.send("post", path, {}, 400)["error"]
    assert refused["field"] == "confirm" and "145" in refused["message"] and len(box.ready()) == 145
    gone = operator_api.send("post", path, {"confirm": 145}, 201)
    assert settled(operator_api, gone["id"])["removed"] == 145 and box.ready() == []
    kept = b"".join(file.read_bytes() for file in settings.WEIR_DATA.glob("deletions/*"))
    assert kept and b"4111-" not in kept


def test_what_there_is_no_room_to_keep_is_not_deleted_unless_accepted(box, operator_api, worker, monkeypatch):
    monkeypatch.setattr("dashboard.replay.keeping.MOST_OF_ONE", 20_000)
    path = f"queues/{box.dlq.pk}/purge"
    gone = operator_api.send("post", path, {"confirm": 45}, 201)
    kept = settled(operator_api, gone["id"])
    assert kept["failed"] > 0 and kept["removed"] == 45 - kept["failed"] == 45 - len(box.ready())
    gone = operator_api.send("post", path, {"confirm": len(box.ready()), "beyond_bound": True}, 201)
    assert settled(operator_api, gone["id"])["failed"] == 0 and box.ready() == []


def test_one_letter_is_edited_and_what_is_masked_stays(looked, operator_api, admin_api, worker):
    admin_api.send("post", "masking", {"kind": "path", "pattern": "card.*"}, 201)
    letter = operator_api.get("dead-letters", filter="error:Timeout", sort="died_at")["items"][0]
    shown = operator_api.get(f"dead-letters/{letter['id']}")["decoded"]["value"]
    mask = shown["card"]["number"]
    assert mask.startswith("••••")
    one = body(looked, selection={"ids": [letter["id"]]}, dry_run=False)
    for wrong in ('{"order": 1, "card": {"number": "4"}}', '{"order": 1}', f'{{"note": "{mask}", "card": 1}}', "text"):
        answer = operator_api.send("post", "replays", one | {"edit": {"body": wrong}}, 400)
        assert answer["error"]["field"] == "edit" and "mask" in answer["error"]["message"]
    edited = {"body": json.dumps(shown | {"order": 99, "new": [1]}), "headers": {"x": "y"}}
    made = operator_api.send("post", "replays", one | {"edit": edited}, 201)
    assert settled(operator_api, made["id"])["removed"] == 1
    (sent,) = looked.ready("orders")
    number = json.loads(sent)["card"]["number"]
    assert json.loads(sent) == {"order": 99, "card": {"number": number}, "new": [1]} and number.startswith("4111-")
    assert "4111" not in Replay.objects.get(pk=made["id"]).secret_edit
    assert made["planned"]["edited"] == ["body", "header x"]
    assert AuditEntry.objects.get(action="plan replay").details["edited"] == ["body", "header x"]


def test_headers_alone_are_edited_and_the_body_stays_byte_for_byte(box, operator_api, admin_api, worker):
    box.world.put_letter("orders.dlq", b"\xff no text", [], tenant="acme", attempt=3, token="secret", raw=b"\x00")
    admin_api.send("post", "masking", {"kind": "header", "pattern": "token"}, 201)
    operator_api.send("post", f"queues/{box.dlq.pk}/looks", {"limit": 100}, 201)
    letter = operator_api.get("dead-letters", filter="header.tenant:acme")["items"][0]
    shown = operator_api.get(f"dead-letters/{letter['id']}/edit")
    assert shown["body"] is None and shown["why_not"] == "This body is no text: it cannot be edited here."
    told = {one["name"]: (one["kind"], one["value"], one["fixed"]) for one in shown["headers"]}
    assert told == {
        "tenant": ("text", "acme", ""), "attempt": ("number", "3", ""), "raw": ("bytes", "1 bytes: 00", "bytes"),
        "token": ("text", "•••• masked by rule token", "masked"),
    } and shown["may_add"]  # fmt: skip
    one = body(box, selection={"ids": [letter["id"]]}, to={"queue_id": box.queue("orders").pk}, dry_run=False)
    for edit, said in (({}, "Nothing of it was changed"), ({"headers": {"token": "x"}}, "is masked"),
                       ({"body": "x"}, "is no text"), ({"headers": {"attempt": "x"}}, "whole number")):  # fmt: skip
        assert said in operator_api.send("post", "replays", one | {"edit": edit}, 400)["error"]["message"]
    edited = {"headers": {"attempt": "4", "tenant": None, "new": "y"}}
    made = operator_api.send("post", "replays", one | {"edit": edited}, 201)
    assert made["planned"]["edited"] == ["header attempt", "header tenant taken away", "header new"]
    assert settled(operator_api, made["id"])["removed"] == 1
    with box.world.still() as queues:
        sent = queues["orders"].ready[-1]
    own = {name: value for name, value in sent.headers.items() if not name.startswith("replay")}
    assert (sent.body, own) == (b"\xff no text", {"attempt": 4, "new": "y", "token": "secret", "raw": b"\x00"})


def test_a_dead_workers_replay_is_taken_over(box, operator_api, worker):
    made = operator_api.send("post", "replays", body(box), 201)
    Replay.objects.filter(pk=made["id"]).update(owner="dead", owned_until="2020-01-01T00:00:00Z", state="running")
    assert settled(operator_api, made["id"])["removed"] == 45


def test_what_a_dead_worker_left_open_is_named_when_its_replay_is_stopped(box, operator_api, worker):
    """Nobody goes on with it: a copy may be there, and the original too."""
    made = operator_api.send("post", "replays", body(box), 201)
    row = Replay.objects.filter(pk=made["id"])
    row.update(owner="dead", owned_until=timezone.now() + timedelta(hours=1), state="running")
    with Journal(journal_path(row.get().own), "dead") as journal:
        for n, state in enumerate((State.SENDING, State.SENT, State.REMOVED, State.PLANNED)):
            journal.add(f"id {n}", state, 1, "orders")
        journal.commit()
    assert operator_api.send("post", f"replays/{made['id']}/stop")["state"] == "stopped"
    row.update(owned_until=timezone.now())
    end = settled(operator_api, made["id"], "stopped")
    assert (end["sent"], end["removed"], end["possibly_duplicated"]) == (2, 1, 2) and len(box.ready()) == 45
    assert "Of 2 it is not known whether they were moved: they may be there twice, or lie here still." in end["reason"]
    items = operator_api.get(f"replays/{made['id']}/messages")["items"]
    assert ["may lie here still" in (one["why"] or "") for one in items] == [True, True, False, False]


def test_a_replay_whose_journal_is_elsewhere_is_left_to_workers_there(box, operator_api, worker):
    made = operator_api.send("post", "replays", body(box), 201)
    Replay.objects.filter(pk=made["id"]).update(place="another folder", state="running")
    time.sleep(1.5)
    assert Replay.objects.get(pk=made["id"]).owner == "" and len(box.ready()) == 45


@pytest.mark.parametrize(("count", "of", "asked", "refused"), [(None, 7, 7, ""), (None, None, None, "cannot be told")])
def test_what_is_wide_is_never_begun_without_a_count(count, of, asked, refused):
    planned = plan.Plan(count=count, of=of, wide=True)
    plan._confirm(planned, Replay(selection={"filter": "body:x"}))
    assert planned.confirm == asked and refused in planned.refused and bool(planned.refused) == bool(refused)


def test_what_cannot_be_taken_out_of_its_queue_is_said_by_the_plan(looked, operator_api, monkeypatch):
    def kept(broker, key, seconds):
        raise NotSupported("A stream keeps its messages.")

    monkeypatch.setattr(type(looked.adapter), "lease", kept)
    made = operator_api.send("post", "replays", body(looked), 201)
    assert (made["state"], made["reason"]) == ("failed", "A stream keeps its messages.")
    assert operator_api.send("post", f"replays/{made['id']}/start", status=409)
