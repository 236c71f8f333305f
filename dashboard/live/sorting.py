"""The order of queues: by attention, or by any column. Pure, and vectorised."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from collectors.protocol import METRICS

from ..insight import states
from ..insight.states import State
from ..snapshot import DERIVED, Snapshot
from ..ticks import Floats, Ints

Mask = NDArray[np.bool_]

#: What a sort may name, without its "-", and the column behind it. "" is by attention.
COLUMNS = {
    "": "attention",
    "attention": "attention",
    **{name: name for name in ("name", "broker", "kind", "dialect", "state", "state_since", "sampled_at", "balance")},
    **{name: name for name in (*METRICS, *DERIVED)},
    "lag": "lag_seconds",
    "wait": "wait_seconds",
    "clears": "clears_in_seconds",
    "dead": "dead_letters",
}
_TEXTS = ("name", "broker", "kind", "dialect")

#: The states from what needs attention to what does not.
SEVERITY = (State.STALLED, State.GROWING, State.DRAINING, State.STEADY, State.UNKNOWN, State.IDLE)
_RANK = np.zeros(len(SEVERITY))
_RANK[list(SEVERITY)] = np.arange(len(SEVERITY))


class Sorter:
    """Sorts snapshots one after another; the order of the names, which rarely change, is kept between them."""

    def __init__(self) -> None:
        self._names: list[str] = []
        self._name_ranks = np.empty(0)

    def order(self, snapshot: Snapshot, sort: str, shown: Mask) -> Ints:
        """The rows of `shown` in the order of `sort`: unknown always last, ties by name.

        Raises KeyError for a sort that is not in COLUMNS.
        """
        column, descending = COLUMNS[sort.removeprefix("-")], sort.startswith("-")
        rows = np.flatnonzero(shown)
        if column == "attention":
            sign = -1.0 if descending else 1.0
            rank = _RANK[snapshot.state]
            kept = (snapshot.state == State.STALLED) & holds_dead_letters(snapshot)
            rank = np.where(kept, _RANK[State.STEADY], rank)
            keys = [-snapshot.column("depth"), sign * rank, -sign * urgency(snapshot)]
        else:
            values = self._values(snapshot, column)
            keys = [-values if descending else values]
        columns: list[NDArray] = [self._by_name(snapshot)[rows]]  # type: ignore[type-arg]
        for key in keys:  # lexsort puts NaN last, in either direction
            columns.append(key[rows])
        order: Ints = rows[np.lexsort(columns)]
        return order

    def _values(self, snapshot: Snapshot, column: str) -> Floats:
        if column == "name":
            return self._by_name(snapshot)
        if column in _TEXTS:
            return ranks(snapshot.texts(column))
        if column == "state":
            return _RANK[snapshot.state]
        if column == "state_since":
            return snapshot.since
        if column == "sampled_at":
            return snapshot.sampled_at
        if column == "balance":
            return snapshot.column("in_rate") - snapshot.column("out_rate")
        return snapshot.column(column)

    def _by_name(self, snapshot: Snapshot) -> Floats:
        names = list(snapshot.texts("name"))
        if names != self._names:
            self._names, self._name_ranks = names, ranks(names)
        return self._name_ranks


def urgency(snapshot: Snapshot) -> Floats:
    """How urgently each queue needs somebody, 0 = not at all, shape (n,).

    Stale queues do not (their broker does); nor do hidden ones, nor those that keep dead letters:
    they wait for a person, so that nobody reads them is no alarm.
    """
    quiet = snapshot.hidden | snapshot.stale | holds_dead_letters(snapshot)
    depth = snapshot.column("depth")
    found: Floats = states.attention(snapshot.state, snapshot.reason, snapshot.since, depth, snapshot.at, quiet)
    return found


def holds_dead_letters(snapshot: Snapshot) -> Mask:
    """Which queues are where dead letters of others arrive, shape (n,)."""
    return np.fromiter((entry.holds_dead_letters for entry in snapshot.entries), bool, len(snapshot))


def ranks(texts: Sequence[str]) -> Floats:
    """The place of each text in the order of all of them; NaN for an empty one."""
    places: dict[str, float] = {text: place for place, text in enumerate(sorted(set(texts), key=_folded))}
    places[""] = np.nan
    return np.fromiter(map(places.__getitem__, texts), np.float64, len(texts))


def _folded(text: str) -> tuple[str, str]:
    return text.casefold(), text
