"""`incidents`: alerts that are open or were, and `silences`: mutes with a reason and an end."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from ninja import Field, Router, Schema

from ..alerts import deeds, desk, silences
from ..models import Incident, Rule, Silence
from ..snapshot import iso
from .auth import may
from .door import Id, Number, Time, Whole
from .errors import ApiError
from .idempotency import once
from .paging import USUAL_LIMIT, as_json, by_number, short_list, words

router = Router(tags=["alerts"])
silences_router = Router(tags=["alerts"])

_TEXTS = ("rule_name", "queue_name", "broker_name", "severity", "reason")
_CLOSED, _OPEN = Q(closed_at__isnull=False), Q(closed_at=None)
STATES = {
    "open": _OPEN & Q(silence=None, acknowledged_at=None),
    "acknowledged": _OPEN & Q(silence=None, acknowledged_at__isnull=False),
    "silenced": _OPEN & Q(silence__isnull=False),
    "closed": _CLOSED,
    "firing": _OPEN,
}


class IncidentOut(Schema):
    id: int
    rule: str
    rule_id: int | None
    queue: str | None
    queue_id: int | None
    broker: str | None
    broker_id: int | None
    state: str = Field(description="open, acknowledged, silenced, closed")
    severity: str
    reason: str
    opened_at: datetime
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    closed_at: datetime | None
    closed_because: str | None
    silenced_until: datetime | None
    values: dict[str, Any] = Field(description="value, row: the queue's numbers then, changed: what was another")
    members: dict[str, str] = Field(description="queues by id, where one incident is about all queues of a rule")


class StoryOut(Schema):
    at: datetime
    who: str
    what: str
    text: str


class IncidentWhole(IncidentOut):
    notes: list[StoryOut]


class IncidentList(Schema):
    items: list[IncidentOut]
    total: int
    next: str | None


class Firing(Schema):
    firing: int
    unacknowledged: int
    critical: int
    items: list[dict[str, Any]] = Field(description="at most 50, newest first")


class Acknowledging(Schema):
    model_config = {"extra": "forbid"}
    note: str = Field("", max_length=500)


class SilenceIn(Schema):
    """`seconds`, or `ends_at`. `incident`: of that incident's queue, or broker, instead of a filter."""

    model_config = {"extra": "forbid"}
    reason: str = Field(max_length=300)
    filter: str = Field("", max_length=2000, description="of queues; empty = everything")
    incident: Whole | None = None
    rule: Whole | None = Field(None, description="of this rule only")
    seconds: Number | None = Field(None, gt=0)
    starts_at: Time | None = None
    ends_at: Time | None = None
    repeat: Literal["", "daily", "weekly"] = Field("", description="a maintenance window that comes again")
    until: Time | None = Field(None, description="the end of what comes again")


class SilenceOut(Schema):
    id: int
    filter: str
    rule: int | None
    reason: str
    created_by: str
    starts_at: datetime
    ends_at: datetime
    repeat: str
    until: datetime | None
    in_force: bool
    incidents: int = Field(description="open ones that it mutes")


class SilenceList(Schema):
    items: list[SilenceOut]
    total: int
    next: str | None


@router.get("", auth=may("see"), response=IncidentList, operation_id="list_incidents", summary="Newest first")
def list_incidents(
    request: HttpRequest,
    filter: str = "",
    state: str = "",
    queue: Id | None = None,
    rule: Id | None = None,
    start: Time | None = None,
    end: Time | None = None,
    sort: str = "-id",
    limit: int = USUAL_LIMIT,
    cursor: str = "",
) -> HttpResponse:
    """`filter`: words that rule, queue, broker, severity or reason hold. `state`: open, acknowledged, silenced, closed,
    or firing (all but closed). `start`, `end`: open in between. `sort`: id or -id, which is also the order of opening.
    """
    found = Incident.objects.filter(words(filter, _TEXTS)).select_related("silence")
    if state:
        if state not in STATES:
            raise ApiError(400, f"state is one of {', '.join(STATES)}.", "state")
        found = found.filter(STATES[state])
    if queue is not None:
        found = found.filter(desk.about(queue))
    if rule is not None:
        found = found.filter(rule_id=rule)
    if start is not None:
        found = found.filter(_OPEN | Q(closed_at__gte=start))
    if end is not None:
        found = found.filter(opened_at__lt=end)
    return by_number(found, shown, (filter, state, str(queue), str(rule), str(start), str(end)), sort, limit, cursor)


@router.get("/firing", auth=may("see"), response=Firing, operation_id="firing", summary="How many fire, and the newest")
def firing(request: HttpRequest) -> HttpResponse:
    """For a badge: silenced ones are left out."""
    return as_json(desk.firing())


