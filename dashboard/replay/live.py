"""The live views of replays: {"view": "replay", "id"} is one, {"view": "replays"} the newest of all."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

from ..live import told
from ..live.told import ToldView
from ..live.view import known, whole
from ..models import Replay
from . import showing

SHOWN = 50
_NEWS = (
    "state", "reason", "trouble", "total", "sent", "removed", "came_back", "failed", "skipped", "possibly_duplicated",
    "rate", "ended_at",
)  # fmt: skip


class OneReplay:
    """One replay, as the API shows it."""

    deed = "see"

    def read(self, message: Mapping[str, Any]) -> ToldView:
        known(message, "id")
        return ToldView("replay", (("id", whole(message, "id", None, 1, 2**53)),))

    def version(self, view: ToldView) -> Hashable:
        return Replay.objects.filter(pk=view["id"]).values_list(*_NEWS).first()

    def body(self, view: ToldView) -> Mapping[str, Any]:
        row = Replay.objects.filter(pk=view["id"]).first()
        return {"total": int(row is not None), "rows": [] if row is None else [showing.replay(row)]}


class Replays:
    """The newest replays and deletions."""

    deed = "see"

    def read(self, message: Mapping[str, Any]) -> ToldView:
        known(message)
        return ToldView("replays")

    def version(self, view: ToldView) -> Hashable:
        return tuple(Replay.objects.order_by("-pk").values_list("pk", *_NEWS)[:SHOWN])

    def body(self, view: ToldView) -> Mapping[str, Any]:
        rows = [showing.replay(row) for row in Replay.objects.order_by("-pk")[:SHOWN]]
        return {"total": Replay.objects.count(), "rows": rows}


def register() -> None:
    """Let the hub answer for these views."""
    told.register("replay", OneReplay())
    told.register("replays", Replays())
