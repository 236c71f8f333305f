"""The way back of what was moved aside to a staging queue: what became of it, and how it is gone."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from ..access import Principal
from ..live.feed import fleet
from ..models import Queue, Replay
from ..models.replays import DROPPED, OVER
from ..refused import DeedRefused
from . import deeds

#: Seconds that what a broker counts may be behind: RabbitMQ counts a queue anew every five.
COUNTED_LATE = 10.0


def told(replay: Replay) -> dict[str, Any] | None:
    """Of a move to a staging queue that is over: the move back, its state, and how many lie there still (null: not
    known). None = it is no such move, or nothing was moved."""
    if not replay.stages or not replay.sent or replay.state not in OVER:
        return None
    last = _last(replay)
    return {"replay": last and last.pk, "state": last and last.state, "left": _left(replay)}


def sentence(back: dict[str, Any] | None, queue: str) -> str:
    """What there is to know of it, "" = nothing yet."""
    if back is None:
        return ""
    if _is_back(back):
        by = f" (move {back['replay']})" if back["state"] == Replay.State.DONE else ""
        return f"What was moved aside is back in {queue}, or gone from there: nothing is left to be moved back{by}."
    if back["state"] in (None, Replay.State.DONE):
        return f"What was chosen is what is left in {queue}: plan that, then move the rest back."
    return f"Move {back['replay']}, which is {back['state']}, takes the rest back to {queue}."


def open_for(replay: Replay) -> bool:
    """Whether there is something to be moved back, as far as is known, and nobody is at it."""
    back = told(replay)
    return back is not None and not _is_back(back) and back["state"] in (None, *OVER)


def version(replay_id: int) -> Hashable:
    """What changes when there is something new to tell."""
    replay = Replay.objects.filter(pk=replay_id, stages=True).first()
    return None if replay is None else tuple((told(replay) or {}).values())


def go(principal: Principal, replay: Replay) -> Replay:
    """The planned move back; the one that is planned or under way where there is one. Raises DeedRefused."""
    principal.must("replay")
    back = told(replay)
    if back is None:
        raise DeedRefused("", "This moved nothing aside that could be moved back now.", conflict=True)
    staging = Queue.objects.filter(pk=(replay.to or {}).get("queue_id", 0)).select_related("broker").first()
    if _is_back(back) or staging is None or staging.gone_at is not None:
        raise DeedRefused("", sentence({**back, "left": 0}, replay.queue_name), conflict=True)
    last = _last(replay)
    if last is not None and (last.state not in OVER or (last.state == Replay.State.FAILED and last.started_at)):
        return last
    return deeds.make(
        principal, staging, {"all": True}, Replay.Deed.MOVE, {"queue_id": replay.queue_id}, options=replay.options
    )  # fmt: skip


def _is_back(back: dict[str, Any]) -> bool:
    return back["left"] == 0 and back["state"] in (None, *OVER)


def _last(replay: Replay) -> Replay | None:
    """The newest move from the staging queue back to where the letters came from."""
    there = Replay.objects.filter(
        queue=(replay.to or {}).get("queue_id"), deed=Replay.Deed.MOVE, to__queue_id=replay.queue_id, pk__gt=replay.pk
    )
    return there.exclude(DROPPED).order_by("-pk").first()


def _left(replay: Replay) -> int | None:
    """How many lie in the staging queue by what the broker counted after the last move; None = it has not yet."""
    staging = Queue.objects.filter(pk=(replay.to or {}).get("queue_id", 0)).first()
    if staging is None or staging.gone_at is not None:
        return 0
    last = _last(replay)
    since = max((one.ended_at.timestamp() for one in (replay, last) if one is not None and one.ended_at), default=0.0)
    snapshot = fleet().snapshot()
    row = snapshot.index(staging.pk)
    if row is None or snapshot.stale[row] or not float(snapshot.sampled_at[row]) > since + COUNTED_LATE:
        return 0 if last is not None and last.state == Replay.State.DONE and not last.failed else None
    depths = [float(snapshot.column(name)[row]) for name in ("depth", "in_flight", "delayed")]
    known = [depth for depth in depths if depth == depth]
    return int(sum(known)) if known and depths[0] == depths[0] else None
