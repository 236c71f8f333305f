"""`queues/{id}/look`, `queues/{id}/looks`, `looks/{id}/messages`: looking into a queue, with the price said first."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any

import orjson
from django.http import HttpRequest, HttpResponse
from ninja import Field, Router, Schema

from .. import audit
from ..access import Principal, withheld
from ..gone import gone
from ..letters import bodies, deeds, looks, showing
from ..letters.masking import Masking
from ..letters.showing import time_of
from ..models import Letter, Look, Queue
from .auth import may
from .door import Flag, Whole
from .errors import ApiError
from .idempotency import once
from .paging import as_json, check_limit, decode_cursor, encode_cursor

router = Router(tags=["looks"])

PAGE = 50


class Budget(Schema):
    """What is left of looking into a queue, where its broker counts deliveries."""

    limit: int | None = Field(description="how often a letter may be delivered there; null = no limit")
    deliveries: int = Field(description="the highest count that a letter may have, Weir's looks included")
    looks_left: int | None = Field(description="before one could take a letter to the limit; null = no end")


class OfferOut(Schema):
    """What a look costs here. `refused`: why it cannot be done."""

    queue_id: int
    price: str
    free: bool
    hidden_seconds: float
    beyond: str | None
    renews: bool
    budget: Budget
    refused: str | None
    by_itself: bool = Field(description="Weir looks by itself, within half of the budget")
    looked_at: datetime | None
    of: int | None
    error: str | None = Field(description="why the last look failed")


class LookIn(Schema):
    model_config = {"extra": "forbid"}
    limit: Whole = Field(looks.USUAL, ge=1, le=looks.MOST)


class ByItself(Schema):
    model_config = {"extra": "forbid"}
    by_itself: Flag


class ByItselfOut(Schema):
    queue_id: int
    by_itself: bool


class MessageOut(Schema):
    """A message that a look saw. Without the right to see payloads, headers, body and decoded are empty."""

    id: int = Field(description="of the letter in the index")
    key: str = Field(description="the broker's own id where it stays the same, else a fingerprint")
    enqueued_at: datetime | None
    died_at: datetime | None
    attempts: int | None
    cause: dict[str, Any]
    size_bytes: int
    headers: dict[str, Any]
    body: str | None
    body_encoding: str | None = Field(description="text or base64")
    decoded: dict[str, Any] | None
    hidden: str | None = Field(description="why something is not there")
    history: list[dict[str, Any]]


class LookOut(Schema):
    id: int
    queue_id: int
    by: str
    price: str
    as_of: datetime
    expires_at: datetime
    taken: int
    of: int | None
    exact: bool
    renewed: int
    notes: list[str]
    items: list[MessageOut]
    total: int = Field(description="what this look took: as many as can be paged through")
    next: str | None


@router.get("/queues/{id}/look", auth=may("see"), response=OfferOut, operation_id="price_look", summary="Its price")
def price_look(request: HttpRequest, id: int) -> dict[str, Any]:
    """What a look into this queue costs, in words and numbers, and what is left of the budget. Touches no message."""
    queue = find_queue(id)
    offer = looks.offer(queue)
    price, place = offer.price, offer.place
    return {
        "queue_id": queue.pk,
        "price": price.sentence,
        "free": price.free,
        "hidden_seconds": price.hidden_seconds,
        "beyond": price.beyond or None,
        "renews": price.renews,
        "budget": {"limit": price.limit, "deliveries": place.deliveries, "looks_left": offer.left},
        "refused": offer.refused or None,
        "by_itself": place.by_itself,
        "looked_at": time_of(place.looked_at),
        "of": place.of,
        "error": place.error or None,
    }


@router.patch(
    "/queues/{id}/look",
    auth=may("look"),
    response=ByItselfOut,
    operation_id="look_by_itself",
    summary="Let Weir look by itself",
)
@once
def look_by_itself(request: HttpRequest, id: int, payload: ByItself) -> tuple[int, Any]:
    """Where looking has a price, Weir looks only when it is asked to, unless this is on."""
    place = deeds.look_by_itself(request.auth, find_queue(id), payload.by_itself)
    return 200, {"queue_id": id, "by_itself": place.by_itself}


@router.post("/queues/{id}/looks", auth=may("look"), response={201: LookOut}, operation_id="look", summary="Look")
def look(request: HttpRequest, id: int, payload: LookIn | None = None) -> HttpResponse:
    """See letters without taking them, within the budget: 409 with a sentence when it is spent. `items` is the first
    page; more of the same look is at `looks/{id}/messages`, from Weir's own copy."""
    made = _look(request, id, payload or LookIn())
    row = Look.objects.get(pk=orjson.loads(made.content)["id"])
    response = as_json(shown(request.auth, row, 0, PAGE))
    response.status_code = 201
    if "Idempotency-Replayed" in made.headers:
        response["Idempotency-Replayed"] = made["Idempotency-Replayed"]
    return response


