"""The file of a journal: its tables, and how they are written while one process at a time may."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from types import TracebackType

from .states import Fenced, JournalError, words

VERSION = 4

_SCHEMA = """
create table message (
    n integer primary key, id text not null, state integer not null, size integer not null, destination text not null,
    again integer not null default 0, came_back integer not null default 0, why text not null default '',
    at real not null
);
create table before (id text primary key, count integer not null) without rowid;
create table said (name text primary key, value text not null) without rowid;
"""
#: Since version 2: letters in hands, by their tags; copies that bear not all marks, and what they are known by.
_SINCE_2 = """
create table held (tag integer primary key, handle text not null);
create table unmarked (n integer primary key, marks integer not null, print text not null, came_as text)
"""
#: Since version 3: messages of which no replica of the server knew in time that they were moved.
_SINCE_3 = "create table unreplicated (n integer primary key)"
#: Since version 4: letters that are just being replaced by a copy in their own queue.
_SINCE_4 = "create table renewing (k integer primary key, id text not null)"


def claim(db: sqlite3.Connection, name: str, owner: str) -> None:
    """Make what tables are missing, and be the one who writes. Raises JournalError for a newer Weir's."""
    db.execute("begin immediate")
    try:
        ((version,),) = db.execute("pragma user_version")
        if version > VERSION:
            raise JournalError(f"The journal {name} was written by a newer Weir; use that one.")
        for since, schema in enumerate((_SCHEMA, _SINCE_2, _SINCE_3, _SINCE_4)):
            for statement in schema.split(";") if version <= since else ():
                db.execute(statement)
        db.execute(f"pragma user_version={VERSION}")
        db.execute("insert or replace into said values ('owner', ?)", (owner,))
    except BaseException:
        db.execute("rollback")
        raise
    db.execute("commit")


class Transaction:
    """All or nothing, and only while the journal is ours."""

    def __init__(self, db: sqlite3.Connection, owner: str, name: str) -> None:
        self.db, self.owner, self.name = db, owner, name

    def __enter__(self) -> sqlite3.Connection:
        try:
            self.db.execute("begin immediate")
            (owner,) = self.db.execute("select value from said where name='owner'").fetchone()
        except sqlite3.Error as error:
            raise self._failed(error) from error
        if owner != self.owner:
            self.db.execute("rollback")
            raise Fenced("Another worker has taken this replay over.")
        return self.db

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self.db.execute("commit")
            elif self.db.in_transaction:  # a full disk has ended it already
                self.db.execute("rollback")
        except sqlite3.Error as broken:
            if self.db.in_transaction:
                self.db.execute("rollback")
            raise self._failed(broken) from broken
        if isinstance(error, sqlite3.Error):
            raise self._failed(error) from error

    def _failed(self, error: sqlite3.Error) -> JournalError:
        return JournalError(f"The journal {self.name} cannot be written: {words(error)}")


def ranges(numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Numbers as spans (first, last): a batch that went well is one span."""
    if not numbers:
        return
    ordered = sorted(numbers)
    first = last = ordered[0]
    for n in ordered[1:]:
        if n != last + 1:
            yield first, last
            first = n
        last = n
    yield first, last
