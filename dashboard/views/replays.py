"""`/replays/`: letters on their way back, and what was deleted; `/replays/<id>/`: one of them, live."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from ..access import require
from ..models import Queue, Replay
from ..models.replays import DROPPED
from ..replay import showing

PAGE = 50
TITLES = {Replay.Deed.DELETE: "Deletion", Replay.Deed.RESTORE: "Restoration"}


@never_cache
@require_GET
@require("see")
def replays(request: HttpRequest) -> HttpResponse:
    """The newest first; `?before=` goes on behind an id."""
    text = request.GET.get("before", "")
    shown = Replay.objects.exclude(DROPPED)
    found = shown.exclude(deed=Replay.Deed.DELETE)
    if text.isascii() and text.isdigit() and len(text) < 19:
        found = found.filter(pk__lt=int(text))
    rows = list(found.order_by("-pk")[: PAGE + 1])
    deletions = list(shown.filter(deed=Replay.Deed.DELETE).order_by("-pk")[:PAGE])
    context = {
        "nav": "replays",
        "rows": [showing.replay(row) | {"made": row.made_at, "title": _title(row)} for row in rows[:PAGE]],
        "older": rows[PAGE - 1].pk if len(rows) > PAGE else None,
        "deletions": [showing.deletion(row) | {"made": row.made_at, "until": row.undone_until} for row in deletions],
        "may_restore": _principal(request).can("delete_letters"),
    }
    return render(request, "replays/list.html", context)


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
    text = request.GET.get("queue", "")
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0
    queue = Queue.objects.filter(pk=number).select_related("broker").first()
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
