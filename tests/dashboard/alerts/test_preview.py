"""A preview is what would have been: live rules and stored history through one engine, tick for tick."""

from __future__ import annotations

import time

import numpy as np
import pytest

from collectors.protocol import METRICS, Relation
from dashboard.alerts.conditions import Condition
from dashboard.alerts.preview import preview
from dashboard.directory import Directory
from dashboard.models import Incident, Queue
from dashboard.samples import the_store
from dashboard.store.chunks import NOT_KNOWN
from dashboard.store.rollups import Stats
from dashboard.ticks import ROW

from ..fleets import made_up_broker
from ..polled import Polled, rule

pytestmark = pytest.mark.usefixtures("web")

CONDITIONS = {
    "limit": {"metric": "lag_seconds", "value": 300, "clear_value": 200, "for_seconds": 60, "clear_seconds": 60},
    "flapping": {"metric": "depth", "value": 500, "clear_seconds": 0},
    "unknown fires": {"metric": "lag_seconds", "value": 300, "for_seconds": 30, "unknown": "fire"},
    "change": {"kind": "change", "metric": "depth", "value": 300, "window_seconds": 300, "clear_seconds": 30},
    "forecast": {"kind": "forecast", "metric": "depth", "value": 900, "window_seconds": 300, "horizon_seconds": 600},
    "wait": {"metric": "wait_seconds", "value": 60, "for_seconds": 20},
    "clears": {"metric": "clears_in_seconds", "value": 100, "for_seconds": 20},
    "surplus": {"metric": "surplus_rate", "value": 1.5, "for_seconds": 20, "clear_seconds": 20},
    "dead letters": {"kind": "change", "metric": "dead_letters", "value": 200, "window_seconds": 120},
    "growing": {"kind": "state", "value": "growing", "for_seconds": 20},
    "stuck": {"kind": "stuck", "value": "behind", "window_seconds": 120, "clear_seconds": 10},
}


def wandering(polls: int, seed: int):
    """Fields of Sample of one queue that wanders up and down, with holes."""
    random = np.random.default_rng(seed)
    depth = 0.0
    for i in range(polls):
        wave = 20 + 25 * np.sin(i / 25 + seed)
        comes, goes = random.poisson(max(wave, 0)), random.poisson(20)
        depth = max(0.0, depth + comes - goes)
        known = random.random() > 0.05
        yield {
            "depth": depth if known else None,
            "in_rate": comes / 10,
            "out_rate": goes / 10,
            "lag_seconds": depth if known else None,
        }


@pytest.mark.slow
def test_preview_and_live_are_equal_tick_for_tick():
    for name, condition in CONDITIONS.items():
        rule(name, condition)
    shop = Polled(began=3600.0)
    letters = [Relation("a", "c", "dead_letters")]
    queues = [list(wandering(240, seed)) for seed in range(3)]
    for i in range(240):
        if i == 100:
            shop.at += 300  # a gap
        if i % 70 == 69:
            shop.restart()
        shop.poll(a=queues[0][i], b=queues[1][i], c=queues[2][i], relations=None if i else letters)
    ids = sorted(Queue.objects.values_list("id", flat=True))
    entries = Directory().of(shop.broker.pk, 0).entries
    for name, condition in CONDITIONS.items():
        live = [
            (one.queue_id, one.opened_at.timestamp(), one.closed_at.timestamp() if one.closed_at else None)
            for one in Incident.objects.filter(rule_name=name)
        ]
        asked = {shop.broker.pk: (10.0, ids)}
        found = preview(the_store(), Condition.read(condition), asked, shop.at - 5 * 3600, shop.at + 1, entries=entries)
        assert live, f"something has to happen under {name}"
        assert sorted((one.queue, one.opened) for one in found.firings) == sorted(one[:2] for one in live), name
        assert {(one.queue, one.opened, one.closed) for one in found.firings} == set(live), name
        assert found.step == 0 and found.notes == []


