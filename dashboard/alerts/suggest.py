"""Rules that everybody needs, and limits that fit a queue: above what it did in the last days, on a round number."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..insight.states import State
from ..snapshot import Snapshot
from ..store.base import Store, StoreError
from .desk import numbers

ROUND_SECONDS = (10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400)
#: The limit is so many times what was seen, and never less than this.
ROOM, LEAST_SECONDS, LEAST_COUNT = 1.5, 30, 100


@dataclass(frozen=True, slots=True)
class Template:
    """A rule to begin with."""

    key: str
    name: str
    filter: str
    condition: dict[str, Any]
    severity: str = "warning"


TEMPLATES: Sequence[Template] = (
    Template(
        "lag",
        "Lag too long",
        "",
        {"metric": "lag_seconds", "op": ">", "value": 300, "clear_value": 240, "for_seconds": 120},
    ),
    Template(
        "forecast",
        "Lag will be too long",
        "",
        {
            "kind": "forecast",
            "metric": "lag_seconds",
            "value": 300,
            "horizon_seconds": 1800,
            "window_seconds": 900,
            "for_seconds": 120,
        },
    ),
    Template("stalled", "Stalled", "", {"metric": "state", "value": "stalled", "for_seconds": 120}, "critical"),
    Template(
        "consumers",
        "No consumers",
        "depth>0",
        {"metric": "consumers", "op": "<", "value": 1, "for_seconds": 60},
        "critical",
    ),
    Template(
        "letters",
        "Dead letters arrive",
        "",
        {"kind": "change", "metric": "dead_letters", "value": 0, "window_seconds": 600},
    ),
    Template("cause", "Dead letters of a new cause", "", {"kind": "event", "value": "cause"}),
    Template("replay", "A replay ends badly", "", {"kind": "event", "value": "replay"}),
    Template(
        "expiry",
        "Dead letters about to expire",
        "is:dead",
        {"metric": "retention_left_seconds", "op": "<", "value": 86400, "clear_value": 90000},
        "critical",
    ),
    Template(
        "depth",
        "Too many waiting",
        "",
        {"metric": "depth", "op": ">", "value": 10000, "clear_value": 8000, "for_seconds": 300},
    ),
    Template("growing", "Growing for long", "", {"metric": "state", "value": "growing", "for_seconds": 900}),
    Template(
        "clears",
        "Takes too long to clear",
        "depth>0",
        {"metric": "clears_in_seconds", "op": ">", "value": 3600, "for_seconds": 600},
    ),
    Template("silence", "Nothing arrives", "", {"metric": "in_rate", "op": "<=", "value": 0, "for_seconds": 900}),
    Template("unusual", "Not as usual", "", {"kind": "unusual", "metric": "depth", "value": 6, "for_seconds": 600}),
    Template(
        "poison",
        "Delivered again and again",
        "",
        {"metric": "redelivery_rate", "op": ">", "value": 1, "for_seconds": 300},
    ),
    Template("behind", "Falls behind", "", {"kind": "stuck", "value": "behind", "window_seconds": 900}),
)


#: What a queue must tell for a rule about something that is worked out.
_NEEDS = {"clears_in_seconds": "out_rate", "wait_seconds": "out_rate", "surplus_rate": "in_rate"}


def for_fleet(snapshot: Snapshot) -> list[tuple[Template, str]]:
    """The templates with a sentence on what the fleet shows of each: what happens now first, what nobody tells last."""
    told = [(template, *_shown(template, snapshot)) for template in TEMPLATES]
    order = sorted(range(len(told)), key=lambda i: (-told[i][1], i))
    return [(told[i][0], told[i][2]) for i in order]


def _shown(template: Template, snapshot: Snapshot) -> tuple[int, str]:
    """2 = it would be about something now, 1 = queues tell it, 0 = none does; and that in words."""
    condition, shown = template.condition, ~snapshot.aside
    if condition.get("kind") == "event":
        return 1, "It is told when it happens."
    metric = condition.get("metric", "lag_messages")
    if metric == "state":
        now = int((snapshot.state[shown] == State[condition["value"].upper()]).sum())
        return (2, f"{_many(now)} {condition['value']} now.") if now else (1, "No queue is so now.")
    column = numbers(_NEEDS.get(metric, metric), snapshot)[shown]
    known = int(np.isfinite(column).sum())
    if not known:
        return 0, "No queue tells this now."
    if metric in ("dead_letters", "redelivery_rate") and (now := int((column > 0).sum())):
        what = "has dead letters" if metric == "dead_letters" else "delivers again"
        return 2, f"1 queue {what} now." if now == 1 else f"{now:,} queues {_PLURAL[what]} now."
    return 1, f"{known:,} of {int(shown.sum()):,} queues tell it."


_PLURAL = {"has dead letters": "have dead letters", "delivers again": "deliver again"}


def _many(count: int) -> str:
    return f"{count:,} {'queue is' if count == 1 else 'queues are'}"


def for_queue(store: Store, queue: int, now: float | None = None) -> tuple[dict[str, Any], str]:
    """A condition whose limit fits a queue, and a sentence on where it is from."""
    now = time.time() if now is None else now
    try:
        series = store.range([queue], ["lag_seconds", "depth"], now - 7 * 86400, now, 200, "max")
    except StoreError:
        return dict(TEMPLATES[0].condition), "Its history cannot be read at the moment."
    for metric in ("lag_seconds", "depth"):
        values = series.values[metric][0]
        known = values[np.isfinite(values)]
        if len(known):
            return _limit(metric, known)
    return dict(TEMPLATES[0].condition), "Nothing is known of its past yet."


def _limit(metric: str, seen: Any) -> tuple[dict[str, Any], str]:
    usual = float(np.percentile(seen, 98))
    wanted = usual * ROOM
    if metric == "lag_seconds":
        limit = float(next((n for n in ROUND_SECONDS if n >= max(wanted, LEAST_SECONDS)), ROUND_SECONDS[-1]))
    else:
        limit = _round(max(wanted, LEAST_COUNT))
    condition = {"metric": metric, "op": ">", "value": limit, "clear_value": limit * 0.8, "for_seconds": 120}
    return condition, "Above nearly everything of its last 7 days, with half as much room again."


def _round(value: float) -> float:
    """The next of 1, 2, 5, 10, 20, 50 ..."""
    size = 10.0 ** np.floor(np.log10(value))
    return float(next(step * size for step in (1, 2, 5, 10) if step * size >= value * 0.999))
