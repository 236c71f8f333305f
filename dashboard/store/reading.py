"""What is asked of the embedded store: whole ticks, series, windows, the largest. `Store` says what each call does."""

from __future__ import annotations

import heapq
import sqlite3
from collections.abc import Sequence

import numpy as np

from ..ticks import ROW, Bytes, Floats, Tick
from . import gathering, grid, layout
from .base import Aggregate, Grid, Series
from .connections import Connections
from .gathering import Part, marks, portions
from .levels import LEVELS, RAW, Level
from .making import times_of
from .planning import level_for, plan, seals_of
from .steps import GAP, Steps, axis, step_for, usual_interval

_WINDOW = {
    "avg": "avg(h.{m})",
    "min": "min(h.{m})",
    "max": "max(h.{m})",
    "last": "h.{m}, max(t.at)",  # SQLite takes a bare column from the row that has the maximum
}
#: A window of so many steps of a level may be read from it: its beginning is right to a hundredth.
WINDOW_STEPS = 100


class Reading:
    """The reading half of the embedded store."""

    connections: Connections

    def latest(self, broker: int) -> Tick | None:
        ticks = self.recent(broker, 1)
        return ticks[0] if ticks else None

    def recent(self, broker: int, ticks: int) -> list[Tick]:
        newest = "SELECT id, at, complete, data FROM tick LEFT JOIN judging ON judging.tick = tick.id"
        found = []
        with self.connections.reading() as reader:
            sql = f"{newest} WHERE broker = ? ORDER BY at DESC LIMIT ?"
            for number, at, complete, judging in reader.execute(sql, (broker, ticks)).fetchall():
                rows = reader.execute(layout.SELECT_ROWS, (number,)).fetchall()
                found.append(layout.tick_of(broker, at, bool(complete), judging, rows))
        return found[::-1]

    def extent(self, broker: int) -> tuple[int, float | None]:
        with self.connections.reading() as reader:
            hot, oldest = reader.execute("SELECT count(*), min(at) FROM tick WHERE broker = ?", (broker,)).fetchone()
            seals = seals_of(reader, broker, -np.inf, np.inf)
            for level in LEVELS:
                first = next((seal for seal in seals if seal.level is level), None)
                begins = float(times_of(reader, first)[0]) if first else np.inf
                if oldest is None or begins < oldest - level.step:
                    oldest = begins if first else oldest
        return int(hot) + sum(seal.ticks for seal in seals if seal.level is RAW), oldest

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
        with self.connections.reading() as reader:
            least = level_for(step_for(start, end, points, 0.0))
            brokers = [
                _Span(reader, broker, owned, start, end, least) for broker, owned in _by_broker(reader, queues).items()
            ]
            step = step_for(start, end, points, max((span.interval for span in brokers), default=0.0))
            for span in brokers:
                span.read(reader, metrics, step, aggregate)
        steps = Steps(axis(start, end, step), step, len(queues))
        return _series(queues, metrics, steps, brokers, aggregate)

    def grid(
        self, broker: int, queues: Sequence[int], metrics: Sequence[str], start: float, end: float, step: int
    ) -> Grid:
        for metric in metrics:
            _known_metric(metric)
        if not (start < end and step in (60, 3600)):
            raise ValueError(f"A grid needs start < end and steps of 60 or 3600 s, not {start}, {end} and {step}.")
        with self.connections.reading() as reader:
            return grid.read(reader, broker, queues, metrics, start, end, step)

    def window(self, queues: Sequence[int], metric: str, seconds: float, aggregate: Aggregate = "avg") -> Floats:
        _known_metric(metric)
        _known_aggregate(aggregate)
        found: dict[int, float] = {}
        with self.connections.reading() as reader:
            for broker, owned in _by_broker(reader, queues).items():
                newest = reader.execute("SELECT max(at) FROM tick WHERE broker = ?", (broker,)).fetchone()[0]
                if newest is None:
                    continue
                if seals_of(reader, broker, newest - seconds, newest):
                    found.update(_long_window(reader, broker, owned, metric, (newest - seconds, newest), aggregate))
                else:
                    found.update(_hot_window(reader, broker, owned, metric, newest - seconds, aggregate))
        return np.array([found.get(int(queue), np.nan) for queue in queues], np.float64)

    def top(self, metric: str, n: int, broker: int | None = None) -> list[tuple[int, float]]:
        _known_metric(metric)
        largest: list[tuple[int, float]] = []
        with self.connections.reading() as reader:
            for (number,) in reader.execute(*_newest_ticks(broker)).fetchall():
                statement = (
                    f"SELECT queue, {metric} FROM hot WHERE tick = ? AND {metric} IS NOT NULL ORDER BY 2 DESC, 1"
                )
                largest += reader.execute(f"{statement} LIMIT ?", (number, n)).fetchall()
        return heapq.nsmallest(n, largest, key=lambda pair: (-pair[1], pair[0]))


