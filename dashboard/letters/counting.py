"""Counts of dead letters, in groups: the same for the page, the API, live frames and the terminal.

Every count says of how many it was taken, and when.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import numpy as np

from ..models import Cause
from ..snapshot import Snapshot
from . import choosing, places
from .choosing import Sight
from .groups import BY, Group, grouped
from .showing import time_of

#: What groups are sorted by, and the field of Group.
SORTS = {"count": "count", "letters": "letters", "new": "new", "first_at": "first", "last_at": "last", "bytes": "bytes"}
#: Queues that a group names, of all that it has.
NAMED = 20


@dataclass(frozen=True, slots=True)
class Counted:
    """Groups as the API shows them, how many there are, and what holds for all of them together."""

    items: list[dict[str, Any]]
    total: int
    summary: dict[str, Any]


def count(
    snapshot: Snapshot,
    text: str,
    by: str,
    sight: Sight,
    since: float | None = None,
    offset: int = 0,
    limit: int = 200,
    now: float | None = None,
    sort: str = "-count",
) -> Counted:
    """The letters that a filter shows, in groups. Raises FilterError, ValueError for a group or sort that is none."""
    if by not in BY:
        raise ValueError(f"group must be one of {', '.join(BY)}.")
    if sort.removeprefix("-") not in SORTS:
        raise ValueError(f"sort must be one of {', '.join(SORTS)}, or -name of one.")
    now = time.time() if now is None else now
    table = choosing.table(sight, now)
    mask = choosing.mask(text, table)
    held = places.holders(snapshot)
    covered = places.Coverage(table.index, held, places.rows())
    groups = grouped(table.index, mask, by, now, since)
    if sort != "-count":  # as they come
        groups.sort(key=attrgetter(SORTS[sort.removeprefix("-")]), reverse=sort.startswith("-"))
    shown = _Shown(table, covered, by, now)
    items = [shown.item(group) for group in groups[offset : offset + limit]]
    unlooked = [] if by != "queue" or text.strip() else [id for id in held if not covered.taken(id)]
    if offset + limit > len(groups):
        items += [shown.unlooked(id) for id in unlooked][: limit - len(items)]
    return Counted(items, len(groups) + len(unlooked), _summary(groups, table, covered, now))


def _summary(groups: Sequence[Group], table: choosing.Table, covered: places.Coverage, now: float) -> dict[str, Any]:
    queues = {queue for group in groups for queue in group.queues}
    causes = {cause for group in groups for cause in group.causes}
    expiries = [group.expires_at for group in groups if group.expires_at is not None]
    taken = covered.over(sorted(queues | {id for id in covered.held if covered.of(id)[0] != 0}))
    asleep = sum(1 for cause in table.index.causes.values() if (cause.snoozed_until or 0.0) > now)
    return {
        "messages": sum(group.count for group in groups),
        "letters": sum(group.letters for group in groups),
        "new": sum(group.new for group in groups),
        "queues": len(queues),
        "causes": len(causes),
        "holders": len(covered.held),
        "oldest_expires_at": time_of(min(expiries)) if expiries else None,
        "last_at": time_of(max((group.last for group in groups), default=None)),
        "snoozed": asleep,
        "taken": taken.shown(now),
        "unlooked": list(taken.unlooked[:NAMED]),
        "searched": None if table.searched is None else table.searched.sentence,
    }


class _Shown:
    """Groups to rows."""

    def __init__(self, table: choosing.Table, covered: places.Coverage, by: str, now: float) -> None:
        self.table, self.covered, self.by, self.now = table, covered, by, now

    def item(self, group: Group) -> dict[str, Any]:
        return {
            **self._names(group.key),
            "count": group.count,
            "letters": group.letters,
            "new": group.new,
            "first_at": time_of(group.first),
            "last_at": time_of(group.last),
            "trend": group.trend,
            "queues": [self._queue(id) for id in group.queues[:NAMED]],
            "queue_count": len(group.queues),
            "cause_count": len(group.causes),
            "expires_at": time_of(group.expires_at),
            "replayed": group.replayed,
            "bytes": group.bytes,
            "taken": self.covered.over(group.queues).shown(self.now),
            "place": places.told(self.covered.rows.get(int(group.key))) if self.by == "queue" else None,
        }

    def unlooked(self, id: int) -> dict[str, Any]:
        """A queue that holds letters of which none is known."""
        empty = Group(id, 0, 0, 0, np.nan, np.nan, [], [id], [], None, 0, 0)
        return self.item(empty) | {"first_at": None, "last_at": None}

    def _names(self, key: int | str) -> dict[str, Any]:
        if self.by == "type":
            return {"key": key, "title": key or "type not told", "detail": "", **_NO_CAUSE}
        if self.by == "queue":
            queue = self._queue(int(key))
            return {"key": int(key), "title": queue["name"], "detail": queue["broker"], **_NO_CAUSE}
        cause = self.table.index.causes.get(int(key))
        return of_cause(cause) if cause is not None else {"key": int(key), "title": "?", "detail": "", **_NO_CAUSE}

    def _queue(self, id: int) -> dict[str, Any]:
        name, broker = self.table.queues.get(id, ("", ""))
        holder = self.covered.held.get(id)
        if not name and holder is not None:
            name, broker = holder.name, holder.broker
        return {"id": id, "name": name or f"queue {id}", "broker": broker}


_NO_CAUSE: dict[str, Any] = {"fingerprint": None, "frame": None, "note": None, "noted_by": None, "snoozed_until": None}


def of_cause(cause: Cause) -> dict[str, Any]:
    """A cause, with what people say to it."""
    return {
        "key": cause.pk,
        "title": cause.title,
        "detail": cause.message or cause.reason,
        "fingerprint": cause.fingerprint,
        "frame": cause.frame or None,
        "note": cause.note or None,
        "noted_by": cause.noted_by or None,
        "snoozed_until": time_of(cause.snoozed_until),
    }
