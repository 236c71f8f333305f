"""Forms on queues: tags, hiding, and deleting from the archive. The list's own buttons use the API."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from .. import broker_deeds, queue_deeds
from ..access import require
from ..brokers import BrokerRefused
from ..filters import FilterError
from ..live.feed import fleet
from ..live.view import mask
from ..models import Queue
from ..refused import DeedRefused
from .doing import do

#: Names that a person reads before deleting.
NAMES_SHOWN = 20


@require_POST
@require("mark_queues")
def queue_tags(request: HttpRequest, id: int) -> HttpResponse:
    """`tags`: those by hand, separated by commas."""
    row = get_object_or_404(Queue, pk=id)
    tags = [one for one in re.split(r"\s*,\s*", request.POST.get("tags", "")) if one]
    do(request, lambda: queue_deeds.tag(request.principal, row, tags), "The tags are saved.")
    return redirect("queue", id)


@require_POST
@require("mark_queues")
def queue_hide(request: HttpRequest, id: int) -> HttpResponse:
    """`hidden`: true hides, false shows again."""
    row, hidden = get_object_or_404(Queue, pk=id), request.POST.get("hidden") == "true"
    queue_deeds.hide(request.principal, [id], hidden)
    found = "hidden: neither shown nor counted, and found by is:hidden" if hidden else "shown again"
    messages.success(request, f"{row.name} is {found}.")
    return redirect("queue", id)


@require_POST
@require("mark_queues")
def queue_dead_letters(request: HttpRequest, id: int) -> HttpResponse:
    """`holds`: yes, no or auto (as the broker says); `sources`: names of queues whose dead letters arrive in it."""
    row, holds = get_object_or_404(Queue.objects.select_related("broker"), pk=id), request.POST.get("holds", "")
    names = [name for name in re.split(r"\s*,\s*", request.POST.get("sources", "").strip()) if name]
    known = {queue.name: queue for queue in Queue.objects.filter(broker=row.broker, name__in=names)}
    missing = next((name for name in names if name not in known), None)
    try:
        if missing is not None:
            raise DeedRefused("sources", f"{row.broker.name} has no queue named {missing}.")
        if holds not in ("yes", "no", "auto"):
            raise DeedRefused("holds", "Say yes, no, or leave it to the broker.")
        queue_deeds.mark_dead_letters(request.principal, row, holds, [known[name] for name in names])
    except DeedRefused as refused:
        messages.error(request, str(refused))
    else:
        words = {"yes": "holds dead letters", "no": "holds no dead letters", "auto": "is what its broker says"}
        messages.success(request, f"{row.name} {words[holds]}.")
    return redirect("queue", id)


@require_POST
@require("change_brokers")
def queue_ignore(request: HttpRequest, id: int) -> HttpResponse:
    """`ignored`: true leaves it out of the polls, false takes it in again."""
    row, ignored = get_object_or_404(Queue, pk=id), request.POST.get("ignored") == "true"
    try:
        broker_deeds.ignore(request.principal, row, ignored)
    except BrokerRefused as refused:
        messages.error(request, str(refused))
    else:
        found = "ignored: it is polled no more, and goes to the archive" if ignored else "polled again from now on"
        messages.success(request, f"{row.name} is {found}.")
    return redirect("queue", id)


@require_http_methods(["GET", "POST"])
@require("delete_queues")
def queue_delete(request: HttpRequest, id: int) -> HttpResponse:
    """One queue that is gone: what goes, and the deed."""
    row = get_object_or_404(Queue, pk=id)
    return _delete(request, [id] if row.gone_at else [], row.name)


@require_http_methods(["GET", "POST"])
@require("delete_queues")
def queues_delete(request: HttpRequest) -> HttpResponse:
    """All that are gone and match `filter`."""
    text = (request.POST or request.GET).get("filter", "is:gone")
    snapshot = fleet().snapshot()
    try:
        found: list[int] = snapshot.ids[np.flatnonzero(mask(text.strip(), snapshot) & snapshot.gone)].tolist()
    except FilterError as error:
        return _page(request, [], "", 400, wrong=str(error))
    return _delete(request, found, "all that match", filter=text)


def _delete(request: HttpRequest, ids: list[int], title: str, filter: str = "") -> HttpResponse:
    if request.method == "POST":
        deleted = queue_deeds.delete(request.principal, ids)
        messages.success(request, f"{deleted:,} queue{'s are' if deleted != 1 else ' is'} deleted from the archive.")
        return redirect("queues")
    return _page(request, ids, title, filter=filter)


def _page(request: HttpRequest, ids: list[int], title: str, status: int = 200, **context: Any) -> HttpResponse:
    names = list(Queue.objects.filter(pk__in=ids[:NAMES_SHOWN]).values_list("name", flat=True))
    shown = {"nav": "queues", "title": title, "total": len(ids), "names": names, "beyond": len(ids) - len(names)}
    return render(request, "queues/delete.html", {**shown, **context}, status=status)
