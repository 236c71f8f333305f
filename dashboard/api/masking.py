"""`masking`: rules for what nobody is shown of letters."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from django.http import HttpRequest, HttpResponse
from ninja import Field, Router, Schema

from ..letters import deeds
from ..models import MaskRule
from ..snapshot import iso
from .auth import may
from .errors import ApiError
from .idempotency import once
from .paging import USUAL_LIMIT, short_list

router = Router(tags=["masking"])


class NewMask(Schema):
    model_config = {"extra": "forbid"}
    kind: Literal["path", "header"]
    pattern: str = Field(max_length=200, description="keys with dots between (card.*), or a glob over header names")


class MaskOut(Schema):
    id: int
    kind: str
    pattern: str
    created_by: str
    created_at: datetime


class MaskList(Schema):
    items: list[MaskOut]
    total: int
    next: str | None


@router.get("", auth=may("see"), response=MaskList, operation_id="list_masks", summary="All rules")
def list_masks(
    request: HttpRequest, filter: str = "", sort: str = "pattern", limit: int = USUAL_LIMIT, cursor: str = ""
) -> HttpResponse:
    """`filter`: words that kind or pattern hold."""
    items = [shown(rule) for rule in MaskRule.objects.all()]
    return short_list(items, ("kind", "pattern"), ("pattern", "id", "created_at"), filter, sort, limit, cursor)


@router.post("", auth=may("change_masking"), response={201: MaskOut}, operation_id="add_mask", summary="Mask")
@once
def add_mask(request: HttpRequest, payload: NewMask) -> tuple[int, Any]:
    """From now on, also for what is kept already. A path holds at any depth, unless it begins with `$.`"""
    return 201, shown(deeds.add_mask(request.auth, payload.kind, payload.pattern))


@router.delete(
    "/{id}", auth=may("change_masking"), response={204: None}, operation_id="delete_mask", summary="Show again"
)
@once
def delete_mask(request: HttpRequest, id: int) -> tuple[int, Any]:
    rule = MaskRule.objects.filter(pk=id).first()
    if rule is None:
        raise ApiError(404, f"There is no rule {id}.")
    deeds.delete_mask(request.auth, rule)
    return 204, None


def shown(rule: MaskRule) -> dict[str, Any]:
    return {
        "id": rule.pk,
        "kind": rule.kind,
        "pattern": rule.pattern,
        "created_by": rule.created_by,
        "created_at": iso(rule.created_at.timestamp()),
    }
