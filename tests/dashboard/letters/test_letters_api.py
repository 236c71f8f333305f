"""The API of dead letters: looked into, listed, grouped, filtered, masked, exported."""

from __future__ import annotations

import json
from datetime import timedelta

import orjson
import pytest
from django.utils import timezone

from dashboard.api.dead_letters import WholeLetter
from dashboard.models import AuditEntry, KeptAnswer, LetterBody

from ..letterbox import Letterbox
from ..web import Api


def test_the_price_is_said_and_get_looks_at_nothing(box, viewer_api):
    said = viewer_api.get(f"queues/{box.dlq.pk}/look")
    assert said["free"] and said["refused"] is None and said["budget"]["looks_left"] is None
    with box.world.still() as queues:
        queues["orders.dlq"].limit = 3
    said = viewer_api.get(f"queues/{box.dlq.pk}/look")
    assert said["budget"] == {"limit": 3, "deliveries": 0, "looks_left": 2} and "dropped" in said["beyond"]
    assert viewer_api.get("queues/999999/look", 404)["error"]["code"] == "not_found"


def test_a_look_answers_with_its_first_page_and_later_pages_come_from_weirs_copy(box, operator_api):
    path = f"queues/{box.dlq.pk}/looks"
    look = operator_api.send("post", path, {"limit": 45}, 201)
    assert (look["taken"], look["of"], len(look["items"]), look["next"]) == (45, 45, 45, None)
    assert operator_api.send("post", path, None, 201)["taken"] == look["total"] == 45  # no body: the usual bounds
    box.world.delete("orders.dlq")
    page = operator_api.get(f"looks/{look['id']}/messages", limit=30)
    rest = operator_api.get(f"looks/{look['id']}/messages", limit=30, cursor=page["next"])
    assert [m["id"] for m in page["items"] + rest["items"]] == [m["id"] for m in look["items"]]
    message = page["items"][0]
    assert message["decoded"]["value"] == {"order": 0, "card": {"number": "4111-0"}}
    assert message["headers"]["x-error-class"] == "CardDeclined" and message["attempts"] == 1
    assert message["history"][0]["sentence"].startswith("rejected by a consumer in orders, once")
    assert operator_api.send("post", path, {"limit": 5000}, 400)["error"]["field"] == "limit"
    assert AuditEntry.objects.filter(action="see letters").count() == 4


def test_a_repeated_call_is_one_look_and_keeps_no_payload_in_the_clear(box, operator_api):
    path = f"queues/{box.dlq.pk}/looks"
    first = operator_api.send("post", path, {}, 201, idempotency_key="once")
    again = operator_api.send("post", path, {}, 201, idempotency_key="once")
    assert first == again and operator_api.last["Idempotency-Replayed"] == "true"
    assert "4111" not in KeptAnswer.objects.get().body
    assert not any(b"4111" in bytes(row.secret) for row in LetterBody.objects.all())


def test_letters_in_groups_say_of_how_many_they_were_counted(looked, viewer_api):
    looked.put(55)  # nobody has looked since
    looked.poll()
    told = viewer_api.get("dead-letters/causes")
    assert [(g["title"].partition(":")[0], g["count"], g["new"]) for g in told["items"]] == [
        ("CardDeclined", 40, 40),
        ("Timeout", 5, 5),
    ]
    declined = told["items"][0]
    assert declined["taken"]["sentence"].startswith("from 45 of 100, ") and sum(declined["trend"]) == 40
    assert told["summary"]["messages"] == 45 and told["summary"]["taken"]["of"] == 100
    [queue] = viewer_api.get("dead-letters/causes", group="queue")["items"]
    assert (queue["title"], queue["count"], queue["cause_count"]) == ("orders.dlq", 45, 2)
    assert viewer_api.get("dead-letters/causes", 400, group="colour")["error"]["field"] == "group"


def test_a_queue_that_nobody_looked_into_is_named_and_not_counted_as_nothing(box, viewer_api):
    told = viewer_api.get("dead-letters/causes", group="queue")
    [queue] = told["items"]
    assert (queue["title"], queue["count"], queue["taken"]["sentence"]) == (
        "orders.dlq",
        0,
        "from 0 of 45, never looked",
    )
    assert told["summary"]["unlooked"] == ["orders.dlq"]


@pytest.mark.parametrize(
    ("filter", "count"),
    [
        ("", 45),
        ("error:timeout", 5),
        ("cause:declined queue:orders*", 40),
        ("declined", 40),
        ("body:4111-7", 1),
        ('header.x-error-message:"card 3"', 12),
        ("-header.x-error-class:Timeout", 40),
        ("header.missing:x", 0),
        ("attempts>1 OR replayed>0", 0),
        ("died>30s died<2h", 45),
        ("died<30s", 0),
        ("size>10", 45),
        ("is:gone", 0),
        ("broker:letterbox-*", 45),
    ],
)
def test_the_filter_of_letters(looked, operator_api, filter, count):
    assert operator_api.get("dead-letters", filter=filter)["total"] == count


