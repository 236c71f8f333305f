"""The HTTP API, /api/v1/: one file per resource. Its description is at openapi.json, its page at docs."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import orjson
from django.conf import settings
from django.http import HttpRequest
from ninja.renderers import BaseRenderer

from ..snapshot import iso
from . import (
    audit,
    brokers,
    dead_letters,
    deletions,
    incidents,
    looks,
    masking,
    messages,
    notes,
    notifiers,
    outlook,
    queue_marks,
    queues,
    replays,
    rules,
    series,
    views,
    wallboards,
)
from .docs import Described, Page
from .door import Strict
from .errors import handle_errors

__all__ = ["api"]


class ORJSON(BaseRenderer):
    """JSON by orjson; times look the same here and where an answer goes past the schemas."""

    media_type = "application/json"

    def render(self, request: HttpRequest, data: Any, *, response_status: int) -> bytes:
        return orjson.dumps(data, _written, orjson.OPT_PASSTHROUGH_DATETIME)


def _written(value: Any) -> str | None:
    if isinstance(value, datetime):
        return iso(value.timestamp())
    raise TypeError(f"{type(value).__name__} is not JSON")


api = Described(
    title="Weir",
    version=settings.VERSION,
    description=(
        "Every queue of every broker. JSON; `Authorization: Bearer TOKEN`, or a session with its CSRF token. "
        'Errors are {"error": {"code", "message", "field"}}. Lists are {"items", "total", "next"} and take filter, '
        "sort, limit (at most 1000) and cursor, which is next of the page before. Writing calls take an "
        "Idempotency-Key: repeated within a day, they are answered and not done again. Times are UTC, ISO 8601."
    ),
    urls_namespace="api",
    parser=Strict(),
    renderer=ORJSON(),
    docs=Page(),
)
handle_errors(api)
api.add_router("/brokers", brokers.router)
api.add_router("/queues", queue_marks.router)  # first: its addresses are no ids
api.add_router("/queues", queues.router)
api.add_router("/queues", outlook.router)
api.add_router("/queues", messages.router)
api.add_router("", series.router)
api.add_router("", looks.router)
api.add_router("", deletions.router)  # before dead letters: its addresses are no ids
api.add_router("/dead-letters", dead_letters.router)
api.add_router("/replays", replays.router)
api.add_router("/masking", masking.router)
api.add_router("/notes", notes.router)
api.add_router("/views", views.router)
api.add_router("/wallboards", wallboards.router)
api.add_router("/rules", rules.router)
api.add_router("/incidents", incidents.router)
api.add_router("/silences", incidents.silences_router)
api.add_router("/notifiers", notifiers.router)
api.add_router("/audit", audit.router)
