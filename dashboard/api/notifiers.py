"""`notifiers`: ways of telling people. Their URLs are secrets, and never shown whole again."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Field, Router, Schema

from ..alerts import deeds
from ..alerts.telling import Sent
from ..models import Notifier, Telling
from ..snapshot import iso
from .auth import may
from .door import Flag, Whole
from .errors import ApiError
from .idempotency import once
from .paging import USUAL_LIMIT, as_json, short_list

router = Router(tags=["alerts"])


class NotifierIn(Schema):
    model_config = {"extra": "forbid"}
    name: str = Field(max_length=100)
    url: str = Field(max_length=2000, description="an Apprise URL: mailto, slack, pagerduty, json ... (README)")
    allow_private: Flag = Field(False, description="may speak to loopback and private addresses")
    per_minute: Whole = Field(20, description="messages a minute, at most; the others wait and are made one")


class NotifierChange(Schema):
    """What is to be another; what is left out stays."""

    model_config = {"extra": "forbid"}
    name: str | None = None
    url: str | None = None
    allow_private: Flag | None = None
    per_minute: Whole | None = None


class NotifierOut(Schema):
    id: int
    name: str
    url: str = Field(description="enough to know it again, without what is secret")
    scheme: str
    allow_private: bool
    per_minute: int
    managed_by: str
    last_sent_at: datetime | None
    last_error: str | None
    failing_since: datetime | None = Field(description="a message was given up then, and none arrived since")
    waiting: int = Field(description="messages that are still to be sent")


class NotifierList(Schema):
    items: list[NotifierOut]
    total: int
    next: str | None


class Tested(Schema):
    arrived: bool
    sent: str
    answered: str


@router.get("", auth=may("see"), response=NotifierList, operation_id="list_notifiers", summary="All notifiers")
def list_notifiers(
    request: HttpRequest, filter: str = "", sort: str = "name", limit: int = USUAL_LIMIT, cursor: str = ""
) -> HttpResponse:
    """`filter`: words that name or scheme hold."""
    items = [shown(one) for one in Notifier.objects.all()]
    sorts = ("name", "id", "scheme", "last_sent_at", "failing_since", "waiting")
    return short_list(items, ("name", "scheme"), sorts, filter, sort, limit, cursor)


@router.post(
    "", auth=may("change_notifiers"), response={201: NotifierOut}, operation_id="add_notifier", summary="Add one"
)
@once
def add_notifier(request: HttpRequest, payload: NotifierIn) -> tuple[int, Any]:
    return 201, shown(deeds.save_notifier(request.auth, None, payload.dict()))


@router.get("/{id}", auth=may("see"), response=NotifierOut, operation_id="get_notifier", summary="One notifier")
def get_notifier(request: HttpRequest, id: int) -> HttpResponse:
    return as_json(shown(find(id)))


@router.patch(
    "/{id}", auth=may("change_notifiers"), response=NotifierOut, operation_id="change_notifier", summary="Change it"
)
@once
def change_notifier(request: HttpRequest, id: int, payload: NotifierChange) -> tuple[int, Any]:
    fields = {name: value for name, value in payload.dict(exclude_unset=True).items() if value is not None}
    return 200, shown(deeds.save_notifier(request.auth, find(id), fields))


@router.delete(
    "/{id}", auth=may("change_notifiers"), response={204: None}, operation_id="delete_notifier", summary="Delete it"
)
@once
def delete_notifier(request: HttpRequest, id: int) -> tuple[int, Any]:
    deeds.delete_notifier(request.auth, find(id))
    return 204, None


@router.post(
    "/{id}/test", auth=may("change_notifiers"), response=Tested, operation_id="test_notifier", summary="Try it"
)
@once
def test_notifier(request: HttpRequest, id: int) -> tuple[int, Any]:
    """Sends a message that says that it is a test; what was sent, and what the service answered."""
    return 200, tested(deeds.test_notifier(request.auth, find(id)))


def tested(answer: Any) -> dict[str, Any]:
    if isinstance(answer, Sent):
        return {"arrived": True, "sent": answer.sent, "answered": answer.answered}
    return {"arrived": False, "sent": "", "answered": str(answer)}


def find(id: int) -> Notifier:
    notifier = Notifier.objects.filter(pk=id).first()
    if notifier is None:
        raise ApiError(404, f"There is no notifier {id}.")
    return notifier


def shown(one: Notifier) -> dict[str, Any]:
    return {
        "id": one.pk,
        "name": one.name,
        "url": one.safe_url,
        "scheme": one.scheme,
        "allow_private": one.allow_private,
        "per_minute": one.per_minute,
        "managed_by": one.managed_by,
        "last_sent_at": iso(one.last_sent_at.timestamp()) if one.last_sent_at else None,
        "last_error": one.last_error or None,
        "failing_since": iso(one.failing_since.timestamp()) if one.failing_since else None,
        "waiting": one.tellings.filter(state=Telling.State.WAITING).count(),
    }
