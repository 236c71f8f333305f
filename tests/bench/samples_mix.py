"""The mix of queues that stores are measured with: half of them idle, a few stuck, some slow, some busy, few hot.

Eight whole-number metrics change; about one value in five from tick to tick, which drives every figure of bytes per
value. What real fleets look like is an assumption of ours: an all-busy fleet costs three to five times as much.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from collectors.protocol import METRICS, Quality
from dashboard.ticks import ROW, Bytes, Floats, Ints, Judgement, Tick

START = 1_700_006_400.0  # a midnight
MEASURED = ("depth", "in_flight", "in_rate", "out_rate", "lag_seconds", "consumers", "dead_letters", "redelivery_rate")
#: Kind of queue: (share of the fleet, messages per second).
KINDS = {"idle": (0.5, 0.0), "stuck": (0.08, 0.0), "slow": (0.27, 2.0), "busy": (0.12, 20.0), "hot": (0.03, 500.0)}


class Mix:
    """`queues` made-up queues of one broker, polled every `interval` seconds. The same seed makes the same fleet."""

    def __init__(self, queues: int, interval: float = 10.0, broker: int = 1, seed: int = 1) -> None:
        self.random = np.random.default_rng(seed)
        self.broker, self.interval = broker, interval
        self.ids: Ints = np.arange(1, queues + 1) + 1_000_000 * (broker - 1)
        shares, speeds = zip(*KINDS.values(), strict=True)
        self.kind = self.random.choice(len(KINDS), queues, p=shares)
        self.speed = np.array(speeds)[self.kind] * self.random.lognormal(0, 1, queues)
        self.stuck = self.kind == list(KINDS).index("stuck")
        self.depth: Floats = np.where(self.stuck, self.random.integers(1, 10_000, queues), 0).astype(np.float64)
        self.consumers = np.where(self.stuck, 0, self.random.integers(1, 9, queues)).astype(np.float64)
        self.dead = np.where(self.random.random(queues) < 0.1, self.random.integers(0, 50, queues), 0).astype(
            np.float64
        )
        self.lag = np.where(self.stuck, self.random.integers(60, 90_000, queues), 0).astype(np.float64)
        self.quality: Bytes = np.full((len(METRICS), queues), Quality.UNKNOWN, np.uint8)
        for metric in MEASURED:
            self.quality[ROW[metric]] = Quality.APPROXIMATE if metric.endswith("_rate") else Quality.EXACT

    def tick(self, at: float) -> Tick:
        """The next poll."""
        n = len(self.ids)
        came = self.random.poisson(self.speed * self.interval)
        capacity = self.random.poisson(self.speed * self.interval * 1.05 + (self.speed > 0))
        went = np.minimum(self.depth + came, capacity) * ~self.stuck
        self.depth = self.depth + came - went
        waits = np.ceil(self.depth / np.maximum(self.speed, 0.1))
        self.lag = np.where(self.stuck, self.lag + self.interval, waits)
        self.dead += self.random.random(n) < 0.00002
        values = np.full((len(METRICS), n), np.nan)
        columns = (
            self.depth,
            self.random.poisson(self.speed * 0.2),
            np.rint(came / self.interval),
            np.rint(went / self.interval),
            self.lag,
            self.consumers,
            self.dead,
            np.zeros(n),
        )
        for metric, column in zip(MEASURED, columns, strict=True):
            values[ROW[metric]] = column
        judgement = Judgement((self.kind % 6).astype(np.uint8), (self.kind % 7).astype(np.uint8), np.full(n, START))
        zeros = np.zeros(n, np.int64)
        return Tick(self.broker, at, self.ids, values, self.quality, zeros.astype(np.uint8), zeros, judgement=judgement)

    def ticks(self, seconds: float, start: float = START) -> Iterator[Tick]:
        """Polls over some seconds."""
        for i in range(int(seconds / self.interval)):
            yield self.tick(start + i * self.interval)
