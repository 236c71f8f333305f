"""Letting go of samples: first out of sight, in one small transaction, then removed in many short ones.

What is to go is only marked - ticks move to `leftover`, seals become REMOVED - so that no reader sees a part of
it, and `remove` may be interrupted anywhere and go on later, in this process or the next.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence

from . import layout
from .connections import Connections
from .levels import IN_USE, LEVELS, RAW, REMOVED

#: Rows and chunks removed per transaction: some ten milliseconds in which nobody else can write.
ROWS_AT_ONCE = 10_000
CHUNKS_AT_ONCE = 500
#: Pages given back to the file system per transaction, when so many and more than this share of the file are free:
#: an hour that is sealed frees room that the next hour needs.
PAGES_AT_ONCE = 500
FREE_PAGES, FREE_SHARE = 65_536, 0.5
#: The same on a full disk, where the log has little room.
ROWS_WHEN_FULL, CHUNKS_WHEN_FULL, PAGES_WHEN_FULL = 1_000, 50, 50


def breathe(held: float) -> None:
    """Wait a little after a transaction that took `held` seconds, so that whoever wants to write gets there."""
    time.sleep(min(0.1, max(0.002, held)))


def prune(connections: Connections, before: float) -> int:
    """`Store.prune`."""
    with connections.writing("pruned") as writer:
        dropped: int = writer.execute("SELECT count(*) FROM tick WHERE at < ?", (before,)).fetchone()[0]
        writer.execute("INSERT INTO leftover SELECT id FROM tick WHERE at < ?", (before,))
        writer.execute("DELETE FROM tick WHERE at < ?", (before,))
        for level in LEVELS:
            old = (level.number, IN_USE, before - level.span)
            sealed = "level = ? AND state = ? AND start <= ?"
            if level is RAW:
                dropped += writer.execute(f"SELECT coalesce(sum(ticks), 0) FROM seal WHERE {sealed}", old).fetchone()[0]
            writer.execute(f"UPDATE seal SET state = {REMOVED} WHERE {sealed}", old)
    remove(connections)
    return dropped


def forget(connections: Connections, broker: int) -> None:
    """`Store.forget`."""
    with connections.writing("pruned") as writer:
        writer.execute("INSERT INTO leftover SELECT id FROM tick WHERE broker = ?", (broker,))
        writer.execute("DELETE FROM tick WHERE broker = ?", (broker,))
        writer.execute(f"UPDATE seal SET state = {REMOVED} WHERE broker = ?", (broker,))
        writer.execute("DELETE FROM queue WHERE broker = ?", (broker,))
    remove(connections)


def forget_queues(connections: Connections, queues: Sequence[int]) -> None:
    """Their hot rows are emptied, not removed: a tick's judging counts its rows. They go when the tick is sealed."""
    ids = json.dumps([int(queue) for queue in queues])
    with connections.reading() as reader:
        found = "SELECT DISTINCT broker FROM queue WHERE id IN (SELECT value FROM json_each(?))"
        brokers = [row[0] for row in reader.execute(found, (ids,))]
    for broker in brokers:
        last: int | None = 0
        while last is not None:
            last = _empty(connections, broker, ids, last)
        with connections.reading() as reader:
            seals = [row[0] for row in reader.execute("SELECT id FROM seal WHERE broker = ?", (broker,))]
        for seal in seals:
            with connections.writing() as writer:
                chunks = ((layout.chunk_id(seal, int(queue)),) for queue in queues)
                writer.executemany("DELETE FROM chunk WHERE id = ?", chunks)


def _empty(connections: Connections, broker: int, queues: str, after: int) -> int | None:
    """Empty the rows of queues in the next ticks of their broker; the last of these ticks, None at the end."""
    with connections.writing() as writer:
        sql = "SELECT id FROM tick WHERE broker = ? AND id > ? ORDER BY id LIMIT 500"
        ticks = [row[0] for row in writer.execute(sql, (broker, after))]
        writer.execute(layout.EMPTY_ROWS, (json.dumps(ticks), queues))
    return ticks[-1] if ticks else None


def remove(connections: Connections, stopped: Callable[[], bool] = lambda: False) -> None:
    """Remove what is out of sight: rows of left-over ticks, chunks of removed seals. FullError when not even the log
    can be moved."""
    for step, much, little in (
        (_remove_ticks, ROWS_AT_ONCE, ROWS_WHEN_FULL),
        (_remove_chunks, CHUNKS_AT_ONCE, CHUNKS_WHEN_FULL),
    ):
        while not stopped():
            began, scarce = time.monotonic(), connections.spare.is_scarce()
            if scarce:
                connections.move_log()
            if not step(connections, little if scarce else much):
                break
            breathe(time.monotonic() - began)


def _remove_ticks(connections: Connections, most: int) -> bool:
    """One transaction's worth; False when there is nothing left."""
    with connections.writing("pruned") as writer:
        ticks = writer.execute("SELECT tick FROM leftover LIMIT 200").fetchall()
        rows = 0
        for (tick,) in ticks:
            some = "SELECT queue FROM hot WHERE tick = ? ORDER BY queue LIMIT 1 OFFSET ?"
            last = writer.execute(some, (tick, most)).fetchone()
            if last:
                rows += writer.execute("DELETE FROM hot WHERE tick = ? AND queue < ?", (tick, last[0])).rowcount
            else:
                rows += writer.execute("DELETE FROM hot WHERE tick = ?", (tick,)).rowcount
                writer.execute("DELETE FROM judging WHERE tick = ?", (tick,))
                writer.execute("DELETE FROM leftover WHERE tick = ?", (tick,))
            if rows >= most:
                break
    return bool(ticks)


def _remove_chunks(connections: Connections, most: int) -> bool:
    """One transaction's worth; False when there is nothing left."""
    with connections.writing("pruned") as writer:
        found = writer.execute("SELECT id FROM seal WHERE state = ? LIMIT 1", (REMOVED,)).fetchone()
        if not found:
            return False
        span = (layout.chunk_id(found[0], 0), layout.chunk_id(found[0] + 1, 0), most)
        some = "SELECT id FROM chunk WHERE id >= ? AND id < ? ORDER BY id LIMIT ?"
        if not writer.execute(f"DELETE FROM chunk WHERE id IN ({some})", span).rowcount:
            writer.execute("DELETE FROM seal WHERE id = ?", found)
    return True


def used_bytes(connections: Connections) -> int:
    """What the samples take, free pages left out."""
    with connections.reading() as reader:
        pages, free, size = (
            reader.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
        )
    return int((pages - free) * size)


def shrink(connections: Connections, stopped: Callable[[], bool], full: bool = False) -> None:
    """Give free pages back to the file system when they are a large part of the file; they are used again otherwise.

    `full`: the disk is, so that others need them more: all are given back.
    A file that began under layout 1 keeps its size: SQLite can do this only for files that were made for it.
    """
    while not stopped():
        began = time.monotonic()
        with connections.writing("pruned") as writer:
            pages, free, auto = (
                writer.execute(f"PRAGMA {name}").fetchone()[0]
                for name in ("page_count", "freelist_count", "auto_vacuum")
            )
            if auto != 2 or free < (1 if full else max(FREE_PAGES, pages * FREE_SHARE)):
                return
            # Python steps the statement once, which gives back one page
            for _ in range(PAGES_WHEN_FULL if full else PAGES_AT_ONCE):
                writer.execute("PRAGMA incremental_vacuum(1)")
        breathe(time.monotonic() - began)
