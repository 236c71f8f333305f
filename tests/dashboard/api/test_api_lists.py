"""What holds for every list: filter, sort, limit and cursor, whatever is listed."""

from __future__ import annotations

import pytest
from django.utils import timezone

from dashboard import audit
from dashboard.models import (
    Broker,
    Incident,
    MaskRule,
    Note,
    Notifier,
    Queue,
    Replay,
    Rule,
    SavedView,
    Silence,
    Wallboard,
)

LISTS = {
    "brokers": ("name", "id"),
    "rules": ("name", "id"),
    "notifiers": ("name", "id"),
    "masking": ("pattern", "id"),
    "views": ("name", "id"),
    "wallboards": ("name", "id"),
    "silences": ("-ends_at", "id"),
    "incidents": ("-id", "id"),
    "replays": ("-id", "id"),
    "deletions": ("-id", "id"),
    "notes": ("-at", "id"),
    "audit": ("-id", "id"),
}
NAMES = ("Orders north", "orders south", "payments")


@pytest.fixture
def three_of_each(web):
    """Of everything three, two of which hold the word orders."""
    for n, name in enumerate(NAMES):
        broker = Broker.objects.create(name=name, kind="memory")
        queue = Queue.objects.create(broker=broker, key=name, name=name, kind="list")
        rule = Rule.objects.create(name=f"rule {name}", condition={"metric": "depth", "op": ">", "value": n})
        Notifier.objects.create(name=name, secret_url="", safe_url="json://…")
        MaskRule.objects.create(kind="path", pattern=name)
        SavedView.objects.create(name=name)
        Wallboard.objects.create(name=name, hash=name)
        Silence.objects.create(filter=name, reason="import", created_by="one", ends_at=timezone.now())
        Incident.objects.create(
            rule=rule, rule_name=name, severity="info", opened_at=timezone.now(), open_key=name, queue_name="q"
        )
        for deed in ("replay", "delete"):
            Replay.objects.create(queue=queue, queue_name=name, broker_name="b", made_by="one", deed=deed)
        Note.objects.create(at=timezone.now(), text=name, by="one")
        audit.record("one", "add broker", name)


@pytest.mark.parametrize("path", LISTS)
def test_every_list_takes_filter_sort_limit_and_cursor(path, three_of_each, admin_api):
    Rule.objects.exclude(name__startswith="rule ").delete()
    usual, other = LISTS[path]
    everything = admin_api.get(path)
    assert everything["total"] == 3 and everything["next"] is None
    assert everything == admin_api.get(path, sort=usual)
    assert admin_api.get(path, filter="ORDERS")["total"] == 2
    assert admin_api.get(path, filter="orders north")["total"] == 1
    assert admin_api.get(path, filter="orders nowhere")["items"] == []
    ids = [item["id"] for item in admin_api.get(path, sort=other)["items"]]
    assert ids == sorted(ids)
    paged, cursor = [], ""
    while cursor is not None:
        page = admin_api.get(path, sort=f"-{other}", limit=2, cursor=cursor)
        paged, cursor = paged + [item["id"] for item in page["items"]], page["next"]
    assert paged == ids[::-1]
    assert admin_api.get(path, 400, sort="colour")["error"]["field"] == "sort"
    assert admin_api.get(path, 400, limit=0)["error"]["field"] == "limit"
    first = admin_api.get(path, limit=1)["next"]
    assert admin_api.get(path, 400, limit=1, filter="orders", cursor=first)["error"]["field"] == "cursor"


def test_states_of_replays_are_checked(web, admin_api):
    assert "planning, planned, trial" in admin_api.get("replays", 400, state="done,over")["error"]["message"]
    assert admin_api.get("replays", state="done,failed")["total"] == 0
