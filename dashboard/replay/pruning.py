"""Journals of replays that are over are not kept for ever: they go when they are old, or when all take too much room.

A replay that is not over keeps its journal, as does the newest of all. One that failed can be resumed for as long as
its journal is there: for want of room it goes last. The replay's page says when its journal was removed.
"""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime
from pathlib import Path

from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone

from ..models import Replay
from ..models.replays import OVER
from .places import journal_path

log = logging.getLogger("weir.replay")
STRAY = 86400.0  # seconds after which a journal of no replay goes
PLANNED_BY = 900.0  # seconds after which a plan is not being made any more
STALE = 7 * 86400.0  # seconds after which a plan that nobody started says nothing of its queue


def prune(now: float | None = None) -> int:
    """Let go of journals in this data folder; how many."""
    now = time.time() if now is None else now
    left = Replay.objects.filter(made_at__lt=datetime.fromtimestamp(now - PLANNED_BY, UTC))
    give_up(left, "The process that was to plan this has ended: plan it anew.")
    stale = Replay.objects.filter(state=Replay.State.PLANNED, made_at__lt=datetime.fromtimestamp(now - STALE, UTC))
    stale.update(state=Replay.State.STOPPED, reason="It was not started within a week.", ended_at=timezone.now())
    files = {path.stem: path for path in journal_path("").parent.glob("*.sqlite")}
    if not files:
        return 0
    rows = {row.own: row for row in Replay.objects.filter(own__in=files).defer("plan", "selection", "secret_edit")}
    gone = sum(_drop(files[own]) for own in files.keys() - rows.keys() if files[own].stat().st_mtime < now - STRAY)
    newest = max((row.pk for row in rows.values()), default=0)
    over = [row for row in rows.values() if row.state in OVER and not row.owner and row.pk != newest]
    over.sort(key=lambda row: (row.state == Replay.State.FAILED, _ended(row)))
    old = [row for row in over if _ended(row) < now - settings.WEIR_RETENTION_JOURNALS or row.journal_removed_at]
    total = sum(_bytes(path) for own, path in files.items() if path.exists())
    for row in [*old, *(row for row in over if row not in old)]:
        if row not in old and total <= settings.WEIR_RETENTION_JOURNALS_DISK:
            break
        size = _bytes(files[row.own])
        if _remove(row, files[row.own], now):
            total, gone = total - size, gone + 1
    if gone:
        log.info("Replays: %d journals that are old, or took too much room, were removed.", gone)
    return gone


def give_up(plans: QuerySet[Replay], reason: str) -> None:
    """Plans that nobody is making: else they would be planned for ever."""
    plans.filter(state=Replay.State.PLANNING).update(state=Replay.State.FAILED, reason=reason, ended_at=timezone.now())


def _ended(row: Replay) -> float:
    return (row.ended_at or row.made_at).timestamp()


def _bytes(path: Path) -> int:
    return sum(file.stat().st_size for file in path.parent.glob(f"{path.stem}.sqlite*"))


def _remove(row: Replay, path: Path, now: float) -> bool:
    """First it is said, then it is done: from then on nobody resumes this replay."""
    still = Replay.objects.filter(pk=row.pk, state__in=OVER, owner="")
    at = datetime.fromtimestamp(now, UTC) if row.journal_removed_at is None else row.journal_removed_at
    return bool(still.update(journal_removed_at=at)) and _drop(path)


def _drop(path: Path) -> bool:
    for file in path.parent.glob(f"{path.stem}.sqlite*"):
        file.unlink(missing_ok=True)
    return True


def sentence(row: Replay) -> str:
    """That its journal was removed, and when; "" = it was not."""
    if row.journal_removed_at is None:
        return ""
    at = timezone.localtime(row.journal_removed_at, UTC)
    return f"Its journal was removed on {at:%Y-%m-%d}: what became of each message is no longer known here."
