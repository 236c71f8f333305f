"""A damaged file: what can be read moves into a new one, and the damaged one is set aside beside it.

A process that meets damage marks the file and goes on with what it can read; whoever opens the store next salvages
it. Ranges of ids that cannot be read are halved until only what is damaged is left out: a tick whole, a chunk alone.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path

from . import layout
from .levels import IN_USE

_MARK = "-damaged"
_MAGIC = b"SQLite format 3\0"

_TICKS = ("SELECT min(id), max(id) FROM old.tick", "SELECT min(tick), max(tick) FROM old.hot")
#: Tables in the order in which they are copied: what says which rows belong to an id, which are worth it, and where
#: it is asked for the least and the largest id, as long as nothing answers.
_TABLES = (
    ("queue", "id", "", ("SELECT min(id), max(id) FROM old.queue", "SELECT min(queue), max(queue) FROM old.hot")),
    (
        "seal",
        "id",
        f" AND state = {IN_USE}",
        ("SELECT min(id), max(id) FROM old.seal", "SELECT min(id) >> 32, max(id) >> 32 FROM old.chunk"),
    ),
    ("tick", "id", "", _TICKS),
    ("judging", "tick", "", _TICKS),
    ("hot", "tick", "", _TICKS),
)


def mark(path: Path) -> None:
    """Note that a file of Weir's was found damaged."""
    if is_weirs(path):
        with suppress(OSError):  # a folder that cannot be written to: the damage will be met again
            _beside(path, _MARK).touch()


def is_marked(path: Path) -> bool:
    return _beside(path, _MARK).exists() and is_weirs(path)


def is_weirs(path: Path) -> bool:
    """Whether a file, as far as its first bytes tell, holds Weir's samples in the present layout."""
    try:
        with path.open("rb") as file:
            head = file.read(100)
    except OSError:
        return False
    ours = head[:16] == _MAGIC and int.from_bytes(head[68:72]) == layout.APPLICATION
    return ours and int.from_bytes(head[60:64]) == layout.VERSION


def salvage(path: Path) -> str:
    """Set a damaged file aside and put a new one in its place; a sentence on what was lost. Raises sqlite3.Error."""
    new, aside = _beside(path, "-salvage"), _beside(path, time.strftime("-damaged-%Y%m%d-%H%M%S", time.gmtime()))
    _unlink(new)
    try:
        lost = _copy(path, new)
    except BaseException:
        _unlink(new)
        raise
    for suffix in ("", "-wal", "-shm"):
        with suppress(FileNotFoundError):  # without these two the file was closed cleanly
            _beside(path, suffix).rename(_beside(aside, suffix))
    new.rename(path)
    _beside(path, _MARK).unlink(missing_ok=True)
    named = ", ".join(f"{count} of {table}" for table, count in lost.items() if count) or "nothing"
    return (
        f"The samples in {path} were damaged. What could be read is kept, the damaged file is {aside.name}. "
        f"Rows that were lost: {named}."
    )


def _copy(old: Path, new: Path) -> dict[str, int]:
    """By table, how many ids could not be read."""
    with closing(sqlite3.connect(new, isolation_level=None)) as connection:
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("PRAGMA journal_mode = WAL")
        layout.prepare(connection, new)
        connection.execute("ATTACH ? AS old", (str(old),))
        _copy_uuid(connection)
        lost = {}
        for table, key, also, questions in _TABLES:
            low, high = _bounds(connection, questions)
            lost[table] = _copy_ids(connection, table, key, also, range(low, high + 1))
        queues = [row[0] for row in connection.execute("SELECT id FROM main.queue ORDER BY id")]
        lost["chunk"] = 0
        for (seal,) in connection.execute("SELECT id FROM main.seal ORDER BY id").fetchall():
            ids = [layout.chunk_id(seal, queue) for queue in queues]
            lost["chunk"] += _copy_ids(connection, "chunk", "id", "", ids)
        connection.execute("DELETE FROM chunk WHERE (id >> ?) NOT IN (SELECT id FROM seal)", (layout.QUEUE_BITS,))
        connection.execute("DELETE FROM hot WHERE tick NOT IN (SELECT id FROM tick)")
        connection.execute("DELETE FROM judging WHERE tick NOT IN (SELECT id FROM tick)")
        connection.execute("DELETE FROM tick WHERE id NOT IN (SELECT tick FROM hot)")
        connection.execute("DETACH old")
    return lost


def _copy_uuid(connection: sqlite3.Connection) -> None:
    """Without it the new file is another store, and who opens it says so."""
    with suppress(sqlite3.DatabaseError):
        connection.execute("INSERT OR REPLACE INTO about SELECT name, value FROM old.about WHERE name = 'uuid'")


def _bounds(connection: sqlite3.Connection, questions: Sequence[str]) -> tuple[int, int]:
    """The least and the largest id, by the first question that can be answered."""
    for question in questions:
        with suppress(sqlite3.DatabaseError):
            low, high = connection.execute(question).fetchone()
            if low is not None:
                return low, high
    return 0, -1


def _copy_ids(connection: sqlite3.Connection, table: str, key: str, also: str, ids: Sequence[int]) -> int:
    """Copy the rows of some ids, ascending; how many could not be read."""
    names = ", ".join(row[1] for row in connection.execute(f"PRAGMA main.table_info({table})"))
    copy = f"INSERT INTO main.{table}({names}) SELECT {names} FROM old.{table} WHERE {key} BETWEEN ? AND ?{also}"
    lost, ranges = 0, [(0, len(ids))] if ids else []
    while ranges:
        low, high = ranges.pop()
        try:
            connection.execute(copy, (ids[low], ids[high - 1]))
        except sqlite3.OperationalError:  # a full disk, a lock: no damage
            raise
        except sqlite3.DatabaseError:
            if high - low == 1:
                lost += 1
            else:
                middle = (low + high) // 2
                ranges += [(middle, high), (low, middle)]
    return lost


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _unlink(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        _beside(path, suffix).unlink(missing_ok=True)
