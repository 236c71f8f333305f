"""The embedded store: a SQLite file of its own beside the other data. `layout.py` says what is in it.

A tick is one transaction, so that it is there whole or not at all after a crash. It stays hot, one row per queue,
until it is sealed (`sealing.py`); reading takes hot rows, sealed samples and rollups as one (`reading.py`).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from ..ticks import Floats, Ints, Tick
from . import dropping, history, layout, sealing
from .base import Retention, StoreError, Tidied
from .connections import Connections
from .levels import IN_USE, RAW, unpack_times
from .reading import Reading
from .rollups import Piece, Stats


class EmbeddedStore(Reading):
    """Samples in one SQLite file. `Store` says what each call does; reading is in `reading.py`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.connections = Connections(path)
        self.uuid = self.connections.uuid
        self._known: dict[int, Ints] = {}

    def append(self, tick: Tick) -> None:
        new = np.empty(0, np.int64)
        self.connections.need_room()
        with self.connections.first(), self.connections.writing() as writer:
            new = self._new_queues(writer, tick)
            writer.executemany("INSERT INTO queue VALUES(?, ?)", ((i, tick.broker) for i in new.tolist()))
            number = _insert_tick(writer, tick)
            layout.insert_rows(writer, tick, number)
        if len(new):
            self._known[tick.broker] = np.union1d(self._known.get(tick.broker, new), new)

    def _new_queues(self, writer: sqlite3.Connection, tick: Tick) -> Ints:
        """Ids of a tick that the file does not know yet. Raises StoreError when one is another broker's."""
        known = self._known.get(tick.broker)
        if known is None:
            rows = writer.execute("SELECT id FROM queue WHERE broker = ? ORDER BY id", (tick.broker,)).fetchall()
            known = self._known[tick.broker] = np.array(rows, np.int64).reshape(-1)
        if np.array_equal(known, tick.ids):
            return known[:0]
        new = np.setdiff1d(tick.ids, known)
        for queue in new.tolist():
            owner = writer.execute("SELECT broker FROM queue WHERE id = ?", (queue,)).fetchone()
            if owner and owner[0] != tick.broker:
                raise StoreError(f"Queue {queue} belongs to broker {owner[0]}, and cannot be kept for {tick.broker}.")
        return new

    def tidy(self, now: float, retention: Retention, stopped: Callable[[], bool] = lambda: False) -> Tidied | None:
        return sealing.tidy(self.connections, now, retention, stopped)

    def prune(self, before: float) -> int:
        return dropping.prune(self.connections, before)

    def forget(self, broker: int) -> None:
        self._known.pop(broker, None)
        dropping.forget(self.connections, broker)
        self._known.pop(broker, None)

    def forget_queues(self, queues: Sequence[int]) -> None:
        dropping.forget_queues(self.connections, queues)

    def history(self, broker: int, queues: Sequence[int], start: float, end: float, step: int = 0) -> Iterator[Piece]:
        return history.pieces(self.connections, broker, queues, start, end, step)

    def add_history(self, broker: int, step: int, given: Mapping[int, tuple[Floats, Stats]]) -> None:
        if step:
            history.add(self.connections, broker, step, given)
            return
        for tick in history.new_ticks(self.connections, broker, given):
            self.append(tick)

    def check(self) -> None:
        self.connections.check()

    def close(self) -> None:
        self.connections.close()


def _insert_tick(writer: sqlite3.Connection, tick: Tick) -> int:
    again = StoreError(f"Broker {tick.broker} has a tick at {tick.at} already; this one was not kept.")
    sealed = "SELECT times FROM seal WHERE broker = ? AND level = ? AND start = ? AND state = ?"
    for (times,) in writer.execute(sealed, (tick.broker, RAW.number, RAW.start(tick.at), IN_USE)):
        if tick.at in unpack_times(times):
            raise again
    try:
        cursor = writer.execute(
            "INSERT INTO tick(broker, at, complete) VALUES(?, ?, ?)", (tick.broker, tick.at, tick.complete)
        )
    except sqlite3.IntegrityError as error:
        raise again from error
    assert cursor.lastrowid is not None
    writer.execute("INSERT INTO judging VALUES(?, ?)", (cursor.lastrowid, layout.pack_judging(tick)))
    return cursor.lastrowid
