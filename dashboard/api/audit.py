"""`audit`: who did what, when, to what, with what result; newest first."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Router, Schema

from ..audit import Search
from ..models import AuditEntry
from ..snapshot import iso
from .auth import may
from .paging import USUAL_LIMIT, by_number

router = Router(tags=["audit"])


class AuditOut(Schema):
    id: int
    at: datetime
    who: str
    action: str
    target: str
    result: str
    details: dict[str, Any]


class AuditList(Schema):
    items: list[AuditOut]
    total: int
    next: str | None


@router.get("", auth=may("see_audit"), response=AuditList, operation_id="list_audit", summary="What was done")
def list_audit(
    request: HttpRequest,
    filter: str = "",
    who: str = "",
    action: str = "",
    target: str = "",
    start: str = "",
    end: str = "",
    last: str = "",
    sort: str = "-id",
    limit: int = USUAL_LIMIT,
    cursor: str = "",
) -> HttpResponse:
    """`filter`: words that who, action, target or result hold. `who` and `target` hold a text, `action` is one; `start`
    and `end` are times (UTC), `last` a duration such as 24h. `sort`: id or -id, which is also the order of time.
    """
    context = (filter, who, action, target, start, end, last)
    return by_number(Search.read(request.GET).found(), _shown, context, sort, limit, cursor)


def _shown(entry: AuditEntry) -> dict[str, Any]:
    return {
        "id": entry.pk,
        "at": iso(entry.at.timestamp()),
        "who": entry.who,
        "action": entry.action,
        "target": entry.target,
        "result": entry.result,
        "details": entry.details,
    }