class _Span:
    """What one broker has to say of some queues in start <= t < end, on `least` or a coarser level."""

    def __init__(
        self, reader: sqlite3.Connection, broker: int, queues: list[int], start: float, end: float, least: Level
    ) -> None:
        self.broker, self.queues, self.start, self.end, self.least = broker, queues, start, end, least
        self.seals = seals_of(reader, broker, start, end)
        self.hot = gathering.hot_times(reader, broker, start, end)
        self.plan = plan(reader, self.seals, start, end, least)
        self.interval = self.plan.interval(self.hot) if self.seals else usual_interval(self.hot)
        self.parts: list[Part] = []
        self.times = self.hot
        self.apart: Floats = np.full(len(self.hot), GAP * self.interval)

    def read(self, reader: sqlite3.Connection, metrics: Sequence[str], step: float, aggregate: Aggregate) -> None:
        """Fill `parts`, the `times` they are from, and `apart`: how far the next time may be without a gap."""
        span = (self.start, self.end)
        if self.seals:
            level = level_for(step)
            chosen = self.plan if level is self.least else plan(reader, self.seals, *span, level)
            for part, times, apart in gathering.sealed(reader, chosen, self.queues, metrics, span, aggregate):
                self.parts.append(part)
                self.times = np.concatenate([self.times, times])
                self.apart = np.concatenate([self.apart, np.full(len(times), apart)])
            order = np.argsort(self.times, kind="stable")
            self.times, self.apart = self.times[order], self.apart[order]
        if len(self.hot):
            self.parts += gathering.hot(reader, self.broker, self.queues, metrics, *span)


def _hot_window(
    reader: sqlite3.Connection, broker: int, queues: list[int], metric: str, start: float, aggregate: Aggregate
) -> dict[int, float]:
    found: dict[int, float] = {}
    for some in portions(queues):
        statement = (
            f"SELECT h.queue, {_WINDOW[aggregate].format(m=metric)} FROM tick t CROSS JOIN hot h"
            f" WHERE t.broker = ? AND t.at >= ? AND h.tick = t.id AND h.queue IN ({marks(some)})"
            f" AND h.{metric} IS NOT NULL GROUP BY h.queue"
        )
        found.update((row[0], row[1]) for row in reader.execute(statement, (broker, start, *some)))
    return found


def _long_window(
    reader: sqlite3.Connection,
    broker: int,
    queues: list[int],
    metric: str,
    span: tuple[float, float],
    aggregate: Aggregate,
) -> dict[int, float]:
    """A window that reaches beyond what is hot."""
    seconds = span[1] - span[0]
    step = next((s for s in (3600.0, 60.0) if s * WINDOW_STEPS <= seconds), 1.0)
    found: dict[int, float] = {}
    for some in portions(queues):
        view = _Span(reader, broker, some, span[0], np.nextafter(span[1], np.inf), level_for(step))
        view.read(reader, [metric], step, aggregate)
        whole = Steps(np.zeros(1), float(2**60), len(some))
        part = gathering.joined(view.parts, 1)
        rows = np.searchsorted(some, part.queue)
        weight = None if part.weight is None else part.weight[0]
        values, _ = whole.fold(rows, part.at, part.values[0], part.quality[0], aggregate, weight)
        found.update((queue, value) for queue, value in zip(some, values[:, 0].tolist(), strict=True))
    return found


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


def _by_broker(reader: sqlite3.Connection, queues: Sequence[int]) -> dict[int, list[int]]:
    """The distinct ones of these queues that are known, by their broker, ascending."""
    owned: dict[int, list[int]] = {}
    for some in portions(sorted({int(queue) for queue in queues})):
        for queue, broker in reader.execute(f"SELECT id, broker FROM queue WHERE id IN ({marks(some)})", some):
            owned.setdefault(broker, []).append(queue)
    return {broker: sorted(some) for broker, some in owned.items()}


def _series(
    queues: Sequence[int], metrics: Sequence[str], steps: Steps, brokers: list[_Span], aggregate: Aggregate
) -> Series:
    """What several brokers said, on one axis."""
    ids, place = np.unique(np.array(queues, np.int64), return_inverse=True)
    part = gathering.joined([part for span in brokers for part in span.parts], len(metrics))
    rows = np.searchsorted(ids, part.queue)
    values: dict[str, Floats] = {}
    codes: dict[str, Bytes] = {}
    for i, metric in enumerate(metrics):
        weight = None if part.weight is None else part.weight[i]
        folded, worst = steps.fold(rows, part.at, part.values[i], part.quality[i], aggregate, weight)
        for span in brokers:
            steps.bridge(np.searchsorted(ids, span.queues), span.times, span.apart, folded, worst)
        values[metric], codes[metric] = folded[place], worst[place]
    return Series(steps.times, steps.step, list(queues), values, codes)
