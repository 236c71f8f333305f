"""What is asked of the embedded store: whole ticks, series, windows, the largest. `Store` says what each call does."""

from __future__ import annotations

import heapq
import sqlite3
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager

import numpy as np

from ..ticks import ROW, Bytes, Floats, Tick
from . import layout
from .base import Aggregate, Series
from .steps import Steps, axis, step_for, usual_interval

#: Queues asked for in one statement; SQLite takes 32,766 parameters.
QUEUES_PER_STATEMENT = 500

_WINDOW = {
    "avg": "avg(h.{m})",
    "min": "min(h.{m})",
    "max": "max(h.{m})",
    "last": "h.{m}, max(t.at)",  # SQLite takes a bare column from the row that has the maximum
}


class Reading:
    """The reading half of the embedded store."""

    @abstractmethod
    def _reading(self) -> AbstractContextManager[sqlite3.Connection]:
        """A connection that sees one unchanging state of the file."""

    def latest(self, broker: int) -> Tick | None:
        ticks = self.recent(broker, 1)
        return ticks[0] if ticks else None

    def recent(self, broker: int, ticks: int) -> list[Tick]:
        newest = "SELECT id, at, complete, judging FROM tick WHERE broker = ? ORDER BY at DESC LIMIT ?"
        found = []
        with self._reading() as connection:
            for number, at, complete, judging in connection.execute(newest, (broker, ticks)).fetchall():
                rows = connection.execute(layout.SELECT_ROWS, (number,)).fetchall()
                found.append(layout.tick_of(broker, at, bool(complete), judging, rows))
        return found[::-1]

    def extent(self, broker: int) -> tuple[int, float | None]:
        with self._reading() as connection:
            found = connection.execute("SELECT count(*), min(at) FROM tick WHERE broker = ?", (broker,)).fetchone()
        return int(found[0]), found[1]

    def range(
        self,
        queues: Sequence[int],
        metrics: Sequence[str],
        start: float,
        end: float,
        points: int = 300,
        aggregate: Aggregate = "avg",
    ) -> Series:
        for metric in metrics:
            _known_metric(metric)
        _known_aggregate(aggregate)
        if not (start < end and points > 0):
            raise ValueError(f"A range needs start < end and points > 0, not {start}, {end} and {points}.")
        with self._reading() as connection:
            brokers = []
            for broker, owned in _by_broker(connection, queues).items():
                times = _tick_times(connection, broker, start, end)
                brokers.append((owned, times, list(_samples(connection, broker, owned, metrics, start, end))))
        intervals = [usual_interval(times) for _, times, _ in brokers]
        step = step_for(start, end, points, max(intervals, default=0.0))
        steps = Steps(axis(start, end, step), step, len(queues))
        return _series(queues, metrics, steps, brokers, intervals, aggregate)

    def window(self, queues: Sequence[int], metric: str, seconds: float, aggregate: Aggregate = "avg") -> Floats:
        _known_metric(metric)
        _known_aggregate(aggregate)
        found: dict[int, float] = {}
        with self._reading() as connection:
            for broker, owned in _by_broker(connection, queues).items():
                newest = connection.execute("SELECT max(at) FROM tick WHERE broker = ?", (broker,)).fetchone()[0]
                if newest is None:
                    continue
                for some in _portions(owned):
                    statement = (
                        f"SELECT h.queue, {_WINDOW[aggregate].format(m=metric)} FROM tick t CROSS JOIN hot h"
                        f" WHERE t.broker = ? AND t.at >= ? AND h.tick = t.id AND h.queue IN ({_marks(some)})"
                        f" AND h.{metric} IS NOT NULL GROUP BY h.queue"
                    )
                    rows = connection.execute(statement, (broker, newest - seconds, *some))
                    found.update((row[0], row[1]) for row in rows)
        return np.array([found.get(int(queue), np.nan) for queue in queues], np.float64)

    def top(self, metric: str, n: int, broker: int | None = None) -> list[tuple[int, float]]:
        _known_metric(metric)
        largest: list[tuple[int, float]] = []
        with self._reading() as connection:
            for (number,) in connection.execute(*_newest_ticks(broker)).fetchall():
                statement = (
                    f"SELECT queue, {metric} FROM hot WHERE tick = ? AND {metric} IS NOT NULL ORDER BY 2 DESC, 1"
                )
                largest += connection.execute(f"{statement} LIMIT ?", (number, n)).fetchall()
        return heapq.nsmallest(n, largest, key=lambda pair: (-pair[1], pair[0]))


