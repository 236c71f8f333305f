"""The numbers of some queues in a span of time, from hot rows, sealed samples and rollups, as columns."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ..ticks import ROW, Bytes, Floats, Ints
from . import chunks, layout, rollups
from .base import Aggregate, StoreError
from .levels import RAW, Seal
from .making import say_damaged
from .planning import Plan, times_in
from .steps import GAP

log = logging.getLogger("weir.store")

#: Where in its minute or hour a rollup stands, so that a late tick beside it is not taken for a later one.
LATE = 0.999
#: Queues or chunks asked for in one statement; SQLite takes 32,766 parameters.
AT_ONCE = 500


@dataclass(slots=True)
class Part:
    """Numbers of m metrics in n rows.

    queue, at   whose and when, shape (n,)
    values      shape (m, n); for averages the sums of what `weight` counts; NaN where nothing is known
    weight      how many samples each number stands for, shape (m, n); None: one each
    quality     shape (m, n)
    """

    queue: Ints
    at: Floats
    values: Floats
    weight: Floats | None
    quality: Bytes


def portions(queues: list[int]) -> Iterable[list[int]]:
    return (queues[i : i + AT_ONCE] for i in range(0, len(queues), AT_ONCE))


def marks(queues: Sequence[int]) -> str:
    return ",".join("?" * len(queues))


def hot_times(reader: sqlite3.Connection, broker: int, start: float, end: float) -> Floats:
    """When a broker was polled, as far as that is hot, ascending."""
    statement = "SELECT at FROM tick WHERE broker = ? AND at >= ? AND at < ? ORDER BY at"
    return np.array(reader.execute(statement, (broker, start, end)).fetchall(), np.float64).reshape(-1)


def hot(
    reader: sqlite3.Connection, broker: int, queues: list[int], metrics: Sequence[str], start: float, end: float
) -> Iterator[Part]:
    """Samples that are hot, times ascending."""
    for some in portions(queues):
        statement = (
            f"SELECT h.queue, t.at, h.quality{''.join(f', h.{m}' for m in metrics)} FROM tick t CROSS JOIN hot h"
            f" WHERE t.broker = ? AND t.at >= ? AND t.at < ? AND h.tick = t.id AND h.queue IN ({marks(some)})"
            " ORDER BY t.at"
        )
        rows = reader.execute(statement, (broker, start, end, *some)).fetchall()
        if rows:
            found = np.array(rows, np.float64).T
            quality = layout.qualities(found[2], found[3:], [ROW[m] for m in metrics])
            yield Part(found[0].astype(np.int64), found[1], found[3:], None, quality)


def sealed(
    reader: sqlite3.Connection,
    plan: Plan,
    queues: list[int],
    metrics: Sequence[str],
    span: tuple[float, float],
    aggregate: Aggregate,
) -> Iterator[tuple[Part, Floats, float]]:
    """By seal: samples or rollups, its times in the span, and by how much two of them may lie apart without a gap.

    A damaged chunk is a gap, and said in the log.
    """
    for seal, hours in plan.seals:
        try:
            times, places = times_in(reader, seal, hours, *span)
        except StoreError as error:
            log.warning("The seal that begins at %d is left out: %s", seal.start, error)
            continue
        if not len(places):
            continue
        apart = GAP * seal.interval + seal.level.step
        part = _read(reader, seal, times, places, queues, [ROW[m] for m in metrics], aggregate)
        yield part, times[places], apart


def _read(
    reader: sqlite3.Connection,
    seal: Seal,
    times: Floats,
    places: Ints,
    queues: list[int],
    rows: list[int],
    aggregate: Aggregate,
) -> Part:
    whose, values, weights, status = [], [], [], []
    whole = len(places) == len(times)
    for queue, data in chunks_of(reader, seal, queues):
        try:
            if seal.level is RAW:
                mine, known = chunks.decode(data, rows, len(times))
            else:
                stats = rollups.decode(data, rows, len(times))
                mine, known = stats.values(aggregate), stats.status
                weights.append(stats.count if whole else stats.count[:, places])
        except StoreError as error:
            say_damaged(queue, seal, error)
            continue
        whose.append(queue)
        values.append(mine if whole else mine[:, places])
        status.append(known if whole else known[:, places])
    empty = np.empty((len(rows), 0))
    return Part(
        np.repeat(np.array(whose, np.int64), len(places)),
        np.tile(times[places] + seal.level.step * LATE, len(whose)),
        np.concatenate(values, axis=1) if values else empty,
        np.concatenate(weights, axis=1) if weights and aggregate == "avg" else None,
        chunks.quality_of(np.concatenate(status, axis=1)) if status else empty.astype(np.uint8),
    )


def chunks_of(reader: sqlite3.Connection, seal: Seal, queues: list[int]) -> Iterator[tuple[int, bytes]]:
    """(queue, chunk) of those of some queues that said something in a seal."""
    for some in portions(queues):
        ids = [layout.chunk_id(seal.id, queue) for queue in some]
        for number, data in reader.execute(f"SELECT id, data FROM chunk WHERE id IN ({marks(ids)})", ids):
            yield number & (1 << layout.QUEUE_BITS) - 1, data


def joined(parts: Sequence[Part], metrics: int) -> Part:
    """Several as one, times ascending."""
    if not parts:
        empty = np.empty((metrics, 0))
        return Part(np.empty(0, np.int64), np.empty(0), empty, None, empty.astype(np.uint8))
    if len(parts) == 1:
        whole = parts[0]
    else:
        weight = None
        if any(part.weight is not None for part in parts):
            ones = [np.ones_like(part.values) if part.weight is None else part.weight for part in parts]
            weight = np.concatenate(ones, axis=1)
        whole = Part(
            np.concatenate([part.queue for part in parts]),
            np.concatenate([part.at for part in parts]),
            np.concatenate([part.values for part in parts], axis=1),
            weight,
            np.concatenate([part.quality for part in parts], axis=1),
        )
    if (np.diff(whole.at) >= 0).all():
        return whole
    order = np.argsort(whole.at, kind="stable")
    weight = None if whole.weight is None else whole.weight[:, order]
    return Part(whole.queue[order], whole.at[order], whole.values[:, order], weight, whole.quality[:, order])
