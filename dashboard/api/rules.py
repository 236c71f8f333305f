"""`rules`: what is watched; `rules/preview`: what a rule would have done."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any, Literal

import numpy as np
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse
from ninja import Field, Router, Schema

from ..alerts import deeds, incidents, suggest
from ..alerts.conditions import BadCondition, Condition, words
from ..alerts.preview import LONGEST, MOST_QUEUES, Preview, preview
from ..live.feed import fleet
from ..models import Rule
from ..samples import the_store
from ..snapshot import Snapshot, iso, number
from .auth import may
from .door import Flag, Id, Number, Whole
from .errors import ApiError
from .idempotency import once
from .paging import USUAL_LIMIT, as_json, short_list
from .queues import mask

router = Router(tags=["alerts"])

MOST_FIRINGS, MOST_FIRED = 500, 100


class ConditionIn(Schema):
    """What is asked of each queue; the README lists what goes with which kind."""

    model_config = {"extra": "forbid"}
    kind: str | None = Field(
        None, description="threshold, change, forecast, unusual, state, stuck, broker, weir, event"
    )
    metric: str | None = None
    op: str | None = None
    value: Number | str = Field(description="a number, or a word: stalled, stopped, silent ...")
    for_seconds: Number | None = None
    clear_value: Number | None = Field(None, description="the lower level at which closing begins")
    clear_seconds: Number | None = Field(None, description="how long that has to last (120 unless said)")
    window_seconds: Number | None = None
    horizon_seconds: Number | None = None
    percent: Flag | None = None
    unknown: Literal["keep", "fire", "ok"] | None = Field(None, description="what an unknown value means")


class RuleIn(Schema):
    model_config = {"extra": "forbid"}
    name: str = Field(max_length=120)
    filter: str = Field("", max_length=2000, description="the filter language; empty = every queue, also new ones")
    condition: ConditionIn
    severity: Literal["info", "warning", "critical"] = "warning"
    per: Literal["queue", "rule"] = Field("queue", description="an incident per queue, or one per rule")
    notifiers: list[Whole] = []
    escalation: list[dict[str, Any]] = Field([], description='[{"after_seconds": 600, "notifiers": [ids]}]')
    quiet: dict[str, str] = Field({}, description='{"from": "22:00", "to": "07:00", "timezone": "Europe/Berlin"}')
    enabled: Flag = True


class RuleChange(Schema):
    """What is to be another; what is left out stays."""

    model_config = {"extra": "forbid"}
    name: str | None = None
    filter: str | None = None
    condition: ConditionIn | None = None
    severity: Literal["info", "warning", "critical"] | None = None
    per: Literal["queue", "rule"] | None = None
    notifiers: list[Whole] | None = None
    escalation: list[dict[str, Any]] | None = None
    quiet: dict[str, str] | None = None
    enabled: Flag | None = None


class RuleOut(Schema):
    id: int
    name: str
    sentence: str
    filter: str
    condition: dict[str, Any]
    severity: str
    per: str
    notifiers: list[int]
    escalation: list[dict[str, Any]]
    quiet: dict[str, str]
    enabled: bool
    managed_by: str
    created_by: str
    created_at: datetime
    open_incidents: int


class RuleList(Schema):
    items: list[RuleOut]
    total: int
    next: str | None


class PreviewIn(RuleIn):
    """A rule as it would be added; who would be told, and how, does not matter here."""

    name: str = Field("", max_length=120)
    hours: Number = Field(168, gt=0, le=720, description="how far back, up to 30 days")


class FiringOut(Schema):
    queue_id: int
    queue: str
    broker: str
    opened_at: datetime
    closed_at: datetime | None
    value: float | None


class FiredOut(Schema):
    queue_id: int
    queue: str
    broker: str
    incidents: int
    seconds: float


class PreviewOut(Schema):
    """What the rule would have done. `step_seconds` 0: judged on the samples themselves, tick for tick."""

    sentence: str
    start: datetime
    end: datetime
    step_seconds: float
    queues: int
    incidents: int
    messages: int
    firing_seconds: float
    notes: list[str]
    firings: list[FiringOut] = Field(description="at most 500, the last")
    fired: list[FiredOut] = Field(description="by queue, at most 100, those first that fire longest")
    queues_fired: int
    chart: dict[str, Any] | None = Field(description="the worst queue: {queue_id, queue, times, values, limit, spans}")


class Templates(Schema):
    items: list[dict[str, Any]]


@router.get("", auth=may("see"), response=RuleList, operation_id="list_rules", summary="All rules")
def list_rules(
    request: HttpRequest, filter: str = "", sort: str = "name", limit: int = USUAL_LIMIT, cursor: str = ""
) -> HttpResponse:
    """`filter`: words that name, sentence, filter or severity hold."""
    sorts = ("name", "id", "severity", "created_at", "open_incidents")
    return short_list(all_rules(), ("name", "sentence", "filter", "severity"), sorts, filter, sort, limit, cursor)


@router.get("/templates", auth=may("see"), response=Templates, operation_id="rule_templates", summary="To begin with")
def rule_templates(request: HttpRequest, queue: Id | None = None) -> HttpResponse:
    """Rules that everybody needs, those first that the fleet shows a case of now (`why`); with `queue`, first one whose
    limit fits that queue's history."""
    items = [{"key": t.key, "name": t.name, "filter": t.filter, "condition": t.condition, "severity": t.severity,
              "why": why} for t, why in suggest.for_fleet(fleet().snapshot())]  # fmt: skip
    if queue is not None:
        condition, why = suggest.for_queue(the_store(), queue)
        fits = {"key": "fits", "name": "", "filter": f"id:{queue}", "condition": condition, "severity": "warning"}
        items.insert(0, {**fits, "why": why})
    return as_json({"items": items})


