"""The archive has an end, and what people marked outlives the crowd."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from collectors.protocol import Poll, Sample
from dashboard import archive, inventory
from dashboard.inventory import Inventory
from dashboard.models import Queue
from dashboard.samples import the_store

from ..fleets import made_up_broker

DAY = 86400.0


def gone(count: int, days: float = 0.0, **columns):
    broker, _ = made_up_broker("shop", [])
    at = timezone.now() - timedelta(days=days)
    rows = [
        Queue(broker=broker, key=f"q{n}", name=f"q{n}", kind="list", gone_at=at + timedelta(seconds=n), **columns)
        for n in range(count)
    ]
    Queue.objects.bulk_create(rows)
    return broker


def names() -> list[str]:
    return sorted(Queue.objects.values_list("name", flat=True))


def trim() -> int:
    return archive.trim(the_store(), timezone.now(), 400 * DAY)


def test_what_is_gone_longer_than_any_sample_is_kept_goes(web):
    broker = gone(2, days=401)
    Queue.objects.create(broker=broker, key="new", name="new", kind="list", gone_at=timezone.now())
    Queue.objects.create(broker=broker, key="there", name="there", kind="list")
    assert trim() == 2 and names() == ["new", "there"]


@pytest.mark.parametrize("mark", [{"tags_by_hand": ["mine"]}, {"hidden_by_hand": True}])
def test_beyond_its_size_the_oldest_go_and_what_people_marked_stays(web, monkeypatch, mark):
    monkeypatch.setattr(archive, "MOST_KEPT", 3)
    broker = gone(6, days=1)
    Queue.objects.filter(name="q0").update(**mark)
    assert trim() == 2 and names() == ["q0", "q3", "q4", "q5"]
    assert trim() == 0
    broker.refresh_from_db()
    assert broker.marks == 1


def test_a_collector_forgets_what_the_archive_forgot(web, monkeypatch):
    monkeypatch.setattr(inventory, "MOST_GONE", 3)
    broker, _ = made_up_broker("shop", [])
    known = Inventory(broker.pk)
    for n in range(8):
        known.resolve(Poll(float(n), [Sample(f"q{n}", f"q{n}", "list")]))
        Queue.objects.exclude(gone_at=None).filter(name__in=["q0", "q1", "q2"]).delete()
    assert "q0" not in known._ids and "q6" in known._ids
    [again] = known.resolve(Poll(9.0, [Sample("q0", "q0", "list")])).tolist()
    assert Queue.objects.get(pk=again).gone_at is None
