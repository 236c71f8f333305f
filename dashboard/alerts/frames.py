"""Moments as rules see them: of a live tick, and of stored history. What is worked out is worked out here, once.

A number means the same in both: `rules.Engine` cannot tell which of them it is shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from collectors.protocol import METRICS as MEASURED

from ..directory import Entry
from ..insight import flow
from ..insight.history import waiting
from ..insight.sentences import sentence
from ..insight.vocabulary import State
from ..snapshot import number
from ..store.base import Store
from ..ticks import Floats, Ints, Ring, Tick, aligned
from . import retention
from .phases import Bools

#: What derived numbers are made of.
NEEDS: Mapping[str, tuple[str, ...]] = {
    "wait_seconds": ("depth", "in_flight", "out_rate"),
    "clears_in_seconds": ("depth", "lag_messages", "out_rate"),
    "surplus_rate": ("in_rate", "out_rate", "net_rate"),
    "retention_left_seconds": ("lag_seconds", "depth", "lag_messages", "dead_letters"),
    "waiting": ("depth", "lag_messages"),
    "state": ("depth", "in_flight", "in_rate", "out_rate", "lag_messages", "consumers", "redelivery_rate", "net_rate"),
}
_ROW = (
    "depth", "in_flight", "in_rate", "out_rate", "net_rate", "lag_seconds", "lag_messages", "consumers", "dead_letters",
    "redelivery_rate",
)  # fmt: skip
_TELLING = (State.GROWING, State.STALLED)


def derived(metric: str, numbers: Callable[[str], Floats]) -> Floats | None:
    """A number that is worked out from others of the same moment; None when it is measured. Any shape."""
    if metric == "wait_seconds":
        return flow.wait_seconds(numbers("depth"), numbers("in_flight"), numbers("out_rate"))
    if metric == "waiting":
        depth = numbers("depth")
        return np.where(np.isnan(depth), numbers("lag_messages"), depth)
    if metric == "surplus_rate":
        both = numbers("in_rate") - numbers("out_rate")
        return np.where(np.isnan(both), numbers("net_rate"), both)
    return None


def retention_left(numbers: Callable[[str], Floats], keeps: Floats, ends_in: Floats | float) -> Floats:
    """Seconds until the oldest message is dropped; `keeps` and `ends_in` as in `retention.left`. Any shape."""
    waits = derived("waiting", numbers)
    assert waits is not None
    lies = retention.held(waits, numbers("dead_letters"))
    return retention.left(numbers("lag_seconds"), lies, keeps, np.asarray(ends_in, float))


def keeps_of(entries: Iterable[Entry | None]) -> Floats:
    """The retention of queues, NaN where it is not known."""
    return np.array([np.nan if e is None or e.keeps_seconds is None else e.keeps_seconds for e in entries], float)


class TickFrame:
    """A live tick. Queues that an incomplete tick lacks are kept from `known`, with nothing known of them."""

    def __init__(
        self, tick: Tick, ring: Ring, known: Ints | None, entries: Callable[[Tick], Mapping[int, Entry]]
    ) -> None:
        self.tick, self.ring = tick, ring
        self.at = tick.at
        self.ids: Ints = tick.ids
        if not tick.complete and known is not None and len(known):
            self.ids = np.union1d(known, tick.ids)
        self.held: Bools | None = None
        if tick.measured is not None:
            self.held = aligned((~tick.fresh).astype(np.uint8), tick.ids, self.ids).astype(bool)
        self._entries_of = entries
        self._entries: Mapping[int, Entry] | None = None
        self._kept: dict[str, Floats] = {}

    @property
    def entries(self) -> Mapping[int, Entry]:
        """What is known of the queues beside their numbers."""
        if self._entries is None:
            self._entries = self._entries_of(self.tick)
        return self._entries

    def numbers(self, metric: str) -> Floats:
        if metric not in self._kept:
            self._kept[metric] = aligned(self._column(metric), self.tick.ids, self.ids)
        return self._kept[metric]

    def _column(self, metric: str) -> Floats:
        tick = self.tick
        if metric == "state":
            judged = tick.judgement
            return np.full(len(tick), np.nan) if judged is None else judged.state.astype(np.float64)
        if metric == "clears_in_seconds":
            return flow.clears_in_seconds(self.ring, tick)
        if metric == "waiting":
            return waiting(tick)
        if metric == "dead_letters":
            return self._dead_letters()
        if metric == "retention_left_seconds":
            return self._retention_left()
        found = derived(metric, tick.column)
        return tick.column(metric) if found is None else found

    def _dead_letters(self) -> Floats:
        """As the page shows them: the depth of the queue where they arrive, or what the broker keeps inside."""
        tick, entries = self.tick, self.entries
        leads = np.fromiter(((e.dead_letter_queue_id or 0) if (e := entries.get(i)) else 0 for i in tick.ids.tolist()),
                            np.int64, len(tick))  # fmt: skip
        has = leads > 0
        column = tick.column("dead_letters")
        if not has.any():
            return column
        wanted, inverse = np.unique(leads[has], return_inverse=True)
        column = column.copy()
        column[has] = aligned(tick.column("depth"), tick.ids, wanted)[inverse]
        return column

    def _retention_left(self) -> Floats:
        ids, ends = self.tick.ids.tolist(), retention.first_ends(self.tick.broker)
        ends_in = np.array([ends.get(id, np.nan) for id in ids], float) - self.at
        return retention_left(self.tick.column, keeps_of(self.entries.get(id) for id in ids), ends_in)

    def row(self, queue: int) -> dict[str, float | int | None]:
        """The numbers of one queue that are known, for people."""
        at = int(np.searchsorted(self.tick.ids, queue))
        if at >= len(self.tick) or self.tick.ids[at] != queue:
            return {}
        found = {metric: number(float(self.tick.column(metric)[at])) for metric in _ROW}
        return {metric: value for metric, value in found.items() if value is not None}

    def why(self, queue: int) -> str:
        """What the state of a queue says, where it says what is wrong; else ""."""
        at, judged = int(np.searchsorted(self.tick.ids, queue)), self.tick.judgement
        row = self.row(queue)
        if judged is None or not row or judged.state[at] not in _TELLING:
            return ""
        code, reason, since = int(judged.state[at]), int(judged.reason[at]), float(judged.since[at])
        return sentence(code, reason, row, since, self.at)


class Stored:
    """Stored history of some queues: times, shape (t,), and measured metrics, shape (t, n). A frame is a row of it.

    `step`: 0 where these are the samples themselves, else the seconds of the rollups. `keeps`: the retention of each
    queue, as it is today.
    """

    def __init__(self, ids: Ints, times: Floats, columns: dict[str, Floats], step: float) -> None:
        self.ids, self.times, self.step = ids, times, step
        self.keeps = np.full(len(ids), np.nan)
        self._columns = columns

    def numbers(self, metric: str) -> Floats:
        """A number per time and queue, shape (t, n)."""
        if metric not in self._columns:
            if metric == "clears_in_seconds":
                waits, completed = self.numbers("waiting"), self.numbers("out_rate")
                self._columns[metric] = flow.clears_throughout(self.times, waits, completed)
            elif metric == "retention_left_seconds":
                self._columns[metric] = retention_left(self.numbers, self.keeps, np.nan)
            else:
                made = derived(metric, self.numbers)
                self._columns[metric] = self._unknown() if made is None else made
        return self._columns[metric]

    def has(self, metric: str) -> bool:
        """Whether a metric is there already."""
        return metric in self._columns

    def put(self, metric: str, values: Floats) -> None:
        """Numbers that are worked out elsewhere."""
        self._columns[metric] = values

    def _unknown(self) -> Floats:
        return np.full((len(self.times), len(self.ids)), np.nan)

    def ticks(self, metrics: Sequence[str]) -> Iterator[Tick]:
        """These metrics as ticks, oldest first."""
        columns = {metric: self.numbers(metric) for metric in metrics}
        for i, at in enumerate(self.times.tolist()):
            tick = Tick.empty(0, at)
            tick.ids = self.ids
            tick.values = np.full((len(MEASURED), len(self.ids)), np.nan)
            for metric, column in columns.items():
                tick.values[MEASURED.index(metric)] = column[i]
            tick.quality = np.zeros(tick.values.shape, np.uint8)
            tick.lag_method, tick.head = np.zeros(len(self.ids), np.uint8), np.zeros(len(self.ids), np.int64)
            yield tick

    def frames(self) -> Iterator[StoredFrame]:
        for i in range(len(self.times)):
            yield StoredFrame(self, i)


class StoredFrame:
    """One moment of stored history."""

    held: Bools | None = None

    def __init__(self, stored: Stored, i: int) -> None:
        self.stored, self.i = stored, i
        self.at, self.ids = float(stored.times[i]), stored.ids

    def numbers(self, metric: str) -> Floats:
        row: Floats = self.stored.numbers(metric)[self.i]
        return row


def measured(metrics: Sequence[str]) -> list[str]:
    """What has to be read for these metrics."""
    wanted = [need for metric in metrics for need in NEEDS.get(metric, (metric,))]
    return list(dict.fromkeys(wanted))


def rolled(
    store: Store, ids: Sequence[int], metrics: Sequence[str], start: float, end: float, step: float, how: Any = "avg"
) -> Stored:
    """History in steps of so many seconds."""
    wanted = measured(metrics)
    series = store.range(ids, wanted, start, end, int((end - start) // step) + 2, how)
    columns = {metric: np.ascontiguousarray(series.values[metric].T) for metric in wanted}
    known = np.zeros(len(series.times), bool)
    for column in columns.values():
        known |= ~np.isnan(column).all(axis=1)
    columns = {metric: column[known] for metric, column in columns.items()}
    return Stored(np.asarray(ids, np.int64), series.times[known], columns, series.step)


def samples(store: Store, broker: int, ids: Sequence[int], metrics: Sequence[str], start: float, end: float) -> Stored:
    """History as it came, tick by tick; where only rollups are left, one row each minute."""
    wanted, rows = measured(metrics), [MEASURED.index(metric) for metric in measured(metrics)]
    pieces = list(store.history(broker, ids, start, end))
    times = np.unique(np.concatenate([piece.times for piece in pieces])) if pieces else np.empty(0)
    step = max((float(piece.step) for piece in pieces), default=0.0)
    place = {id: i for i, id in enumerate(ids)}
    columns = {metric: np.full((len(times), len(ids)), np.nan) for metric in wanted}
    for piece in pieces:
        at = np.searchsorted(times, piece.times)
        for metric, row in zip(wanted, rows, strict=True):
            columns[metric][at, place[piece.queue]] = piece.stats.last[row]
    return Stored(np.asarray(ids, np.int64), times, columns, step)
