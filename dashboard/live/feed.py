"""What this process knows now: its one `Fleet`, refilled from the store and kept up by the bus.

`fleet()` starts it on first use. Ticks that arrive while the store is read are held back until
it is done, so that no history is refused as older than them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from threading import Lock
from typing import Any

import numpy as np

from collectors.protocol import METRICS, Quality

from ..fleet import SPARK_POINTS, SPARK_STEP, Fleet
from ..models import Broker
from ..samples import the_store
from ..store.base import Store
from ..ticks import ROW, Tick
from .bus import Bus, the_bus

#: Newest ticks of a broker that are taken whole; what is older is only needed for sparklines.
WHOLE_TICKS = 20


class Feed:
    """A fleet that follows the bus. `listen` is called after the fleet took a tick in."""

    def __init__(self, bus: Bus, store: Store) -> None:
        self.fleet = Fleet()
        self._store = store
        self._lock = Lock()
        self._held_back: list[Tick] | None = []
        self._listeners: tuple[Callable[[], None], ...] = ()
        self._unsubscribe = bus.subscribe(self._tick, self._note)
        try:
            self._refill()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Follow the bus no longer."""
        self._unsubscribe()

    def listen(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call `listener` from any thread whenever there is something new; returns how to end that."""
        with self._lock:
            self._listeners = (*self._listeners, listener)

        def end() -> None:
            with self._lock:
                self._listeners = tuple(one for one in self._listeners if one is not listener)

        return end

    def _tick(self, tick: Tick) -> None:
        with self._lock:
            if self._held_back is not None:
                self._held_back.append(tick)
                return
        self.fleet.accept(tick)
        self._tell()

    def _note(self, kind: str, fields: Mapping[str, Any]) -> None:
        if kind == "broker_deleted":
            self.fleet.forget(int(fields["broker"]))
        if kind == "trouble":
            self.fleet.trouble(int(fields["broker"]), str(fields["sentence"]))
            self._tell()
        if kind in ("broker_deleted", "brokers_changed", "queues_marked"):
            self.fleet.refresh()
            self._tell()

    def _tell(self) -> None:
        for listener in self._listeners:
            listener()

    def _refill(self) -> None:
        for broker in Broker.objects.values_list("id", flat=True):
            for tick in past(self._store, broker, time.time()):
                self.fleet.accept(tick)
        while True:
            with self._lock:
                waiting, self._held_back = self._held_back or [], []
                if not waiting:
                    self._held_back = None
                    return
            for tick in waiting:
                self.fleet.accept(tick)


def past(store: Store, broker: int, now: float) -> list[Tick]:
    """What a fleet needs of a broker's past, oldest first.

    The newest ticks whole, and before them one tick of depths for each slot of the sparklines,
    so that half an hour of ten thousand queues stays a few megabytes.
    """
    whole = store.recent(broker, WHOLE_TICKS)
    if not whole:
        return []
    end = whole[0].at // SPARK_STEP * SPARK_STEP
    start = (now // SPARK_STEP - SPARK_POINTS) * SPARK_STEP
    if end <= start:
        return whole
    ids = whole[-1].ids
    series = store.range(ids.tolist(), ["depth"], start, end, SPARK_POINTS, "last")
    depths = series.values["depth"]
    ticks = []
    for i, at in enumerate(series.times.tolist()):
        if at < end and not np.isnan(depths[:, i]).all():
            values = np.full((len(METRICS), len(ids)), np.nan)
            values[ROW["depth"]] = depths[:, i]
            unknown = np.full(values.shape, Quality.UNKNOWN, np.uint8)
            nothing = np.zeros(len(ids), np.uint8)
            ticks.append(Tick(broker, at, ids, values, unknown, nothing, np.zeros(len(ids), np.int64)))
    return [*ticks, *whole]


_lock = Lock()
_feed: Feed | None = None


def the_feed() -> Feed:
    """The feed of this process, started on first use. Queries the database and the store then."""
    global _feed
    with _lock:
        if _feed is None:
            _feed = Feed(the_bus(), the_store())
        return _feed


def fleet() -> Fleet:
    """Everything that this process knows now."""
    return the_feed().fleet


def stop() -> None:
    """End the feed of this process: the next use starts another one."""
    global _feed
    with _lock:
        if _feed is not None:
            _feed.stop()
            _feed = None
