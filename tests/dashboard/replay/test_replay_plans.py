"""Words and figures of a plan: how long it takes, whence that is known, small trials, moving aside, sending wide."""

from __future__ import annotations

import pytest
from django.utils import timezone

from collectors.letters import Destination
from dashboard.models import Queue, Replay
from dashboard.replay import estimate, plan, wide
from dashboard.replay.guards import Limits
from dashboard.replay.planned import Plan, changed_by

from ..letterbox import Letterbox

pytestmark = pytest.mark.django_db(transaction=True)

LIMITS = Limits(trial_wait=30.0)


def body(box, **more) -> dict:
    return {"queue_id": box.dlq.pk, "selection": {"all": True}} | more


def gone(queue: Queue, sent: int, seconds: float, **more) -> None:
    Replay.objects.create(
        queue=queue, queue_name=queue.name, broker_name="b", made_by="ana", state="done", sent=sent,
        busy_seconds=seconds, started_at=timezone.now(), **more,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("count", "rate", "pace", "trial", "seconds"),
    [
        (1000, 10.0, 5000.0, 0, 100.0),
        (1000, None, 500.0, 0, 2.0),
        (1000, 900.0, 500.0, 0, 2.0),  # never faster than the broker
        (1000, None, None, 0, None),
        (5, 1.0, None, 5, 35.0),
        (105, None, 100.0, 5, 0.05 + 30 + 1.0),
        (
            1005,
            None,
            400.0,
            5,
            0.0125 + 30 + 3 + 3 + 100 / 400,
        ),  # 100/s and 200/s for three seconds each, then the rest
    ],
)
def test_how_long_it_takes(count, rate, pace, trial, seconds):
    assert estimate.seconds(count, rate, pace, trial, LIMITS) == pytest.approx(seconds)


def test_a_pace_is_that_of_the_last_replays_here_else_of_their_kind_else_as_measured(box):
    assert estimate.pace(box.dlq) == (None, "")
    box.broker.kind = "rabbitmq"
    box.broker.save()
    pace, why = estimate.pace(box.dlq)
    assert pace == estimate.USUAL["rabbitmq"] and why.startswith("as measured on a small machine")
    other = Letterbox(look_only=True)
    other.poll()
    type(other.broker).objects.filter(pk=other.broker.pk).update(kind="rabbitmq")
    gone(other.dlq, 1000, 2.0)
    assert estimate.pace(box.dlq) == (500.0, "as the last replays on brokers of this kind went")
    for seconds in (1.0, 2.0, 100.0):
        gone(box.dlq, 1000, seconds)
    gone(box.dlq, 1000, 1000.0, rate=1.0)  # held back: it tells nothing
    gone(box.dlq, 3, 1.0)  # too few
    assert estimate.pace(box.dlq) == (500.0, f"as the last replays on {box.name} went")


def test_the_plan_names_a_time_and_whence_it_is_known(box, operator_api):
    gone(box.dlq, 1000, 20.0)
    planned = operator_api.send("post", "replays", body(box), 201)["planned"]
    assert (planned["seconds"], planned["pace"]) == (0.9, 50.0) and "went" in planned["pace_known_by"]


def test_a_trial_of_all_that_is_chosen_is_none(box, operator_api):
    one = operator_api.send("post", "replays", body(box, selection={"oldest": 1}, trial=5), 201)
    assert one["trial"] == 0 and "no more than the trial of 5" in one["planned"]["trial_words"]
    many = operator_api.send("post", "replays", body(box, trial=5), 201)
    assert many["trial"] == 5 and many["planned"]["trial_words"] == ""


def test_while_a_group_is_held_no_more_than_ten_of_it_are_met(box, operator_api):
    Queue.objects.filter(pk=box.dlq.pk).update(kind="fifo")
    with box.world.still() as queues:
        queues["orders.dlq"].limit = 20
    planned = operator_api.send("post", "replays", body(box, selection={"filter": "error:Timeout"}), 201)["planned"]
    assert any("the first ten of its message group" in one for one in planned["warnings"])


