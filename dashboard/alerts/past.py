"""The history that previews are made of, read once however often a form asks for it.

Up to six hours it is the samples; longer times are averages of minutes, or of hours where that would be too many
numbers to look at. Metrics are kept one by one, so that another condition on the same queues reads what is new.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock

import numpy as np

from ..directory import Entry
from ..insight.states import Judge, State
from ..store.base import Store
from ..ticks import Floats, Ints, Ring
from .conditions import Condition
from .frames import NEEDS, Stored, keeps_of, measured, samples
from .restates import NEEDS as STATES
from .restates import states
from .rules import windows_of

#: Up to so many seconds the samples themselves are read; and so many numbers of a metric are looked at, at most.
RAW_SECONDS, MOST_NUMBERS = 6 * 3600.0, 6_000_000
#: States of samples are judged as they were live, which takes long: so many ticks at most.
MOST_JUDGED = 450
MINUTE, HOUR = 60, 3600
_NOTHING: Mapping[int, Entry] = {}


@dataclass(frozen=True, slots=True)
class Asked:
    """Queues of one broker that is polled every `interval` seconds; ids ascending. `entries`: what else is known."""

    broker: int
    interval: float
    ids: Sequence[int]
    entries: Mapping[int, Entry] = field(default_factory=lambda: _NOTHING)

    @property
    def leads(self) -> list[int]:
        """Of each queue the one where its dead letters arrive, 0 = none that is known."""
        found = (self.entries.get(id) for id in self.ids)
        return [(entry.dead_letter_queue_id or 0) if entry else 0 for entry in found]

    @property
    def resting(self) -> Ints:
        """Queues where messages lie still for good reason."""
        return np.array([id for id in self.ids if id in self.entries and self.entries[id].holds_dead_letters], np.int64)


def history(store: Store, condition: Condition, asked: Asked, start: float, end: float) -> Stored:
    """What a condition needs to be judged from `start` to `end`. Raises StoreError."""
    begin = start - max([HOUR * 1.0, *(seconds for _, seconds in windows_of(condition))])
    metrics = _metrics(condition, _is_raw(begin, end))
    key = (store.uuid, asked.broker, tuple(asked.ids), begin, end)
    stored = _read.of(key, store, asked, metrics, str(condition.value) if condition.kind == "state" else "")
    stored.keeps = keeps_of(asked.entries.get(id) for id in asked.ids)
    if "dead_letters" in metrics and any(asked.leads):
        stored.put("dead_letters", _dead_letters(key, store, asked, stored))
    if condition.kind == "state" and not stored.has("state"):
        stored.put("state", _states(condition, stored, asked.resting))
    return stored


def _metrics(condition: Condition, raw: bool) -> list[str]:
    if condition.kind == "state" and not raw:
        return [name for name in STATES if condition.value != "stalled" or name != "in_rate"]
    metrics = [condition.metric] if condition.metric else ["waiting"]
    metrics += [metric for metric, _ in windows_of(condition)]
    if condition.kind == "stuck" and condition.value == "rewound":
        metrics += ["lag_messages", "in_rate"]
    return metrics


def _few(stored: Stored) -> bool:
    return stored.step < MINUTE and len(stored.times) <= MOST_JUDGED


def is_approximate(condition: Condition, stored: Stored) -> bool:
    """Whether states were not judged as live ones are."""
    return condition.kind == "state" and not _few(stored)


def _states(condition: Condition, stored: Stored, resting: Ints) -> Floats:
    if _few(stored):
        return _judged(stored, resting)
    return states(stored, resting, State[str(condition.value).upper()])


def _judged(stored: Stored, resting: Ints) -> Floats:
    """States, judged again from samples as they were live."""
    judge, ring, rows = Judge(), Ring(), []
    for tick in stored.ticks(NEEDS["state"]):
        tick.judgement = judge(ring, tick, resting)
        ring.push(tick)
        rows.append(tick.judgement.state.astype(np.float64))
    return np.vstack(rows) if rows else np.empty((0, len(stored.ids)))


def _dead_letters(key: Hashable, store: Store, asked: Asked, stored: Stored) -> Floats:
    """As live: the depth of the queue where they arrive, or what a queue keeps inside itself."""
    leads = np.array(asked.leads)
    there = Asked(asked.broker, asked.interval, sorted({lead for lead in leads.tolist() if lead}))
    depths = _read.of((*key[:2], tuple(there.ids), *key[3:]), store, there, ["depth"])  # type: ignore[index]
    own, at = stored.numbers("dead_letters").copy(), np.searchsorted(depths.times, stored.times)
    at = np.minimum(at, max(len(depths.times) - 1, 0))
    same = depths.times[at] == stored.times if len(depths.times) else np.zeros(len(stored.times), bool)
    place = np.searchsorted(there.ids, leads[leads > 0])
    depth = depths.numbers("depth")[at][:, place] if len(depths.times) else np.nan
    own[:, leads > 0] = np.where(same[:, None], depth, np.nan)
    return own


@dataclass(slots=True)
class _History:
    """Metrics that were read of some queues and a time, each with its times."""

    at: float
    step: float = 0.0
    columns: dict[str, tuple[Floats, Floats]] = field(default_factory=dict)
    made: dict[Hashable, Stored] = field(default_factory=dict)


class _Read:
    """The last histories that were read."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._kept: OrderedDict[Hashable, _History] = OrderedDict()

    def of(self, key: Hashable, store: Store, asked: Asked, metrics: Sequence[str], apart: str = "") -> Stored:
        """Some metrics of a history; those that were read in the last minutes are not read again.

        `apart`: what is put into it by who asks is for those alone who say the same.
        """
        begin, end = key[-2:]  # type: ignore[index]
        wanted = measured(metrics)
        with self._lock:
            kept = self._kept.get(key)
            if kept is None or time.monotonic() - kept.at > _FRESH:
                kept = self._kept[key] = _History(time.monotonic())
            self._kept.move_to_end(key)
            while len(self._kept) > _READS:
                self._kept.popitem(last=False)
        missing = [metric for metric in wanted if metric not in kept.columns]
        if missing:
            read = _stored(store, asked, missing, begin, end)
            kept.step = read.step
            kept.columns |= {metric: (read.times, read.numbers(metric)) for metric in missing}
        name = (apart, *sorted({*metrics, *wanted}))
        if name not in kept.made:
            kept.made[name] = _joined(asked, wanted, kept)
        return kept.made[name]

    def forget(self) -> None:
        with self._lock:
            self._kept.clear()


