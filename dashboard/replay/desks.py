"""The desk of a runner (`telling.Desk`): the row of its replay."""

from __future__ import annotations

import logging
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from django.db import DatabaseError, close_old_connections
from django.db.models import F
from django.utils import timezone

from ..live.bus import Bus
from ..live.feed import fleet
from ..models import Queue, Replay
from ..models.replays import ACTIVE, OVER
from . import clock, guards, orders
from .states import Counts

LOOK_EVERY = 5.0  # seconds between two looks at which queues there are
LONGEST_STEP = 5.0  # seconds between two words of a runner, beyond which it was not at work

log = logging.getLogger("weir.replay")


class RowDesk:
    """The desk of one runner (`telling.Desk`): the replay's row."""

    def __init__(self, replay: Replay, owner: str, bus: Bus) -> None:
        self.id, self.own, self.owner, self.bus = replay.pk, replay.own, owner, bus
        self.rate: float | None = replay.rate
        self.until = 0.0
        self.ordered: str = replay.state
        self.followed = following(replay.followed_by_id, replay.followed_by and replay.followed_by.deed)
        self.said: str = replay.state
        self.ending = False
        self.over = False
        self.by_itself = replay.how == Replay.How.BROKER  # the broker goes on whatever is ordered here
        self.closed = replay.state == Replay.State.STOPPED  # whether its books are, or are at least tried to be, closed
        self._sent, self._told = replay.sent, clock.now()
        self._limits = orders.limits_of(replay)
        self._broker = replay.queue.broker_id if replay.queue is not None else 0
        self._keys = _keys(replay)
        self._targets: dict[int, str] = {}
        self._looked = float("-inf")

    def go_on(self) -> bool:
        return clock.now() < self.until and self.ordered in ACTIVE and not self.ending

    def crowded(self, yielding: bool) -> str:
        self._look()
        snapshot = fleet().snapshot() if self._targets else None
        for id, name in self._targets.items():
            row = snapshot.index(id) if snapshot is not None else None
            if snapshot is None or row is None or snapshot.stale[row]:
                continue
            depth, lag = (_known(float(snapshot.column(name)[row])) for name in ("depth", "lag_seconds"))
            why = guards.too_full(name, depth, lag, self._limits, yielding)
            if why:
                return why
        return ""

    def _look(self) -> None:
        """Which queues copies go to, anew now and then: an empty list of Redis is none until something is sent."""
        if clock.now() - self._looked < LOOK_EVERY or not self._keys:
            return
        self._looked = clock.now()
        with suppress(DatabaseError):
            close_old_connections()
            there = Queue.objects.filter(broker=self._broker, key__in=self._keys, gone_at=None)
            self._targets = dict(there.values_list("pk", "name"))

    def tell(self, state: str, reason: str, counts: Counts, total: int | None, until: float | None = None) -> None:
        now, self.said = timezone.now(), state or self.said
        columns: dict[str, Any] = {
            "sent": counts.sent, "removed": counts.removed, "came_back": counts.came_back, "failed": counts.failed,
            "skipped": counts.skipped, "possibly_duplicated": counts.possibly_duplicated,
            "unmarked": counts.unmarked, "part_marked": counts.part_marked, "unreplicated": counts.unreplicated,
            "told_at": now, "waits_until": until and datetime.fromtimestamp(until, UTC),
        }  # fmt: skip
        if total or state in OVER:  # else what was planned says more than that none was met yet
            columns["total"] = total
        columns["busy_seconds"] = F("busy_seconds") + self._busy(state, counts.sent)
        mine = Replay.objects.filter(pk=self.id, owner=self.owner)
        over = state in OVER
        said = columns | {"state": state, "reason": reason[:1000]} | ({"ended_at": now, "trouble": ""} if over else {})
        try:
            close_old_connections()
            if not (state and mine.filter(state__in=ACTIVE).update(**said)):
                mine.update(**columns)
        except DatabaseError as error:
            log.warning("How far replay %d is could not be written down: %s", self.id, error)
            if over:
                raise
            return
        self.over = over
        self.bus.note("replay_told", replay=self.id)

    def _busy(self, state: str, sent: int) -> float:
        """Seconds of sending since the last word: what a pace is reckoned by."""
        now, rose = clock.now(), sent > self._sent
        passed, self._told, self._sent = min(now - self._told, LONGEST_STEP), now, sent
        return passed if rose or state in (Replay.State.RAMPING, Replay.State.RUNNING) else 0.0

    def trouble(self, sentence: str) -> None:
        with suppress(DatabaseError):
            Replay.objects.filter(pk=self.id, owner=self.owner).update(trouble=sentence[:1000])
            self.bus.note("replay_told", replay=self.id)


def following(id: int | None, deed: str | None) -> str:
    """Which replay has begun where another one watched."""
    return f"{deed} {id}" if id else ""


def _keys(replay: Replay) -> list[str]:
    """Keys of the queues that copies go to, as far as they are known."""
    if replay.deed in (Replay.Deed.DELETE, Replay.Deed.RESTORE) or replay.queue is None:
        return []
    if replay.to is None:
        return list(orders.homes_of(replay.queue))
    return list(Queue.objects.filter(pk=replay.to.get("queue_id", 0)).values_list("key", flat=True))


def _known(value: float) -> float | None:
    return None if value != value else value
