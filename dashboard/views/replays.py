"""`/replays/`: letters on their way back, and what was deleted; `/replays/<id>/`: one of them, live."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from ..access import require
from ..models import Queue, Replay
from ..models.replays import DROPPED, holding
from ..replay import showing

PAGE = 50
TITLES = {Replay.Deed.DELETE: "Deletion", Replay.Deed.RESTORE: "Restoration"}


@never_cache
@require_GET
@require("see")
def replays(request: HttpRequest) -> HttpResponse:
    """The newest first; `filter` and `state` say which, `before` (of deletions `deleted`) goes on behind an id."""
    asked = {name: request.GET.get(name, "").strip()[:300] for name in ("filter", "state")}
    given = {name: value for name, value in asked.items() if value}
    found = Replay.objects.exclude(DROPPED).filter(holding(asked["filter"]))
    if asked["state"]:
        found = found.filter(state=asked["state"])
    others, deletions = found.exclude(deed=Replay.Deed.DELETE), found.filter(deed=Replay.Deed.DELETE)
    rows, older = _page(others, _number(request, "before"))
    deleted, more = _page(deletions, _number(request, "deleted"))
    context = {
        "nav": "replays",
        "asked": asked,
        "given": given,
        "states": [state for state in Replay.State.values if state != Replay.State.PLANNING],
        "rows": [showing.replay(row) | {"made": row.made_at, "title": _title(row)} for row in rows],
        "total": others.count(),
        "deleted_total": deletions.count(),
        "older": older and urlencode({**given, "before": older}),
        "newest": urlencode(given) if {"before", "deleted"} & request.GET.keys() else None,
        "more_deleted": more and urlencode({**given, "deleted": more}),
        "deletions": [_deletion(row) for row in deleted],
        "may_restore": _principal(request).can("delete_letters"),
    }
    return render(request, "replays/list.html", context)


def _page(found: QuerySet[Replay], before: int) -> tuple[list[Replay], int]:
    """The newest behind an id (0 = of all), and the id behind which there are older ones; 0 = there are none."""
    rows = list((found.filter(pk__lt=before) if before else found).order_by("-pk")[: PAGE + 1])
    return rows[:PAGE], rows[PAGE - 1].pk if len(rows) > PAGE else 0


def _deletion(row: Replay) -> dict[str, Any]:
    told = showing.deletion(row)
    return told | {"made": row.made_at, "until": row.undone_until, "left": told["kept"] - told["restored"]}


def _number(request: HttpRequest, name: str) -> int:
    text = request.GET.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0


@never_cache
@require_GET
@require("see")
def replay(request: HttpRequest, id: int) -> HttpResponse:
    """One replay: how far it is, what became of each message, what can be done with it."""
    row = Replay.objects.filter(pk=id).select_related("queue").first()
    if row is None:
        raise Http404
    context = {
        "nav": "replays",
        "replay": showing.replay(row),
        "made": row.made_at,
        "title": _title(row),
        "may": _principal(request).can("delete_letters" if row.deed == Replay.Deed.DELETE else "replay"),
    }
    return render(request, "replays/replay.html", context)


@never_cache
@require_GET
@require("replay")
def replay_new(request: HttpRequest) -> HttpResponse:
    """A plan for letters of one queue, `?queue=ID`, chosen by filter, by number or all; with `filter=` at once."""
    queue = Queue.objects.filter(pk=_number(request, "queue")).select_related("broker").first()
    if queue is None:
        raise Http404
    others = Queue.objects.filter(broker=queue.broker, gone_at=None).exclude(pk=queue.pk).order_by("name")
    context = {
        "nav": "replays",
        "queue": queue,
        "filter": request.GET.get("filter", ""),
        "others": [{"id": id, "name": name} for id, name in others.values_list("pk", "name")[:2000]],
        "may_delete": _principal(request).can("delete_letters"),
    }
    return render(request, "replays/new.html", context)


def _title(row: Replay) -> str:
    return TITLES.get(row.deed, row.deed.capitalize())


def _principal(request: HttpRequest) -> Any:
    return request.principal  # type: ignore[attr-defined]
