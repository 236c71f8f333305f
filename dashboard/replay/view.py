"""The live views of replays: {"view": "replay", "id"} is one, {"view": "replays"} the newest of all."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from ..access import Principal
from ..live import others
from ..live.view import BadView, known
from ..models import Replay
from ..models.replays import DROPPED
from ..snapshot import Snapshot
from . import showing, way_back

SHOWN = 50
_NEWS = (
    "state", "reason", "trouble", "waits_until", "total", "sent", "removed", "came_back", "failed", "skipped",
    "possibly_duplicated", "rate", "ended_at", "unmarked", "part_marked", "unreplicated", "journal_removed_at",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ReplayView(others.OtherView):
    """One replay, as the API shows it."""

    name: ClassVar[str] = "replay"
    id: int = 0


@dataclass(frozen=True, slots=True)
class ReplaysView(others.OtherView):
    """The newest replays."""

    name: ClassVar[str] = "replays"


def register() -> None:
    """Take these views in live pages."""
    others.register("replay", others.Kind("see", _read_one, _version_of_one, _one))
    others.register("replays", others.Kind("see", _read_all, _version_of_all, _all))


def _read_one(message: Mapping[str, Any], principal: Principal) -> ReplayView:
    known(message, "id")
    id = message.get("id")
    if isinstance(id, bool) or not isinstance(id, int) or not 1 <= id <= 2**53:
        raise BadView("id must be the number of a replay.", "id")
    return ReplayView(id)


def _version_of_one(view: ReplayView, snapshot: Snapshot, now: float) -> Hashable:
    told = Replay.objects.filter(pk=view.id).values_list(*_NEWS, "stages").first()
    return (told, way_back.version(view.id)) if told is not None and told[-1] else told


def _one(view: ReplayView, snapshot: Snapshot, now: float) -> Mapping[str, Any]:
    row = Replay.objects.filter(pk=view.id).first()
    return {"total": int(row is not None), "summary": {}, "rows": [] if row is None else [showing.replay(row)]}


def _read_all(message: Mapping[str, Any], principal: Principal) -> ReplaysView:
    known(message)
    return ReplaysView()


def _version_of_all(view: ReplaysView, snapshot: Snapshot, now: float) -> Hashable:
    return tuple(Replay.objects.exclude(DROPPED).order_by("-pk").values_list("pk", *_NEWS)[:SHOWN])


def _all(view: ReplaysView, snapshot: Snapshot, now: float) -> Mapping[str, Any]:
    there = Replay.objects.exclude(DROPPED)
    rows = [showing.replay(row) for row in there.order_by("-pk")[:SHOWN]]
    return {"total": there.count(), "summary": {}, "rows": rows}
