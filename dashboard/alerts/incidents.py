"""Opening and closing incidents: each once, however many processes say so, told in the same transaction.

`open_many` and `close_many` are called by what judges ticks (`watching.py`), by the clock that finds silence
(`clock.py`), and through `happened` by what knows of single events: a new cause of dead letters, a replay's end.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
from django.db import IntegrityError, transaction
from django.utils import timezone

from ..directory import Directory
from ..live.bus import the_bus
from ..models import Broker, Incident, IncidentNote, Queue, Rule, Silence
from ..ticks import Ints
from . import outbox, silences
from .conditions import BadCondition, Condition, words
from .scopes import ScopeTable

WEIR = "Weir"
_BATCH = 500
_ALIKE = 50  # different ends of incidents that are written group by group


@dataclass(slots=True)
class Opening:
    """What an incident is to be opened for. `key` tells it from others of its rule; "" = the rule as a whole."""

    rule: Rule
    key: str
    at: float
    reason: str
    queue: int | None = None
    queue_name: str = ""
    broker: int | None = None
    broker_name: str = ""
    values: dict[str, Any] = field(default_factory=dict)
    silence: Silence | None = None

    @property
    def open_key(self) -> str:
        return open_key(self.rule, self.key)


@dataclass(slots=True)
class Closing:
    """What is over: `because` says why in words; `queue` where the incident may be about several."""

    rule: Rule
    key: str
    at: float
    because: str
    queue: int | None = None


def open_key(rule: Rule, key: str) -> str:
    return f"{rule.pk}" if rule.per == "rule" else f"{rule.pk}:{key}"[:200]


def open_many(openings: Sequence[Opening]) -> list[Incident]:
    """Open what is not open yet; the new incidents. Call it in a transaction with whatever else must be true."""
    if not openings:
        return []
    with transaction.atomic():
        known = _open_by_key({one.open_key for one in openings})
        first = {one.open_key: one for one in reversed(openings) if one.open_key not in known}
        made = _create([_row(one) for one in first.values()])
        _add_members(
            [one for one in openings if one.rule.per == "rule"], known | {one.open_key or "": one for one in made}
        )
        outbox.note([one for one in made if one.silence_id is None], WEIR, "opened")
        outbox.note([one for one in made if one.silence_id is not None], WEIR, "opened", "It is silenced.")
        outbox.opened(made)
    _changed(bool(made))
    return made


def close_many(closings: Sequence[Closing]) -> list[Incident]:
    """Close what is open; the incidents that are closed now."""
    if not closings:
        return []
    with transaction.atomic():
        known = _open_by_key({open_key(one.rule, one.key) for one in closings})
        over: dict[int, Incident] = {}
        for one in closings:
            incident = known.get(open_key(one.rule, one.key))
            if incident is None or incident.pk in over:
                continue
            if one.rule.per == "rule" and one.queue is not None and _still_others(incident, one.queue):
                continue
            incident.closed_at, incident.closed_because = _time(one.at), one.because[:300]
            incident.open_key = None
            over[incident.pk] = incident
        done = list(over.values())
        _finish(done)
    _changed(bool(done))
    return done


def close_all(rule: Rule, because: str) -> None:
    """Close everything that a rule has open: it is switched off, or deleted."""
    with transaction.atomic():
        done = list(Incident.objects.select_for_update().filter(rule=rule, closed_at=None))
        for incident in done:
            incident.closed_at, incident.closed_because, incident.open_key = timezone.now(), because[:300], None
        _finish(done)
    _changed(bool(done))


def _finish(done: list[Incident]) -> None:
    alike: dict[tuple[datetime | None, str], list[int]] = {}
    for one in done:
        alike.setdefault((one.closed_at, one.closed_because), []).append(one.pk)
    if len(alike) <= _ALIKE:  # one statement for many, where a case for each would take a hundred times as long
        for (at, because), ids in alike.items():
            for start in range(0, len(ids), _BATCH):
                rows = Incident.objects.filter(pk__in=ids[start : start + _BATCH])
                rows.update(closed_at=at, closed_because=because, open_key=None)
    else:
        Incident.objects.bulk_update(done, ["closed_at", "closed_because", "open_key"], batch_size=_BATCH)
    notes = [IncidentNote(incident=one, who=WEIR, what="closed", text=one.closed_because) for one in done]
    IncidentNote.objects.bulk_create(notes, batch_size=_BATCH)
    outbox.closed(done)


def _open_by_key(keys: Iterable[str]) -> dict[str, Incident]:
    found: dict[str, Incident] = {}
    listed = list(keys)
    for at in range(0, len(listed), _BATCH):
        rows = Incident.objects.select_for_update().filter(open_key__in=listed[at : at + _BATCH])
        found |= {row.open_key or "": row for row in rows}
    return found


def _row(one: Opening) -> Incident:
    whole = one.rule.per == "rule"
    return Incident(
        open_key=one.open_key,
        rule=one.rule,
        rule_name=one.rule.name,
        queue_id=None if whole else one.queue,
        queue_name="" if whole else one.queue_name[:600],
        broker_id=one.broker,
        broker_name=one.broker_name,
        severity=one.rule.severity,
        reason=one.reason,
        values=one.values,
        opened_at=_time(one.at),
        seen_at=_time(one.at),
        silence=one.silence,
    )


def _create(rows: list[Incident]) -> list[Incident]:
    """Those that could be created: another process may have been first with one."""
    try:
        with transaction.atomic():
            return Incident.objects.bulk_create(rows, batch_size=_BATCH)
    except IntegrityError:
        made = []
        for row in rows:
            row.pk = None
            try:
                with transaction.atomic():
                    row.save(force_insert=True)
                made.append(row)
            except IntegrityError:
                continue
        return made


def _add_members(openings: Sequence[Opening], incidents: dict[str, Incident]) -> None:
    """The queues of incidents that are about all queues of a rule."""
    touched = {}
    for one in openings:
        incident = incidents.get(one.open_key)
        if incident is not None and one.queue is not None:
            incident.members[str(one.queue)] = one.queue_name
            touched[incident.pk] = incident
    Incident.objects.bulk_update(list(touched.values()), ["members"])


def _still_others(incident: Incident, queue: int) -> bool:
    """Whether an incident about several queues stays open without this one."""
    incident.members.pop(str(queue), None)
    if incident.members:
        Incident.objects.filter(pk=incident.pk).update(members=incident.members)
    return bool(incident.members)


def _changed(any_: bool) -> None:
    if any_:
        transaction.on_commit(lambda: the_bus().note("incidents_changed"))


def _time(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)


def open_queues(broker: int) -> list[tuple[int, int]]:
    """(rule, queue) of everything that is open about queues of a broker."""
    found: list[tuple[int, int]] = []
    for rule, queue, members in (
        Incident.objects.filter(closed_at=None, broker_id=broker)
        .exclude(rule=None)
        .values_list("rule_id", "queue_id", "members")
    ):
        found += [(rule, queue)] if queue is not None else [(rule, int(id)) for id in members]
    return found


def happened(
    kind: str, reason: str, key: str, queue: int | None = None, broker: int | None = None, at: float | None = None,
    values: dict[str, Any] | None = None,
) -> list[Incident]:  # fmt: skip
    """Something that rules of kind "event" may be about: `kind` "cause" or "replay", `reason` a sentence of it.

    `key` tells one from another: the same again while its incident is open is the same incident. Call it from
    anywhere; it makes a few queries, and does nothing where no rule asks.
    """
    rules = [one for one in Rule.objects.filter(enabled=True) if one.condition.get("kind") == "event"]
    rules = [one for one in rules if one.condition.get("value") == kind]
    if not rules:
        return []
    at = timezone.now().timestamp() if at is None else at
    table, row, names = _table_of(queue, broker)
    listed = silences.all_in_force(timezone.now())
    openings = []
    for rule in rules:
        if rule.filter and (row is None or not table.mask(rule.filter)[row]):
            continue
        known = hashlib.sha256(key.encode()).hexdigest()[:24]
        opening = Opening(rule, f"e{known}", at, reason, queue, *names, values=values or {})
        opening.silence = silences.silence_of(listed, rule, table, row)
        openings.append(opening)
    made = open_many(openings)
    keys = [one.open_key for one in openings]
    Incident.objects.filter(open_key__in=keys).update(seen_at=_time(at))
    return made


def _table_of(queue: int | None, broker: int | None) -> tuple[ScopeTable, int | None, tuple[str, int | None, str]]:
    """The one queue as filters see it, its row, and (queue name, broker, broker name)."""
    row = Queue.objects.select_related("broker").filter(pk=queue).first() if queue else None
    owner = row.broker if row is not None else Broker.objects.filter(pk=broker).first() if broker else None
    name, id = (owner.name, owner.pk) if owner else ("", None)
    if row is None or owner is None:
        return ScopeTable(name, np.empty(0, np.int64), []), None, ("", id, name)
    ids: Ints = np.array([row.pk], np.int64)
    entry = Directory().of(owner.pk, 0).entries.get(row.pk)
    return ScopeTable(name, ids, [entry]), 0, (row.name, id, name)


def sentence(rule: Rule) -> str:
    """The condition of a rule in words; what cannot be read is said."""
    try:
        return words(Condition.read(rule.condition))
    except BadCondition as error:
        return f"this version cannot read it: {error}"