@once
def _look(request: HttpRequest, id: int, payload: LookIn) -> tuple[int, Any]:
    """Only the look's number is kept for a repeated call: no payload lies about unencrypted."""
    return 201, {"id": looks.look(request.auth, find_queue(id), payload.limit, gone(request)).pk}


@router.get(
    "/looks/{id}/messages", auth=may("look"), response=LookOut, operation_id="list_look", summary="What a look saw"
)
def list_look(request: HttpRequest, id: int, limit: int = PAGE, cursor: str = "") -> HttpResponse:
    """Weir's own copy, until it expires: the broker is not asked again."""
    check_limit(limit)
    row = Look.objects.filter(pk=id, expires_at__gt=time.time()).first()
    if row is None:
        raise ApiError(404, f"There is no look {id}, or it has expired: look again.")
    after = decode_cursor(cursor, ("look", str(id)))
    return as_json(shown(request.auth, row, after[1] if after else 0, limit))


def shown(principal: Principal, row: Look, offset: int, limit: int) -> dict[str, Any]:
    """A page of a look; that somebody saw it is audited."""
    ids = row.letters[offset : offset + limit]
    more = offset + limit < len(row.letters)
    return {
        "id": row.pk,
        "queue_id": row.queue_id,
        "by": row.by,
        "price": row.price,
        "as_of": time_of(row.at),
        "expires_at": time_of(row.expires_at),
        "taken": len(row.letters),
        "of": row.of,
        "exact": row.exact,
        "renewed": row.renewed,
        "notes": row.notes,
        "items": messages(principal, row.queue, ids, f"look {row.pk}"),
        "total": len(row.letters),
        "next": encode_cursor(("look", str(row.pk)), None, offset + limit) if more else None,
    }


def messages(principal: Principal, queue: Queue, ids: list[int], what: str) -> list[dict[str, Any]]:
    """Letters with what is in them, as far as it is kept and may be seen; audited where it is."""
    allowed, masking = principal.can("see_payloads"), Masking.load()
    rows = {r.pk: r for r in Letter.objects.filter(pk__in=ids).select_related("cause", "queue__broker")}
    kept = bodies.find(list(rows), time.time()) if allowed else {}
    if kept:
        audit.record(principal.who, "see letters", queue.name, what=what, letters=len(kept))
    out = []
    for id in ids:
        if id in rows:
            told = showing.whole(rows[id], kept.get(id), masking)
            if not allowed:
                told["hidden"] = withheld(principal.role)
            out.append({name: told.get(name) for name in MessageOut.model_fields})
    return out


def find_queue(id: int) -> Queue:
    """The queue with its broker. Raises ApiError (404)."""
    queue = Queue.objects.filter(pk=id).select_related("broker").first()
    if queue is None:
        raise ApiError(404, f"There is no queue {id}.")
    return queue
