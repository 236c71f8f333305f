"""What a new seal is made of: the hot ticks of an hour, or the seals of the level below, in portions of queues.

A seal that is there already - late ticks came, or a day is rolled up in parts - is made anew with what it held.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np

from collectors.protocol import METRICS

from ..ticks import Bytes, Floats, Ints
from . import chunks, layout, rollups
from .base import StoreError
from .connections import Connections
from .levels import RAW, Level, Seal, unpack_times
from .rollups import Stats
from .steps import usual_interval

log = logging.getLogger("weir.store")

ALL = range(len(METRICS))
#: Numbers held at a time while a seal is made: some tens of megabytes.
NUMBERS_AT_ONCE = 1_000_000
#: Queues whose chunks are encoded at once: some milliseconds, for which a tick may have to wait.
ENCODED_AT_ONCE = 32


class Made(Protocol):
    """The times of a new seal and its chunks. `interval`: usual seconds between two times."""

    times: Floats
    interval: float

    def chunks(self) -> Iterator[tuple[int, bytes]]:
        """(queue, chunk) of each queue that said something."""


class Hour:
    """The ticks of an hour that are hot now, `tick_ids`, and those that were sealed before."""

    def __init__(self, connections: Connections, broker: int, start: int, before: Seal | None) -> None:
        self.connections, self.broker, self.before = connections, broker, before
        with connections.reading() as reader:
            sql = "SELECT at, id FROM tick WHERE broker = ? AND at >= ? AND at < ? ORDER BY at"
            found = reader.execute(sql, (broker, start, start + RAW.span)).fetchall()
            self.old = times_of(reader, before) if before else np.empty(0)
        at = np.array([row[0] for row in found], np.float64)
        self.tick_ids = [row[1] for row in found]
        self.times = np.union1d(self.old, at)
        self.interval = usual_interval(self.times)
        self._places = np.searchsorted(self.times, at)
        self._column = {tick: int(place) for tick, place in zip(self.tick_ids, self._places, strict=True)}

    def chunks(self) -> Iterator[tuple[int, bytes]]:
        for ids in portions(self.connections, self.broker, len(self.times)):
            values = np.full((len(METRICS), len(ids), len(self.times)), np.nan)
            status = np.full(values.shape, chunks.NOT_KNOWN, np.uint8)
            with self.connections.reading(once=True) as reader:
                self._add_hot(reader, ids, values, status)
                if self.before:
                    self._add_sealed(reader, self.before, ids, values, status)
            yield from self._encoded(ids, values, status)

    def _encoded(self, ids: Ints, values: Floats, status: Bytes) -> Iterator[tuple[int, bytes]]:
        """(queue, chunk) of each that said something, few queues at a time."""
        said = np.flatnonzero((status != chunks.NOT_KNOWN).any(axis=(0, 2)))
        for i in range(0, len(said), ENCODED_AT_ONCE):
            self.connections.give_way()
            some = said[i : i + ENCODED_AT_ONCE]
            yield from zip(ids[some].tolist(), chunks.encode(values[:, some], status[:, some]), strict=True)

    def _add_hot(self, reader: sqlite3.Connection, ids: Ints, values: Floats, status: Bytes) -> None:
        for tick, column in self._column.items():
            self.connections.give_way()
            rows = reader.execute(layout.SELECT_PART, (tick, int(ids[0]), int(ids[-1]))).fetchall()
            if not rows:
                continue
            found = np.array(rows, np.float64).T
            at = np.searchsorted(ids, found[0].astype(np.int64))
            values[:, at, column] = found[1:-1]
            status[:, at, column] = chunks.status_of(found[1:-1], layout.qualities(found[-1], found[1:-1]))

    def _add_sealed(self, reader: sqlite3.Connection, seal: Seal, ids: Ints, values: Floats, status: Bytes) -> None:
        places = np.searchsorted(self.times, self.old)
        for queue, data in chunks_of(reader, [seal.id], ids):
            try:
                was, known = chunks.decode(data, ALL, len(self.old))
            except StoreError as error:
                say_damaged(queue[1], seal, error)
                continue
            row = np.searchsorted(ids, queue[1])
            values[:, row, places], status[:, row, places] = was, known


class Rollup:
    """Seals of one level on the next, `into`, with what was rolled up before: of one time, the new rollup counts."""

    def __init__(
        self, connections: Connections, broker: int, into: Level, below: list[Seal], before: Seal | None
    ) -> None:
        self.connections, self.broker, self.into = connections, broker, into
        self.below, self.before = below, before
        self._first: dict[int, Ints] = {}
        self._length: dict[int, int] = {}
        new = []
        with connections.reading() as reader:
            for seal in below:
                times = times_of(reader, seal)
                steps = np.floor(times / into.step) * into.step
                self._first[seal.id] = np.flatnonzero(np.diff(steps, prepend=-1.0))
                self._length[seal.id] = len(times)
                new.append(steps[self._first[seal.id]])
            old = times_of(reader, before) if before else np.empty(0)
        added = np.concatenate(new)
        self._kept = ~np.isin(old, added)
        self._old_length = len(old)
        joined = np.concatenate([old[self._kept], added])
        self._order = np.argsort(joined, kind="stable")
        self.times: Floats = joined[self._order]
        self.interval = max(float(into.step), *(seal.interval for seal in below), before.interval if before else 0.0)

    def chunks(self) -> Iterator[tuple[int, bytes]]:
        for ids in portions(self.connections, self.broker, 6 * len(self.times)):
            found: dict[int, list[Stats]] = {}
            parts = [(self.before, self._old_length)] if self.before else []
            parts += [(seal, self._length[seal.id]) for seal in self.below]
            with self.connections.reading(once=True) as reader:
                for number, (seal, length) in enumerate(parts):
                    self._add(reader, seal, length, number, ids, found)
            for some in _alike(found):
                self.connections.give_way()
                stats = Stats.stacked([self._joined(found[queue], parts) for queue in some])
                yield from zip(some, rollups.encode(stats), strict=True)

    def _add(
        self, reader: sqlite3.Connection, seal: Seal, length: int, number: int, ids: Ints, found: dict[int, list[Stats]]
    ) -> None:
        """Put the stats of one seal at place `number` of each queue's list."""
        for (_, queue), data in chunks_of(reader, [seal.id], ids):
            self.connections.give_way()
            try:
                stats = stats_of(data, seal.level, length)
            except StoreError as error:
                say_damaged(queue, seal, error)
                continue
            stats = stats.take(self._kept) if seal is self.before else stats.folded(self._first[seal.id])
            mine = found.setdefault(queue, [])
            mine += [_NOTHING] * (number - len(mine))
            mine.append(stats)

    def _joined(self, mine: list[Stats], parts: Sequence[tuple[Seal, int]]) -> Stats:
        whole = []
        for number, (seal, _) in enumerate(parts):
            size = int(self._kept.sum()) if seal is self.before else len(self._first[seal.id])
            given = mine[number] if number < len(mine) else _NOTHING
            whole.append(Stats.nothing((len(METRICS), size)) if given is _NOTHING else given)
        return Stats.joined(whole).take(self._order)


