"""Replays as the API, the live view, pages and the terminal show them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.utils import timezone

from collectors.decoding import visible
from collectors.letters import STAMPS

from ..models import Queue, Replay
from ..snapshot import iso
from . import keeping, marks, pruning, way_back
from .guards import Limits
from .orders import limits_of
from .report import Row
from .states import State

#: What a message can be asked for by, beside its state.
FLAGS = ("came_back", "possibly_duplicated")


def replay(row: Replay) -> dict[str, Any]:
    """One replay, with its plan."""
    limits = limits_of(row)
    return {
        "id": row.pk,
        "replay_id": row.own,
        "deed": row.deed,
        "queue_id": row.queue_id,
        "queue": row.queue_name,
        "broker": row.broker_name,
        "selection": row.selection,
        "to": row.to,
        "rate": row.rate,
        "trial": row.trial,
        "how": row.how,
        "allow_replayed": row.allow_replayed,
        "options": row.options,
        "limits": {name: getattr(limits, name) for name in Limits.__dataclass_fields__},
        "edited": bool(row.secret_edit),
        "repeats": row.repeats_id,
        "stages": row.stages,
        "state": row.state,
        "reason": row.reason or None,
        "trouble": row.trouble or None,
        "waits_until": _time(row.waits_until) if row.active else None,
        "total": row.total,
        "sent": row.sent,
        "removed": row.removed,
        "came_back": None if row.how == Replay.How.BROKER else row.came_back,  # a broker's own move does not tell
        "failed": row.failed,
        "skipped": row.skipped,
        "possibly_duplicated": None if row.how == Replay.How.BROKER else row.possibly_duplicated,
        "per_second": per_second(row),
        "seconds_left": seconds_left(row),
        "made_at": _time(row.made_at),
        "made_by": row.made_by,
        "started_at": _time(row.started_at),
        "started_by": row.started_by or None,
        "told_at": _time(row.told_at),
        "ended_at": _time(row.ended_at),
        "planned": _planned(row.plan),
        "unmarked": row.unmarked,
        "part_marked": row.part_marked,
        "unreplicated": row.unreplicated,
        "journal_removed_at": _time(row.journal_removed_at),
        "notes": notes(row),
        "back": way_back.told(row),
    }


def notes(row: Replay) -> list[str]:
    """What is to be known of a replay beside its reason, in sentences."""
    staged = way_back.sentence(way_back.told(row), row.queue_name)
    alone = row.unreplicated and (
        f"Of {row.unreplicated:,} no replica of the server had in time that they were moved: the report says of which. "
        "Should it fail over to one that has not, they lie where they were, and their copies are gone."
    )
    said = (staged, marks.sentence(row.unmarked, row.part_marked), alone, pruning.sentence(row))
    return [one for one in said if one]


def _planned(plan: dict[str, Any] | None) -> dict[str, Any] | None:
    """A plan; its size in bytes and its estimate in seconds also under the names that other programs know them by."""
    return plan and {**plan, "size": plan.get("bytes"), "estimate": plan.get("seconds")}


def deletion(row: Replay) -> dict[str, Any]:
    """A deletion: what was deleted, what is kept of it, and for how long."""
    kept = keeping.counts(row.own)
    open_ = row.undone_until is not None and row.undone_until > timezone.now()
    return (
        replay(row)
        | kept
        | {
            "kept_until": _time(row.undone_until),
            "can_restore": open_ and kept["kept"] > kept["restored"] and not row.active,
        }
    )


def messages(of: Replay, rows: Sequence[Row]) -> list[dict[str, Any]]:
    """What became of messages of one replay; destinations by the names under which people know them."""
    names: dict[str, str] = {}
    if of.queue is not None:
        there = Queue.objects.filter(broker=of.queue.broker_id, key__in={row.destination for row in rows})
        names = dict(there.values_list("key", "name"))
    if of.deed == Replay.Deed.DELETE:
        names = dict.fromkeys({row.destination for row in rows}, "")  # a copy is kept here, and goes nowhere
    elif of.deed == Replay.Deed.RESTORE:
        names = {"": of.queue_name}
    marked = of.deed == Replay.Deed.REPLAY
    return [_message(row, names.get(row.destination, row.destination), marked) for row in rows]


def _message(row: Row, destination: str, marked: bool) -> dict[str, Any]:
    return {
        "n": row.n,
        "key": visible(row.id),
        "state": "came_back" if row.came_back else row.state.word,
        "size_bytes": row.size if row.size >= 0 else None,
        "destination": visible(destination) or None,
        "possibly_duplicated": row.again > 0,
        "marks": list(STAMPS[: row.marks]) if marked and row.state in (State.SENT, State.REMOVED) else [],
        "why": row.why or None,
        "at": iso(row.at) if row.at else None,
    }


def per_second(row: Replay) -> float | None:
    """Messages a second while it was sending, without pauses and waits; None = too little was sent yet."""
    if row.started_at is None or not row.sent or row.busy_seconds < 0.2:
        return None
    return round(row.sent / row.busy_seconds, 2)


def seconds_left(row: Replay) -> float | None:
    """Until the last one is sent at the pace of until now; None = that cannot be told."""
    pace = per_second(row)
    if not pace or row.total is None or row.over or row.state in (Replay.State.TRIAL, Replay.State.PAUSED):
        return None
    return round(max(0.0, (row.total - row.sent - row.skipped - row.failed) / pace), 1)


def _time(at: datetime | None) -> str | None:
    return iso(at.timestamp()) if at else None
