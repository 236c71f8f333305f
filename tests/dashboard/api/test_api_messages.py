"""`queues/{id}/messages`: one new message into a queue."""

from __future__ import annotations

import base64

import pytest

from dashboard.models import AuditEntry, Queue

from ..letterbox import Letterbox


@pytest.fixture
def there(box):
    return box, f"queues/{Queue.objects.get(broker=box.broker, key='orders').pk}/messages"


def test_one_message_is_sent_and_audited(there, operator_api):
    box, path = there
    sent = operator_api.send("post", path, {"body": '{"order": 7}', "headers": {"tenant": "acme"}}, 201)
    assert set(sent) == {"queue_id", "id"} and box.ready("orders") == [b'{"order": 7}']
    said = AuditEntry.objects.get(action="send message")
    assert (said.target, said.details["bytes"]) == ("orders", 12) and "order" not in str(said.details["id"])


def test_bytes_come_as_base64_and_a_repeated_call_sends_once(there, operator_api):
    box, path = there
    body = {"body": base64.b64encode(b"\x00\xff").decode(), "body_encoding": "base64"}
    for _ in range(2):
        operator_api.send("post", path, body, 201, **{"Idempotency-Key": "k"})
    assert box.ready("orders") == [b"\x00\xff"]


@pytest.mark.parametrize(
    ("body", "status", "field", "word"),
    [
        ({}, 400, "body", "is missing"),
        ({"body": "?", "body_encoding": "base64"}, 400, "body", "base64"),
        ({"body": "x", "headers": {"x-death": "1"}}, 400, "headers", "x-death"),
        ({"body": "x", "headers": {"replay-id": "1"}}, 400, "headers", "replay-id"),
        ({"body": "x", "headers": {"a": [1]}}, 400, "headers", "text, a number"),
        ({"body": "x", "properties": {"colour": "red"}}, 409, None, "colour"),
        ({"body": "x" * (1024 * 1024 + 1)}, 400, "body", "1,048,576"),
    ],
)
def test_what_cannot_be_sent_is_said(there, operator_api, body, status, field, word):
    box, path = there
    error = operator_api.send("post", path, body, status)["error"]
    assert error["field"] == field and word in error["message"] and box.ready("orders") == []


def test_nothing_is_sent_to_look_only_brokers_nor_to_what_is_gone(operator_api, viewer_api):
    box = Letterbox(look_only=True)
    box.poll()
    queue = box.queue("orders")
    error = operator_api.send("post", f"queues/{queue.pk}/messages", {"body": "x"}, 409)["error"]
    assert "look-only" in error["message"] and box.ready("orders") == []
    viewer_api.send("post", f"queues/{queue.pk}/messages", {"body": "x"}, 403)
    operator_api.send("post", "queues/999999/messages", {"body": "x"}, 404)
