"""The state database where it is SQLite: in WAL mode, so that who reads and who writes do not wait for each other."""

from __future__ import annotations

import time
from typing import Any

WAIT = 20.0  # seconds, as for every other lock of it


def write_ahead(connection: Any, **_: Any) -> None:
    """A new connection, into WAL mode. Where several open a new file at once SQLite does not wait for its lock here,
    and says that it is locked: we wait."""
    if connection.vendor != "sqlite":
        return
    end = time.monotonic() + WAIT
    while True:
        try:
            connection.connection.execute("PRAGMA journal_mode = WAL")
            return
        except connection.Database.OperationalError as error:
            busy = error.sqlite_errorcode & 0xFF == connection.Database.SQLITE_BUSY
            if not busy or time.monotonic() > end:
                raise
            time.sleep(0.01)
