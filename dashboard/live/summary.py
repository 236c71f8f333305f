"""What the head of the page says: sums over all queues, and what needs attention. Pure."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..insight.states import State
from ..snapshot import Snapshot, number
from ..ticks import Floats
from . import attention, sorting
from .attention import SparksOf

ATTENTION_ROWS = 6
BACK = 20  # slots of half a minute: the ten minutes of backlog_change_10m


def summary(snapshot: Snapshot, sparks_of: SparksOf, before: Floats | None = None) -> dict[str, Any]:
    """The summary of a frame. Numbers are null where no broker tells; what is hidden or gone is left out.

    queues                count of queues
    by_state              state -> count of queues
    backlog               messages waiting; dead letters are not part of it
    backlog_change_10m    how far the backlog of the queues known then and now moved; needs `before` (`depth_before`)
    in_rate, out_rate     messages per second, summed where brokers tell
    worst_lag             {id, name, broker, seconds}, or null
    dead_letters          messages in dead-letter queues, and in queues that keep their own
    consumers             summed where brokers tell
    brokers               {total, reporting, new, paused: counts; silent, failing: names}
    needs_attention       how many queues and brokers need attention
    attention             the first six of them (`attention.rows`)
    """
    shown = ~snapshot.aside
    live, dead = shown & ~snapshot.stale, sorting.holds_dead_letters(snapshot)
    depth = snapshot.column("depth")
    troubles = attention.troubles(snapshot, sparks_of)
    return {
        "queues": int(shown.sum()),
        "by_state": _by_state(snapshot, shown),
        "backlog": _sum(depth[shown & ~dead]),
        "backlog_change_10m": None if before is None else _sum((depth - before)[shown & ~dead]),
        "in_rate": _sum(snapshot.column("in_rate")[live]),
        "out_rate": _sum(snapshot.column("out_rate")[live]),
        "worst_lag": _worst_lag(snapshot, live & ~dead),
        "dead_letters": dead_letters(snapshot),
        "consumers": _sum(snapshot.column("consumers")[live]),
        "brokers": _brokers(snapshot),
        "needs_attention": len(troubles),
        "attention": attention.rows(snapshot, troubles, ATTENTION_ROWS, sparks_of),
    }


def depth_before(snapshot: Snapshot, sparks_of: SparksOf) -> Floats:
    """The depth of every queue ten minutes ago, shape (n,); NaN where it is not known."""
    _, values = sparks_of(snapshot.ids.tolist())
    depth: Floats = values[:, -1 - BACK]
    return depth


def _sum(values: Floats) -> float | int | None:
    known = values[np.isfinite(values)]
    return number(float(known.sum())) if len(known) else None


def _by_state(snapshot: Snapshot, shown: sorting.Mask) -> dict[str, int]:
    counts = np.bincount(snapshot.state[shown], minlength=len(State))
    return {state.name.lower(): int(counts[state]) for state in State}


def _worst_lag(snapshot: Snapshot, live: sorting.Mask) -> dict[str, Any] | None:
    lag = np.where(live, snapshot.column("lag_seconds"), np.nan)
    if np.isnan(lag).all():
        return None
    i = int(np.nanargmax(lag))
    broker = snapshot.brokers[int(snapshot.broker_ids[i])].name
    name = snapshot.entries[i].name
    return {"id": int(snapshot.ids[i]), "name": name, "broker": broker, "seconds": number(float(lag[i]))}


def dead_letters(snapshot: Snapshot) -> float | int | None:
    """Each message once: those in dead-letter queues, and those that queues without one keep themselves."""
    dead = sorting.holds_dead_letters(snapshot)
    targets = np.fromiter((entry.dead_letter_queue_id or 0 for entry in snapshot.entries), np.int64, len(snapshot))
    own = snapshot.column("dead_letters")[targets == 0]
    return _sum(np.concatenate([snapshot.column("depth")[dead], own]))


def _brokers(snapshot: Snapshot) -> dict[str, Any]:
    of: dict[str, list[str]] = {"reporting": [], "new": [], "paused": [], "silent": [], "failing": []}
    for id, state in snapshot.broker_states.items():
        of[state].append(snapshot.brokers[id].name)
    counts = {state: len(of[state]) for state in ("reporting", "new", "paused")}
    return {"total": len(snapshot.brokers), **counts, "silent": sorted(of["silent"]), "failing": sorted(of["failing"])}
