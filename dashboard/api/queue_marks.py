"""`queues/export`, `queues/hide`, `queues/delete`: what is done with many queues at once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import numpy as np
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.utils import timezone
from ninja import Field, Router, Schema

from .. import export, queue_deeds
from ..live import sorting
from ..live.feed import fleet
from .auth import may
from .door import Flag, Whole
from .errors import ApiError
from .idempotency import once
from .queues import mask

router = Router(tags=["queues"])

MOST_IDS = 20_000


class Chosen(Schema):
    """Queues by a filter, or by their ids."""

    model_config = {"extra": "forbid"}
    filter: str | None = Field(None, description="the filter language: those that match now")
    ids: list[Whole] | None = Field(None, max_length=MOST_IDS)


class Hiding(Chosen):
    hidden: Flag = Field(True, description="false shows them again")


class Hidden(Schema):
    """Of which queues that was news. The same call with these ids and the opposite `hidden` undoes it."""

    changed: int
    ids: list[int]


class Deleted(Schema):
    deleted: int


@router.get("/export", auth=may("see"), operation_id="export_queues", summary="All queues, filtered, as CSV")
def export_queues(request: HttpRequest, filter: str = "", sort: str = "") -> HttpResponse:
    """`filter` and `sort` as in the list. Unknown is empty; a text that looks like a formula begins with a quote."""
    if sort.removeprefix("-") not in sorting.COLUMNS:
        raise ApiError(400, f"sort must be one of {', '.join(one for one in sorting.COLUMNS if one)}.", "sort")
    snapshot = fleet().snapshot()
    lines = export.lines(snapshot, sorting.Sorter().order(snapshot, sort, mask(filter, snapshot)))

    async def piecewise() -> AsyncIterator[bytes]:  # else Django takes everything together before it sends
        for piece in lines:
            yield piece

    content = piecewise() if isinstance(request, ASGIRequest) else lines
    response = StreamingHttpResponse(content, content_type=export.CONTENT_TYPE)
    response["Content-Disposition"] = f'attachment; filename="weir-queues-{timezone.now():%Y-%m-%dT%H%MZ}.csv"'
    return response


@router.post(
    "/hide", auth=may("mark_queues"), response=Hidden, operation_id="hide_queues", summary="Hide, or show again"
)
@once
def hide_queues(request: HttpRequest, payload: Hiding) -> tuple[int, Any]:
    """Hidden queues are neither shown nor counted, unless a filter says is:hidden. They are polled as before."""
    changed = queue_deeds.hide(request.auth, _ids(payload), payload.hidden)
    return 200, {"changed": len(changed), "ids": changed}


@router.post(
    "/delete", auth=may("delete_queues"), response=Deleted, operation_id="delete_queues", summary="Empty the archive"
)
@once
def delete_queues(request: HttpRequest, payload: Chosen) -> tuple[int, Any]:
    """Of the queues chosen, those that are gone are deleted with their history; others are left alone."""
    return 200, {"deleted": queue_deeds.delete(request.auth, _ids(payload))}


def _ids(payload: Chosen) -> list[int]:
    if (payload.filter is None) == (payload.ids is None):
        raise ApiError(400, "Choose the queues either by filter or by ids.", "filter")
    if payload.ids is not None:
        return payload.ids
    snapshot = fleet().snapshot()
    found: list[int] = snapshot.ids[np.flatnonzero(mask(payload.filter or "", snapshot))].tolist()
    return found
