"""The head of the page: sums, and what needs attention."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from dashboard.fleet import Fleet
from dashboard.insight.states import Reason, State
from dashboard.live.summary import depth_before, summary
from dashboard.models import Broker, Queue, Relation
from tests.dashboard.fleets import made_up_broker, made_up_tick

pytestmark = pytest.mark.django_db

T = 1_700_000_010.0


def summed(fleet, at=T):
    snapshot = fleet.snapshot(at)
    return summary(snapshot, lambda ids: fleet.sparks(ids, at))


def fleet_of(queues, name="prod", at=T, **metrics):
    broker, ids = made_up_broker(name, queues)
    fleet = Fleet()
    fleet.accept(made_up_tick(broker.id, ids, at, **metrics))
    return fleet, broker, ids


def test_numbers_are_summed_where_brokers_tell_and_null_where_none_does():
    fleet, *_ = fleet_of(3, depth=[1, 2, np.nan], in_rate=[0.5, np.nan, 1], consumers=np.nan, lag_seconds=[3, 9, 1])
    told = summed(fleet)
    assert (told["queues"], told["backlog"], told["in_rate"]) == (3, 3, 1.5)
    assert told["out_rate"] is None and told["consumers"] is None and told["dead_letters"] is None
    assert told["worst_lag"]["seconds"] == 9 and told["worst_lag"]["name"] == "queue-0001"
    assert told["by_state"] == {"unknown": 0, "idle": 0, "steady": 3, "draining": 0, "growing": 0, "stalled": 0}
    assert told["attention"] == [] and told["needs_attention"] == 0


def test_hidden_queues_count_for_nothing():
    fleet, _, ids = fleet_of(2, depth=[1, 10], lag_seconds=[1, 10])
    Queue.objects.filter(id=ids[1]).update(hidden=True)
    told = summed(fleet)
    assert (told["queues"], told["backlog"], told["worst_lag"]["seconds"]) == (1, 1, 1)


def test_dead_letters_are_counted_once_and_are_not_part_of_the_backlog():
    broker, ids = made_up_broker("prod", ["orders", "mail", "dead", "stream"])
    for source in ids[:2]:
        Relation.objects.create(source_id=source, target_id=ids[2], kind="dead_letters")
    fleet = Fleet()
    own = [np.nan, np.nan, np.nan, 4]
    fleet.accept(made_up_tick(broker.id, ids, T, depth=[10, 20, 7, 1], dead_letters=own))
    told = summed(fleet)
    assert told["dead_letters"] == 11 and told["backlog"] == 31


def test_the_change_of_the_backlog_compares_the_queues_that_were_known_then():
    broker, ids = made_up_broker("prod", 3)
    fleet = Fleet()
    fleet.accept(made_up_tick(broker.id, ids[:2], T - 600, depth=[5, 50]))
    fleet.accept(made_up_tick(broker.id, ids, T, depth=[15, 20, 999]))
    snapshot = fleet.snapshot(T)
    before = depth_before(snapshot, lambda wanted: fleet.sparks(wanted, T))
    told = summary(snapshot, lambda wanted: fleet.sparks(wanted, T), before)
    assert told["backlog_change_10m"] == -20 and told["backlog"] == 1034


def test_attention_leads_with_what_is_most_urgent_and_says_why():
    states = [State.GROWING, State.STEADY, State.STALLED]
    reasons = [Reason.PRODUCERS_OUTPACE, Reason.BALANCED, Reason.NO_CONSUMERS]
    fleet, _, ids = fleet_of(
        ["a", "b", "c"], depth=[4000, 5, 9], in_rate=[320, 1, 2], out_rate=[210, 1, 0], state=states, reason=reasons,
        since=T - 840,
    )  # fmt: skip
    told = summed(fleet)
    stalled, growing = told["attention"]
    assert told["needs_attention"] == 2
    assert (stalled["id"], stalled["state"], stalled["severity"], stalled["broker"]) == (
        ids[2],
        "stalled",
        "bad",
        "prod",
    )
    assert stalled["sentence"].startswith("No consumers for 14 min.") and stalled["since"] == "2023-11-14T21:59:30.000Z"
    assert growing["id"] == ids[0] and growing["severity"] == "warn" and growing["spark"]["values"][-1] == 4000


def test_at_most_six_are_shown_and_all_are_counted():
    fleet, *_ = fleet_of(20, depth=9, state=State.STALLED, reason=Reason.NO_CONSUMERS)
    told = summed(fleet)
    assert len(told["attention"]) == 6 and told["needs_attention"] == 20


def test_a_silent_broker_leads_by_name_and_its_queues_are_left_out():
    fleet, broker, _ = fleet_of(2, depth=9, state=State.STALLED, in_rate=3)
    at = datetime.fromtimestamp(T, UTC)
    Broker.objects.filter(id=broker.id).update(interval=10, last_answer_at=at, last_error="prod: connection refused.")
    told = summed(fleet, T + 300)
    assert told["brokers"]["silent"] == ["prod"] and told["brokers"]["reporting"] == 0
    (row,) = told["attention"]
    assert row["id"] is None and row["name"] == "prod" and row["state"] == "silent" and row["spark"] is None
    assert row["sentence"] == "No answer for 5 min; its queues show their last values. prod: connection refused."
    assert told["backlog"] == 18 and told["in_rate"] is None


def test_a_broker_that_answers_in_part_is_failing_with_its_sentence():
    fleet, broker, _ = fleet_of(1, depth=1)
    Broker.objects.filter(id=broker.id).update(problems=["Node b does not answer."], last_answer_at=_soon())
    told = summed(fleet)
    assert told["brokers"]["failing"] == ["prod"]
    assert told["attention"][0]["sentence"] == "Node b does not answer." and told["attention"][0]["severity"] == "warn"


def test_dead_letters_that_arrive_need_attention_and_old_ones_do_not():
    broker, ids = made_up_broker("prod", ["orders", "dead", "old.dead"])
    Relation.objects.create(source_id=ids[0], target_id=ids[1], kind="dead_letters")
    Relation.objects.create(source_id=ids[0], target_id=ids[2], kind="dead_letters")
    fleet = Fleet()
    fleet.accept(made_up_tick(broker.id, ids, T - 900, depth=[0, 271, 5000]))
    fleet.accept(made_up_tick(broker.id, ids, T, depth=[0, 312, 5000], state=State.STALLED))
    (row,) = [row for row in summed(fleet)["attention"] if row["severity"] == "dead"]
    assert row["name"] == "dead"
    assert row["sentence"] == "41 more dead letters within half an hour, 312 in all. From orders."


def test_without_any_broker_nothing_is_known_and_nothing_fails():
    told = summed(Fleet())
    assert told["queues"] == 0 and told["backlog"] is None and told["brokers"]["total"] == 0


def _soon():
    return datetime.now(UTC) + timedelta(hours=1)
