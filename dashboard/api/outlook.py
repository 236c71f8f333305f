"""`queues/{id}/outlook`: what is to be expected of a queue."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Field, Router, Schema

from ..insight.capacity import Capacity, in_words
from ..insight.forecast import STEP, Forecast
from ..live.feed import fleet
from ..outlook import FORECAST, outlook
from ..snapshot import iso, number
from .auth import may
from .paging import as_json
from .queues import find_queues

router = Router(tags=["queues"])


class ForecastOut(Schema):
    middle: list[float]
    low: list[float]
    high: list[float]
    repeats_seconds: float | None = Field(
        description="after so long it does the same, again and again; null: it does not"
    )


class CapacityOut(Schema):
    """Consumers in all, at the pace that one of them was seen to have."""

    consumers: float
    per_consumer: float = Field(description="completions per second of one consumer that has something to do")
    hold: int = Field(description="so that the backlog does not grow")
    clear_in_15_minutes: int
    clear_in_1_hour: int
    clears_without_arrivals_in_seconds: float | None = Field(description="null: never")
    quality: str = Field(description="estimated")


class OutlookOut(Schema):
    """What is to be expected if things go on as they do."""

    times: list[datetime]
    step_seconds: float
    forecasts: dict[str, ForecastOut | None] = Field(description="of depth and lag_seconds; null: too little is known")
    capacity: CapacityOut | None
    words: str = Field(description="what consumers it needs, or why that cannot be told")


@router.get(
    "/{id}/outlook",
    auth=may("see"),
    response=OutlookOut,
    operation_id="get_queue_outlook",
    summary="The next half hour, and consumers needed",
)
def get_queue_outlook(request: HttpRequest, id: int) -> HttpResponse:
    """Depth and lag of the next half hour with a band that holds four times out of five, and what would clear it."""
    find_queues([id])
    now = time.time()
    snapshot = fleet().snapshot()
    row = snapshot.index(id)
    found = outlook(id, now, snapshot.row(row) if row is not None else None)
    needed = found.capacity
    some = next(iter(found.forecasts.values()), None)
    return as_json(
        {
            "times": [] if some is None else [iso(at) for at in some.times.tolist()],
            "step_seconds": STEP,
            "forecasts": {metric: _band(found.forecasts.get(metric)) for metric in FORECAST},
            "capacity": _needed(needed) if isinstance(needed, Capacity) else None,
            "words": in_words(needed) if isinstance(needed, Capacity) else needed,
        }
    )


def _band(found: Forecast | None) -> dict[str, Any] | None:
    if found is None:
        return None
    lines = {name: [number(v) for v in getattr(found, name).tolist()] for name in ("middle", "low", "high")}
    return lines | {"repeats_seconds": number(found.repeats) if found.repeats else None}


def _needed(found: Capacity) -> dict[str, Any]:
    return {
        "consumers": number(found.consumers),
        "per_consumer": number(found.pace),
        "hold": found.hold,
        "clear_in_15_minutes": found.soon,
        "clear_in_1_hour": found.later,
        "clears_without_arrivals_in_seconds": number(found.alone),
        "quality": "estimated",
    }
