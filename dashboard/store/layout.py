"""The layout of the embedded store's file, and what becomes of a tick in it.

    about     the store's uuid, and who is tidying it up
    queue     to which broker a queue belongs
    tick      one row per poll that is still hot: broker and time
    judging   what the judging of all queues of a hot tick needs, in one blob
    hot       one row per queue and hot tick: a column per metric (NULL = unknown), the qualities packed
              into one number, two bits each, and how the lag was found
    leftover  ticks that were sealed or dropped, and whose rows in hot and judging are still to be removed
    seal      one row per broker, level (`levels.py`) and span of time: when it was polled in it, and whether
              the chunks may be read (state)
    chunk     what one queue said in one seal, as bytes; its id is made of both (`chunk_id`)

`hot` is clustered by tick: a tick is appended at the end, which keeps writing cheap. The judgement
is read for whole ticks only (to refill a ring), and repeats itself from tick to tick and from queue
to queue: compressed in a blob it takes about a byte per queue, as columns it would take ten.
"""

from __future__ import annotations

import sqlite3
import uuid
import zlib
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import chain, islice, repeat
from pathlib import Path

import numpy as np

from collectors.protocol import METRICS, Quality

from ..ticks import HEAD_UNKNOWN, Bytes, Floats, Ints, Judgement, Tick
from . import upgrade
from .base import StoreError

VERSION = 2
QUEUE_BITS = 32
APPLICATION = 0x57656972  # "Weir", in SQLite's application_id

_SCHEMA = (
    "CREATE TABLE about(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE queue(id INTEGER PRIMARY KEY, broker INTEGER NOT NULL)",
    "CREATE INDEX queue_of_broker ON queue(broker)",
    *upgrade.SCHEMA_2,
    f"CREATE TABLE hot(tick INTEGER, queue INTEGER, {', '.join(f'{m} REAL' for m in METRICS)},"
    " quality INTEGER NOT NULL, lag_method INTEGER NOT NULL, PRIMARY KEY(tick, queue)) WITHOUT ROWID",
)

_COLUMNS = ", ".join(METRICS)
_ROW = f"({', '.join('?' * (len(METRICS) + 4))})"
#: Rows written by one statement: for each, Python lets go of its lock, which a busy thread may hold for milliseconds.
_ROWS_AT_ONCE = (1000, 100, 1)
SELECT_ROWS = f"SELECT queue, {_COLUMNS}, quality, lag_method FROM hot WHERE tick = ? ORDER BY queue"
#: Rows of neighbouring queues in one tick.
SELECT_PART = f"SELECT queue, {_COLUMNS}, quality FROM hot WHERE tick = ? AND queue >= ? AND queue <= ?"
_NOTHING = ", ".join(f"{metric} = NULL" for metric in METRICS)
_ALL_UNKNOWN = sum(Quality.UNKNOWN << 2 * row for row in range(len(METRICS)))
#: All metrics of some queues (JSON) in some ticks (JSON) become unknown.
EMPTY_ROWS = (
    f"UPDATE hot SET {_NOTHING}, quality = {_ALL_UNKNOWN}, lag_method = 0 "
    "WHERE tick IN (SELECT value FROM json_each(?)) AND queue IN (SELECT value FROM json_each(?))"
)
_SHIFTS = 2 * np.arange(len(METRICS), dtype=np.int64)[:, None]


def prepare(connection: sqlite3.Connection, path: Path) -> str:
    """Make or complete the layout in one transaction; the store's uuid. StoreError for a file that is not Weir's."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version > VERSION:
            raise StoreError(
                f"The samples in {path} were written by a newer Weir (layout {version}, this one reads {VERSION}); "
                "start that version again, or move the file away to begin a new one."
            )
        if version == 0:
            _create(connection, path)
        elif connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION:
            raise StoreError(f"{path} is not a file of Weir's samples; move it away, or use another data folder.")
        else:
            upgrade.run(connection, version)
        connection.execute(f"PRAGMA user_version = {VERSION}")
        _add_new_metrics(connection)
        made = connection.execute("SELECT value FROM about WHERE name = 'uuid'").fetchone()
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    return str(made[0])


def _create(connection: sqlite3.Connection, path: Path) -> None:
    if connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        raise StoreError(f"{path} is not a file of Weir's samples; move it away, or use another data folder.")
    for statement in _SCHEMA:
        connection.execute(statement)
    connection.execute("INSERT INTO about VALUES('uuid', ?)", (str(uuid.uuid4()),))
    connection.execute(f"PRAGMA application_id = {APPLICATION}")


def _add_new_metrics(connection: sqlite3.Connection) -> None:
    """METRICS may have grown since the file was made; what came before is unknown."""
    have = {row[1] for row in connection.execute("PRAGMA table_info(hot)")}
    for metric in METRICS:
        if metric not in have:
            connection.execute(f"ALTER TABLE hot ADD COLUMN {metric} REAL")


def chunk_id(seal: int, queue: int) -> int:
    """The id of a queue's chunk in a seal: all chunks of a seal lie together, in the order of queues."""
    return seal << QUEUE_BITS | queue