@router.post("", auth=may("change_rules"), response={201: RuleOut}, operation_id="add_rule", summary="Add one")
@once
def add_rule(request: HttpRequest, payload: RuleIn) -> tuple[int, Any]:
    fields = payload.dict() | {"condition": said(payload.condition)}
    return 201, shown(deeds.save_rule(request.auth, None, fields))


@router.post(
    "/preview", auth=may("see"), response=PreviewOut, operation_id="preview_rule", summary="Try one on history"
)
def preview_rule(request: HttpRequest, payload: PreviewIn) -> HttpResponse:
    """The same code as live: on stored samples tick for tick, on minutes beyond six hours. Nothing is saved."""
    return as_json(previewed(said(payload.condition), payload.filter, payload.per, payload.hours * 3600))


@router.get("/{id}", auth=may("see"), response=RuleOut, operation_id="get_rule", summary="One rule")
def get_rule(request: HttpRequest, id: int) -> HttpResponse:
    return as_json(shown(find(id)))


@router.patch("/{id}", auth=may("change_rules"), response=RuleOut, operation_id="change_rule", summary="Change it")
@once
def change_rule(request: HttpRequest, id: int, payload: RuleChange) -> tuple[int, Any]:
    fields = {name: value for name, value in payload.dict(exclude_unset=True).items() if value is not None}
    if payload.condition is not None:
        fields["condition"] = said(payload.condition)
    return 200, shown(deeds.save_rule(request.auth, find(id), fields))


@router.delete("/{id}", auth=may("change_rules"), response={204: None}, operation_id="delete_rule", summary="Delete it")
@once
def delete_rule(request: HttpRequest, id: int) -> tuple[int, Any]:
    """What it has open is closed; incidents stay."""
    deeds.delete_rule(request.auth, find(id))
    return 204, None


def said(condition: ConditionIn) -> dict[str, Any]:
    return {name: value for name, value in condition.dict().items() if value is not None}


def find(id: int) -> Rule:
    rule = Rule.objects.filter(pk=id).first()
    if rule is None:
        raise ApiError(404, f"There is no rule {id}.")
    return rule


def all_rules() -> list[dict[str, Any]]:
    counted = Count("incidents", filter=Q(incidents__closed_at=None), distinct=True)
    rows = Rule.objects.annotate(open_count=counted).prefetch_related("notifiers")
    return [shown(rule, rule.open_count) for rule in rows]


