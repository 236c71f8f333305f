"""`views`: saved filters, one's own and those that are shared."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Field, Router, Schema

from .. import saved_views
from ..models import SavedView
from .auth import may
from .door import Flag
from .errors import ApiError
from .idempotency import once
from .paging import USUAL_LIMIT, short_list

router = Router(tags=["views"])


class NewView(Schema):
    """A filter and an order under a name."""

    model_config = {"extra": "forbid"}
    name: str = Field(max_length=60)
    filter: str = Field("", max_length=2000)
    sort: str = Field("", max_length=40, description="as in the list of queues; empty = what needs attention first")
    shared: Flag = Field(False, description="for everybody; needs the role operator")


class ViewChange(Schema):
    """What is to be another; what is left out stays."""

    model_config = {"extra": "forbid"}
    name: str | None = Field(None, max_length=60)
    filter: str | None = Field(None, max_length=2000)
    sort: str | None = Field(None, max_length=40)
    shared: Flag | None = None


class ViewOut(Schema):
    id: int
    name: str
    filter: str
    sort: str
    shared: bool
    created_by: str


class ViewList(Schema):
    items: list[ViewOut]
    total: int
    next: str | None


@router.get("", auth=may("see"), response=ViewList, operation_id="list_views", summary="Shared views, and one's own")
def list_views(
    request: HttpRequest, filter: str = "", sort: str = "name", limit: int = USUAL_LIMIT, cursor: str = ""
) -> HttpResponse:
    """`filter`: words that name or filter hold."""
    items = [shown(view) for view in saved_views.visible_to(request.auth)]
    return short_list(items, ("name", "filter"), ("name", "id", "created_by"), filter, sort, limit, cursor)


@router.post("", auth=may("see"), response={201: ViewOut}, operation_id="save_view", summary="Save one")
@once
def save_view(request: HttpRequest, payload: NewView) -> tuple[int, Any]:
    return 201, shown(saved_views.save(request.auth, None, **payload.dict()))


@router.patch("/{id}", auth=may("see"), response=ViewOut, operation_id="change_view", summary="Change it")
@once
def change_view(request: HttpRequest, id: int, payload: ViewChange) -> tuple[int, Any]:
    """One's own; a shared one needs the role operator."""
    view = find(request, id)
    said = {field: value for field, value in payload.dict(exclude_unset=True).items() if value is not None}
    fields = {"name": view.name, "filter": view.filter, "sort": view.sort, "shared": view.owner_id is None}
    return 200, shown(saved_views.save(request.auth, view, **fields | said))


@router.delete("/{id}", auth=may("see"), response={204: None}, operation_id="delete_view", summary="Delete it")
@once
def delete_view(request: HttpRequest, id: int) -> tuple[int, Any]:
    """One's own; a shared one needs the role operator."""
    saved_views.delete(request.auth, find(request, id))
    return 204, None


def find(request: HttpRequest, id: int) -> SavedView:
    """A view that who asks may see. Raises ApiError (404)."""
    view = saved_views.visible_to(request.auth).filter(pk=id).first()
    if view is None:
        raise ApiError(404, f"There is no view {id}.")
    return view


def shown(view: SavedView) -> dict[str, Any]:
    return {
        "id": view.pk,
        "name": view.name,
        "filter": view.filter,
        "sort": view.sort,
        "shared": view.owner_id is None,
        "created_by": view.created_by,
    }