@lru_cache
def _insert(rows: int) -> str:
    """The statement that inserts so many rows."""
    return f"INSERT INTO hot(tick, queue, {_COLUMNS}, quality, lag_method) VALUES{', '.join([_ROW] * rows)}"


def rows_of(tick: Tick, number: int) -> Iterator[tuple[int | float, ...]]:
    """A tick as rows of the table. SQLite stores a NaN as NULL."""
    packed = np.bitwise_or.reduce(tick.quality.astype(np.int64) << _SHIFTS, axis=0)
    metrics = (column.tolist() for column in tick.values)
    return zip(repeat(number), tick.ids.tolist(), *metrics, packed.tolist(), tick.lag_method.tolist(), strict=False)


def insert_rows(writer: sqlite3.Connection, tick: Tick, number: int) -> None:
    """Write the rows of a tick, in few statements."""
    rows, left = rows_of(tick, number), len(tick)
    for size in _ROWS_AT_ONCE:
        for _ in range(left // size):
            writer.execute(_insert(size), list(chain.from_iterable(islice(rows, size))))
        left %= size


def tick_of(
    broker: int, at: float, complete: bool, judging: bytes | None, rows: Sequence[tuple[float | None, ...]]
) -> Tick:
    """The tick whose rows were read by SELECT_ROWS."""
    columns = np.array(rows, np.float64).reshape(len(rows), len(METRICS) + 3).T
    values = np.ascontiguousarray(columns[1:-2])
    head, judgement = _unpack_judging(judging, len(rows))
    return Tick(
        broker=broker,
        at=at,
        ids=columns[0].astype(np.int64),
        values=values,
        quality=qualities(columns[-2], values),
        lag_method=columns[-1].astype(np.uint8),
        head=head,
        complete=complete,
        judgement=judgement,
    )


def qualities(packed: Floats, values: Floats, rows: Sequence[int] = tuple(range(len(METRICS)))) -> Bytes:
    """Quality codes of some metrics (rows of METRICS), UNKNOWN where the value is, shape as `values`."""
    shifts = _SHIFTS[list(rows)]
    codes: Bytes = (packed.astype(np.int64) >> shifts & 3).astype(np.uint8)
    codes[np.isnan(values)] = Quality.UNKNOWN
    return codes


def pack_judging(tick: Tick) -> bytes:
    """Heads, and the judgement where there is one, as one compressed blob."""
    columns = [tick.head.astype("<i8").tobytes()]
    if tick.judgement is not None:
        judged = tick.judgement
        columns += [judged.state.tobytes(), judged.reason.tobytes(), judged.since.astype("<f8").tobytes()]
    return zlib.compress(b"".join(columns), 1)


def _unpack_judging(blob: bytes | None, n: int) -> tuple[Ints, Judgement | None]:
    if blob is None:
        return np.full(n, HEAD_UNKNOWN, np.int64), None
    data = zlib.decompress(blob)
    head = np.frombuffer(data, "<i8", n).astype(np.int64)
    if len(data) == 8 * n and n:
        return head, None
    if len(data) != 18 * n:
        raise StoreError(f"A stored judgement has {len(data)} bytes where {18 * n} belong; the file is damaged.")
    state = np.frombuffer(data, np.uint8, n, 8 * n)
    reason = np.frombuffer(data, np.uint8, n, 9 * n)
    since = np.frombuffer(data, "<f8", n, 10 * n).astype(np.float64)
    return head, Judgement(state, reason, since)
