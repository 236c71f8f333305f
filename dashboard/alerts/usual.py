"""What is usual for a queue at an hour of the week: the median of the same hour, and its neighbours, of past weeks.

Median, and median distance from it, do not notice one bad week. Fewer than half of the hours known: nothing is usual.
"""

from __future__ import annotations

import logging
from threading import Lock, Thread

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
    with np.errstate(invalid="ignore"):
        centre = np.nanmedian(known, axis=0) if len(hours) else np.full(hours.shape[1], np.nan)
        spread = _NORMAL * np.nanmedian(np.abs(known - centre), axis=0)
    spread = np.maximum(spread, np.maximum(LEAST_SHARE * np.abs(centre), LEAST))
    return np.where(enough, centre, np.nan), np.where(enough, spread, np.nan)


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