def shown(rule: Rule, open_count: int | None = None) -> dict[str, Any]:
    return {
        "id": rule.pk,
        "name": rule.name,
        "sentence": incidents.sentence(rule),
        "filter": rule.filter,
        "condition": rule.condition,
        "severity": rule.severity,
        "per": rule.per,
        "notifiers": [one.pk for one in rule.notifiers.all()],
        "escalation": rule.escalation,
        "quiet": rule.quiet,
        "enabled": rule.enabled,
        "managed_by": rule.managed_by,
        "created_by": rule.created_by,
        "created_at": iso(rule.created_at.timestamp()),
        "open_incidents": rule.incidents.filter(closed_at=None).count() if open_count is None else open_count,
    }


def previewed(given: dict[str, Any], filter: str, per: str, seconds: float) -> dict[str, Any]:
    """A preview as JSON. Raises ApiError."""
    try:
        condition = Condition.read(given)
    except BadCondition as error:
        raise ApiError(400, str(error), error.field) from None
    if condition.kind in ("broker", "weir", "event"):
        raise ApiError(
            400, "What is judged by the clock, or happens once, has no history to try it on.", "condition.kind"
        )
    snapshot = fleet().snapshot()
    rows = np.flatnonzero(mask(filter, snapshot))
    end = time.time() // 60 * 60 + 60
    start = end - min(seconds, LONGEST)
    entries = {snapshot.entries[row].id: snapshot.entries[row] for row in rows[:MOST_QUEUES].tolist()}
    found = preview(the_store(), condition, _by_broker(snapshot, rows[:MOST_QUEUES]), start, end, per, entries)
    if len(rows) > MOST_QUEUES:
        found.notes.append(f"Tried on the first {MOST_QUEUES:,} of {len(rows):,} queues.")
    chart = None
    if found.shown is not None:
        row = snapshot.index(found.shown)
        chart = {
            "queue_id": found.shown,
            "queue": snapshot.entries[row].name if row is not None else "",
            "times": [round(at) for at in found.times.tolist()],
            "values": [number(value) for value in found.values.tolist()],
            "limit": condition.value if condition.kind in ("threshold", "forecast") else None,
            "clear": condition.clear_value,
            "metric": condition.metric if condition.kind != "state" else "waiting",
            "spans": [[f.opened, f.closed] for f in found.firings if f.queue == found.shown][:MOST_FIRINGS],
        }
    return {
        "sentence": words(condition),
        "start": iso(start),
        "end": iso(end),
        "step_seconds": found.step,
        "queues": len(rows),
        "incidents": found.incidents,
        "messages": found.messages,
        "firing_seconds": found.seconds,
        "notes": found.notes,
        "firings": [_firing(one, snapshot) for one in found.firings[-MOST_FIRINGS:]],
        "fired": _fired(found, snapshot),
        "queues_fired": len({one.queue for one in found.firings}),
        "chart": chart,
    }


def _by_broker(snapshot: Snapshot, rows: Any) -> dict[int, tuple[float, list[int]]]:
    queues: dict[int, tuple[float, list[int]]] = {}
    for id, broker in zip(snapshot.ids[rows].tolist(), snapshot.broker_ids[rows].tolist(), strict=True):
        queues.setdefault(broker, (snapshot.brokers[broker].interval, []))[1].append(id)
    return queues


def _fired(found: Preview, snapshot: Snapshot) -> list[dict[str, Any]]:
    """How often and how long each queue would have fired."""
    by_queue: dict[int, dict[str, Any]] = {}
    for one in found.firings:
        names = {key: value for key, value in _firing(one, snapshot).items() if key in ("queue_id", "queue", "broker")}
        mine = by_queue.setdefault(one.queue, {**names, "incidents": 0, "seconds": 0.0})
        mine["incidents"] += 1
        mine["seconds"] += (found.end if one.closed is None else one.closed) - one.opened
    return sorted(by_queue.values(), key=lambda mine: -mine["seconds"])[:MOST_FIRED]


def _firing(one: Any, snapshot: Snapshot) -> dict[str, Any]:
    row = snapshot.index(one.queue)
    return {
        "queue_id": one.queue,
        "queue": snapshot.entries[row].name if row is not None else "?",
        "broker": snapshot.brokers[one.broker].name,
        "opened_at": iso(one.opened),
        "closed_at": iso(one.closed) if one.closed is not None else None,
        "value": number(one.value),
    }
