"""What needs attention now, the most urgent first, each with a sentence. Pure.

Silent brokers lead, since nothing is known of their queues; then brokers that fail, queues by their
urgency, and dead letters that arrived in the last half hour. When all is well the list is empty.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..insight.states import State, ago
from ..models import Broker
from ..snapshot import Snapshot, iso, number
from ..ticks import Floats, Ints
from . import sorting

#: Half an hour of depth for some queues: (start of the first slot, values of shape (n, slots)); `Fleet.sparks`.
SparksOf = Callable[[Sequence[int]], tuple[float, Floats]]

SPARK_STEP = 30.0

#: What colour a state has in the list: "bad" (red), "warn" (amber); dead letters are "dead".
_SEVERITY = {State.STALLED: "bad", State.GROWING: "warn"}


@dataclass(slots=True, frozen=True)
class Troubles:
    """Everything that needs attention, most urgent first: rows of brokers, row numbers of queues, dead letters."""

    brokers: list[dict[str, Any]]
    queues: Ints
    dead_letters: list[tuple[int, float]]  # row number, how many more than half an hour ago

    def __len__(self) -> int:
        return len(self.brokers) + len(self.queues) + len(self.dead_letters)


def troubles(snapshot: Snapshot, sparks_of: SparksOf) -> Troubles:
    """What needs attention in a snapshot."""
    urgency = sorting.urgency(snapshot)
    queues = np.flatnonzero(urgency)
    queues = queues[np.argsort(-urgency[queues], kind="stable")]
    dead = sorting.holds_dead_letters(snapshot) & ~snapshot.hidden & ~snapshot.stale
    brokers = [row for broker in snapshot.brokers.values() if (row := _broker(snapshot, broker))]
    brokers.sort(key=lambda row: (row["state"] != "silent", row["name"]))
    return Troubles(brokers, queues, _arrived(snapshot, np.flatnonzero(dead), sparks_of))


def rows(snapshot: Snapshot, found: Troubles, limit: int, sparks_of: SparksOf) -> list[dict[str, Any]]:
    """The first `limit` of the troubles for JSON.

    {id (null for a broker), name, broker, broker_id, state, severity, sentence, since, spark (null for a broker)}
    """
    queues = [(int(i), 0.0) for i in found.queues] + found.dead_letters
    queues = queues[: max(0, limit - len(found.brokers))]
    start, past = sparks_of([int(snapshot.ids[i]) for i, _ in queues]) if queues else (0.0, np.empty((0, 0)))
    drawn = [_queue(snapshot, i, more) | {"spark": spark(start, past[n])} for n, (i, more) in enumerate(queues)]
    return [*found.brokers[:limit], *drawn]


def spark(start: float, values: Floats) -> dict[str, Any]:
    """A sparkline for JSON: epoch seconds of the first slot, seconds between slots, depths with null for gaps."""
    known = np.isfinite(values)
    whole = np.where(known, values, 0.0)
    told: list[Any]
    if (whole == np.rint(whole)).all():  # as depths are, but for averages
        told = whole.astype(np.int64).tolist()
        for gap in np.flatnonzero(~known).tolist():
            told[gap] = None
    else:
        told = [number(value) for value in values.tolist()]
    return {"start": int(start), "step": int(SPARK_STEP), "values": told}


def _queue(snapshot: Snapshot, i: int, more: float) -> dict[str, Any]:
    row = snapshot.row(i)
    told = {key: row[key] for key in ("id", "name", "broker", "broker_id", "state")}
    if not more:
        severity = _SEVERITY.get(State(int(snapshot.state[i])), "warn")
        return {**told, "severity": severity, "sentence": row["reason"], "since": row["state_since"]}
    sources = [snapshot.entries[at].name for id in row["dead_letter_of"] if (at := snapshot.index(id)) is not None]
    of = f" From {', '.join(sources[:3])}{' and others' if len(sources) > 3 else ''}." if sources else ""
    sentence = f"{more:,.0f} more dead letters within half an hour, {row['depth']:,} in all.{of}"
    return {**told, "severity": "dead", "sentence": sentence, "since": None}


def _arrived(snapshot: Snapshot, at: Ints, sparks_of: SparksOf) -> list[tuple[int, float]]:
    """Dead-letter queues that hold more than at their lowest in the last half hour, most first."""
    if not len(at):
        return []
    _, past = sparks_of(snapshot.ids[at].tolist())
    lowest = np.where(np.isnan(past), np.inf, past).min(axis=1)
    more = snapshot.column("depth")[at] - lowest
    return sorted(((int(i), float(m)) for i, m in zip(at, more, strict=True) if m > 0), key=lambda pair: -pair[1])


def _broker(snapshot: Snapshot, broker: Broker) -> dict[str, Any] | None:
    state = snapshot.broker_states[broker.id]
    if state not in ("silent", "failing"):
        return None
    problem = broker.last_error or next(iter(broker.problems), "")
    since = broker.last_answer_at or broker.created_at
    if state == "silent":
        lasted = ago(snapshot.at - since.timestamp())
        problem = f"No answer for {lasted}; its queues show their last values. {problem}".rstrip()
    return {
        "id": None,
        "name": broker.name,
        "broker": broker.name,
        "broker_id": broker.id,
        "state": state,
        "severity": "bad" if state == "silent" else "warn",
        "sentence": problem,
        "since": iso(since.timestamp()) if state == "silent" else None,
        "spark": None,
    }
