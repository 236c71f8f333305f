"""Notes from a queue's page: written, and taken back."""

from __future__ import annotations

from datetime import timedelta

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.views.decorators.http import require_POST

from .. import notes
from ..access import require
from ..models import Note, Queue
from ..refused import DeedRefused
from .doing import do


@require_POST
@require("mark_queues")
def queue_note(request: HttpRequest, id: int) -> HttpResponse:
    """`text`; `ago`: minutes; `about`: queue, broker or all."""
    row = get_object_or_404(Queue.objects.select_related("broker"), pk=id)
    about, said = request.POST.get("about", "queue"), request.POST.get("text", "")

    def write() -> None:
        at = timezone.now() - timedelta(minutes=_minutes(request.POST.get("ago", "0")))
        queue, broker = row if about == "queue" else None, row.broker if about == "broker" else None
        notes.write(request.principal, said, at, queue, broker)

    do(request, write, "The note stands on the charts.")
    return redirect("queue", id)


@require_POST
@require("mark_queues")
def note_delete(request: HttpRequest, id: int) -> HttpResponse:
    """`queue`: the id of the queue on whose page it was taken back, whatever else it is about."""
    row, queue = get_object_or_404(Note, pk=id), request.POST.get("queue", "")
    do(request, lambda: notes.delete(request.principal, row), "The note is taken back.")
    return redirect("queue", int(queue)) if queue.isdecimal() else redirect("queues")


def _minutes(text: str) -> float:
    try:
        minutes = float(text or 0)
    except ValueError:
        minutes = -1
    if not 0 <= minutes <= 60 * 24 * 400:
        raise DeedRefused("ago", "Say how many minutes ago it was: 0 or more.")
    return minutes
