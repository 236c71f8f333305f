"""Rules on how long it is until a message is dropped: by a queue's retention, and by what the letters say."""

from __future__ import annotations

import time

import numpy as np
import pytest

from collectors.protocol import Poll, QueueFacts, Sample
from dashboard.alerts import desk, retention, suggest
from dashboard.alerts.conditions import BadCondition, Condition, words
from dashboard.alerts.preview import preview
from dashboard.directory import Directory
from dashboard.live.feed import fleet
from dashboard.models import Cause, Incident, Letter, Queue
from dashboard.samples import the_store

from ..polled import Polled, rule, story

pytestmark = pytest.mark.usefixtures("web")

DAY = 86400.0
CONDITION = {"metric": "retention_left_seconds", "value": DAY, "clear_seconds": 0}


@pytest.fixture(autouse=True)
def read_anew(monkeypatch):
    retention.forget()
    monkeypatch.setattr(retention, "FRESH", 0.0)


def polled(shop: Polled, keeps: float | None = 4 * DAY, **lags: float | None) -> None:
    """A poll in which `jobs` keeps messages so long; a lag of None: nothing waits."""
    shop.at += 10
    samples = [
        Sample(key=name, name=name, kind="queue", depth=0 if lag is None else 5, lag_seconds=lag)
        for name, lag in lags.items()
    ]
    shop.ingest(Poll(shop.at, samples, facts={"jobs": QueueFacts(keeps_seconds=keeps)}))


def letter(queue: str, expires_at: float) -> Letter:
    cause = Cause.objects.create(fingerprint=f"f{time.monotonic()}", title="Timeout", first_seen=0.0, revision=1)
    return Letter.objects.create(
        queue=Queue.objects.get(name=queue), key=f"k{expires_at}", cause=cause, expires_at=expires_at,
        first_seen=0.0, last_seen=0.0, revision=1,
    )  # fmt: skip


def test_it_fires_below_and_closes_when_what_was_oldest_has_gone():
    rule(condition=CONDITION)
    shop = Polled()
    polled(shop, jobs=2 * DAY)
    polled(shop, jobs=3.5 * DAY)
    (one,) = Incident.objects.all()
    assert one.reason == "Retention left of the oldest message is under 24 h: it is 12 h."
    polled(shop, jobs=60.0)
    assert story() == [("jobs", "closed")]
    polled(shop, jobs=3.5 * DAY)
    polled(shop, jobs=None)
    assert story() == [("jobs", "closed")] * 2, "an empty queue loses nothing"


def test_the_oldest_dead_letter_counts_where_its_broker_tells_nothing():
    rule(condition=CONDITION, filter="is:dead")
    shop = Polled()
    polled(shop, None, **{"orders": 5.0, "orders-dlq": 5.0})
    letter("orders-dlq", time.time() + 3 * DAY)
    polled(shop, None, **{"orders": 5.0, "orders-dlq": 5.0})
    assert story() == []
    first = letter("orders-dlq", time.time() + 3600)
    letter("orders", time.time() + 3600)  # not a queue of dead letters
    polled(shop, None, **{"orders": 5.0, "orders-dlq": 5.0})
    assert story() == [("orders-dlq", "open")]
    first.gone_at = time.time()
    first.save()
    polled(shop, None, **{"orders": 5.0, "orders-dlq": 5.0})
    assert story() == [("orders-dlq", "closed")]


def test_unknown_is_neither_and_the_rule_says_what_it_means():
    rule("keep", CONDITION)
    rule("fire", CONDITION | {"unknown": "fire"})
    shop = Polled()
    polled(shop, None, jobs=1e6)
    assert [one.rule_name for one in Incident.objects.all()] == ["fire"]


def test_a_preview_knows_the_retention_of_today_and_equals_live():
    rule(condition=CONDITION)
    shop = Polled()
    for lag in (2, 3.1, 3.2, 3.9, 1, 3.5, None, 3.01):
        polled(shop, jobs=None if lag is None else lag * DAY, other=3.9 * DAY)
    entries = Directory().of(shop.broker.pk, 0).entries
    ids = sorted(entries)
    found = preview(the_store(), Condition.read(CONDITION), {shop.broker.pk: (10.0, ids)},
                    shop.at - 3600, shop.at + 1, entries=entries)  # fmt: skip
    live = [(one.queue_id, one.opened_at.timestamp(), one.closed_at and one.closed_at.timestamp())
            for one in Incident.objects.order_by("opened_at")]  # fmt: skip
    assert [(one.queue, one.opened, one.closed) for one in found.firings] == live and len(live) == 3
    assert any("dead letters" in note for note in found.notes)


def test_the_numbers_beside_rules_and_templates_are_the_same(web):
    shop = Polled(began=20.0)
    polled(shop, jobs=3.5 * DAY, other=5.0)
    for tick in shop.told:
        fleet().accept(tick)
    snapshot = fleet().snapshot()
    values = dict(
        zip([e.name for e in snapshot.entries], desk.numbers("retention_left_seconds", snapshot), strict=True)
    )
    assert values["jobs"] == pytest.approx(0.5 * DAY, abs=60) and np.isnan(values["other"])
    said = {template.key: why for template, why in suggest.for_fleet(snapshot)}
    assert said["expiry"] == "1 of 2 queues tell it."


def test_it_is_a_limit_and_nothing_else():
    read = Condition.read({"metric": "retention_left_seconds", "value": 3600})
    assert (read.op, words(read)) == ("<", "retention left of the oldest message is under 1 h")
    with pytest.raises(BadCondition, match="runs down by itself"):
        Condition.read({"kind": "change", "metric": "retention_left_seconds", "value": 3600})
