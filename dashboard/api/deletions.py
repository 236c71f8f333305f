"""`deletions`: letters that were deleted, what is kept of them, and how they are put back."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Field, Router, Schema

from ..models import Replay
from ..models.replays import holding
from ..replay import deeds, showing
from .auth import may
from .door import Flag, Whole
from .idempotency import once
from .paging import USUAL_LIMIT, by_number
from .replays import Confirm, ReplayOut, Selection, find, queue_of

router = Router(tags=["replays"])


class NewDeletion(Confirm):
    queue_id: Whole
    selection: Selection
    beyond_bound: Flag = Field(False, description="delete also what there is no room to keep: that cannot be undone")


class Purge(Confirm):
    beyond_bound: Flag = False


class DeletionOut(ReplayOut):
    """A deletion: `kept` copies until `kept_until`."""

    kept: int
    restored: int
    not_restored: int
    kept_bytes: int = Field(description="of the bodies that are kept")
    kept_until: str | None
    can_restore: bool


class DeletionList(Schema):
    items: list[DeletionOut]
    total: int
    next: str | None


@router.get("/deletions", auth=may("see"), response=DeletionList, operation_id="list_deletions", summary="Deletions")
def list_deletions(
    request: HttpRequest, filter: str = "", sort: str = "-id", limit: int = USUAL_LIMIT, cursor: str = ""
) -> HttpResponse:
    """What is kept of each, and until when. `filter` and `sort` as of replays."""
    found = Replay.objects.filter(holding(filter), deed=Replay.Deed.DELETE).select_related("queue")
    return by_number(found, showing.deletion, ("deletions", filter), sort, limit, cursor)


@router.post(
    "/deletions/{id}/restore", auth=may("delete_letters"), response={201: ReplayOut}, operation_id="restore_deletion",
    summary="Undo a deletion",
)  # fmt: skip
@once
def restore_deletion(request: HttpRequest, id: int, payload: Confirm | None = None) -> tuple[int, Any]:
    """Copies are put back into the queue; the answer is the replay that does it. Where the queue is bounded, and would
    push its oldest out for them, the count has to be confirmed."""
    return 201, showing.replay(deeds.restore(request.auth, find(id, "deletion"), payload.confirm if payload else None))


@router.post(
    "/dead-letters/delete", auth=may("delete_letters"), response={201: DeletionOut, 202: DeletionOut},
    operation_id="delete_dead_letters", summary="Delete letters",
)  # fmt: skip
@once
def delete_letters(request: HttpRequest, payload: NewDeletion) -> tuple[int, Any]:
    """A copy of each is kept first, for a week. More than a hundred have to be confirmed by their count."""
    selection = payload.selection.dict(exclude_none=True)
    return _delete(request, payload.queue_id, selection, payload.confirm, payload.beyond_bound)


@router.post(
    "/queues/{id}/purge", auth=may("delete_letters"), response={201: DeletionOut, 202: DeletionOut},
    operation_id="purge_queue", summary="Delete all letters of a queue",
)  # fmt: skip
@once
def purge_queue(request: HttpRequest, id: int, payload: Purge | None = None) -> tuple[int, Any]:
    """Everything that lies there now, copied first. The count has to be confirmed."""
    said = payload or Purge()
    return _delete(request, id, {"all": True}, said.confirm, said.beyond_bound)


def _delete(
    request: HttpRequest, queue_id: int, selection: dict[str, Any], confirm: int | None, beyond: bool
) -> tuple[int, Any]:
    if beyond:
        selection["beyond_bound"] = True
    made = deeds.make(
        request.auth, queue_of(queue_id), selection, Replay.Deed.DELETE, start_at_once=True, confirm=confirm
    )
    return (202 if made.state == Replay.State.PLANNING else 201), showing.deletion(made)
