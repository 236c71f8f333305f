"""The audit trail, for administrators: who did what, when, to what, with what result."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from ..access import require
from ..audit import Search, moment
from ..models import AuditEntry
from ..refused import DeedRefused

PAGE = 50
#: Parameters that say which entries are meant; beside them `before` or `after` says where in them the page is.
ASKED = ("filter", "who", "action", "target", "last", "start", "end")
SPANS = (("1h", "last hour"), ("24h", "last 24 hours"), ("7d", "last 7 days"), ("30d", "last 30 days"))
_LONG = 160  # letters of details that a line shows at once


@never_cache
@require_GET
@require("see_audit")
def audit_trail(request: HttpRequest) -> HttpResponse:
    """A page of entries, newest first; filter and place are in the address."""
    asked = {name: request.GET.get(name, "").strip() for name in ASKED}
    given = {name: value for name, value in asked.items() if value}
    try:
        search = Search.read(asked)
    except DeedRefused as refused:
        return _page(request, asked, given, 400, refused={"field": refused.field, "sentence": str(refused)})
    asked |= {name: at.strftime("%Y-%m-%dT%H:%M") for name in ("start", "end") if (at := moment(asked, name))}
    found = search.found()
    rows, newer, older = _cut(found, _number(request, "before"), _number(request, "after"))
    return _page(
        request, asked, given, total=found.count(), rows=[_row(entry) for entry in rows],
        newer=urlencode({**given, "after": rows[0].pk}) if newer else "",
        older=urlencode({**given, "before": rows[-1].pk}) if older else "",
    )  # fmt: skip


def _page(
    request: HttpRequest, asked: dict[str, str], given: dict[str, str], status: int = 200, **context: Any
) -> HttpResponse:
    actions = AuditEntry.objects.order_by("action").values_list("action", flat=True).distinct()
    here = {"nav": "settings", "asked": asked, "given": given, "spans": SPANS, "actions": list(actions)}
    return render(request, "audit/list.html", {**here, **context}, status=status)


def _cut(found: Any, before: int | None, after: int | None) -> tuple[list[AuditEntry], bool, bool]:
    """The entries of one page, and whether there are newer and older ones than these."""
    if after is not None:
        rows = list(found.filter(id__gt=after).order_by("id")[: PAGE + 1])
        kept = rows[:PAGE][::-1]
        return kept, len(rows) > PAGE, bool(kept) and found.filter(id__lt=kept[-1].pk).exists()
    rows = list((found if before is None else found.filter(id__lt=before))[: PAGE + 1])
    kept = rows[:PAGE]
    return kept, before is not None and bool(kept) and found.filter(id__gt=kept[0].pk).exists(), len(rows) > PAGE


def _number(request: HttpRequest, name: str) -> int | None:
    text = request.GET.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def _row(entry: AuditEntry) -> dict[str, Any]:
    told = [(key.replace("_", " "), _words(value)) for key, value in entry.details.items()]
    long = sum(len(key) + len(words) for key, words in told) > _LONG
    return {"entry": entry, "told": told, "long": long, "failed": entry.result.startswith(("refused", "fail"))}


def _words(value: Any) -> str:
    """A detail for a person: yes and no, lists with commas, nothing as a dash."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(_words(one) for one in value) or "none"
    if isinstance(value, dict):
        return ", ".join(f"{key} {_words(one)}" for key, one in value.items()) or "none"
    return "–" if value in (None, "") else str(value)