_NOTHING = Stats.nothing((len(METRICS), 0))


def _alike(found: dict[int, list[Stats]]) -> Iterator[list[int]]:
    """Queues in portions that are encoded at once."""
    queues = sorted(found)
    return (queues[i : i + 16] for i in range(0, len(queues), 16))


def stats_of(data: bytes, level: Level, length: int, metrics: Sequence[int] = ALL) -> Stats:
    """A chunk of any level as rollups. Raises StoreError when it is damaged."""
    return Stats.of(*chunks.decode(data, metrics, length)) if level is RAW else rollups.decode(data, metrics, length)


def times_of(reader: sqlite3.Connection, seal: Seal) -> Floats:
    """The times of a seal, ascending."""
    return unpack_times(reader.execute("SELECT times FROM seal WHERE id = ?", (seal.id,)).fetchone()[0])


def portions(connections: Connections, broker: int, times: int) -> Iterator[Ints]:
    """The queues of a broker, ascending, as many at once as memory should hold."""
    with connections.reading() as reader:
        rows = reader.execute("SELECT id FROM queue WHERE broker = ? ORDER BY id", (broker,)).fetchall()
    ids = np.array(rows, np.int64).reshape(-1)
    size = max(1, NUMBERS_AT_ONCE // (len(METRICS) * max(1, times)))
    return (ids[i : i + size] for i in range(0, len(ids), size))


def chunks_of(reader: sqlite3.Connection, seals: Sequence[int], ids: Ints) -> Iterator[tuple[tuple[int, int], bytes]]:
    """((seal, queue), chunk) of neighbouring queues in some seals."""
    for seal in seals:
        span = (layout.chunk_id(seal, int(ids[0])), layout.chunk_id(seal, int(ids[-1])))
        for number, data in reader.execute("SELECT id, data FROM chunk WHERE id >= ? AND id <= ?", span):
            yield (seal, number & (1 << layout.QUEUE_BITS) - 1), data


def say_damaged(queue: int, seal: Seal, error: StoreError) -> None:
    log.warning("What queue %d said in the seal that begins at %d is left out: %s", queue, seal.start, error)
