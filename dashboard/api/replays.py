"""`replays`: letters on their way back, and what became of each."""

from __future__ import annotations

from typing import Any, Literal

import plotly.io
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from ninja import Field, Router, Schema

from ..models import Queue, Replay
from ..models.replays import holding
from ..replay import deeds, keeping, pruning, showing, staging, way_back
from ..replay.chart import replay_figure
from ..replay.places import journal_path
from ..replay.report import KINDS, Asked, Reading
from ..replay.states import JournalError
from .auth import may
from .door import Flag, Id, Number, Whole
from .errors import ApiError
from .idempotency import once
from .paging import USUAL_LIMIT, by_number, check_limit, check_sort, decode_cursor, encode_cursor, listing

router = Router(tags=["replays"])


class Selection(Schema):
    """Which letters: exactly one of these."""

    model_config = {"extra": "forbid"}
    all: Flag | None = None
    ids: list[Whole | str] | None = Field(None, max_length=deeds.MOST_IDS, description="ids or keys of dead letters")
    filter: str | None = Field(None, max_length=2000, description="the filter language of dead letters")
    cause: str | None = Field(None, max_length=64, description="fingerprint of a cause")
    oldest: Whole | None = Field(None, description="so many, the oldest first")
    others: Flag | None = Field(None, description="with ids, filter or cause: all but these")


class To(Schema):
    """One queue of the same broker; or, where the broker knows them, an exchange, which reaches all who listen."""

    model_config = {"extra": "forbid"}
    queue_id: Whole | None = None
    exchange: str | None = Field(None, max_length=300)
    routing_key: str | None = Field(None, max_length=300)


class Edit(Schema):
    """The letter's new body (null: as it is), and headers that differ (null takes one away); each keeps its type. What
    is masked stays as it was."""

    model_config = {"extra": "forbid"}
    body: str | None = Field(None, max_length=1024 * 1024)
    headers: dict[str, Any] = {}


class NewReplay(Schema):
    """Letters of one queue, to be sent again, moved, copied or deleted."""

    model_config = {"extra": "forbid"}
    queue_id: Whole
    selection: Selection
    deed: Literal["replay", "move", "copy", "delete"] = "replay"
    to: To | None = Field(None, description="null: each to the queue in which it died, which no other queue notices")
    rate: Number | None = Field(None, description="messages a second; null = no limit")
    trial: Whole = Field(0, description="so many first, then it waits whether they come back; 0 = none")
    dry_run: Flag = Field(True, description="false starts it as soon as it is planned")
    allow_replayed: Flag = Field(False, description="also such as were replayed three times or more")
    options: list[str] = Field([], max_length=100, description="of those in planned.options")
    limits: dict[str, Number | None] = Field(
        {}, description="depth, lag (of the destination), came_back (per cent), watch, trial_wait (seconds)"
    )
    edit: Edit | None = None
    how: Literal["weir", "broker"] = Field(
        "weir",
        description="weir: letter by letter, with a journal; broker: by its own move, where planned.own_move offers it",
    )
    beyond_bound: Flag = Field(False, description="of a deletion: also what there is no room to keep")
    confirm: Whole | None = Field(None, description="the count, where the plan asks for it")


class Confirm(Schema):
    model_config = {"extra": "forbid"}
    confirm: Whole | None = Field(None, description="the count, where the plan asks for it")


class RateChange(Schema):
    model_config = {"extra": "forbid"}
    rate: Number | None = Field(description="messages a second; null = no limit")


class ReplayOut(Schema):
    """A replay. `planned` is its plan: count, size (bytes), destinations, estimate (seconds), warnings, confirm ..."""

    id: int
    replay_id: str = Field(description="the first part of replay-id in the headers of its copies")
    deed: str
    queue_id: int | None
    queue: str
    broker: str
    selection: dict[str, Any]
    to: dict[str, Any] | None
    rate: float | None
    trial: int
    how: str
    allow_replayed: bool
    options: list[str]
    limits: dict[str, float | None]
    edited: bool
    repeats: int | None
    stages: bool = Field(description="a move of what was not chosen to a staging queue")
    state: str = Field(
        description="planning, planned, trial, ramping, running, yielding, paused, watching, done, stopped, failed"
    )
    reason: str | None
    trouble: str | None
    waits_until: str | None = Field(description="when what it waits for, as reason says, is over at the latest")
    total: int | None
    sent: int
    removed: int
    came_back: int | None = Field(description="null: not known (a broker's own move)")
    failed: int
    skipped: int
    possibly_duplicated: int | None
    unmarked: int = Field(description="copies without any mark, for which their message has no room: known by contents")
    part_marked: int = Field(description="copies that bear only some of the marks")
    unreplicated: int = Field(description="moves that no replica of the server had in time: a fail-over may undo them")
    journal_removed_at: str | None = Field(description="from then on it is not known what became of each message")
    notes: list[str] = Field(description="what is to be known of it beside, in sentences")
    back: dict[str, Any] | None = Field(
        description="of a move to a staging queue that is over: its way back (replay, state), how many are left there"
    )
    per_second: float | None
    seconds_left: float | None
    made_at: str | None
    made_by: str
    started_at: str | None
    started_by: str | None
    told_at: str | None
    ended_at: str | None
    planned: dict[str, Any] | None