def _known_metric(metric: str) -> None:
    if metric not in ROW:
        raise ValueError(f"There is no metric '{metric}'; the metrics are {', '.join(ROW)}.")


def _known_aggregate(aggregate: str) -> None:
    if aggregate not in _WINDOW:
        raise ValueError(f"There is no aggregate '{aggregate}'; use {', '.join(_WINDOW)}.")


def _newest_ticks(broker: int | None) -> tuple[str, tuple[int, ...]]:
    if broker is not None:
        return "SELECT id FROM tick WHERE broker = ? ORDER BY at DESC LIMIT 1", (broker,)
    each = "SELECT (SELECT id FROM tick WHERE broker = b.broker ORDER BY at DESC LIMIT 1)"
    return f"{each} FROM (SELECT DISTINCT broker FROM queue) b", ()


def _by_broker(connection: sqlite3.Connection, queues: Sequence[int]) -> dict[int, list[int]]:
    """The distinct ones of these queues that are known, by their broker."""
    owned: dict[int, list[int]] = {}
    for some in _portions(sorted({int(queue) for queue in queues})):
        for queue, broker in connection.execute(f"SELECT id, broker FROM queue WHERE id IN ({_marks(some)})", some):
            owned.setdefault(broker, []).append(queue)
    return owned


def _tick_times(connection: sqlite3.Connection, broker: int, start: float, end: float) -> Floats:
    statement = "SELECT at FROM tick WHERE broker = ? AND at >= ? AND at < ? ORDER BY at"
    return np.array(connection.execute(statement, (broker, start, end)).fetchall(), np.float64).reshape(-1)


def _samples(
    connection: sqlite3.Connection, broker: int, queues: list[int], metrics: Sequence[str], start: float, end: float
) -> Iterator[Floats]:
    """Columns queue, time, packed qualities and the metrics, shape (3 + len(metrics), rows), times ascending."""
    for some in _portions(queues):
        statement = (
            f"SELECT h.queue, t.at, h.quality{''.join(f', h.{m}' for m in metrics)} FROM tick t CROSS JOIN hot h"
            f" WHERE t.broker = ? AND t.at >= ? AND t.at < ? AND h.tick = t.id AND h.queue IN ({_marks(some)})"
            " ORDER BY t.at"
        )
        rows = connection.execute(statement, (broker, start, end, *some)).fetchall()
        yield np.array(rows, np.float64).reshape(len(rows), 3 + len(metrics)).T


def _series(
    queues: Sequence[int],
    metrics: Sequence[str],
    steps: Steps,
    brokers: list[tuple[list[int], Floats, list[Floats]]],
    intervals: list[float],
    aggregate: Aggregate,
) -> Series:
    """Samples of several brokers on one axis."""
    ids, place = np.unique(np.array(queues, np.int64), return_inverse=True)
    parts = [part for _, _, some in brokers for part in some]
    columns = np.concatenate(parts, axis=1) if parts else np.empty((3 + len(metrics), 0))
    rows = np.searchsorted(ids, columns[0].astype(np.int64))
    quality = layout.qualities(columns[2], columns[3:], [ROW[m] for m in metrics])
    values: dict[str, Floats] = {}
    codes: dict[str, Bytes] = {}
    for i, metric in enumerate(metrics):
        folded, worst = steps.fold(rows, columns[1], columns[3 + i], quality[i], aggregate)
        for (owned, times, _), interval in zip(brokers, intervals, strict=True):
            steps.bridge(np.searchsorted(ids, owned), times, interval, folded, worst)
        values[metric], codes[metric] = folded[place], worst[place]
    return Series(steps.times, steps.step, list(queues), values, codes)


def _portions(queues: list[int]) -> Iterable[list[int]]:
    return (queues[i : i + QUEUES_PER_STATEMENT] for i in range(0, len(queues), QUEUES_PER_STATEMENT))


def _marks(queues: list[int]) -> str:
    return ",".join("?" * len(queues))
