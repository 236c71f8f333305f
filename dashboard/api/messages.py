"""`queues/{id}/messages`: one new message into a queue."""

from __future__ import annotations

import base64
from typing import Any, Literal

from django.http import HttpRequest
from ninja import Field, Router, Schema

from ..replay import posting
from .auth import may
from .errors import ApiError
from .idempotency import once
from .looks import find_queue

router = Router(tags=["queues"])


class NewMessage(Schema):
    model_config = {"extra": "forbid"}
    body: str = Field(max_length=2 * posting.LARGEST)
    body_encoding: Literal["text", "base64"] = "text"
    headers: dict[str, Any] = Field({}, description="the application's: texts, numbers, true, false")
    properties: dict[str, str] = Field(
        {}, description="the broker's own, such as message_id; others are refused by name"
    )


class SentMessage(Schema):
    queue_id: int
    id: str | None = Field(description="the broker's id of it; null = it gives none")


@router.post(
    "/{id}/messages", auth=may("send_messages"), response={201: SentMessage}, operation_id="send_message",
    summary="Send one message",
)  # fmt: skip
@once
def send_message(request: HttpRequest, id: int, payload: NewMessage) -> tuple[int, Any]:
    """A new message into this queue and no other, confirmed by the broker before the answer. 503: it may have arrived
    or not."""
    body = _bytes(payload)
    sent = posting.send(request.auth, find_queue(id), body, payload.headers, payload.properties)
    return 201, {"queue_id": id, "id": sent or None}


def _bytes(payload: NewMessage) -> bytes:
    try:
        if payload.body_encoding == "base64":
            return base64.b64decode(payload.body, validate=True)
        return payload.body.encode()
    except ValueError:
        raise ApiError(400, f"body is no {payload.body_encoding}.", "body") from None
