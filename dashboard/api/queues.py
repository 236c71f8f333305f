"""`queues`: what is known now of every queue. Rows go straight from the snapshot to JSON."""

from __future__ import annotations

from bisect import bisect_left
from datetime import datetime
from typing import Any, Literal

import numpy as np
from django.http import HttpRequest, HttpResponse
from ninja import Field, Router, Schema
from numpy.typing import NDArray

from .. import broker_deeds, queue_deeds
from ..filters import FilterError
from ..live import sorting, view
from ..live.feed import fleet
from ..models import Queue
from ..snapshot import Snapshot
from ..ticks import Floats
from .auth import may
from .door import LARGEST, Flag, Whole
from .errors import ApiError
from .idempotency import once
from .paging import USUAL_LIMIT, Key, as_json, check_limit, decode_cursor, encode_cursor, listing, rows_after

router = Router(tags=["queues"])

_TEXTS = ("name", "broker", "kind", "dialect")
SORTS = ("id", *(column for column in sorting.COLUMNS if column))


class QueueOut(Schema):
    """A queue now. A number is null when the broker cannot tell, 0 only when it said zero."""

    id: int
    broker: str
    broker_id: int
    name: str
    kind: str
    dialect: str | None
    state: str = Field(description="idle, steady, draining, growing, stalled, unknown")
    state_since: datetime | None
    reason: str = Field(description="why it is in this state, a sentence")
    stale: bool = Field(description="the broker is silent: these are its last values, and the state is unknown")
    depth: float | None
    in_flight: float | None
    delayed: float | None
    in_rate: float | None
    out_rate: float | None
    net_rate: float | None
    lag_seconds: float | None
    lag_messages: float | None
    lag_method: str | None
    wait_seconds: float | None
    clears_in_seconds: float | None = Field(description="null also when it never clears: see never_clears")
    never_clears: bool
    consumers: float | None
    dead_letters: float | None
    redelivery_rate: float | None
    dead_letter_queue_id: int | None
    dead_letter_of: list[int]
    holds_dead_letters: bool = Field(description="by the broker, by its name, or as people said")
    quality: dict[str, str] = Field(description="how each number is known: exact, approximate, estimated, unknown")
    sampled_at: datetime | None
    gone_at: datetime | None = Field(description="since when its broker no longer shows it; found by is:gone")
    hidden: bool = Field(description="by its broker or by people; found by is:hidden")
    why_hidden: str | None
    tags: list[str] = Field(description="from the broker, a file and people")
    tags_by_hand: list[str] = Field(description="those of people: what PATCH sets")


class QueueChange(Schema):
    """What is to be another; what is left out stays."""

    model_config = {"extra": "forbid"}
    tags: list[str] | None = Field(None, description="all tags by hand; such as the broker gives are left out")
    hidden: Flag | None = None
    holds_dead_letters: Literal["yes", "no", "auto"] | None = Field(None, description="auto: as the broker says")
    dead_letter_of: list[Whole] | None = Field(
        None, max_length=100, description="with holds_dead_letters yes: ids of queues whose dead letters arrive in it"
    )
    ignored: Flag | None = Field(None, description="left out of the polls by exclude= of the broker's URL; for admins")


class QueueList(Schema):
    items: list[QueueOut]
    total: int
    next: str | None


@router.get("", auth=may("see"), response=QueueList, operation_id="list_queues", summary="All queues, filtered")
def list_queues(
    request: HttpRequest, filter: str = "", sort: str = "id", limit: int = USUAL_LIMIT, cursor: str = ""
) -> HttpResponse:
    """`filter` is the filter language (`state:growing depth>1k broker:prod-*`); hidden queues only with is:hidden.

    `sort`: a field, "-" before it turns it around; unknown comes last either way. "attention" is the most urgent
    first.
    """
    check_limit(limit)
    after = decode_cursor(cursor, (sort, filter))
    snapshot = fleet().snapshot()
    shown = np.flatnonzero(mask(filter, snapshot))
    keys, name_of = _keys(snapshot, sort)
    if after is not None and name_of is not None:
        after = (_place(after[0], name_of, sort), after[1])
    rows = rows_after(keys, snapshot.ids, shown, after)
    page = rows[:limit].tolist()
    cursor_next = None
    if len(rows) > limit:
        last = page[-1]
        key: Key = name_of[last] if name_of is not None else _number(keys[last])
        cursor_next = encode_cursor((sort, filter), key, int(snapshot.ids[last]))
    return listing([snapshot.row(i) for i in page], len(shown), cursor_next)


