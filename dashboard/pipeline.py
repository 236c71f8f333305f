"""The order in which a poll becomes known: poll -> tick -> judge -> rules -> store -> live. Written here, once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from collectors.protocol import Poll

from .alerts.watching import Watch
from .insight.states import Judge
from .inventory import Inventory
from .store.base import Store
from .ticks import BLOCK, CLOCK_WENT_BACK, Levels, Ring, Tick

#: Queues of which a restart reads how they were in the last two hours.
REFILLED = 1000


class Ingest:
    """The spine for one broker, in the collector that polls it. Its windows are refilled from the store."""

    def __init__(self, broker: int, store: Store, publish: Callable[[Tick], None]) -> None:
        self.broker, self.store, self.publish = broker, store, publish
        self.inventory = Inventory(broker)
        self.ring = refilled(store, broker)
        self.judge = Judge.resume(self.ring)
        self.watch = Watch(broker, store, self.ring)

    def __call__(self, poll: Poll) -> Tick | None:
        """Take in one poll; the tick, or None when its time is not after the last one's.

        Raises StoreError when it could not be kept: it was published all the same.
        """
        last = self.ring.latest
        if last is not None and poll.at <= last.at:
            if last.at - poll.at < CLOCK_WENT_BACK:
                return None
            self.ring = Ring()
            self.judge = Judge.resume(self.ring)
        tick = Tick.of(poll, self.broker, self.inventory.resolve(poll))
        tick.inventory = self.inventory.version
        tick.judgement = self.judge(self.ring, tick, self.inventory.resting)
        self.watch(tick, self.ring)
        self.ring.push(tick)
        try:
            self.store.append(tick)
        finally:  # a full disk costs the history, not the view
            self.publish(tick)
        return tick


def refilled(store: Store, broker: int) -> Ring:
    """A ring as if its process had never stopped: the newest ticks, and before them the levels of two hours.

    The levels are those of the largest backlogs: of ten thousand queues, reading them all would hold up the first poll.
    """
    ring = Ring()
    ticks = store.recent(broker, ring.size)
    if not ticks:
        return ring
    end = ticks[0].at // BLOCK * BLOCK
    backlog = np.nan_to_num(ticks[-1].backlog)
    ids = ticks[-1].ids[np.sort(np.argsort(-backlog, kind="stable")[:REFILLED])]
    names = ("depth", "in_flight", "lag_messages")
    series = store.range(ids.tolist(), names, end - ring.blocks * BLOCK, end, ring.blocks, "last")
    depth, in_flight, behind = (series.values[name] for name in names)
    levels = np.where(np.isnan(depth), behind, depth) + np.nan_to_num(in_flight)
    for at, level in zip(series.times.tolist(), levels.T, strict=True):
        if not np.isnan(level).all():
            ring.older.append(Levels(at + series.step, ids, level))
    for tick in ticks:
        ring.push(tick)
    return ring