def test_a_filter_says_how_many_bodies_it_searched(looked, operator_api):
    LetterBody.objects.filter(pk__in=LetterBody.objects.values_list("pk")[:20]).delete()
    told = operator_api.get("dead-letters", filter="body:4111")
    assert told["total"] <= 25 and told["searched"].startswith("searched in 25 of 45 letters")
    assert operator_api.get("dead-letters", filter="-body:4111")["total"] == 0  # of the other 20 nobody knows
    assert operator_api.get("dead-letters", filter="error:Timeout")["searched"] is None


def test_a_wrong_filter_names_its_position(looked, operator_api):
    error = operator_api.get("dead-letters", 400, filter="error:x sise>5")["error"]
    assert error["field"] == "filter" and "position 9" in error["message"] and "size" in error["message"]


def test_viewers_see_causes_and_no_payload_and_cannot_ask_for_one(looked, viewer_api):
    [group, _] = viewer_api.get("dead-letters/causes")["items"]
    assert group["count"] == 40
    [row] = viewer_api.get("dead-letters", limit=1, preview="true")["items"]
    assert row["preview"] is None
    assert "does not see" in viewer_api.get("dead-letters", 400, filter="body:4111")["error"]["message"]
    assert viewer_api.get("dead-letters", filter="4111")["total"] == 0
    for path in (f"dead-letters/{row['id']}", f"dead-letters/{row['id']}/body", "dead-letters/export"):
        viewer_api.get(path, 403)
    viewer_api.send("post", f"queues/{looked.dlq.pk}/looks", {}, 403)


def test_payloads_can_be_withheld_from_operators(looked, operator_api, admin_api, settings):
    id = operator_api.get("dead-letters", limit=1)["items"][0]["id"]
    assert operator_api.get(f"dead-letters/{id}")["decoded"]["value"]["order"] >= 0
    settings.WEIR_PAYLOADS = "admin"
    assert "role admin" in operator_api.get(f"dead-letters/{id}", 403)["error"]["message"]
    look = operator_api.send("post", f"queues/{looked.dlq.pk}/looks", {"limit": 1}, 201)
    assert look["items"][0]["body"] is None and look["items"][0]["headers"] == {}
    assert admin_api.get(f"dead-letters/{id}")["decoded"]["value"]["order"] >= 0
    assert look["items"][0]["hidden"] == "Withheld: what is in letters needs the role admin."
    settings.WEIR_PAYLOADS = "nobody"
    words = "Withheld: what is in letters is shown to nobody here (WEIR_PAYLOADS)."
    assert admin_api.get(f"dead-letters/{id}", 403)["error"]["message"] == words
    listed = admin_api.get("dead-letters", preview="true")
    assert listed["withheld"] == words and {one["preview"] for one in listed["items"]} == {None}


def test_masks_hold_everywhere(looked, operator_api, admin_api):
    operator_api.send("post", "masking", {"kind": "path", "pattern": "card.*"}, 403)
    rule = admin_api.send("post", "masking", {"kind": "path", "pattern": "card.*"}, 201)
    admin_api.send("post", "masking", {"kind": "header", "pattern": "x-error-m*"}, 201)
    id = operator_api.get("dead-letters", limit=1, filter="error:card*")["items"][0]["id"]
    letter = operator_api.get(f"dead-letters/{id}")
    assert set(letter) >= set(WholeLetter.model_fields)
    assert letter["decoded"]["value"]["card"] == {"number": "•••• masked by rule card.*"}
    assert letter["headers"]["x-error-message"] == "•••• masked by rule x-error-m*"
    assert letter["body"] is None and "masks" in letter["hidden"]
    assert "masks" in operator_api.get(f"dead-letters/{id}/body", 409)["error"]["message"]
    assert operator_api.get("dead-letters", filter="body:4111")["total"] == 0
    error = operator_api.get("dead-letters", 400, filter="header.X-Error-Message:card")["error"]["message"]
    assert "masked by rule x-error-m*" in error
    export = operator_api.client.get("/api/v1/dead-letters/export")
    assert b"4111" not in b"".join(export.streaming_content)
    preview = operator_api.get("dead-letters", limit=1, preview="true")["items"][0]["preview"]
    assert "4111" not in preview and "masked" in preview
    assert "4111" not in json.dumps([list(row.values()) for row in AuditEntry.objects.values("target", "details")])
    admin_api.send("delete", f"masking/{rule['id']}", status=204)
    assert operator_api.get(f"dead-letters/{id}/body", 409)  # the header rule still holds


@pytest.mark.parametrize("pattern", ["*", "$.*", "a..b", "", "card.\x00"])
def test_a_mask_that_cannot_be_meant_is_refused(admin_api, pattern):
    assert admin_api.send("post", "masking", {"kind": "path", "pattern": pattern}, 400)["error"]["field"] == "pattern"


