"""What was written moves from SQLite's log into the file in a thread of its own, so that no tick waits for the disk.

SQLite would do this within the commit that finds the log long enough, and that one waits until log and file are on the
disk: ten milliseconds, or as long as others keep the disk busy. Writers go on while the thread is at it. Only when it
did not get there for long (a reader that holds on to the past, a disk that fails) does a commit do it again, so that
the log has an end.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable
from contextlib import closing
from threading import Event, Thread

from .base import StoreError

log = logging.getLogger("weir.store")

#: Rows written after which it is time, and the seconds after which it is, however few they were.
ROWS, SECONDS = 2_000, 60.0
#: Pages of the log at which a commit does it itself: a hundred megabytes.
LONGEST_LOG = 25_000
#: Seconds that the end of a process waits for one that is under way.
PATIENCE = 20.0


def is_full(error: sqlite3.Error) -> bool:
    """Whether it says that the disk is full; when a file is opened, there is no room for what its readers share."""
    code = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF == sqlite3.SQLITE_FULL or code == sqlite3.SQLITE_IOERR_SHMSIZE


class Checkpoints:
    """The thread of one file. It begins with the first thing that is written.

    full    whether the disk had no room for what is in the log, when it was last tried
    """

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        self._connect = connect
        self._some, self._enough = Event(), Event()  # something was written; it is time
        self._before = 0
        self._stopped = False
        self._problem = ""
        self.full = False
        self._thread: Thread | None = None

    def note(self, total: int) -> None:
        """`total` rows were written since the file was opened. Only for whoever holds the lock of the writer."""
        if self._thread is None and not self._stopped:
            thread = Thread(target=self._run, name="store-checkpoints", daemon=True)
            thread.start()
            self._thread = thread  # only now: one that was not started cannot be waited for
        self._some.set()
        if total - self._before >= ROWS:
            self._before = total
            self._enough.set()

    def stop(self) -> None:
        """End the thread. May be called twice."""
        self._stopped = True
        self._some.set()
        self._enough.set()
        if self._thread is not None:
            self._thread.join(PATIENCE)

    def _run(self) -> None:
        try:
            with closing(self._connect()) as connection:
                while self._wait():
                    self._move(connection)
        except (StoreError, sqlite3.Error) as error:  # commits do it then
            if self._stopped:  # the file was closed before this got to it
                return
            log.warning("What is written to the samples is put in its place while ticks wait: %s", error)

    def _wait(self) -> bool:
        self._some.wait()
        self._enough.wait(SECONDS)
        self._some.clear()
        self._enough.clear()
        return not self._stopped

    def _move(self, connection: sqlite3.Connection) -> None:
        """Waits for nobody: what a reader still needs, or another process is at, comes next time."""
        problem, full = "", False
        try:
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        except sqlite3.Error as error:
            problem, full = str(error), is_full(error)
        self.full = full
        if problem and problem != self._problem:
            log.warning("What was written to the samples cannot be put in its place, and is tried again: %s.", problem)
        self._problem = problem
