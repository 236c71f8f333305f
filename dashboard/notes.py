"""Notes on the time axis: written and taken back by operators, and by whatever deploys.

A note is about a queue, about all queues of a broker, or about every queue.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import Q, QuerySet
from django.utils import timezone

from . import audit
from .access import Principal
from .models import Broker, Note, Queue
from .refused import DeedRefused

LONGEST = 200
AHEAD = timedelta(minutes=5)  # a clock elsewhere may be ahead of this one


def about(queue: Queue) -> QuerySet[Note]:
    """What was noted of a queue, of its broker, or of everything; the newest first."""
    return Note.objects.filter(Q(queue=queue) | Q(broker=queue.broker_id) | Q(queue=None, broker=None))


def write(
    principal: Principal,
    text: str,
    at: datetime | None = None,
    queue: Queue | None = None,
    broker: Broker | None = None,
) -> Note:
    """A note at a moment, without one at this. Raises DeedRefused."""
    text, now = " ".join(text.split()), timezone.now()
    if not text or len(text) > LONGEST or not text.isprintable():
        raise DeedRefused("text", f"A note is a text of at most {LONGEST} printable characters.")
    if queue is not None and broker is not None:
        raise DeedRefused("broker", "A note is about a queue or about a broker, not about both.")
    at = at or now
    if at > now + AHEAD:
        raise DeedRefused("at", "A note is about what was or is: its time lies ahead.")
    note = Note.objects.create(text=text, at=at, queue=queue, broker=broker, by=principal.who[:150])
    audit.record(principal.who, "write note", _target(note), text=text, at=at.isoformat())
    return note


def delete(principal: Principal, note: Note) -> None:
    """Take a note back."""
    audit.record(principal.who, "delete note", _target(note), text=note.text, at=note.at.isoformat(), by=note.by)
    note.delete()


def _target(note: Note) -> str:
    return str(note.queue or note.broker or "every queue")
