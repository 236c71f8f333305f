"""`wallboards`: links that show one view on a screen, without signing in."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from ninja import Field, Router, Schema

from ..models import Wallboard
from ..snapshot import iso
from ..wallboards import new_wallboard, revoke_wallboard
from .auth import may
from .errors import ApiError
from .idempotency import once
from .paging import USUAL_LIMIT, as_json, short_list

router = Router(tags=["wallboards"])


class NewWallboard(Schema):
    model_config = {"extra": "forbid"}
    name: str = Field(max_length=100, description="names are used once")
    filter: str = Field("", max_length=2000)
    sort: str = Field("", max_length=40)


class WallboardOut(Schema):
    id: int
    name: str
    filter: str
    sort: str
    created_at: datetime
    created_by: str
    last_used_at: datetime | None
    revoked_at: datetime | None
    path: str | None = Field(None, description="the link, only in the answer that made it")


class WallboardList(Schema):
    items: list[WallboardOut]
    total: int
    next: str | None


@router.get(
    "", auth=may("manage_people"), response=WallboardList, operation_id="list_wallboards", summary="All wallboards"
)
def list_wallboards(
    request: HttpRequest, filter: str = "", sort: str = "name", limit: int = USUAL_LIMIT, cursor: str = ""
) -> HttpResponse:
    """`filter`: words that name or filter hold."""
    items = [shown(row) for row in Wallboard.objects.all()]
    return short_list(
        items, ("name", "filter"), ("name", "id", "created_at", "last_used_at"), filter, sort, limit, cursor
    )


@router.post(
    "", auth=may("manage_people"), response={201: WallboardOut}, operation_id="create_wallboard", summary="Make one"
)
def create_wallboard(request: HttpRequest, payload: NewWallboard) -> HttpResponse:
    """Whoever has the link sees this view, live, until it is revoked; nothing else, and no message.

    Takes no Idempotency-Key: the link is kept nowhere, not even in an answer. A name is used once, which is as good.
    """
    row, text = new_wallboard(request.auth, **payload.dict())
    response = as_json(shown(row) | {"path": reverse("wallboard", args=[text])})
    response.status_code = 201
    return response


@router.delete(
    "/{id}", auth=may("manage_people"), response=WallboardOut, operation_id="revoke_wallboard", summary="Revoke it"
)
@once
def revoke(request: HttpRequest, id: int) -> tuple[int, Any]:
    """Refused from now on; screens that show it lose it at once."""
    row = Wallboard.objects.filter(pk=id).first()
    if row is None:
        raise ApiError(404, f"There is no wallboard {id}.")
    return 200, shown(revoke_wallboard(request.auth, row))


def shown(row: Wallboard) -> dict[str, Any]:
    def time(at: datetime | None) -> str | None:
        return iso(at.timestamp()) if at else None

    return {
        "id": row.pk,
        "name": row.name,
        "filter": row.filter,
        "sort": row.sort,
        "created_at": time(row.created_at),
        "created_by": row.created_by,
        "last_used_at": time(row.last_used_at),
        "revoked_at": time(row.revoked_at),
        "path": None,
    }
