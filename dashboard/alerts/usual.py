"""What is usual for a queue at an hour of the week: the median of the same hour, and its neighbours, of past weeks.

Median, and median distance from it, do not notice one bad week. Fewer than half of the hours known: nothing is usual.
"""

from __future__ import annotations

import logging
from threading import Lock, Thread
from typing import Any

import numpy as np

from ..store.base import Store, StoreError
from ..ticks import Floats, Ints, aligned
from .rules import Usual

log = logging.getLogger("weir.alerts")

HOUR, WEEK, WEEKS = 3600.0, 7 * 86400.0, 4
#: A spread is never less than this share of the centre, and than so much.
LEAST_SHARE, LEAST = 0.05, 0.5
_NORMAL = 1.4826  # of a normal distribution, the standard deviation is so many median distances


def of_hours(hours: Floats) -> tuple[Floats, Floats]:
    """Centre and spread of what was measured, shape (hours, n)."""
    enough = (~np.isnan(hours)).sum(axis=0) * 2 >= len(hours)
    known = np.where(enough, hours, 0.0)
    centre = _median(known)
    spread = _NORMAL * _median(np.abs(known - centre))
    spread = np.maximum(spread, np.maximum(LEAST_SHARE * np.abs(centre), LEAST))
    return np.where(enough, centre, np.nan), np.where(enough, spread, np.nan)


def _median(values: Floats) -> Floats:
    """Of the known values of each column; NaN where there is none. Many columns at once, unlike numpy's."""
    if not len(values):
        return np.full(values.shape[1], np.nan)
    ordered, number = np.sort(values, axis=0), (~np.isnan(values)).sum(axis=0)
    columns = np.arange(values.shape[1])
    middle = (
        ordered[np.maximum(number - 1, 0) // 2, columns] + ordered[np.minimum(number // 2, len(values) - 1), columns]
    )
    return np.where(number > 0, middle / 2, np.nan)


def over(store: Store, broker: int, start: float, end: float) -> Usual:
    """What was usual at each of many times between `start` and `end`, shape (t, n): the same, read at once."""

    def usual(ids: Ints, metric: str, at: Any) -> tuple[Floats, Floats]:
        first, last = int(start // HOUR), int(end // HOUR)
        begins = first - round(WEEKS * WEEK / HOUR) - 1
        grid = store.grid(broker, ids.tolist(), [metric], begins * HOUR, (last + 1) * HOUR, 3600)
        hours = np.full((last + 1 - begins, len(ids)), np.nan)
        hours[(grid.times // HOUR).astype(int) - begins] = grid.values[metric]
        own = np.arange(first, last + 1) - begins
        past = [own - round(week * WEEK / HOUR) + beside for week in range(1, WEEKS + 1) for beside in (-1, 0, 1)]
        centre, spread = of_hours(hours[np.array(past)].reshape(len(past), -1))
        row = (np.asarray(at) // HOUR).astype(int) - first
        return centre.reshape(len(own), -1)[row], spread.reshape(len(own), -1)[row]

    return usual


def read(store: Store, ids: Ints, metric: str, at: float) -> tuple[Floats, Floats]:
    """The usual of the hour of `at`, from what is stored. Raises StoreError."""
    hour = at // HOUR * HOUR
    rows = []
    for week in range(1, WEEKS + 1):
        then = hour - week * WEEK
        series = store.range(ids.tolist(), [metric], then - HOUR, then + 2 * HOUR, 3)
        rows.append(series.values[metric].T)
    return of_hours(np.vstack(rows))


class _Kept:
    """Read once an hour and metric, behind the back of who asks: until then nothing is known."""

    def __init__(self, store: Store, waits: bool) -> None:
        self.store, self.waits = store, waits
        self._lock = Lock()
        self._known: dict[str, tuple[float, Ints, Floats, Floats]] = {}
        self._busy: set[str] = set()

    def __call__(self, ids: Ints, metric: str, at: float) -> tuple[Floats, Floats]:
        hour = at // HOUR
        with self._lock:
            known = self._known.get(metric)
            due = known is None or known[0] != hour or len(known[1]) != len(ids)
            if due and metric not in self._busy and not self.waits:
                self._busy.add(metric)
                Thread(target=self._read, args=(ids, metric, at), name="usual", daemon=True).start()
        if due and self.waits:
            self._read(ids, metric, at)
            known = self._known.get(metric)
        if known is None or known[0] != hour:
            unknown = np.full(len(ids), np.nan)
            return unknown, unknown
        return aligned(known[2], known[1], ids), aligned(known[3], known[1], ids)

    def _read(self, ids: Ints, metric: str, at: float) -> None:
        try:
            centre, spread = read(self.store, ids, metric, at)
            with self._lock:
                self._known[metric] = (at // HOUR, ids, centre, spread)
        except StoreError as error:
            log.warning("What is usual for %s cannot be read: %s", metric, error)
        finally:
            with self._lock:
                self._busy.discard(metric)


def usual_of(store: Store, waits: bool = False) -> Usual:
    """The usual, from a store; `waits`: read while the caller waits, instead of behind its back."""
    return _Kept(store, waits)