def test_a_state_is_judged_again_from_its_numbers():
    shop = Polled()
    rule(condition={"kind": "state", "value": "stalled"})
    for i in range(60):
        moves = {"depth": 50, "in_rate": 1.0, "out_rate": 1.0, "consumers": 2}
        stands = {"depth": 50, "in_rate": 0.0, "out_rate": 0.0, "consumers": 0}
        shop.poll(orders=stands if 20 <= i < 40 else moves)
    (live,) = Incident.objects.all()
    ids = list(Queue.objects.values_list("id", flat=True))
    found = preview(the_store(), Condition.read({"kind": "state", "value": "stalled"}),
                    {shop.broker.pk: (10.0, ids)}, shop.at - 3600, shop.at + 1)  # fmt: skip
    (one,) = found.firings
    assert (one.opened, one.closed) == (live.opened_at.timestamp(), live.closed_at.timestamp())


def week_of(queues: int, days: int = 7) -> tuple[int, list[int], float]:
    """A broker with so many days of minutes: a wave each day, and a peak on the third."""
    broker, ids = made_up_broker(queues=queues)
    end = time.time() // 86400 * 86400
    times = np.arange(end - days * 86400, end, 60.0)
    given = {}
    for n, id in enumerate(ids):
        level = 100 + 80 * np.sin(times / 86400 * 2 * np.pi)
        level[(times > end - 5 * 86400) & (times < end - 5 * 86400 + 1800 + n)] = 1000
        values = np.full((len(METRICS), len(times)), np.nan)
        values[ROW["lag_seconds"]] = values[ROW["depth"]] = level
        known = ~np.isnan(values)
        stats = Stats(known.astype(float), np.where(known, values, 0.0), values, values, values,
                      np.where(known, 0, NOT_KNOWN).astype(np.uint8))  # fmt: skip
        given[id] = (times, stats)
    the_store().add_history(broker.pk, 60, given)
    return broker.pk, ids, end


def test_a_week_is_judged_on_minutes_and_says_so():
    broker, ids, end = week_of(3)
    condition = Condition.read({"metric": "lag_seconds", "value": 300, "for_seconds": 60})
    found = preview(the_store(), condition, {broker: (10.0, ids)}, end - 7 * 86400, end)
    assert (found.incidents, found.messages, found.step) == (3, 3, 60.0)
    assert found.notes == ["Judged on averages of minutes: a time under 2 min is approximate."]
    assert found.shown in ids and len(found.times) <= 400 and np.nanmax(found.values) == 1000
    as_one = preview(the_store(), condition, {broker: (10.0, ids)}, end - 7 * 86400, end, per="rule")
    assert (as_one.incidents, as_one.messages) == (1, 2)


def test_nothing_stored_is_nothing_and_no_error():
    broker, ids = made_up_broker()
    condition = Condition.read({"metric": "depth", "value": 300})
    found = preview(the_store(), condition, {broker.pk: (10.0, ids)}, 1e9, 1e9 + 3600)
    assert (found.firings, found.incidents, len(found.times)) == ([], 0, 0)


def test_states_of_weeks_are_found_again_and_said_to_be_approximate():
    broker, ids, end = week_of(2, days=20)
    condition = Condition.read({"kind": "state", "value": "stalled", "for_seconds": 600})
    found = preview(the_store(), condition, {broker: (10.0, ids)}, end - 20 * 86400, end)
    assert "approximate" in " ".join(found.notes) and found.step == 60.0 and not found.firings
    growing = Condition.read({"kind": "state", "value": "growing", "for_seconds": 3600})
    found = preview(the_store(), growing, {broker: (10.0, ids)}, end - 20 * 86400, end)
    assert 40 <= found.incidents <= 46, "each day's wave rises for hours, once for each queue"


def test_very_many_queues_over_a_month_are_judged_on_hours():
    broker, ids, end = week_of(1, days=2)
    many = [*ids, *range(10_000, 10_200)]
    condition = Condition.read({"metric": "depth", "value": 300})
    found = preview(the_store(), condition, {broker: (10.0, many)}, end - 30 * 86400, end)
    assert found.step == 3600.0 and "averages of hours" in found.notes[0]
