"""The embedded store: a SQLite file of its own beside the other data. `layout.py` says what is in it.

One connection writes, behind a lock; readers borrow connections from a pool. WAL lets readers of
any process go on while a tick is written. A tick is one transaction, so that it is there whole or
not at all after a crash; with `synchronous=NORMAL` the death of the process loses nothing that was
acknowledged, the death of the machine may lose the last moments before it.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import Empty, SimpleQueue

import numpy as np

from ..ticks import Ints, Tick
from . import layout
from .base import StoreError
from .reading import Reading

#: Rows removed per transaction while pruning: tens of milliseconds in which nobody else can write.
ROWS_PER_PRUNING = 20_000
BUSY_SECONDS = 20.0
PRAGMAS = ("synchronous = NORMAL", "cache_size = -32768", "temp_store = MEMORY", "journal_size_limit = 67108864")


class EmbeddedStore(Reading):
    """Samples in one SQLite file. `Store` says what each call does; reading is in `reading.py`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._idle: SimpleQueue[sqlite3.Connection] = SimpleQueue()
        self._closed = False
        self._known: dict[int, Ints] = {}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"The samples cannot be kept in {path.parent}: {error.strerror}.") from error
        with self._sentences("opened"):
            self._writer = self._connect()
            try:
                self._writer.execute("PRAGMA journal_mode = WAL")
                self.uuid = layout.prepare(self._writer, path)
            except BaseException:
                self._writer.close()
                raise
        self._file = path.stat().st_ino

    def append(self, tick: Tick) -> None:
        with self._lock, self._sentences("written"):
            new = self._new_queues(tick)
            with self._transaction():
                self._writer.executemany("INSERT INTO queue VALUES(?, ?)", ((i, tick.broker) for i in new.tolist()))
                number = self._insert_tick(tick)
                self._writer.executemany(layout.INSERT_ROW, layout.rows_of(tick, number))
            if len(new):
                self._known[tick.broker] = np.union1d(self._known[tick.broker], new)

    def _new_queues(self, tick: Tick) -> Ints:
        """Ids of a tick that the file does not know yet. Raises StoreError when one is another broker's."""
        known = self._known.get(tick.broker)
        if known is None:
            rows = self._writer.execute("SELECT id FROM queue WHERE broker = ? ORDER BY id", (tick.broker,)).fetchall()
            known = self._known[tick.broker] = np.array(rows, np.int64).reshape(-1)
        if np.array_equal(known, tick.ids):
            return known[:0]
        new = np.setdiff1d(tick.ids, known)
        for queue in new.tolist():
            owner = self._writer.execute("SELECT broker FROM queue WHERE id = ?", (queue,)).fetchone()
            if owner and owner[0] != tick.broker:
                raise StoreError(f"Queue {queue} belongs to broker {owner[0]}, and cannot be kept for {tick.broker}.")
        return new

    def _insert_tick(self, tick: Tick) -> int:
        try:
            cursor = self._writer.execute(
                "INSERT INTO tick(broker, at, complete, judging) VALUES(?, ?, ?, ?)",
                (tick.broker, tick.at, tick.complete, layout.pack_judging(tick)),
            )
        except sqlite3.IntegrityError as error:
            raise StoreError(f"Broker {tick.broker} has a tick at {tick.at} already; this one was not kept.") from error
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def prune(self, before: float) -> int:
        return self._drop("at < ?", before)

    def forget(self, broker: int) -> None:
        self._drop("broker = ?", broker)
        with self._lock, self._sentences("written"):
            self._known.pop(broker, None)
            with self._transaction():
                self._writer.execute("DELETE FROM queue WHERE broker = ?", (broker,))

    def forget_queues(self, queues: Sequence[int]) -> None:
        """Their rows are emptied, not removed: a tick's judging counts its rows. They go when the tick is pruned."""
        found = self._writer_rows(
            "SELECT DISTINCT broker FROM queue WHERE id IN (SELECT value FROM json_each(?))", queues
        )
        for (broker,) in found:
            last: int | None = 0
            while last is not None:
                last = self._empty(int(broker), queues, last)

    def _empty(self, broker: int, queues: Sequence[int], after: int) -> int | None:
        """Empty the rows of queues in the next ticks of their broker; the last of these ticks, None at the end."""
        with self._lock, self._sentences("written"), self._transaction():
            sql = "SELECT id FROM tick WHERE broker = ? AND id > ? ORDER BY id LIMIT 500"
            ticks = [row[0] for row in self._writer.execute(sql, (broker, after))]
            self._writer.execute(layout.EMPTY_ROWS, (json.dumps(ticks), json.dumps(list(queues))))
        return ticks[-1] if ticks else None

    def _writer_rows(self, sql: str, queues: Sequence[int]) -> list[tuple[int]]:
        with self._lock, self._sentences("read"):
            return self._writer.execute(sql, (json.dumps(list(queues)),)).fetchall()

    def _drop(self, which: str, value: float) -> int:
        """Drop ticks with their rows, oldest first, a few per transaction."""
        dropped = 0
        while True:
            with self._lock, self._sentences("pruned"), self._transaction():
                ticks = self._writer.execute(f"SELECT id FROM tick WHERE {which} ORDER BY at LIMIT 500", (value,))
                rows, done = 0, 0
                for (number,) in ticks.fetchall():
                    rows += self._writer.execute("DELETE FROM hot WHERE tick = ?", (number,)).rowcount
                    self._writer.execute("DELETE FROM tick WHERE id = ?", (number,))
                    done += 1
                    if rows >= ROWS_PER_PRUNING:
                        break
            dropped += done
            if not done:
                return dropped

    def check(self) -> None:
        try:
            same = self.path.stat().st_ino == self._file
        except OSError as error:
            raise StoreError(f"The samples in {self.path} are gone: {error.strerror}.") from error
        if not same:
            raise StoreError(f"{self.path} was replaced by another file while Weir was running; restart Weir.")
        with self._reading() as connection:
            connection.execute("SELECT max(id) FROM tick").fetchone()
        if not os.access(self.path, os.W_OK):
            raise StoreError(f"The samples in {self.path} cannot be written: permission denied.")
        with self._lock, self._sentences("written"):
            self._writer.execute("BEGIN IMMEDIATE")
            self._writer.execute("ROLLBACK")

    def close(self) -> None:
        with self._lock:
            self._closed = True
            with suppress(Empty):
                while True:
                    self._idle.get_nowait().close()
            self._writer.close()

    def _connect(self) -> sqlite3.Connection:
        if self._closed:
            raise StoreError(f"The samples in {self.path} were closed.")
        connection = sqlite3.connect(self.path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        for pragma in PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")
        return connection

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """One writing transaction, undone when its body fails."""
        self._writer.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._writer.execute("COMMIT")
        except BaseException:
            if self._writer.in_transaction:
                self._writer.execute("ROLLBACK")
            raise

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """A connection that sees one unchanging state of the file, given back afterwards."""
        with self._sentences("read"):
            try:
                connection = self._idle.get_nowait()
            except Empty:
                connection = self._connect()
                connection.execute("PRAGMA query_only = ON")
            try:
                connection.execute("BEGIN")
                yield connection
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                self._idle.put(connection)
                if self._closed:
                    self.close()

    @contextmanager
    def _sentences(self, deed: str) -> Iterator[None]:
        """What SQLite raises, as a sentence."""
        try:
            yield
        except sqlite3.Error as error:
            raise StoreError(f"The samples in {self.path} cannot be {deed}: {error}.") from error
