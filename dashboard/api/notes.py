"""`notes`: what people, and whatever deploys, write onto the time axis."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Field, Router, Schema

from .. import notes
from ..models import Broker, Note
from ..snapshot import iso
from .auth import may
from .door import Id, Time, Whole
from .errors import ApiError
from .idempotency import once
from .paging import USUAL_LIMIT, short_list
from .queues import find_queues

router = Router(tags=["notes"])


class NewNote(Schema):
    """A text at a moment, about a queue, about all queues of a broker, or, with neither, about every queue."""

    model_config = {"extra": "forbid"}
    text: str = Field(max_length=notes.LONGEST)
    at: Time | None = Field(None, description="left out: now")
    queue_id: Whole | None = None
    broker: str | None = Field(None, description="its name")


class NoteOut(Schema):
    id: int
    at: datetime
    text: str
    queue_id: int | None
    broker: str | None
    by: str


class NoteList(Schema):
    items: list[NoteOut]
    total: int
    next: str | None


@router.get("", auth=may("see"), response=NoteList, operation_id="list_notes", summary="Notes, the newest first")
def list_notes(
    request: HttpRequest,
    filter: str = "",
    queue_id: Id | None = None,
    sort: str = "-at",
    limit: int = USUAL_LIMIT,
    cursor: str = "",
) -> HttpResponse:
    """`filter`: words that text, broker or author hold. With `queue_id` those that stand on its charts."""
    found = Note.objects.all() if queue_id is None else notes.about(find_queues([queue_id])[0])
    items = [shown(note) for note in found.select_related("broker")]
    return short_list(items, ("text", "broker", "by"), ("at", "id", "by"), filter, sort, limit, cursor)


@router.post("", auth=may("mark_queues"), response={201: NoteOut}, operation_id="write_note", summary="Write one")
@once
def write_note(request: HttpRequest, payload: NewNote) -> tuple[int, Any]:
    """It is marked on the charts of the queues that it is about. A deployment may write one by a token."""
    queue = find_queues([payload.queue_id])[0] if payload.queue_id is not None else None
    return 201, shown(notes.write(request.auth, payload.text, payload.at, queue, _broker(payload.broker)))


@router.delete(
    "/{id}", auth=may("mark_queues"), response={204: None}, operation_id="delete_note", summary="Take one back"
)
@once
def delete_note(request: HttpRequest, id: int) -> tuple[int, Any]:
    note = Note.objects.filter(pk=id).first()
    if note is None:
        raise ApiError(404, f"There is no note {id}.")
    notes.delete(request.auth, note)
    return 204, None


def _broker(name: str | None) -> Broker | None:
    if name is None:
        return None
    broker = Broker.objects.filter(name=name).first()
    if broker is None:
        raise ApiError(404, f"There is no broker named {name}.", "broker")
    return broker


def shown(note: Note) -> dict[str, Any]:
    return {
        "id": note.pk,
        "at": iso(note.at.timestamp()),
        "text": note.text,
        "queue_id": note.queue_id,
        "broker": note.broker.name if note.broker else None,
        "by": note.by,
    }
