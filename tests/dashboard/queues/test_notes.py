"""Notes and replays on the charts of a queue: about one queue, all of a broker, or everything."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from dashboard.models import AuditEntry, Note, Queue, Relation, Replay

from ..web import seen


def moments(api, queue: int, **asked) -> list[tuple[str, str]]:
    """Text and hover text of what is marked on a queue's figure, after checking that each has its line."""
    layout = api.get(f"queues/{queue}/figure", **asked)["layout"]
    marked = [one for one in layout["annotations"] if one["name"] == "moment"]
    lines = [one["x0"] for one in layout["shapes"] if one["name"] in ("note", "replay")]
    assert lines == [one["x"] for one in marked]
    return [(one["text"], one["hovertext"]) for one in marked]


def test_a_note_stands_on_the_charts_that_it_is_about(operator_api, viewer_api):
    _, [orders, mails] = seen(queues=["orders", "mails"])
    _, [other] = seen("cache", queues=["jobs"])
    for body in (
        {"text": "campaign", "queue_id": orders},
        {"text": "broker restarted", "broker": "prod"},
        {"text": "deployed 4.2"},
    ):
        made = operator_api.send("post", "notes", body, 201)
        assert made["by"] == "token operator in a test"
    assert [text for text, _ in moments(viewer_api, orders)] == ["campaign", "broker restarted", "deployed 4.2"]
    assert [text for text, _ in moments(viewer_api, mails)] == ["broker restarted", "deployed 4.2"]
    assert moments(viewer_api, other) == [("deployed 4.2", "deployed 4.2, noted by token operator in a test")]
    assert viewer_api.get("notes", queue_id=mails)["total"] == 2
    assert viewer_api.get("notes")["items"][0]["text"] == "deployed 4.2"


def test_a_note_of_the_past_is_only_in_ranges_that_reach_it(operator_api):
    _, [orders] = seen(queues=["orders"])
    at = (timezone.now() - timedelta(hours=3)).isoformat()
    made = operator_api.send("post", "notes", {"text": "then", "at": at, "queue_id": orders}, 201)
    assert moments(operator_api, orders, range="1h") == []
    assert len(moments(operator_api, orders, range="6h")) == 1
    operator_api.send("delete", f"notes/{made['id']}", status=204)
    assert moments(operator_api, orders, range="6h") == []
    assert [entry.action for entry in AuditEntry.objects.filter(target="orders").order_by("id")] == [
        "write note",
        "delete note",
    ]


def test_mark_up_is_text_and_a_long_one_is_cut_where_it_stands(operator_api):
    _, [orders] = seen(queues=["orders"])
    operator_api.send("post", "notes", {"text": "<b>a</b> " + "x" * 100}, 201)
    [(shown, whole)] = moments(operator_api, orders)
    assert shown.startswith("&lt;b&gt;a&lt;/b&gt; xxx") and shown.endswith("…") and "x" * 100 in whole


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"text": "  "}, 400, "text"),
        ({"text": "a\u202eb"}, 400, "text"),
        ({"text": "x" * 201}, 400, "text"),
        ({"text": "x", "at": "2999-01-01T00:00:00Z"}, 400, "at"),
        ({"text": "x", "at": "soon"}, 400, "at"),
        ({"text": "x", "queue_id": 999}, 404, "queues"),
        ({"text": "x", "broker": "nobody"}, 404, "broker"),
        ({"text": "x", "colour": "red"}, 400, "colour"),
    ],
)
def test_what_is_no_note_is_refused_by_name(operator_api, body, status, field):
    error = operator_api.send("post", "notes", body, status)["error"]
    assert error["field"] == field and error["message"].endswith(".")
    assert not Note.objects.exists()


def test_both_a_queue_and_a_broker_are_refused_and_viewers_write_none(operator_api, viewer_api):
    _, [orders] = seen(queues=["orders"])
    assert "not about both" in str(
        operator_api.send("post", "notes", {"text": "x", "queue_id": orders, "broker": "prod"}, 400)
    )
    viewer_api.send("post", "notes", {"text": "x"}, 403)
    viewer_api.send("delete", "notes/1", status=403)
    operator_api.send("delete", "notes/1", status=404)


def test_a_replay_stands_on_the_queue_it_took_from_and_on_the_one_it_sent_to(viewer_api):
    _, ids = seen(queues=["orders", "orders.dlq", "elsewhere"])
    orders, dead, elsewhere = Queue.objects.filter(pk__in=ids).order_by("pk")
    Relation.objects.create(source=orders, target=dead, kind="dead_letters")
    more = {"queue": dead, "queue_name": dead.name, "started_at": timezone.now(), "started_by": "sam", "total": 1200}
    back = Replay.objects.create(**more)
    away = Replay.objects.create(**more, deed="move", to={"queue_id": elsewhere.pk})
    Replay.objects.create(queue=dead, queue_name=dead.name)  # planned only
    texts = f"replay {back.pk}: 1,200", f"move {away.pk}: 1,200"
    assert [text for text, _ in moments(viewer_api, dead.pk)] == list(texts)
    assert moments(viewer_api, orders.pk) == [(texts[0], f"{texts[0]}, of orders.dlq, by sam")]
    assert [text for text, _ in moments(viewer_api, elsewhere.pk)] == [texts[1]]


def test_the_page_writes_and_takes_back(client_operator, client_viewer, web):
    _, [orders] = seen(queues=["orders"])
    page = f"/queues/{orders}/"
    done = client_operator.post(f"{page}notes/", {"text": "import began", "ago": "30", "about": "broker"}, follow=True)
    assert "The note stands on the charts." in done.content.decode()
    [note] = Note.objects.all()
    assert (note.broker.name, note.queue) == ("prod", None)
    assert abs((timezone.now() - note.at).total_seconds() - 1800) < 60
    seen_by_viewer = client_viewer.get(page).content.decode()
    assert "import began" in seen_by_viewer and "Take back" not in seen_by_viewer
    refused = client_operator.post(f"{page}notes/", {"text": "x", "ago": "-1"}, follow=True).content.decode()
    assert "Say how many minutes ago it was" in refused
    assert client_operator.post(f"/notes/{note.pk}/delete/", {"queue": orders}).url == page
    assert not Note.objects.exists()
    assert client_viewer.post(f"{page}notes/", {"text": "x"}).status_code == 403
