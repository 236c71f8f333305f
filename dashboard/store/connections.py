"""The doors to the embedded store's file: one connection that writes, behind a lock, and a pool of readers.

WAL lets readers of any process go on while a tick is written. With `synchronous=NORMAL` the death of the process
loses nothing that was acknowledged, the death of the machine may lose the last moments before it. No commit waits for
the disk (`checkpoints.py`).
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from queue import Empty, SimpleQueue

from . import layout, salvage
from .base import StoreError
from .checkpoints import LONGEST_LOG, Checkpoints, is_full
from .spare import Spare

log = logging.getLogger("weir.store")

BUSY_SECONDS = 20.0
#: Seconds that long work waits, at one step, for ticks that are being kept.
LONGEST_WAY = 0.2
#: Seconds to wait for somebody else who is moving the log.
PATIENCE = 5.0
PRAGMAS = (
    "synchronous = NORMAL",
    "cache_size = -8192",
    "temp_store = MEMORY",
    "journal_size_limit = 67108864",
    f"wal_autocheckpoint = {LONGEST_LOG}",
)
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


class DamagedError(StoreError):
    """The file is Weir's and damaged: opening the store again sets it aside and keeps what can be read."""


class FullError(StoreError):
    """The disk is full."""


class Way:
    """Who goes first in this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._takers = 0
        self._free = threading.Event()
        self._free.set()

    @contextmanager
    def taken(self) -> Iterator[None]:
        with self._lock:
            self._takers += 1
            self._free.clear()
        try:
            yield
        finally:
            with self._lock:
                self._takers -= 1
                if not self._takers:
                    self._free.set()

    def give(self) -> None:
        """Wait until it is free, but not for ever: ticks that come without a pause would keep an hour from its seal."""
        self._free.wait(LONGEST_WAY)


class Connections:
    """What reads and writes one file. Raises StoreError with a sentence for whatever SQLite raises."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._idle: SimpleQueue[sqlite3.Connection] = SimpleQueue()
        self._closed = False
        self._checkpoints = Checkpoints(self._connect)
        self._way = Way()
        self.spare = Spare(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"The samples cannot be kept in {path.parent}: {error.strerror}.") from error
        if salvage.is_marked(path):
            self._salvage()
        try:
            self._open()
        except DamagedError:
            if not salvage.is_weirs(path):
                raise
            self._salvage()
            self._open()
        except FullError:
            if not self.spare.give():
                raise
            self._open()
        self._file = path.stat().st_ino

    def _open(self) -> None:
        with self.sentences("opened"):
            self.writer = self._connect()
            try:
                self.writer.execute("PRAGMA auto_vacuum = INCREMENTAL")  # counts for a file that is still empty
                _write_ahead(self.writer)
                self.uuid = layout.prepare(self.writer, self.path)
            except BaseException:
                self.writer.close()
                raise

    def _salvage(self) -> None:
        with self.sentences("salvaged"):
            log.error("%s", salvage.salvage(self.path))

    @contextmanager
    def writing(self, deed: str = "written") -> Iterator[sqlite3.Connection]:
        """One writing transaction, undone when its body fails."""
        with self._lock, self.sentences(deed):
            self.writer.execute("BEGIN IMMEDIATE")
            try:
                yield self.writer
                self.writer.execute("COMMIT")
                self._checkpoints.note(self.writer.total_changes)
            except BaseException:
                if self.writer.in_transaction:
                    self.writer.execute("ROLLBACK")
                raise

    def first(self) -> AbstractContextManager[None]:
        """While this lasts, who gives way waits: two threads of Python take turns of milliseconds otherwise."""
        return self._way.taken()

    def give_way(self) -> None:
        """For long work, between its small steps: let whoever keeps a tick go first."""
        self._way.give()

    def move_log(self) -> None:
        """Move what was written from the log into the file, here and now. FullError when that has no room to grow."""
        until = time.monotonic() + PATIENCE
        with self.sentences("written"):
            while True:
                with self._lock:
                    elsewhere = self.writer.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()[0]
                if not elsewhere or time.monotonic() > until:
                    break
                time.sleep(0.02)
            self._checkpoints.full = False

    def need_room(self) -> None:
        """For what makes the file larger. FullError while the log cannot be moved: the last room on the disk is left
        to what makes it smaller, and the log must not grow beyond what the file can take in."""
        if self._checkpoints.full or self.spare.is_scarce():
            self.move_log()

    @contextmanager
    def reading(self, once: bool = False) -> Iterator[sqlite3.Connection]:
        """A connection that sees one unchanging state of the file, given back afterwards.

        `once`: much is read that nobody asks for again soon, and not kept in memory.
        """
        with self.sentences("read"):
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
                if once:
                    connection.execute("PRAGMA shrink_memory")
                self._idle.put(connection)
                if self._closed:
                    self.close()

    def check(self) -> None:
        """Raise StoreError when the file went away, or cannot be read and written."""
        try:
            same = self.path.stat().st_ino == self._file
        except OSError as error:
            raise StoreError(f"The samples in {self.path} are gone: {error.strerror}.") from error
        if not same:
            raise StoreError(f"{self.path} was replaced by another file while Weir was running; restart Weir.")
        with self.reading() as connection:
            connection.execute("SELECT max(id) FROM tick").fetchone()
        if not os.access(self.path, os.W_OK):
            raise StoreError(f"The samples in {self.path} cannot be written: permission denied.")
        with self.writing():
            pass

    def close(self) -> None:
        self._checkpoints.stop()
        with self._lock:
            self._closed = True
            with suppress(Empty):
                while True:
                    self._idle.get_nowait().close()
            self.writer.close()

    def _connect(self) -> sqlite3.Connection:
        if self._closed:
            raise StoreError(f"The samples in {self.path} were closed.")
        connection = sqlite3.connect(self.path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        for pragma in PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")
        return connection

    @contextmanager
    def sentences(self, deed: str) -> Iterator[None]:
        """What SQLite raises, as a sentence."""
        try:
            yield
        except sqlite3.Error as error:
            sentence = f"The samples in {self.path} cannot be {deed}: {error}"
            if getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGED:
                salvage.mark(self.path)
                raise DamagedError(
                    f"{sentence}. Restart Weir: it keeps what can be read, and sets the file aside."
                ) from error
            raise (FullError if is_full(error) else StoreError)(f"{sentence}.") from error


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Into WAL mode. Where several open a new file at once SQLite does not wait for its lock here: we do."""
    end = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                raise
            time.sleep(0.01)
