"""From one version of the embedded store's layout to the next: with all its data, in the transaction that opens it."""

from __future__ import annotations

import sqlite3

#: Ticks per broker whose judgement is taken along from version 1: what a ring is refilled with.
JUDGED_TICKS = 60

SCHEMA_2 = (
    "CREATE TABLE tick(id INTEGER PRIMARY KEY, broker INTEGER NOT NULL, at REAL NOT NULL,"
    " complete INTEGER NOT NULL, UNIQUE(broker, at))",
    "CREATE INDEX tick_at ON tick(at)",
    "CREATE TABLE judging(tick INTEGER PRIMARY KEY, data BLOB NOT NULL)",
    "CREATE TABLE leftover(tick INTEGER PRIMARY KEY)",
    "CREATE TABLE seal(id INTEGER PRIMARY KEY, broker INTEGER NOT NULL, level INTEGER NOT NULL, start INTEGER NOT NULL,"
    " state INTEGER NOT NULL, rolled INTEGER NOT NULL, ticks INTEGER NOT NULL, interval REAL NOT NULL, times BLOB)",
    "CREATE INDEX seal_of_broker ON seal(broker, level, start)",
    "CREATE TABLE chunk(id INTEGER PRIMARY KEY, data BLOB NOT NULL)",
)

_STEPS = {
    1: (
        "ALTER TABLE tick RENAME TO old_tick",
        "DROP INDEX tick_at",
        *SCHEMA_2,
        "INSERT INTO tick SELECT id, broker, at, complete FROM old_tick",
        "INSERT INTO judging SELECT id, judging FROM old_tick WHERE id IN (SELECT id FROM (SELECT id, row_number()"
        f" OVER (PARTITION BY broker ORDER BY at DESC) AS place FROM old_tick) WHERE place <= {JUDGED_TICKS})",
        "DROP TABLE old_tick",
    ),
}


def run(connection: sqlite3.Connection, version: int) -> None:
    """Take a file of an older version, one step after another, to the present one."""
    while version in _STEPS:
        for statement in _STEPS[version]:
            connection.execute(statement)
        version += 1