@router.get("/{id}", auth=may("see"), response=IncidentWhole, operation_id="get_incident", summary="With its story")
def get_incident(request: HttpRequest, id: int) -> HttpResponse:
    incident = find(id)
    notes = [{"at": iso(n.at.timestamp()), "who": n.who, "what": n.what, "text": n.text} for n in incident.notes.all()]
    return as_json(shown(incident) | {"notes": notes})


@router.post(
    "/{id}/acknowledge", auth=may("tend_incidents"), response=IncidentOut, operation_id="acknowledge",
    summary="Somebody is at it",
)  # fmt: skip
@once
def acknowledge(request: HttpRequest, id: int, payload: Acknowledging | None = None) -> tuple[int, Any]:
    """It is not escalated any more. Acknowledging twice is no error: the first one stays."""
    return 200, shown(deeds.acknowledge(request.auth, find(id), payload.note if payload else ""))


@silences_router.get("", auth=may("see"), response=SilenceList, operation_id="list_silences", summary="All silences")
def list_silences(
    request: HttpRequest, filter: str = "", sort: str = "-ends_at", limit: int = USUAL_LIMIT, cursor: str = ""
) -> HttpResponse:
    """`filter`: words that filter, reason or author hold."""
    items = [shown_silence(one) for one in Silence.objects.all()]
    sorts = ("ends_at", "starts_at", "id", "created_by")
    return short_list(items, ("filter", "reason", "created_by"), sorts, filter, sort, limit, cursor)


@silences_router.post(
    "", auth=may("tend_incidents"), response={201: SilenceOut}, operation_id="add_silence", summary="Mute"
)
@once
def add_silence(request: HttpRequest, payload: SilenceIn) -> tuple[int, Any]:
    """Incidents that are open and match are muted too; such as are still open when it ends are told then."""
    fields = payload.dict()
    incident, rule = fields.pop("incident"), fields.pop("rule")
    about_rule = Rule.objects.filter(pk=rule).first() if rule is not None else None
    if rule is not None and about_rule is None:
        raise ApiError(400, f"There is no rule {rule}.", "rule")
    about_incident = find(incident) if incident is not None else None
    return 201, shown_silence(desk.silence(request.auth, incident=about_incident, rule=about_rule, **fields))


@silences_router.get("/{id}", auth=may("see"), response=SilenceOut, operation_id="get_silence", summary="One silence")
def get_silence(request: HttpRequest, id: int) -> HttpResponse:
    return as_json(shown_silence(find_silence(id)))


@silences_router.delete(
    "/{id}", auth=may("tend_incidents"), response={204: None}, operation_id="end_silence", summary="End it now"
)
@once
def end_silence(request: HttpRequest, id: int) -> tuple[int, Any]:
    deeds.end_silence(request.auth, find_silence(id))
    return 204, None


def find(id: int) -> Incident:
    incident = Incident.objects.select_related("rule", "silence").filter(pk=id).first()
    if incident is None:
        raise ApiError(404, f"There is no incident {id}.")
    return incident


def find_silence(id: int) -> Silence:
    silence = Silence.objects.filter(pk=id).first()
    if silence is None:
        raise ApiError(404, f"There is no silence {id}.")
    return silence


def shown(one: Incident) -> dict[str, Any]:
    return {
        "id": one.pk,
        "rule": one.rule_name,
        "rule_id": one.rule_id,
        "queue": one.queue_name or None,
        "queue_id": one.queue_id,
        "broker": one.broker_name or None,
        "broker_id": one.broker_id,
        "state": one.state,
        "severity": one.severity,
        "reason": one.reason,
        "opened_at": iso(one.opened_at.timestamp()),
        "acknowledged_at": iso(one.acknowledged_at.timestamp()) if one.acknowledged_at else None,
        "acknowledged_by": one.acknowledged_by or None,
        "closed_at": iso(one.closed_at.timestamp()) if one.closed_at else None,
        "closed_because": one.closed_because or None,
        "silenced_until": iso(one.silence.ends_at.timestamp()) if one.silence_id and not one.closed_at else None,
        "values": one.values,
        "members": one.members,
    }


def shown_silence(one: Silence) -> dict[str, Any]:
    return {
        "id": one.pk,
        "filter": one.filter,
        "rule": one.rule_id,
        "reason": one.reason,
        "created_by": one.created_by,
        "starts_at": iso(one.starts_at.timestamp()),
        "ends_at": iso(one.ends_at.timestamp()),
        "repeat": one.repeat,
        "until": iso(one.until.timestamp()) if one.until else None,
        "in_force": silences.in_force(one, timezone.now()) is not None,
        "incidents": one.incidents.filter(closed_at=None).count(),
    }