def _joined(asked: Asked, wanted: Sequence[str], kept: _History) -> Stored:
    """Metrics on one axis: a moment of any of them is a moment of all."""
    parts = [kept.columns[metric] for metric in wanted]
    times = parts[0][0]
    for other, _ in parts[1:]:
        if not np.array_equal(other, times):
            times = np.union1d(times, other)
    columns = {metric: _at(times, *kept.columns[metric]) for metric in wanted}
    return Stored(np.asarray(asked.ids, np.int64), times, columns, kept.step)


def _at(times: Floats, have: Floats, column: Floats) -> Floats:
    if np.array_equal(have, times):
        return column
    out = np.full((len(times), column.shape[1]), np.nan)
    out[np.searchsorted(times, have)] = column
    return out


def _is_raw(begin: float, end: float) -> bool:
    return end - begin <= RAW_SECONDS + HOUR


def _stored(store: Store, asked: Asked, metrics: Sequence[str], begin: float, end: float) -> Stored:
    if _is_raw(begin, end):
        return samples(store, asked.broker, asked.ids, metrics, begin, end)
    step = MINUTE if (end - begin) / MINUTE * len(asked.ids) <= MOST_NUMBERS else HOUR
    grid = store.grid(asked.broker, asked.ids, list(metrics), begin, end, step)
    return Stored(np.asarray(asked.ids, np.int64), grid.times + grid.step, grid.values, grid.step)


_FRESH, _READS = 120.0, 4
_read = _Read()


def forget() -> None:
    """Read everything anew at the next question."""
    _read.forget()
