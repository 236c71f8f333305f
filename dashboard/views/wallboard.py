"""The wallboard: one view of the queues on a screen, without signing in. Its link is the key."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from ..access import Refused, find_wallboard
from ..live.view import WallboardView
from .queues import COLUMNS, first_frame

#: Rows that are asked for: more than fit on a large screen.
ROWS = 60


@never_cache
@require_GET
def wallboard(request: HttpRequest, text: str) -> HttpResponse:
    """Its queues, live. A link that is unknown or revoked says so (410)."""
    try:
        row = find_wallboard(text)
    except Refused as refused:
        page = render(request, "wallboard/refused.html", {"sentence": str(refused)}, status=410)
    else:
        boot = first_frame(WallboardView(row.filter, row.sort, 0, ROWS))
        context = {"name": row.name, "token": text, "columns": COLUMNS, "boot": boot, "rows": ROWS}
        page = render(request, "wallboard/wallboard.html", context)
    page["X-Robots-Tag"] = "noindex"
    page["Referrer-Policy"] = "no-referrer"  # the address is a key
    return page