class ReplayList(Schema):
    items: list[ReplayOut]
    total: int
    next: str | None


class ReplayedOut(Schema):
    """What became of one message."""

    n: int = Field(description="its copy bears replay-id REPLAY_ID.n")
    key: str
    state: str = Field(description="planned, leased, sending, sent, removed, failed, skipped, came_back")
    size_bytes: int | None = Field(description="null: not known")
    destination: str | None
    possibly_duplicated: bool
    marks: list[str] = Field(description="the headers of this replay for which its copy has room")
    why: str | None
    at: str | None


class ReplayedList(Schema):
    items: list[ReplayedOut]
    total: int
    next: str | None


@router.get("", auth=may("see"), response=ReplayList, operation_id="list_replays", summary="All replays")
def list_replays(
    request: HttpRequest,
    filter: str = "",
    state: str = "",
    queue_id: Id = 0,
    sort: str = "-id",
    limit: int = USUAL_LIMIT,
    cursor: str = "",
) -> HttpResponse:
    """Deletions left out. `filter`: words that deed, queue, broker or who made it hold, or its number. `state`: several
    with commas between. `sort`: id or -id, which is also the order in which they were made."""
    found = Replay.objects.exclude(deed__in=(Replay.Deed.DELETE, Replay.Deed.RESTORE)).filter(holding(filter))
    if state:
        for one in (states := state.split(",")):
            if one not in Replay.State.values:
                raise ApiError(400, f"state must be one of {', '.join(Replay.State.values)}.", "state")
        found = found.filter(state__in=states)
    if queue_id:
        found = found.filter(queue=queue_id)
    context = (filter, state, str(queue_id))
    return by_number(found.select_related("queue"), showing.replay, context, sort, limit, cursor)


@router.post(
    "", auth=may("replay"), response={201: ReplayOut, 202: ReplayOut}, operation_id="add_replay", summary="Plan, start"
)
@once
def add_replay(request: HttpRequest, payload: NewReplay) -> tuple[int, Any]:
    """With `dry_run` (the default) nothing is sent: the answer is the plan. 202: it is still being planned."""
    to = payload.to.dict(exclude_none=True) if payload.to is not None else None
    selection = payload.selection.dict(exclude_none=True)
    if payload.beyond_bound:
        selection["beyond_bound"] = True
    made = deeds.make(
        request.auth,
        queue_of(payload.queue_id),
        selection,
        payload.deed,
        to,
        payload.rate,
        payload.trial,
        allow_replayed=payload.allow_replayed,
        options=payload.options,
        limits=payload.limits,
        edit=payload.edit.dict() if payload.edit is not None else None,
        how=payload.how,
        start_at_once=not payload.dry_run,
        confirm=payload.confirm,
    )
    return (202 if made.state == Replay.State.PLANNING else 201), showing.replay(made)


@router.get("/{id}", auth=may("see"), response=ReplayOut, operation_id="get_replay", summary="One replay")
def get_replay(request: HttpRequest, id: int) -> dict[str, Any]:
    return showing.replay(find(id))


@router.patch("/{id}", auth=may("replay"), response=ReplayOut, operation_id="change_replay", summary="Change its rate")
@once
def change_replay(request: HttpRequest, id: int, payload: RateChange) -> tuple[int, Any]:
    """From the next batch on."""
    return 200, showing.replay(deeds.change_rate(request.auth, find(id), payload.rate))


@router.post("/{id}/start", auth=may("replay"), response=ReplayOut, operation_id="start_replay", summary="Start it")
@once
def start_replay(request: HttpRequest, id: int, payload: Confirm | None = None) -> tuple[int, Any]:
    """What is planned. `confirm` where the plan asks for it."""
    return 200, showing.replay(deeds.start(request.auth, find(id), payload.confirm if payload else None))


@router.post("/{id}/pause", auth=may("replay"), response=ReplayOut, operation_id="pause_replay", summary="Pause it")
@once
def pause_replay(request: HttpRequest, id: int) -> tuple[int, Any]:
    """Every letter goes back to its queue; none is held meanwhile."""
    return 200, showing.replay(deeds.pause(request.auth, find(id)))


@router.post("/{id}/resume", auth=may("replay"), response=ReplayOut, operation_id="resume_replay", summary="Go on")
@once
def resume_replay(request: HttpRequest, id: int) -> tuple[int, Any]:
    """What is paused, or failed for a reason that is mended."""
    return 200, showing.replay(deeds.resume(request.auth, find(id)))