@router.get("/{id}", auth=may("see"), response=QueueOut, operation_id="get_queue", summary="One queue")
def get_queue(request: HttpRequest, id: int) -> HttpResponse:
    snapshot = fleet().snapshot()
    row = snapshot.index(id)
    if row is None:
        find_queues([id])
        raise ApiError(404, f"Queue {id} was not in its broker's last answers; its series are still there.")
    return as_json(snapshot.row(row))


@router.patch(
    "/{id}", auth=may("mark_queues"), response=QueueOut, operation_id="change_queue", summary="Tag it, hide it"
)
@once
def change_queue(request: HttpRequest, id: int, payload: QueueChange) -> tuple[int, Any]:
    """In Weir's own books: its broker notices nothing. Who changes `ignored` must be an admin."""
    [queue] = find_queues([id])
    if payload.tags is not None:
        queue_deeds.tag(request.auth, queue, payload.tags)
    if payload.ignored is not None:
        request.auth.must("change_brokers")
        broker_deeds.ignore(request.auth, queue, payload.ignored)
    if payload.hidden is not None:
        queue_deeds.hide(request.auth, [id], payload.hidden)
    if payload.holds_dead_letters is not None or payload.dead_letter_of is not None:
        said = payload.holds_dead_letters or "yes"
        queue_deeds.mark_dead_letters(request.auth, queue, said, find_queues(payload.dead_letter_of or []))
    snapshot = fleet().snapshot()
    row = snapshot.index(id)
    if row is None:
        raise ApiError(404, f"Queue {id} is marked; it was not in its broker's last answers.")
    return 200, snapshot.row(row)


@router.delete(
    "/{id}", auth=may("delete_queues"), response={204: None}, operation_id="delete_queue", summary="Delete from archive"
)
@once
def delete_queue(request: HttpRequest, id: int) -> tuple[int, Any]:
    """With its history; that cannot be undone. Only a queue that is gone (is:gone) can be deleted."""
    [queue] = find_queues([id])
    if not queue_deeds.delete(request.auth, [id]):
        raise ApiError(409, f"{queue.name} is there: only what its broker no longer shows can be deleted.")
    return 204, None


def find_queues(ids: list[int]) -> list[Queue]:
    """Queues by id, also such as are gone. Raises ApiError (404) naming the first that never was."""
    found = {queue.pk: queue for queue in Queue.objects.filter(pk__in=[id for id in ids if 0 < id <= LARGEST])}
    for id in ids:
        if id not in found:
            raise ApiError(404, f"There is no queue {id}.", "queues")
    return [found[id] for id in ids]


def mask(text: str, snapshot: Snapshot) -> NDArray[np.bool_]:
    """Which queues a filter shows. Raises ApiError (400) with the position of what is wrong."""
    try:
        return view.mask(text.strip(), snapshot)
    except FilterError as error:
        raise ApiError(400, str(error), "filter") from None


def _keys(snapshot: Snapshot, sort: str) -> tuple[Floats, list[str] | None]:
    """What rows are sorted by, ascending, NaN last; and the texts behind it where it is a text."""
    name, sign = sort.removeprefix("-"), -1.0 if sort.startswith("-") else 1.0
    if name not in SORTS:
        raise ApiError(400, f"sort must be one of {', '.join(SORTS)}, or -name of one.", "sort")
    column = sorting.COLUMNS.get(name, name)
    if column in _TEXTS:
        texts = [text.casefold() for text in snapshot.texts(column)]
        places = {text: float(place) for place, text in enumerate(_known(texts))} | {"": np.nan}
        return sign * np.fromiter(map(places.__getitem__, texts), np.float64, len(texts)), texts
    return sign * _numbers(snapshot, column), None


def _numbers(snapshot: Snapshot, column: str) -> Floats:
    if column == "id":
        return snapshot.ids.astype(np.float64)
    if column == "attention":
        return -sorting.urgency(snapshot)
    if column == "state":
        return np.argsort(sorting.SEVERITY).astype(np.float64)[snapshot.state]
    if column == "balance":
        return snapshot.column("in_rate") - snapshot.column("out_rate")
    if column in ("state_since", "sampled_at"):
        return snapshot.since if column == "state_since" else snapshot.sampled_at
    return np.nan_to_num(snapshot.column(column), nan=np.nan)  # "never" as a very large number: JSON knows no infinity


def _place(text: Key, texts: list[str], sort: str) -> Key:
    """Where a text of an earlier page stands among those of now: half a place before the next when it is gone."""
    if not isinstance(text, str) or text == "":
        return None
    known = _known(texts)
    at = bisect_left(known, text)
    place = float(at) if at < len(known) and known[at] == text else at - 0.5
    return -place if sort.startswith("-") else place


def _known(texts: list[str]) -> list[str]:
    return sorted(set(texts) - {""})


def _number(value: float) -> Key:
    return None if np.isnan(value) else float(value)
