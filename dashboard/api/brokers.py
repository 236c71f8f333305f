"""`brokers`: what is polled, and how that goes."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from ninja import Field, Router, Schema

from .. import broker_deeds
from ..models import Broker
from ..snapshot import iso
from .auth import may
from .door import Flag, Number
from .errors import ApiError
from .idempotency import once
from .paging import USUAL_LIMIT, short_list

router = Router(tags=["brokers"])

SORTS = ("id", "name", "kind", "state", "last_poll_at", "poll_seconds", "queue_count")


class NewBroker(Schema):
    """A broker to be added; it is polled at once."""

    model_config = {"extra": "forbid"}
    url: str = Field(max_length=2000, description="with its password, which is kept encrypted and never shown again")
    name: str = Field("", max_length=100, description="default: name= of the URL, else its host")
    interval: Number | None = Field(None, description="seconds between polls, from 1 to 3600; default 10")
    look_only: Flag | None = Field(None, description="true: nothing on this broker is ever changed from here")
    acting_url: str | None = Field(
        None, max_length=2000, description="the same broker with a stronger credential, for looking and replaying"
    )


class BrokerChange(Schema):
    """What is to be another; what is left out stays."""

    model_config = {"extra": "forbid"}
    url: str | None = Field(None, max_length=2000, description="••• in place of the password keeps it")
    name: str | None = Field(None, max_length=100)
    interval: Number | None = Field(None, description="seconds between polls, from 1 to 3600")
    look_only: Flag | None = None
    acting_url: str | None = Field(None, max_length=2000, description="••• keeps its password; empty = none any more")
    paused: Flag | None = Field(None, description="alone, it needs only the role operator")


class BrokerOut(Schema):
    """A broker. null is what is not known."""

    id: int
    name: str
    kind: str
    url: str = Field(description="without its password")
    state: Literal["new", "reporting", "failing", "silent", "paused"]
    acting_url: str | None = Field(description="for looking and replaying, without its password")
    managed_by: str = Field(
        description="page, found; or environment, command line, apply, demo: then it is read-only here"
    )
    interval: float
    look_only: bool
    paused: bool
    created_at: datetime
    last_poll_at: datetime | None
    last_answer_at: datetime | None
    last_error: str | None
    last_error_at: datetime | None
    problems: list[str]
    poll_seconds: float | None
    poll_requests: int | None
    poll_bytes: int | None
    queue_count: int | None
    method: str | None = Field(description="how it is measured")
    version: str | None
    details: list[list[str]] = Field(description="what the broker says of itself: [label, value]")


class BrokerList(Schema):
    items: list[BrokerOut]
    total: int
    next: str | None


class CheckLine(Schema):
    power: str
    ok: bool
    sentence: str


class CheckOut(Schema):
    """`ok`: polling works. What follows the checks is there only then."""

    ok: bool
    checks: list[CheckLine]
    version: str | None = None
    queue_count: int | None = None
    method: str | None = None
    problems: list[str] | None = None
    poll_seconds: float | None = None
    poll_requests: int | None = None
    poll_bytes: int | None = None


@router.get("", auth=may("see"), response=BrokerList, operation_id="list_brokers", summary="All brokers")
def list_brokers(
    request: HttpRequest, filter: str = "", sort: str = "name", limit: int = USUAL_LIMIT, cursor: str = ""
) -> HttpResponse:
    """`filter`: words that name, kind, state or version hold. `sort`: a field, "-" before it turns it around."""
    items = [shown(broker) for broker in Broker.objects.all()]
    return short_list(items, ("name", "kind", "state", "version"), SORTS, filter, sort, limit, cursor)


@router.post("", auth=may("change_brokers"), response={201: BrokerOut}, operation_id="add_broker", summary="Add one")
@once
def add_broker(request: HttpRequest, payload: NewBroker) -> tuple[int, Any]:
    """Nothing is connected before it is saved; `POST brokers/{id}/check` tries it."""
    fields = payload.dict(exclude={"url"})
    return 201, shown(broker_deeds.add(request.auth, payload.url, **fields))


@router.get("/{id}", auth=may("see"), response=BrokerOut, operation_id="get_broker", summary="One broker")
def get_broker(request: HttpRequest, id: int) -> dict[str, Any]:
    return shown(find(id))


@router.patch("/{id}", auth=may("tend_brokers"), response=BrokerOut, operation_id="change_broker", summary="Change it")
@once
def change_broker(request: HttpRequest, id: int, payload: BrokerChange) -> tuple[int, Any]:
    """Pausing needs the role operator, everything else admin."""
    broker, said = find(id), payload.dict(exclude_unset=True)
    said = {field: value for field, value in said.items() if value is not None}
    if set(said) - {"paused"}:
        request.auth.must("change_brokers")
        url = said.pop("url", broker.safe_url)
        broker = broker_deeds.change(request.auth, broker, url, **said)
    elif "paused" in said:
        broker = broker_deeds.pause(request.auth, broker, said["paused"])
    return 200, shown(broker)


@router.delete(
    "/{id}", auth=may("change_brokers"), response={204: None}, operation_id="delete_broker", summary="Delete"
)
@once
def delete_broker(request: HttpRequest, id: int) -> tuple[int, Any]:
    """With its queues and their samples; that cannot be undone. Nothing on the broker itself changes."""
    broker_deeds.delete(request.auth, find(id))
    return 204, None


@router.post(
    "/{id}/check", auth=may("tend_brokers"), response=CheckOut, operation_id="check_broker", summary="Try each power"
)
@once
def check_broker(request: HttpRequest, id: int) -> tuple[int, Any]:
    """Connects, tries what each power needs, polls once; answers within about 15 seconds. Changes nothing there."""
    return 200, broker_deeds.check(request.auth, find(id)).as_json()


def find(id: int) -> Broker:
    """The broker. Raises ApiError (404)."""
    broker = Broker.objects.filter(pk=id).first()
    if broker is None:
        raise ApiError(404, f"There is no broker {id}.")
    return broker


def shown(broker: Broker) -> dict[str, Any]:
    """A broker as the API shows it."""

    def time(at: datetime | None) -> str | None:
        return iso(at.timestamp()) if at else None

    return {
        "id": broker.pk,
        "name": broker.name,
        "kind": broker.kind,
        "url": broker.safe_url,
        "acting_url": broker.safe_acting_url or None,
        "state": broker.state(timezone.now().timestamp()),
        "managed_by": broker.managed_by,
        "interval": broker.interval,
        "look_only": broker.look_only,
        "paused": broker.paused,
        "created_at": time(broker.created_at),
        "last_poll_at": time(broker.last_poll_at),
        "last_answer_at": time(broker.last_answer_at),
        "last_error": broker.last_error or None,
        "last_error_at": time(broker.last_error_at),
        "problems": broker.problems,
        "poll_seconds": broker.poll_seconds,
        "poll_requests": broker.poll_requests,
        "poll_bytes": broker.poll_bytes,
        "queue_count": broker.queue_count,
        "method": broker.method or None,
        "version": broker.version or None,
        "details": broker.details,
    }