@router.post("/{id}/stop", auth=may("replay"), response=ReplayOut, operation_id="stop_replay", summary="Stop for good")
@once
def stop_replay(request: HttpRequest, id: int) -> tuple[int, Any]:
    """What was sent stays sent, the rest stays where it is."""
    return 200, showing.replay(deeds.stop(request.auth, find(id)))


@router.post(
    "/{id}/repeat", auth=may("replay"), response={201: ReplayOut}, operation_id="repeat_replay", summary="Repeat failed"
)
@once
def repeat_replay(request: HttpRequest, id: int) -> tuple[int, Any]:
    """A new replay, planned, of those that failed or were left out."""
    return 201, showing.replay(deeds.repeat(request.auth, find(id)))


@router.post(
    "/{id}/stage", auth=may("replay"), response={201: ReplayOut}, operation_id="stage_replay",
    summary="Move what was not chosen aside",
)  # fmt: skip
@once
def stage_replay(request: HttpRequest, id: int) -> tuple[int, Any]:
    """Of a plan whose queue is too long to be read through: makes a staging queue beside it; the answer is the planned
    move of the rest to there. When that is done the same plan fits, and the rest can be moved back."""
    return 201, showing.replay(staging.stage(request.auth, find(id)))


@router.post(
    "/{id}/back", auth=may("replay"), response={201: ReplayOut}, operation_id="move_back",
    summary="Move what was moved aside back",
)  # fmt: skip
@once
def move_back(request: HttpRequest, id: int) -> tuple[int, Any]:
    """Of a move to a staging queue: the planned move of what lies there back; the same one until that is over. 409 when
    nothing is left there."""
    return 201, showing.replay(way_back.go(request.auth, find(id)))


@router.get(
    "/{id}/messages", auth=may("see"), response=ReplayedList, operation_id="list_replay_messages",
    summary="What became of each",
)  # fmt: skip
def list_messages(
    request: HttpRequest,
    id: int,
    filter: str = "",
    state: str = "",
    sort: str = "n",
    limit: int = USUAL_LIMIT,
    cursor: str = "",
) -> HttpResponse:
    """`filter`: words that key, destination or why hold. `state`: one of those of a message, or possibly_duplicated.
    `sort`: n, the order in which they were taken, or -n. Of a broker's own move there is none: it does not tell what
    became of each.
    """
    replay = find(id)
    check_limit(limit)
    check_sort(sort, ("n",))
    if replay.how == Replay.How.BROKER:
        return listing([], 0, None)
    if state not in KINDS:
        raise ApiError(400, f"state must be one of {', '.join(one for one in KINDS if one)}.", "state")
    context = (str(id), filter, state, sort)
    after = decode_cursor(cursor, context)
    asked = Asked(state, tuple(filter.split()), sort == "-n", after[1] if after else None, limit + 1)
    try:
        if replay.deed == Replay.Deed.RESTORE and replay.repeats is not None:
            rows, total = keeping.report(replay.repeats.own, asked)
        else:
            with Reading(journal_path(replay.own)) as journal:
                rows, total = journal.asked(asked)
    except JournalError as error:
        if replay.started_at is None:
            return listing([], 0, None)
        gone = pruning.sentence(replay)
        raise ApiError(409, gone or f"{error} It lies with the worker that ran it.") from None
    next = encode_cursor(context, None, rows[limit - 1].n) if len(rows) > limit else None
    return listing(showing.messages(replay, rows[:limit]), total, next)


@router.get("/{id}/figure", auth=may("see"), operation_id="get_replay_figure", summary="Sent and came back, as a chart")
def get_figure(request: HttpRequest, id: int, range: str = "") -> HttpResponse:
    """A plotly figure (data, layout) of the whole replay, whatever `range` says."""
    replay = find(id)
    points: list[tuple[float, int, int]] = []
    if replay.started_at is not None:
        try:
            with Reading(journal_path(replay.own)) as journal:
                points = journal.by_time()
        except JournalError:
            points = []  # it lies with the worker that ran it: an empty chart says no more than is known here
    start = (replay.started_at or replay.made_at).timestamp()
    end = (replay.ended_at or timezone.now()).timestamp()
    figure = replay_figure(points, start, end)
    return HttpResponse(plotly.io.to_json(figure, validate=False, engine="orjson"), content_type="application/json")


def find(id: int, kind: str = "replay") -> Replay:
    """The replay, or deletion. Raises ApiError (404)."""
    found = Replay.objects.select_related("queue__broker", "repeats").filter(pk=id)
    replay = (found.filter(deed=Replay.Deed.DELETE) if kind == "deletion" else found).first()
    if replay is None:
        raise ApiError(404, f"There is no {kind} {id}.")
    return replay


def queue_of(id: int) -> Queue:
    queue = Queue.objects.select_related("broker").filter(pk=id).first()
    if queue is None:
        raise ApiError(404, f"There is no queue {id}.", "queue_id")
    return queue