def test_what_is_too_long_to_be_read_through_can_be_moved_aside(box, operator_api, monkeypatch):
    monkeypatch.setattr(plan, "HOLDS", 20)
    with box.world.still() as queues:
        queues["orders.dlq"].limit = 20
    operator_api.send("post", f"queues/{box.dlq.pk}/looks", {"limit": 100}, 201)
    chosen = body(box, selection={"filter": "error:Timeout"})
    refused = operator_api.send("post", "replays", chosen, 201)
    assert refused["state"] == "failed" and refused["planned"]["staging"]
    aside = operator_api.send("post", f"replays/{refused['id']}/stage", status=201)
    assert (aside["state"], aside["planned"]["count"], aside["selection"]) == (
        "planned", 40, {"filter": "error:Timeout", "others": True},
    )  # fmt: skip
    staged = Queue.objects.get(pk=aside["to"]["queue_id"])
    assert staged.name == "orders.dlq.staging"
    assert [one.name for one in staged.dead_letter_mark.sources.all()] == ["orders"]
    whole = operator_api.send("post", "replays", body(box), 201)
    refusal = operator_api.send("post", f"replays/{whole['id']}/stage", status=409)["error"]["message"]
    assert "has to be moved aside" in refusal
    many = operator_api.send("post", "replays", body(box, selection={"filter": "error:Card*"}), 201)
    too_many = operator_api.send("post", f"replays/{many['id']}/stage", status=201)
    assert too_many["state"] == "failed" and "Choose fewer" in too_many["reason"]


class Exchange:
    """What a broker with exchanges says of them."""

    def __init__(self, names: list[str] | None) -> None:
        self.names = names

    def exchanges(self, key: str) -> list[str]:
        return ["shop", "amq.topic"]

    def receivers(self, to: Destination, beside: str = "") -> list[str] | None:
        return self.names


@pytest.mark.parametrize(
    ("names", "said", "refused"),
    [
        (["orders", "audit", "mails"], "audit, mails receive a copy of each", ""),
        (["orders"], "now these are the queues where they died", ""),
        (None, "is not known: it may be many", ""),
        ([], "", "Nothing receives what is sent to 'shop' with the routing key 'new'."),
    ],
)
def test_who_else_receives_what_is_sent_wide_is_named(box, names, said, refused):
    planned = Plan(count=3)
    wide.offer(planned, box.dlq, Exchange(names))
    wide.describe(planned, box.dlq, Exchange(names), Destination("", "shop", "new"), {"orders"})
    assert planned.wide and planned.exchanges == ["shop", "amq.topic"] and planned.refused == refused
    assert said in " ".join(planned.warnings)
    plan._confirm(planned, Replay(selection={"all": True}))
    assert planned.confirm == 3


def test_what_copies_go_without_is_said_as_it_was_chosen():
    assert "without x-death and what libraries wrote when they gave up, CC and user_id," in changed_by("rabbitmq")
    assert "without user_id," in changed_by("rabbitmq", ["keep_deaths", "keep_cc"])
    assert changed_by("memory") == ""


@pytest.mark.parametrize(("accepted", "fate"), [(False, "not deleted unless you accept that"), (True, "for good")])
def test_what_there_is_no_room_to_keep_is_said_before(box, operator_api, monkeypatch, accepted, fate):
    asked = body(box, deed="delete", beyond_bound=accepted)
    planned = operator_api.send("post", "replays", asked, 201)["planned"]
    assert planned["beyond"] is False
    operator_api.send("post", f"queues/{box.dlq.pk}/looks", {"limit": 100}, 201)
    monkeypatch.setattr("dashboard.replay.keeping.MOST_OF_ONE", 1000)
    planned = operator_api.send("post", "replays", asked, 201)["planned"]
    assert planned["beyond"] is True and any(fate in one for one in planned["warnings"])
