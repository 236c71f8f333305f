"""Alerts beside what is known now: silences on what is open, values beside limits. For pages and the API."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from django.db.models import Q, QuerySet
from django.utils import timezone

from ..access import Principal
from ..filters import FilterError
from ..insight.vocabulary import State
from ..live.feed import fleet
from ..live.view import mask
from ..models import Incident, Rule, Silence
from ..refused import DeedRefused
from ..snapshot import Snapshot
from ..ticks import Floats
from . import deeds, retention
from .conditions import BadCondition, Condition, amount
from .frames import keeps_of, retention_left

OPEN = Q(closed_at=None)


def about(queue: int) -> Q:
    """Incidents of a queue, also those about all queues of a rule."""
    return Q(queue_id=queue) | Q(members__has_key=str(queue))


def silence(
    principal: Principal, reason: str, filter: str = "", incident: Incident | None = None, rule: Rule | None = None,
    seconds: float | None = None, starts_at: datetime | None = None, ends_at: datetime | None = None,
    repeat: str = "", until: datetime | None = None,
) -> Silence:  # fmt: skip
    """Add a silence and mute what is open under it. Raises DeedRefused."""
    if incident is not None:
        filter, rule = _of_incident(incident)
    if (seconds is None) == (ends_at is None):
        raise DeedRefused("ends_at", "Say either for how many seconds, or until when (ends_at).")
    starts = starts_at or timezone.now()
    ends = ends_at or starts + timedelta(seconds=min(seconds or 0, 1e9))
    made = deeds.add_silence(principal, reason, ends, filter, rule, starts, repeat, until)
    deeds.mute(principal, made, under(made))
    return made


def _of_incident(incident: Incident) -> tuple[str, Rule | None]:
    """The filter and the rule that an incident, and the next of its kind, falls under."""
    if incident.queue_id is not None:
        return f"id:{incident.queue_id}", None
    if incident.broker_id and not incident.members:
        return f'broker:"{incident.broker_name}"', incident.rule
    return "", incident.rule


def under(silence: Silence) -> list[Incident]:
    """Open incidents that a silence is about."""
    rows: QuerySet[Incident] = Incident.objects.filter(OPEN, silence=None)
    if silence.rule_id is not None:
        rows = rows.filter(rule_id=silence.rule_id)
    if not silence.filter:
        return list(rows)
    snapshot = fleet().snapshot()
    ids = set(snapshot.ids[np.flatnonzero(mask(silence.filter, snapshot))].tolist())
    found = [one for one in rows if one.queue_id in ids]
    whole = [one for one in rows if one.queue_id is None and f'broker:"{one.broker_name}"' == silence.filter]
    return found + whole


# --- rules beside what is known now ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a rule stands: queues it is about, the worst of them with its value in words, how many are unknown."""

    queues: int = 0
    worst: str = ""
    queue: str = ""
    queue_id: int | None = None
    unknown: int = 0


def standing(rule: Rule, snapshot: Snapshot) -> Standing:
    """A rule beside the numbers of now."""
    try:
        condition = Condition.read(rule.condition)
        rows = np.flatnonzero(mask(rule.filter, snapshot))
    except (BadCondition, FilterError):
        return Standing()
    if condition.kind in ("broker", "weir", "event"):
        return Standing()
    if condition.kind == "state":
        codes = snapshot.state[rows]
        there = int((codes == State[str(condition.value).upper()]).sum())
        return Standing(len(rows), f"{there} {condition.value}", unknown=int((codes == State.UNKNOWN).sum()))
    values = numbers(condition.metric or "depth", snapshot)[rows]
    known = ~np.isnan(values)
    if not known.any():
        return Standing(len(rows), unknown=len(rows))
    down = condition.op in ("<", "<=", "==")
    at = int(rows[int(np.nanargmin(values) if down else np.nanargmax(values))])
    value = float(np.nanmin(values) if down else np.nanmax(values))
    entry = snapshot.entries[at]
    said = amount(condition.metric or "depth", value)
    return Standing(len(rows), said, entry.name, entry.id, int((~known).sum()))


def numbers(metric: str, snapshot: Snapshot) -> Floats:
    """A metric of rules over a snapshot."""
    if metric == "surplus_rate":
        both = snapshot.column("in_rate") - snapshot.column("out_rate")
        return np.where(np.isnan(both), snapshot.column("net_rate"), both)
    if metric == "retention_left_seconds":
        return _retention_left(snapshot)
    return snapshot.column(metric)


def _retention_left(snapshot: Snapshot) -> Floats:
    inside = snapshot.column("dead_letters").copy()
    inside[[entry.dead_letter_queue_id is not None for entry in snapshot.entries]] = np.nan  # they lie elsewhere

    def numbers(field: str) -> Floats:
        return inside if field == "dead_letters" else snapshot.column(field)

    ends = {queue: at for broker in snapshot.brokers for queue, at in retention.first_ends(broker).items()}
    ends_in = np.array([ends.get(id, np.nan) for id in snapshot.ids.tolist()], float) - snapshot.at
    return retention_left(numbers, keeps_of(snapshot.entries), ends_in)


def rules_about(queue: int, snapshot: Snapshot) -> list[tuple[Rule, Condition]]:
    """The rules that watch a queue, with their conditions."""
    row, found = snapshot.index(queue), []
    for rule in Rule.objects.filter(enabled=True):
        try:
            condition = Condition.read(rule.condition)
            if condition.kind not in ("broker", "weir") and row is not None and mask(rule.filter, snapshot)[row]:
                found.append((rule, condition))
        except (BadCondition, FilterError):
            continue
    return found


def firing(limit: int = 50) -> dict[str, Any]:
    """What every page shows of alerts: how many fire, and the newest of them."""
    rows = Incident.objects.filter(OPEN, silence=None).order_by("-id")
    unacknowledged = rows.filter(acknowledged_at=None)
    return {
        "firing": rows.count(),
        "unacknowledged": unacknowledged.count(),
        "critical": rows.filter(severity="critical").count(),
        "items": [
            {
                "id": one.pk,
                "queue_id": one.queue_id,
                "queue": one.queue_name or None,
                "broker": one.broker_name or None,
                "rule": one.rule_name,
                "severity": one.severity,
                "reason": one.reason,
                "state": one.state,
            }
            for one in rows[:limit]
        ],
    }


def limits(found: Sequence[tuple[Rule, Condition]]) -> list[dict[str, Any]]:
    """The lines that a chart draws: metric, value, name."""
    return [
        {"metric": condition.metric, "value": float(condition.value), "name": rule.name}
        for rule, condition in found
        if condition.kind in ("threshold", "forecast") and condition.op.startswith(">")
    ]