def test_a_cause_takes_a_note_and_is_snoozed_out_of_sight(looked, viewer_api, operator_api):
    cause = viewer_api.get("dead-letters/causes")["items"][0]
    path = f"dead-letters/causes/{cause['key']}"
    viewer_api.send("patch", path, {"note": "x"}, 403)
    operator_api.send("patch", path, {"note": "The bank knows."})
    operator_api.send("patch", path, {"snoozed_until": "2001-01-01T00:00:00Z"}, 400)
    operator_api.send("patch", path, {"snoozed_until": (timezone.now() + timedelta(days=30)).isoformat()})
    told = viewer_api.get("dead-letters/causes")
    assert [g["count"] for g in told["items"]] == [5] and told["summary"]["snoozed"] == 1
    [asleep] = viewer_api.get("dead-letters/causes", filter="is:snoozed")["items"]
    assert asleep["note"] == "The bank knows." and asleep["noted_by"].startswith("token operator")
    operator_api.send("patch", path, {"snoozed_until": None})
    assert viewer_api.get("dead-letters/causes")["total"] == 2


@pytest.mark.parametrize("sort", ["-died_at", "size", "-size_bytes", "expires_at", "first_seen", "id", "-id"])
def test_pages_of_a_list_hold_each_letter_once(looked, viewer_api, sort):
    seen, cursor = [], ""
    while cursor is not None:
        page = viewer_api.get("dead-letters", limit=7, sort=sort, cursor=cursor)
        seen += [row["id"] for row in page["items"]]
        cursor = page["next"]
    assert len(seen) == len(set(seen)) == 45 == page["total"]


def test_the_export_is_lines_of_ascii(looked, operator_api):
    looked.put(body="=cmd|' /C calc'!A0 \x1b[31m \u202e naïve".encode())
    operator_api.send("post", f"queues/{looked.dlq.pk}/looks", {"limit": 100}, 201)
    response = operator_api.client.get("/api/v1/dead-letters/export", {"filter": "size<80"})
    text = b"".join(response.streaming_content)
    assert response["Content-Type"] == "application/x-ndjson"
    assert all(0x20 <= byte < 0x7F or byte == 0x0A for byte in text)
    rows = [orjson.loads(line) for line in text.splitlines()]
    assert len(rows) == 46 and any("naïve" in (row["body"] or "") for row in rows)


def test_a_download_is_byte_for_byte_and_no_page(looked, operator_api):
    looked.put(body=b"<script>alert(1)</script>\x00\xff")
    operator_api.send("post", f"queues/{looked.dlq.pk}/looks", {"limit": 100}, 201)
    [row] = operator_api.get("dead-letters", filter="size:27")["items"]
    response = operator_api.client.get(f"/api/v1/dead-letters/{row['id']}/body")
    assert response.content == b"<script>alert(1)</script>\x00\xff"
    assert response["Content-Type"] == "application/octet-stream" and response["X-Content-Type-Options"] == "nosniff"
    assert response["Content-Disposition"].startswith("attachment")


def test_said_by_hand_which_queue_holds_dead_letters(looked, operator_api, viewer_api):
    looked.world.queue("parked")
    looked.world.put_letter("parked", b"{}")
    looked.poll()
    parked, orders = looked.queue("parked").pk, looked.queue("orders").pk
    viewer_api.send("patch", f"queues/{parked}", {"holds_dead_letters": "yes"}, 403)
    row = operator_api.send("patch", f"queues/{parked}", {"holds_dead_letters": "yes", "dead_letter_of": [orders]})
    assert row["holds_dead_letters"] and row["dead_letter_of"] == [orders]
    names = [g["title"] for g in viewer_api.get("dead-letters/causes", group="queue")["items"]]
    assert sorted(names) == ["orders.dlq", "parked"]
    operator_api.send("patch", f"queues/{looked.dlq.pk}", {"holds_dead_letters": "no"})
    assert viewer_api.get(f"queues/{orders}")["dead_letter_queue_id"] == parked
    assert not viewer_api.get(f"queues/{looked.dlq.pk}")["holds_dead_letters"]
    metrics = viewer_api.client.get("/metrics").content.decode()
    assert f'weir_queue_dead_letters{{broker="{looked.name}",queue="orders"}} 1.0' in metrics
    operator_api.send("patch", f"queues/{parked}", {"holds_dead_letters": "auto"})
    operator_api.send("patch", f"queues/{looked.dlq.pk}", {"holds_dead_letters": "auto"})
    assert viewer_api.get(f"queues/{orders}")["dead_letter_queue_id"] == looked.dlq.pk
    assert AuditEntry.objects.filter(action="mark dead letters").count() == 4
    other = Letterbox()
    other.poll()
    wrong = {"holds_dead_letters": "yes", "dead_letter_of": [other.queue("orders").pk]}
    assert operator_api.send("patch", f"queues/{parked}", wrong, 400)["error"]["field"] == "dead_letter_of"


def test_everything_is_in_the_description(web):
    schema = Api("viewer").get("openapi.json")["paths"]
    for path in ("queues/{id}/look", "queues/{id}/looks", "looks/{id}/messages", "dead-letters", "dead-letters/causes",
                 "dead-letters/export", "dead-letters/{id}", "dead-letters/causes/{id}", "masking"):  # fmt: skip
        assert f"/api/v1/{path}" in schema
