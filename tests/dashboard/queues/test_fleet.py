"""Everything known now as one table: what stays, what is stale, what is unknown."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from collectors.protocol import Poll, Quality, QueueFacts, Relation, Sample
from dashboard.fleet import SPARK_POINTS, Fleet
from dashboard.inventory import Inventory
from dashboard.models import Broker
from dashboard.ticks import Tick

pytestmark = pytest.mark.django_db

T = 1_700_000_000.0


@pytest.fixture
def broker() -> Broker:
    return Broker.objects.create(name="one", kind="memory", secret_url="", safe_url="", interval=10)


class Feeder:
    """Feeds a fleet with what a collector of one broker would send."""

    def __init__(self, fleet: Fleet, broker: Broker) -> None:
        self.fleet, self.broker, self.inventory = fleet, broker, Inventory(broker.id)

    def feed(self, at: float, samples: list[Sample], **changes) -> list[int]:
        poll = Poll(at=at, samples=samples, **changes)
        tick = Tick.of(poll, self.broker.id, self.inventory.resolve(poll))
        tick.inventory = self.inventory.version
        self.fleet.accept(tick)
        Broker.objects.filter(id=self.broker.id).update(
            last_poll_at=datetime.fromtimestamp(at, UTC), last_answer_at=datetime.fromtimestamp(at, UTC)
        )
        self.fleet._brokers = (0.0, {})  # read the brokers again now, not in a second
        return [self.inventory._ids[s.key] for s in samples]


@pytest.fixture
def feeder(broker) -> Feeder:
    return Feeder(Fleet(), broker)


def sample(name: str, **values) -> Sample:
    return Sample(name, name, "list", **values)


def test_rows_show_what_the_broker_said_and_null_for_what_it_cannot_tell(feeder):
    [id] = feeder.feed(T, [sample("a", depth=3, quality={"depth": Quality.APPROXIMATE})])
    snapshot = feeder.fleet.snapshot(T)
    row = snapshot.row(snapshot.index(id))
    assert (row["depth"], row["in_rate"], row["consumers"]) == (3, None, None)
    assert (row["quality"]["depth"], row["quality"]["in_rate"]) == ("approximate", "unknown")
    assert row["sampled_at"] == "2023-11-14T22:13:20.000Z" and row["broker"] == "one"


def test_the_snapshot_is_the_same_object_while_nothing_changed(feeder):
    feeder.feed(T, [sample("a", depth=3)])
    first = feeder.fleet.snapshot(T)
    assert feeder.fleet.snapshot(T + 1) is first
    feeder.feed(T + 10, [sample("a", depth=4)])
    assert feeder.fleet.snapshot(T + 10) is not first


def test_rows_of_a_silent_broker_keep_their_values_and_are_unknown_and_stale(feeder):
    [id] = feeder.feed(T, [sample("a", depth=3)])
    snapshot = feeder.fleet.snapshot(T + 31)
    row = snapshot.row(snapshot.index(id))
    assert (row["depth"], row["stale"], row["state"]) == (3, True, "unknown")
    assert "silent" in row["reason"] and snapshot.broker_states[feeder.broker.id] == "silent"


def test_a_queue_left_out_of_a_partial_poll_is_stale_and_the_others_are_not(feeder):
    a, b = feeder.feed(T, [sample("a", depth=1), sample("b", depth=2)])
    feeder.feed(T + 10, [sample("a", depth=5)], complete=False)
    snapshot = feeder.fleet.snapshot(T + 10)
    rows = {id: snapshot.row(snapshot.index(id)) for id in (a, b)}
    assert (rows[a]["depth"], rows[a]["stale"]) == (5, False)
    assert (rows[b]["depth"], rows[b]["stale"], rows[b]["sampled_at"]) == (2, True, "2023-11-14T22:13:20.000Z")


def test_a_queue_left_out_of_a_complete_poll_is_gone_and_put_aside(feeder):
    _, b = feeder.feed(T, [sample("a", depth=1), sample("b", depth=2)])
    feeder.feed(T + 10, [sample("a", depth=5)])
    snapshot = feeder.fleet.snapshot(T + 10)
    row = snapshot.index(b)
    assert snapshot.gone.tolist() == snapshot.aside.tolist() == [False, True]
    shown = snapshot.row(row)
    assert (shown["state"], shown["depth"], shown["stale"]) == ("unknown", None, True)
    assert "has not shown this queue for" in shown["reason"] and shown["gone_at"]


def test_dead_letters_of_a_queue_are_those_waiting_where_it_sends_them(feeder):
    relations = [Relation("a", "dlq", "dead_letters"), Relation("b", "shared", "dead_letters")]
    relations.append(Relation("c", "shared", "dead_letters"))
    samples = [sample("a"), sample("b"), sample("c"), sample("dlq", depth=7), sample("shared", depth=2)]
    a, b, _, dlq, _ = feeder.feed(T, samples, relations=relations)
    snapshot = feeder.fleet.snapshot(T)
    row = snapshot.row(snapshot.index(a))
    assert (row["dead_letters"], row["quality"]["dead_letters"], row["dead_letter_queue_id"]) == (7, "exact", dlq)
    assert snapshot.row(snapshot.index(b))["quality"]["dead_letters"] == "approximate"
    assert snapshot.row(snapshot.index(dlq))["dead_letter_of"] == [a]


def test_hidden_queues_are_marked(feeder):
    feeder.feed(T, [sample("a"), sample("timer")], facts={"timer": QueueFacts(hidden=True, why_hidden="a timer")})
    assert feeder.fleet.snapshot(T).hidden.tolist() == [False, True]


def test_two_brokers_make_one_table_by_id(feeder):
    two = Broker.objects.create(name="two", kind="memory", secret_url="", safe_url="")
    [a] = feeder.feed(T, [sample("a", depth=1)])
    [b] = Feeder(feeder.fleet, two).feed(T, [sample("b", depth=2)])
    [c] = feeder.feed(T + 1, [sample("c", depth=3)])
    snapshot = feeder.fleet.snapshot(T + 1)
    assert snapshot.ids.tolist() == [a, b, c] and snapshot.texts("broker") == ["one", "two", "one"]
    assert snapshot.gone.tolist() == [True, False, False]


def test_a_deleted_broker_leaves_the_table(feeder):
    feeder.feed(T, [sample("a", depth=1)])
    feeder.broker.delete()
    feeder.fleet._brokers = (0.0, {})
    assert len(feeder.fleet.snapshot(T)) == 0


def test_sparks_hold_half_an_hour_with_gaps_as_gaps(feeder):
    [id] = feeder.feed(T, [sample("a", depth=1)])
    feeder.feed(T + 60, [sample("a", depth=2)])
    feeder.feed(T + 70, [sample("a", depth=3)])
    start, values = feeder.fleet.sparks([id], T + 70)
    assert values.shape == (1, SPARK_POINTS) and start == (T + 70) // 30 * 30 - (SPARK_POINTS - 1) * 30
    assert (
        values[0, -4] == 1 and np.isnan(values[0, -3]) and values[0, -2:].tolist() == [2, 3] and np.isnan(values[0, 0])
    )


def test_an_older_tick_changes_nothing(feeder):
    [id] = feeder.feed(T, [sample("a", depth=1)])
    feeder.feed(T - 5, [sample("a", depth=9)])
    snapshot = feeder.fleet.snapshot(T)
    assert snapshot.row(snapshot.index(id))["depth"] == 1


def test_sparks_of_a_queue_left_out_of_a_partial_poll_are_kept(feeder):
    _, b = feeder.feed(T, [sample("a", depth=1), sample("b", depth=2)])
    feeder.feed(T + 30, [sample("a", depth=5)], complete=False)
    feeder.feed(T + 60, [sample("a", depth=5), sample("b", depth=4)])
    _, values = feeder.fleet.sparks([b], T + 60)
    assert values[0, -3] == 2 and np.isnan(values[0, -2]) and values[0, -1] == 4
