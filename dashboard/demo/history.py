"""A made-up past for the demo's queues, so that charts, forecasts and previews of rules have something to show.

It begins from what the shop's queues say now and tells only what they can tell: unknown stays unknown. Day and night,
weekends, and for each queue a few hours in which its consumers were away. It is kept as rollups of a minute, and the
pages of its queues say until when it was generated.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from collectors.protocol import METRICS, Poll, Quality, Sample

from ..samples import say_generated
from ..store.base import Store
from ..store.chunks import status_of
from ..store.rollups import Stats
from ..ticks import ROW, Floats, Ints

STEP = 60
DAY = 86_400.0
#: Polls in a minute of the past, and messages a second where a queue tells no rates.
POLLS, QUIET = 12, 0.4


@dataclass(frozen=True, slots=True)
class Past:
    """Columns over time, each of shape (minutes, queues)."""

    times: Floats
    in_rate: Floats
    out_rate: Floats
    depth: Floats
    away: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]


def write_history(store: Store, broker: int, poll: Poll, ids: Ints, seconds: float, end: float) -> int:
    """Write the past of the queues of a poll, until `end`; how many minutes. Raises StoreError."""
    past = make_past(poll.samples, end - seconds, end)
    resting = {relation.target for relation in poll.relations or () if relation.kind == "dead_letters"}
    given: dict[int, tuple[Floats, Stats]] = {}
    for place, (sample, queue) in enumerate(zip(poll.samples, ids.tolist(), strict=True)):
        given[queue] = (past.times, _stats(past, place, sample, sample.key in resting))
    store.add_history(broker, STEP, given)
    say_generated(broker, end)
    return len(past.times)


def make_past(samples: Sequence[Sample], start: float, end: float) -> Past:
    """Minutes from `start` to `end` of queues that have, at the end, about what their samples say."""
    times = np.arange(np.ceil(start / STEP) * STEP, end, STEP)
    dice = [np.random.default_rng(int.from_bytes(hashlib.sha256(s.key.encode()).digest()[:8])) for s in samples]
    pace = np.array([max(_known(s.in_rate), _known(s.out_rate)) or QUIET for s in samples])
    came = pace * _rhythm(times)[:, None] * np.stack([one.lognormal(0, 0.15, len(times)) for one in dice], axis=1)
    away = np.stack([_away(one, len(times)) for one in dice], axis=1)
    can = np.where(away, 0.0, pace * 1.5)
    depth, went = np.empty_like(came), np.empty_like(came)
    waiting = np.array([min(_known(s.depth), 200.0) for s in samples])
    standing = pace * np.array([one.uniform(0, 4) for one in dice])  # what usually waits while all goes well
    for minute in range(len(times)):
        ready = waiting + came[minute] * STEP
        went[minute] = np.minimum(can[minute] * STEP, np.maximum(ready - standing, 0)) / STEP
        waiting = ready - went[minute] * STEP
        depth[minute] = waiting
    return Past(times, came, went, depth, away)


def _known(value: float | None) -> float:
    return float(value or 0.0)


def _rhythm(times: Floats) -> Floats:
    """More by day than by night, less at weekends."""
    hour = times / 3600 % 24
    weekend = (times // DAY + 3) % 7 >= 5  # 1970-01-01 was a Thursday, the fourth day of its week
    rhythm: Floats = (0.6 + 0.4 * np.sin((hour - 9) / 24 * 2 * np.pi)) * np.where(weekend, 0.7, 1.0)
    return rhythm


def _away(dice: np.random.Generator, minutes: int) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Minutes in which the consumers of a queue were away: a few times a week, for up to two hours."""
    away = np.zeros(minutes, bool)
    for _ in range(dice.poisson(3 * minutes * STEP / (7 * DAY))):
        begin = int(dice.integers(0, max(1, minutes - 120)))
        away[begin : begin + int(dice.integers(8, 120))] = True
    return away


def _stats(past: Past, place: int, sample: Sample, resting: bool) -> Stats:
    """What one queue said in each minute, as rollups of the metrics that it can tell; dead letters only pile up."""
    depth, came, went = past.depth[:, place], past.in_rate[:, place], past.out_rate[:, place]
    if resting:
        depth = np.floor(np.linspace(0.1, 1.0, len(depth)) * _known(sample.depth))
        came, went = np.zeros(len(depth)), np.zeros(len(depth))
    told: dict[str, Floats] = {
        "depth": np.rint(depth),
        "in_flight": np.rint(np.minimum(went * 1.5, depth)),
        "in_rate": came,
        "out_rate": went,
        "net_rate": came - went,
        "lag_seconds": depth / np.maximum(past.in_rate[:, place], 1e-3),
        "lag_messages": np.rint(depth),
        "consumers": np.where(past.away[:, place], 0.0, np.ceil(_known(sample.consumers))),
        "dead_letters": np.floor(np.linspace(0.2, 1.0, len(depth)) * _known(sample.dead_letters)),
        "delayed": np.zeros(len(depth)),
        "redelivery_rate": np.zeros(len(depth)),
    }
    values = np.full((len(METRICS), len(depth)), np.nan)
    for metric, column in told.items():
        if getattr(sample, metric) is not None:
            values[ROW[metric]] = np.round(column, 2)
    quality = np.full(values.shape, Quality.UNKNOWN, np.uint8)
    for metric, row in ROW.items():
        quality[row] = sample.quality.get(metric, Quality.EXACT)
    one = Stats.of(values, status_of(values, quality))
    return Stats(one.count * POLLS, one.sum * POLLS, one.min, one.max, one.last, one.status)
