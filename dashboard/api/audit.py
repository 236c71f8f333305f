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
from .errors import ApiError
from .paging import USUAL_LIMIT, check_limit, decode_cursor, encode_cursor, listing

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
    check_limit(limit)
    if sort not in ("id", "-id"):
        raise ApiError(400, "sort must be id or -id.", "sort")
    found = Search.read(request.GET).found().order_by(sort)
    total = found.count()
    context = (sort, filter, who, action, target, start, end, last)
    after = decode_cursor(cursor, context)
    if after is not None:
        found = found.filter(id__gt=after[1]) if sort == "id" else found.filter(id__lt=after[1])
    rows = list(found[: limit + 1])
    next = encode_cursor(context, None, rows[limit - 1].pk) if len(rows) > limit else None
    return listing([_shown(row) for row in rows[:limit]], total, next)


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
