"""History as CSV, one line per metric and time, for other programs and for another Weir.

    time, seconds, broker, queue, key, kind, metric, quality, samples, average, minimum, maximum, last

`time` is UTC; `seconds` is 0 for a sample as it came (its value is the average, the other three are empty), 60 or
3600 for a rollup, which begins at that time. `key` is the queue's identity on its broker, `queue` its name.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TextIO

import numpy as np

from collectors.protocol import METRICS, Quality

from .models import Broker, Queue
from .store.base import Store
from .store.chunks import NOT_KNOWN
from .store.levels import LEVELS
from .store.rollups import Piece, Stats
from .ticks import ROW, Floats

COLUMNS = (
    "time", "seconds", "broker", "queue", "key", "kind",
    "metric", "quality", "samples", "average", "minimum", "maximum", "last",
)  # fmt: skip
_QUALITIES = {quality.value: quality.name.lower() for quality in Quality}
_CODES = {name: code for code, name in _QUALITIES.items()}
_SPAN = {level.step: level.span for level in LEVELS}


class HistoryRefused(Exception):
    """A file that cannot be taken in; the message is one sentence with the number of the line."""


def write(
    file: TextIO, store: Store, brokers: Iterable[Broker], queues: Sequence[Queue], start: float, end: float, step: int
) -> int:
    """Write the history of some queues (each of one of the brokers) in start <= t < end; how many lines it took."""
    out = csv.writer(file, lineterminator="\n")
    out.writerow(COLUMNS)
    lines = 0
    for broker in brokers:
        mine = {queue.pk: queue for queue in queues if queue.broker_id == broker.pk}
        for piece in store.history(broker.pk, sorted(mine), start, end, step):
            queue = mine[piece.queue]
            for line in _lines(piece, (broker.name, queue.name, queue.key, queue.kind)):
                out.writerow(line)
                lines += 1
    return lines


def _lines(piece: Piece, names: tuple[str, ...]) -> Iterator[tuple[object, ...]]:
    stats, times = piece.stats, [_iso(at) for at in piece.times.tolist()]
    for metric, place in zip(*np.nonzero(stats.count > 0), strict=True):
        at = (metric, place)
        numbers: tuple[object, ...] = ("", "", "")
        if piece.step:
            numbers = tuple(_number(part[at]) for part in (stats.min, stats.max, stats.last))
        yield (
            times[place], piece.step, *names, METRICS[metric], _QUALITIES[int(stats.status[at])],
            int(stats.count[at]), _number(stats.sum[at] / stats.count[at]), *numbers,
        )  # fmt: skip


@dataclass(slots=True)
class Taken:
    """What came in: lines read, and queues that were made because nobody knew them."""

    lines: int = 0
    queues: int = 0


class Reader:
    """Takes a file into a store. Queues that are not known yet are made; brokers are not."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.taken = Taken()
        self._brokers = {broker.name: broker for broker in Broker.objects.all()}
        self._queues: dict[tuple[str, str], int] = {}
        self._waiting: dict[int, dict[float, list[tuple[int, tuple[float, ...]]]]] = {}

    def read(self, file: TextIO) -> Taken:
        """Raises HistoryRefused for a line that is none of ours, StoreError when the store cannot take it."""
        rows = csv.reader(file)
        if tuple(next(rows, ())) != COLUMNS:
            raise HistoryRefused(f"The first line must name the columns: {','.join(COLUMNS)}.")
        group: tuple[int, int, float] | None = None
        for number, row in enumerate(rows, 2):
            try:
                at, step, queue, metric, numbers = self._parsed(row)
            except (ValueError, KeyError) as error:
                raise HistoryRefused(f"Line {number} cannot be read: {error}.") from None
            mine = (self._brokers[row[2]].pk, step, at // _SPAN[step])
            if group is not None and mine != group:
                self._flush(group)
            group = mine
            self._waiting.setdefault(queue, {}).setdefault(at, []).append((metric, numbers))
            self.taken.lines += 1
        if group is not None:
            self._flush(group)
        return self.taken

    def _parsed(self, row: list[str]) -> tuple[float, int, int, int, tuple[float, ...]]:
        if len(row) != len(COLUMNS):
            raise ValueError(f"it has {len(row)} fields, not {len(COLUMNS)}")
        time, seconds, broker, name, key, kind, metric, quality, *numbers = row
        if int(seconds) not in _SPAN:
            raise ValueError(f"there are no rollups of {seconds} seconds")
        if metric not in ROW:
            raise ValueError(f"there is no metric '{metric}'")
        at = datetime.fromisoformat(time).timestamp()
        samples, average = int(numbers[0]), float(numbers[1])
        if samples < 1 or not np.isfinite(average):
            raise ValueError(f"{numbers[0]} samples of {numbers[1]} are none")
        rest = [float(text or average) for text in numbers[2:]]
        queue = self._queue(broker, name, key, kind)
        return at, int(seconds), queue, ROW[metric], (samples, samples * average, *rest, _CODES[quality])

    def _queue(self, broker: str, name: str, key: str, kind: str) -> int:
        found = self._queues.get((broker, key))
        if found is None:
            if broker not in self._brokers:
                raise ValueError(f"there is no broker '{broker}' here; add it first, or give it that name in the file")
            made, new = Queue.objects.get_or_create(
                broker=self._brokers[broker], key=key, defaults={"name": name, "kind": kind}
            )
            self.taken.queues += new
            found = self._queues[broker, key] = made.pk
        return found

    def _flush(self, group: tuple[int, int, float]) -> None:
        """Hand what belongs to one span of one broker over to the store."""
        broker, step, _ = group
        self.store.add_history(broker, step, {queue: _stats(lines) for queue, lines in self._waiting.items()})
        self._waiting = {}


def _stats(lines: dict[float, list[tuple[int, tuple[float, ...]]]]) -> tuple[Floats, Stats]:
    times = np.array(sorted(lines))
    shape = (len(METRICS), len(times))
    columns = [np.zeros(shape), *(np.full(shape, np.nan) for _ in range(4)), np.full(shape, NOT_KNOWN, np.uint8)]
    for place, at in enumerate(times.tolist()):
        for metric, numbers in lines[at]:
            for column, number in zip(columns, numbers, strict=True):
                column[metric, place] = number
    return times, Stats(*columns)


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z")


def _number(value: float) -> str:
    return repr(int(value)) if value == int(value) else repr(float(value))
