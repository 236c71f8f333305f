"""History in pieces, to take it out of a store and into another: of each queue and hour the finest that is kept."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from collectors.protocol import METRICS

from ..ticks import HEAD_UNKNOWN, Floats, Ints, Tick
from . import gathering, making, rollups
from .base import StoreError
from .chunks import quality_of, status_of
from .connections import Connections
from .levels import LEVELS, RAW, Level, Seal
from .planning import plan, seals_of, times_in
from .rollups import Piece, Stats
from .sealing import Round, find_seals

#: Times that lie no further apart are the same: files have microseconds.
SAME_TIME = 1e-5


def pieces(
    connections: Connections, broker: int, queues: Sequence[int], start: float, end: float, step: int
) -> Iterator[Piece]:
    """History of some queues of a broker, span after span, in no finer steps than `step` (0, 60, 3600).

    Samples that have no rollup of that step yet come as they are.
    """
    level = next(one for one in LEVELS if one.step == step)
    with connections.reading() as reader:
        chosen = plan(reader, seals_of(reader, broker, start, end), start, end, level)
    for seal, hours in sorted(chosen.seals, key=lambda pair: (pair[0].start, pair[0].level.number)):
        for queue in queues:
            with connections.reading() as reader:
                yield from _sealed(reader, seal, hours, queue, start, end)
    first, last = RAW.start(start), end
    while first < last:
        with connections.reading() as reader:
            newest = reader.execute(
                "SELECT min(at) FROM tick WHERE broker = ? AND at >= ? AND at < ?", (broker, max(first, start), end)
            ).fetchone()[0]
            if newest is None:
                return
            first = RAW.start(newest)
            found = list(_hot(reader, broker, list(queues), max(first, start), min(first + RAW.span, end)))
        yield from found
        first += RAW.span


def _sealed(
    reader: sqlite3.Connection, seal: Seal, hours: set[int], queue: int, start: float, end: float
) -> Iterator[Piece]:
    for (_, _), data in making.chunks_of(reader, [seal.id], np.array([queue])):
        times, places = times_in(reader, seal, hours, start, end)
        try:
            stats = making.stats_of(data, seal.level, len(times)).take(places)
        except StoreError as error:
            making.say_damaged(queue, seal, error)
            continue
        yield Piece(queue, seal.level.step, times[places], stats)


def _hot(reader: sqlite3.Connection, broker: int, queues: list[int], start: float, end: float) -> Iterator[Piece]:
    part = gathering.joined(list(gathering.hot(reader, broker, queues, METRICS, start, end)), len(METRICS))
    order = np.argsort(part.queue, kind="stable")
    for some in np.split(order, np.flatnonzero(np.diff(part.queue[order])) + 1):
        if len(some):
            values = part.values[:, some]
            stats = Stats.of(values, status_of(values, part.quality[:, some]))
            yield Piece(int(part.queue[some[0]]), 0, part.at[some], stats)


class Given:
    """Rollups from elsewhere, as a new seal that joins them to what the old one held: of one time, the old counts."""

    def __init__(
        self, connections: Connections, level: Level, before: Seal | None, given: Mapping[int, tuple[Floats, Stats]]
    ) -> None:
        self.connections, self.level, self.before, self.given = connections, level, before, given
        with connections.reading() as reader:
            self.old = making.times_of(reader, before) if before else np.empty(0)
        steps = [np.floor(times / level.step) * level.step for times, _ in given.values()]
        self.times: Floats = np.unique(np.concatenate([self.old, *steps]))
        self.interval = before.interval if before else float(level.step)

    def chunks(self) -> Iterator[tuple[int, bytes]]:
        old = self._old_queues()
        for queue in sorted({*self.given, *old}):
            whole = Stats.nothing((len(METRICS), len(self.times)))
            whole = Stats(*(getattr(whole, name).copy() for name in Stats.__slots__))
            if queue in self.given:
                times, stats = self.given[queue]
                self._put(whole, np.floor(times / self.level.step) * self.level.step, stats)
            if queue in old and self.before:
                with self.connections.reading() as reader:
                    for _, data in making.chunks_of(reader, [self.before.id], np.array([queue])):
                        self._put(whole, self.old, making.stats_of(data, self.level, len(self.old)))
            yield queue, rollups.encode(Stats.stacked([whole]))[0]

    def _old_queues(self) -> set[int]:
        if not self.before:
            return set()
        every = np.array([0, (1 << 32) - 1])
        with self.connections.reading() as reader:
            return {queue for (_, queue), _ in making.chunks_of(reader, [self.before.id], every)}

    def _put(self, whole: Stats, times: Floats, stats: Stats) -> None:
        places: Ints = np.searchsorted(self.times, times)
        known = stats.count > 0
        for name in Stats.__slots__:
            mine = getattr(whole, name)
            mine[:, places] = np.where(known, getattr(stats, name), mine[:, places])


def new_ticks(connections: Connections, broker: int, given: Mapping[int, tuple[Floats, Stats]]) -> Iterator[Tick]:
    """Samples of several queues as ticks, oldest first, without those of times at which there is a tick already."""
    times = np.unique(np.concatenate([when for when, _ in given.values()]))
    with connections.reading() as reader:
        have = [gathering.hot_times(reader, broker, times[0] - 1, times[-1] + 1)]
        seals = seals_of(reader, broker, times[0] - 1, times[-1] + 1)
        have += [making.times_of(reader, seal) for seal in seals if seal.level is RAW]
    there = np.sort(np.concatenate(have))
    for at in times.tolist():
        near = np.searchsorted(there, [at - SAME_TIME, at + SAME_TIME])
        if near[0] == near[1]:
            yield _tick(broker, at, given)


def _tick(broker: int, at: float, given: Mapping[int, tuple[Floats, Stats]]) -> Tick:
    """The samples of one time. How the lag was found, heads and judgements are not kept in history."""
    said = [(queue, stats.take(times == at)) for queue, (times, stats) in sorted(given.items()) if at in times]
    tick = Tick.empty(broker, at)
    tick.ids = np.array([queue for queue, _ in said], np.int64)
    tick.values = np.concatenate([stats.last for _, stats in said], axis=1)
    tick.quality = quality_of(np.concatenate([stats.status for _, stats in said], axis=1))
    tick.lag_method = np.zeros(len(said), np.uint8)
    tick.head = np.full(len(said), HEAD_UNKNOWN, np.int64)
    return tick


def add(
    connections: Connections,
    broker: int,
    step: int,
    given: Mapping[int, tuple[Floats, Stats]],
    stopped: Callable[[], bool] = lambda: False,
) -> None:
    """Take in rollups of one step (60, 3600), by queue. Raises StoreError while another process is tidying up."""
    level = next(one for one in LEVELS if one.step == step and one is not RAW)
    spans: dict[int, dict[int, tuple[Floats, Stats]]] = {}
    for queue, (times, stats) in given.items():
        starts = times // level.span
        for number in np.unique(starts).astype(int).tolist():
            inside = np.flatnonzero(starts == number)
            spans.setdefault(number * level.span, {})[queue] = times[inside], stats.take(inside)
    this = Round.held(connections, stopped)
    try:
        with connections.writing() as writer:
            owned = ((queue, broker) for queue in given)
            writer.executemany("INSERT OR IGNORE INTO queue VALUES(?, ?)", owned)
        for start, some in spans.items():
            before = find_seals(connections, "broker = ? AND level = ? AND start = ?", (broker, level.number, start))
            made = Given(connections, level, before[0] if before else None, some)
            seal = this.begin(broker, level, start)
            this.keep(seal, made.chunks())
            this.finish(seal, made, made.before, [], [])
    finally:
        this.give_back()
