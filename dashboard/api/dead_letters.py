"""`dead-letters`: the index of letters over all brokers, listed, grouped, exported; one letter; causes."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from typing import Any

import numpy as np
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.utils import timezone
from ninja import Field, Router, Schema

from .. import audit
from ..access import withheld
from ..filters import FilterError
from ..letters import bodies, choosing, counting, deeds, places, showing
from ..letters.choosing import Sight
from ..letters.columns import distinct
from ..letters.listing import SORTS, ordered
from ..letters.masking import Masking
from ..live.feed import fleet
from ..models import Cause, Letter
from ..replay import editing
from ..ticks import Ints
from .auth import may
from .door import Id, Time
from .errors import ApiError
from .idempotency import once
from .paging import USUAL_LIMIT, as_json, check_limit, decode_cursor, encode_cursor

router = Router(tags=["dead letters"])

_EXPORTED_AT_ONCE = 500


class LetterOut(Schema):
    """A letter in the index. `count`: how many equal ones lie there."""

    id: int
    key: str
    queue_id: int
    queue: str
    broker: str
    cause: dict[str, Any]
    type: str
    count: int
    size_bytes: int
    enqueued_at: datetime | None
    died_at: datetime | None
    attempts: int | None
    replayed: int
    first_seen: datetime
    last_seen: datetime
    expires_at: datetime | None
    gone_at: datetime | None
    place: str
    preview: str | None = Field(description="the beginning of its body, with preview=true, where it may be seen")


class Decoded(Schema):
    """A body after all its layers were peeled; masked, and bounded."""

    steps: list[dict[str, Any]] = Field(description="the layers, outermost first: name, detail, fields")
    structured: bool
    value: Any = Field(description="when structured")
    text: str | None = Field(description="when not: the text, a hex dump or a disassembly")
    type: str | None
    notes: list[str]


class WholeLetter(LetterOut):
    """A letter with what is in it, as far as it is kept."""

    body_kept: bool
    hidden: str | None = Field(description="why something is not there, a sentence")
    headers: dict[str, Any]
    properties: list[list[str]]
    content_type: str | None = None
    content_encoding: str | None = None
    decoded: Decoded | None
    body: str | None = Field(description="the raw body, its first 64 KB")
    body_encoding: str | None = Field(description="text or base64")
    path: list[str] = Field(description="from where it was sent to where it lies")
    history: list[dict[str, Any]] = Field(description="its deaths, the latest first, each with a sentence")


class TakenOut(Schema):
    """Of how many letters a count was taken, and when."""

    taken: int
    of: int | None
    exact: bool
    as_of: datetime | None
    sentence: str = Field(description="from 2,000 of 184,000, 3 min ago")


class LetterList(Schema):
    items: list[LetterOut]
    total: int = Field(description="different letters")
    next: str | None
    messages: int = Field(description="letters that are equal counted as often as they lie there")
    taken: TakenOut
    searched: str | None = Field(description="of how many what is in them was searched, where the filter asks for it")
    withheld: str | None = Field(description="why no preview is given although it was asked for, a sentence")


class GroupOut(Schema):
    """Letters of one cause, in one queue, or of one type."""

    key: int | str
    title: str
    detail: str
    count: int
    letters: int
    new: int = Field(description="first seen since `since`; without it, died in the last hour")
    first_at: datetime | None
    last_at: datetime | None
    trend: list[int] = Field(description="messages that died in each of the last 24 hours")
    queues: list[dict[str, Any]]
    queue_count: int
    cause_count: int
    expires_at: datetime | None = Field(description="when its broker drops the first of them")
    replayed: int
    bytes: int
    taken: TakenOut
    place: dict[str, Any] | None = Field(description="of a queue: how it is looked into, when it last was, what failed")
    fingerprint: str | None
    frame: str | None
    note: str | None
    noted_by: str | None
    snoozed_until: datetime | None


class GroupList(Schema):
    items: list[GroupOut]
    total: int
    next: str | None
    summary: dict[str, Any]


class CauseChange(Schema):
    """What is to be another; what is left out stays."""

    model_config = {"extra": "forbid"}
    note: str | None = Field(None, description="empty takes it away")
    snoozed_until: Time | None = Field(None, description="null wakes it")


class CauseOut(Schema):
    key: int
    title: str
    detail: str
    fingerprint: str
    frame: str | None
    note: str | None
    noted_by: str | None
    snoozed_until: datetime | None


@router.get("", auth=may("see"), response=LetterList, operation_id="list_dead_letters", summary="All dead letters")
def list_dead_letters(
    request: HttpRequest,
    filter: str = "",
    sort: str = "-died_at",
    limit: int = USUAL_LIMIT,
    cursor: str = "",
    queue_id: Id = 0,
    preview: bool = False,
) -> HttpResponse:
    """`filter`: the filter language of dead letters (`queue broker cause error type body header.NAME died attempts
    size replayed age`, `is:gone`, `is:snoozed`). `preview` shows the beginning of bodies, and is audited."""
    check_limit(limit)
    after = decode_cursor(cursor, (sort, filter, str(queue_id)))
    table, rows = find(request, filter, queue_id)
    try:
        page, key = ordered(table.index, rows, sort, limit, after)
    except ValueError as error:
        raise ApiError(400, str(error), "sort") from None
    shown = _rows(request, table.index.ids[page[:limit]].tolist(), preview, filter)
    last = int(table.index.ids[page[limit - 1]]) if len(page) > limit else 0
    next = encode_cursor((sort, filter, str(queue_id)), key, last) if last else None
    now = time.time()
    covered = places.Coverage(table.index, places.holders(fleet().snapshot()), places.rows())
    queues, _ = distinct(table.index.whole["queue_id"][rows])
    return as_json(
        {
            "items": shown,
            "total": len(rows),
            "next": next,
            "messages": int(table.index.whole["count"][rows].sum()),
            "taken": covered.over(queues).shown(now),
            "searched": None if table.searched is None else table.searched.sentence,
            "withheld": (withheld(request.auth.role) or None) if preview else None,
        }
    )


@router.get(
    "/causes", auth=may("see"), response=GroupList, operation_id="group_dead_letters", summary="In groups, counted"
)
def group_dead_letters(
    request: HttpRequest,
    filter: str = "",
    group: str = "cause",
    since: Time | None = None,
    sort: str = "-count",
    limit: int = USUAL_LIMIT,
    cursor: str = "",
) -> HttpResponse:
    """`group`: cause, queue or type. `sort`: count, letters, new, first_at, last_at or bytes. Snoozed causes only with
    is:snoozed."""
    check_limit(limit)
    after = decode_cursor(cursor, (group, filter, sort))
    start = after[1] if after else 0
    known_since = None if since is None else since.timestamp()
    try:
        sight = Sight.of(request.auth)
        found = counting.count(fleet().snapshot(), filter, group, sight, known_since, start, limit, sort=sort)
    except FilterError as error:
        raise _bad_filter(error) from None
    except ValueError as error:
        raise ApiError(400, str(error), str(error).split()[0]) from None
    more = start + limit < found.total
    next = encode_cursor((group, filter, sort), None, start + limit) if more else None
    return as_json({"items": found.items, "total": found.total, "next": next, "summary": found.summary})


@router.patch(
    "/causes/{id}", auth=may("note_causes"), response=CauseOut, operation_id="change_cause", summary="Note, snooze"
)
@once
def change_cause(request: HttpRequest, id: int, payload: CauseChange) -> tuple[int, Any]:
    cause = Cause.objects.filter(pk=id).first()
    if cause is None:
        raise ApiError(404, f"There is no cause {id}.")
    said = payload.dict(exclude_unset=True)
    if said.get("note") is not None:
        cause = deeds.note_cause(request.auth, cause, said["note"])
    if "snoozed_until" in said:
        until = said["snoozed_until"]
        cause = deeds.snooze_cause(request.auth, cause, None if until is None else until.timestamp())
    return 200, counting.of_cause(cause)


@router.get("/export", auth=may("see_payloads"), operation_id="export_dead_letters", summary="As NDJSON, filtered")
def export_dead_letters(
    request: HttpRequest, filter: str = "", sort: str = "-died_at", queue_id: Id = 0
) -> HttpResponse:
    """One letter a line, with what is kept of it, masked; ASCII alone, so that nothing in it acts on a terminal."""
    table, rows = find(request, filter, queue_id)
    try:
        page, _ = ordered(table.index, rows, sort, len(rows), None)
    except ValueError as error:
        raise ApiError(400, str(error), "sort") from None
    audit.record(request.auth.who, "export letters", filter[:300], letters=len(page))
    lines = _lines(table.index.ids[page])

    async def piecewise() -> AsyncIterator[bytes]:  # else Django takes everything together before it sends
        from asgiref.sync import sync_to_async

        while (piece := await sync_to_async(next)(lines, None)) is not None:
            yield piece

    content = piecewise() if isinstance(request, ASGIRequest) else lines
    response = StreamingHttpResponse(content, content_type="application/x-ndjson")
    name = f"weir-dead-letters-{timezone.now():%Y-%m-%dT%H%MZ}.ndjson"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _lines(ids: Ints) -> Iterator[bytes]:
    masking = Masking.load()
    for at in range(0, len(ids), _EXPORTED_AT_ONCE):
        batch = ids[at : at + _EXPORTED_AT_ONCE].tolist()
        found = {row.pk: row for row in Letter.objects.filter(pk__in=batch).select_related("cause", "queue__broker")}
        kept = bodies.find(batch, time.time())
        told = (showing.whole(found[id], kept.get(id), masking) for id in batch if id in found)
        yield b"".join(showing.line(row) for row in told)


@router.get(
    "/{id}", auth=may("see_payloads"), response=WholeLetter, operation_id="get_dead_letter", summary="One letter, read"
)
def get_dead_letter(request: HttpRequest, id: int) -> HttpResponse:
    """Decoded through all its layers, with its headers, path, deaths and raw body; masked; audited."""
    row, kept = _letter(request, id)
    return as_json(showing.whole(row, kept, Masking.load()))


@router.get("/{id}/body", auth=may("see_payloads"), operation_id="download_dead_letter", summary="Its raw body")
def download_dead_letter(request: HttpRequest, id: int) -> HttpResponse:
    """As it came, byte for byte. Refused (409) when a rule masks a part of it."""
    row, kept = _letter(request, id)
    if kept is None:
        raise ApiError(404, "What is in it is no longer kept here; look into its queue to see it again.")
    masked = showing.read(kept, Masking.load(), row.queue.name).masked.touched
    if masked:
        raise ApiError(409, "The raw body is not given: a rule masks a part of it.")
    response = HttpResponse(kept.body, content_type="application/octet-stream")
    response["Content-Disposition"] = f'attachment; filename="letter-{id}.bin"'
    if len(kept.body) < kept.size:
        response["Weir-Cut"] = f"the first {len(kept.body)} of {kept.size} bytes"
    return response


@router.get("/{id}/edit", auth=may("edit_letters"), operation_id="edit_dead_letter", summary="To be edited")
def edit_dead_letter(request: HttpRequest, id: int) -> HttpResponse:
    """Its body as a text; where a rule masks a part, as JSON with masks that have to stay; null where it cannot be
    edited (`why_not`). Its headers, each with its type, and why it is `fixed`. To be sent by `POST replays`."""
    row, _ = _letter(request, id)
    request.auth.must("see_payloads")
    return as_json({"id": id, "queue_id": row.queue_id} | editing.editable(row.queue, row.key))


def _letter(request: HttpRequest, id: int) -> tuple[Letter, Any]:
    row = Letter.objects.filter(pk=id).select_related("cause", "queue__broker").first()
    if row is None:
        raise ApiError(404, f"There is no letter {id}.")
    kept = bodies.find([id], time.time()).get(id)
    if kept is not None:
        audit.record(request.auth.who, "see letter", row.queue.name, letter=id, broker=row.queue.broker.name)
    return row, kept


def _rows(request: HttpRequest, ids: list[int], preview: bool, filter: str) -> list[dict[str, Any]]:
    previews = preview and request.auth.can("see_payloads")
    rows = showing.rows(ids, previews, Masking.load())
    if previews and any(row["body_kept"] for row in rows):
        audit.record(request.auth.who, "see letters", filter[:300], letters=sum(row["body_kept"] for row in rows))
    return rows


def find(request: HttpRequest, filter: str, queue_id: int = 0) -> tuple[choosing.Table, Ints]:
    """The index, and the rows that a filter shows. Raises ApiError (400)."""
    table = choosing.table(Sight.of(request.auth))
    try:
        mask = choosing.mask(filter, table)
    except FilterError as error:
        raise _bad_filter(error) from None
    if queue_id:
        mask &= table.index.whole["queue_id"] == queue_id
    return table, np.flatnonzero(mask)


def _bad_filter(error: FilterError) -> ApiError:
    return ApiError(400, str(error), "filter")


__all__ = ["SORTS", "router"]
