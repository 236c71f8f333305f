"""The journal of a replay: what became of each message, in a SQLite file of its own.

A step is written down, and has reached the disk (WAL, synchronous=FULL), before it is done; what was done is written
down before the next step that depends on it. So after a crash at any point the file says of each message that it
was not yet sent (PLANNED, LEASED), that a copy may be on its way (SENDING), that a copy is safe and the original is
to be removed (SENT), or that it is over. One process at a time writes: whoever opens a journal to write puts its
name in, and a writer that finds another name there is fenced off (`Fenced`).
"""

from __future__ import annotations

import sqlite3
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from types import TracebackType
from typing import Any

from .states import COUNTED, Counts, JournalError, Open, State, counts_of, words
from .tables import Transaction, claim, ranges

#: Of messages that were begun when their replay was given up.
BEING_SENT = "It was being sent when this was stopped: whether a copy arrived is not known, and it may lie here still."
RENEWING = (
    "It was being replaced by a copy in its own queue, for it was near its delivery limit, when the connection or the "
    "worker ended: it may lie there twice."
)
NOT_REMOVED = "Its copy was confirmed when this was stopped, but it was not seen to be removed: it may lie here still."


class Journal:
    """Writes one journal. Changes are collected and reach the disk together, in `commit`.

    For one thread at a time.
    """

    def __init__(self, path: Path, owner: str) -> None:
        """Open it, make it when it is not there, and fence off whoever wrote before. Raises JournalError."""
        self.path, self.owner = path, owner
        self._new: list[tuple[Any, ...]] = []
        self._moved: list[tuple[int, State]] = []
        self._whys: list[tuple[State, str, int]] = []
        self._again: list[int] = []
        self._returned: list[int] = []
        self._said: dict[str, str] = {}
        self._held: dict[int, str] = {}
        self._let_go: list[int] = []
        self._unmarked: list[tuple[int, int, str]] = []
        self._came_as: list[tuple[str, int]] = []
        self._alone: dict[int, str] = {}
        self.doubles: list[str] = []  # ids that were named in this life, of which two may lie in their queue
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, timeout=10.0, isolation_level=None, check_same_thread=False)
            path.chmod(0o600)
            self._db.execute("pragma journal_mode=wal")
            self._db.execute("pragma synchronous=full")
            claim(self._db, path.name, owner)
            self.next = self._one("select coalesce(max(n), 0) + 1 from message")
            self.counts = self.recount()
        except (sqlite3.Error, OSError) as error:
            raise JournalError(f"The journal {path.name} cannot be opened: {words(error)}") from error

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file; what was not committed is forgotten."""
        self._db.close()

    # --- what there is -------------------------------------------------------------------------------------------
    def said(self, name: str, default: str = "") -> str:
        """What was written down under a name, committed or not."""
        if name in self._said:
            return self._said[name]
        rows = self._read("select value from said where name=?", name)
        return rows[0][0] if rows else default

    def open_messages(self) -> Open:
        """Where every message is that may be met again in the queue."""
        found: dict[State, dict[str, list[int]]] = {state: {} for state in State}
        for n, id, state in self._read("select n, id, state from message where state != ? order by n", State.REMOVED):
            found[State(state)].setdefault(id, []).append(n)
        planned = found[State.PLANNED]
        for id, numbers in found[State.LEASED].items():  # nothing was sent: as if it had not been taken
            planned[id] = sorted(planned.get(id, []) + numbers)
        stayed = found[State.SKIPPED]
        for id, numbers in found[State.FAILED].items():
            stayed[id] = sorted(stayed.get(id, []) + numbers)
        return Open(planned, found[State.SENDING], found[State.SENT], stayed)

    def gone(self) -> dict[str, tuple[int, int]]:
        """Of each id how many were sent and removed, and how many of those came back."""
        rows = self._read("select id, count(*), sum(came_back) from message where state=? group by id", State.REMOVED)
        return {id: (count, back) for id, count, back in rows}

    def gone_since(self) -> Iterator[dict[str, int]]:
        """Ids that were removed since this was last asked, each so often, some at a time."""
        last = int(self.said("told", "0"))
        while True:
            rows = self._read(
                "select n, id from message where n > ? and state=? order by n limit 2000", last, State.REMOVED
            )
            if not rows:
                return
            last = rows[-1][0]
            yield dict(Counter(id for _, id in rows))
            self.say("told", str(last))

    def numbers_of(self, id: str, most: int) -> list[int]:
        """So many of the messages of an id that are gone and have not come back."""
        rows = self._read(
            "select n from message where id=? and state=? and not came_back order by n limit ?", id, State.REMOVED, most
        )
        return [n for (n,) in rows]

    def before(self) -> Counter[str] | None:
        """What lay in the queue when the replay began, by ids; None = that was not noted."""
        if not self.said("before"):
            return None
        return Counter(dict(self._read("select id, count from before")))

    # --- what changes --------------------------------------------------------------------------------------------
    def add(self, id: str, state: State, size: int, destination: str, why: str = "") -> int:
        """A message that was not known before; its number."""
        n = self.next
        self.next += 1
        self._new.append((n, id, state, size, destination, why, time.time()))
        self.counts.total += 1
        self.counts.bytes += size
        if state > State.SENDING:
            self._count(None, state, 1)
        return n

    def move(self, numbers: Sequence[int], was: State, state: State) -> None:
        """These messages, which were in one state, are now in another."""
        self._moved.extend((n, state) for n in numbers)
        self._count(was, state, len(numbers))

    def end(self, n: int, was: State, state: State, why: str) -> None:
        """A message ends in a state for a reason."""
        self._whys.append((state, why[:500], n))
        self._count(was, state, 1)

    def again(self, n: int) -> None:
        """It is sent again, though its first copy may have arrived."""
        if n not in self._again and self._is_news(n, "again"):
            self.counts.possibly_duplicated += 1
        self._again.append(n)

    # --- letters that are replaced by a copy in their own queue -------------------------------------------------
    def renewing(self, ids: Sequence[str]) -> None:
        """Their copies are about to be sent: at once."""
        with self._transaction() as db:
            db.executemany("insert into renewing (id) values (?)", ((id,) for id in ids))

    def renewed(self, ids: Sequence[str]) -> None:
        """Of each of these there is one again."""
        one = "select min(k) from renewing where id=?"
        with self._transaction() as db:
            db.executemany(f"delete from renewing where k = ({one})", ((id,) for id in ids))

    def name_doubles(self, ids: Sequence[str] = (), why: str = RENEWING) -> int:
        """Of what is being replaced though nobody is at it, and of `ids`, two may lie there: they are named; how many.

        Nothing may be leased or looked at meanwhile."""
        broken = [id for (id,) in self._read("select id from renewing order by k")]
        if not (ids := [*ids, *broken]):
            return 0
        rows = [(self.next + i, id, State.DOUBLED, why, time.time()) for i, id in enumerate(ids)]
        with self._transaction() as db:
            db.executemany("insert into message values (?, ?, ?, 0, '', 1, 0, ?, ?)", rows)
            db.execute("delete from renewing")
        self.next += len(ids)
        self.doubles += broken
        self.counts.possibly_duplicated += len(ids)
        self.counts.doubled += len(ids)
        return len(ids)

    def leave_open(self) -> int:
        """It is given up though of some messages it is not known what became of them: they are named; how many."""
        named = self.name_doubles()
        found = self.open_messages()
        sent = {} if self.said("keeps") else found.sent  # whose originals stay are over
        for state, ids, why in ((State.SENDING, found.sending, BEING_SENT), (State.SENT, sent, NOT_REMOVED)):
            for n in sorted(n for numbers in ids.values() for n in numbers):
                if not self.said("atomic"):
                    self.again(n)
                self._whys.append((state, why, n))
        self.commit()
        return named + sum(len(numbers) for ids in (found.sending, sent) for numbers in ids.values())

    def came_back(self, numbers: Iterable[int]) -> int:
        """The copies of these were found in the queue again; for how many that is news."""
        news = [n for n in set(numbers) if n not in self._returned and self._is_news(n, "came_back")]
        self._returned.extend(news)
        self.counts.came_back += len(news)
        return len(news)

    def _is_news(self, n: int, column: str) -> bool:
        rows = self._read(f"select {column} from message where n=?", n)
        return bool(rows) and not rows[0][0]

    def say(self, name: str, value: str) -> None:
        """Write something down under a name."""
        self._said[name] = value

    def unreplicated(self, whys: Mapping[int, str]) -> None:
        """They were moved, but no replica of the server had that in time: each with the sentence that says so."""
        self._alone.update(whys)

    def replicated(self, numbers: Sequence[int]) -> None:
        """A replica came to have what was moved: at once, since it is written down seldom."""
        with self._transaction() as db:
            db.executemany("update message set why='' where n between ? and ?", ranges(numbers))
            gone = db.executemany("delete from unreplicated where n between ? and ?", ranges(numbers)).rowcount
        self.counts.unreplicated -= max(0, gone)

    # --- letters in hands ----------------------------------------------------------------------------------------
    def hold(self, handles: Mapping[int, str]) -> None:
        """These letters are in our hands, by the tags of a lease: should we die, others can let go of them."""
        self._held.update(handles)

    def let_go(self, tags: Iterable[int]) -> None:
        """They are gone, or back."""
        self._let_go.extend(tags)

    def handles(self) -> list[str]:
        """Those of all letters that were in hands when a lease ended without a word."""
        return [handle for (handle,) in self._read("select handle from held")]

    def hands_empty(self) -> None:
        """Nothing is held: all of it was given back."""
        with self._transaction() as db:
            db.execute("delete from held")

    # --- copies that bear not all marks --------------------------------------------------------------------------
    def mark(self, n: int, marks: int, print: str) -> None:
        """The copy of a message bears so many of the marks; without any it is known by its contents."""
        self._unmarked.append((n, marks, print))
        if self._is_unmarked(n):
            return
        if marks:
            self.counts.part_marked += 1
        else:
            self.counts.unmarked += 1

    def _is_unmarked(self, n: int) -> bool:
        return bool(self._read("select 1 from unmarked where n=?", n))

    def unmarked(self) -> dict[str, list[int]]:
        """Copies that bear no mark and have not come back, by their contents."""
        rows = self._read(
            "select u.n, print from unmarked u join message m using (n) where marks = 0 and came_as is null "
            "and state in (?, ?) order by u.n", State.SENT, State.REMOVED,
        )  # fmt: skip
        found: dict[str, list[int]] = {}
        for n, one in rows:
            found.setdefault(one, []).append(n)
        return found

    def came_as(self) -> set[str]:
        """Ids of letters that were recognised as copies that bear no mark."""
        return {id for (id,) in self._read("select came_as from unmarked where came_as is not null")}

    def came_back_as(self, n: int, id: str) -> None:
        """A copy without marks was found in the queue again, as a letter with this id."""
        self._came_as.append((id, n))
        self.came_back([n])

    def knows(self, id: str) -> bool:
        """Whether a message has this id."""
        return bool(self._read("select 1 from message where id=? limit 1", id))

    def index_ids(self) -> None:
        """From now on `knows` and `gone_among` are fast."""
        with self._transaction() as db:
            db.execute("create index if not exists by_id on message (id)")

    def gone_among(self, ids: Sequence[str]) -> set[str]:
        """Those of them whose message is over and gone."""
        marks = ",".join("?" * len(ids))
        return {
            id for (id,) in self._read(f"select id from message where id in ({marks}) and state=?", *ids, State.REMOVED)
        }

    def note_before(self, counts: Counter[str]) -> None:
        """What lies in the queue now: at once, since it is written once."""
        with self._transaction() as db:
            db.execute("delete from before")  # of a beginning that was broken off
            db.executemany("insert into before values (?, ?)", counts.items())
            db.execute("insert or replace into said values ('before', '1')")

    @property
    def dirty(self) -> bool:
        """Whether anything waits for a commit."""
        waits = (self._new, self._moved, self._whys, self._again, self._returned, self._said)
        return any(waits) or bool(self._held or self._let_go or self._unmarked or self._came_as or self._alone)

    def commit(self) -> None:
        """Bring everything to the disk, in order. Raises Fenced, JournalError: then nothing was written."""
        if not self.dirty:
            return
        now = time.time()
        with self._transaction() as db:
            db.executemany(
                "insert into message (n, id, state, size, destination, why, at) values (?, ?, ?, ?, ?, ?, ?)", self._new
            )
            for state, moved in groupby(self._moved, key=lambda one: one[1]):
                spans = [(state, now, first, last) for first, last in ranges([n for n, _ in moved])]
                db.executemany("update message set state=?, at=? where n between ? and ?", spans)
            db.executemany("update message set state=?, why=? where n=?", self._whys)
            for column, numbers in (("again", self._again), ("came_back", self._returned)):
                db.executemany(f"update message set {column}={column}+1 where n=?", ((n,) for n in numbers))
            db.executemany("insert or replace into said values (?, ?)", self._said.items())
            db.executemany("insert or replace into held values (?, ?)", self._held.items())
            db.executemany("delete from held where tag=?", ((tag,) for tag in self._let_go))
            db.executemany("insert or replace into unmarked (n, marks, print) values (?, ?, ?)", self._unmarked)
            db.executemany("update unmarked set came_as=? where n=?", self._came_as)
            news = db.executemany("insert or ignore into unreplicated values (?)", ((n,) for n in self._alone)).rowcount
            db.executemany("update message set why=? where n=?", ((why[:500], n) for n, why in self._alone.items()))
        self._new, self._moved, self._whys, self._again, self._returned, self._said = [], [], [], [], [], {}
        self.counts.unreplicated += max(0, news)
        self._held, self._let_go, self._unmarked, self._came_as, self._alone = {}, [], [], [], {}

    def recount(self) -> Counts:
        """The counts as the file has them."""
        self.counts = counts_of(self._read(COUNTED))
        for some, many in self._read("select marks > 0, count(*) from unmarked group by marks > 0"):
            setattr(self.counts, "part_marked" if some else "unmarked", many)
        self.counts.unreplicated = self._one("select count(*) from unreplicated")
        return self.counts

    # --- inside --------------------------------------------------------------------------------------------------
    def _count(self, was: State | None, state: State, many: int) -> None:
        for one, sign in ((was, -many), (state, many)):
            if one in (State.SENT, State.REMOVED):
                self.counts.sent += sign
            if one == State.REMOVED:
                self.counts.removed += sign
            elif one == State.FAILED:
                self.counts.failed += sign
            elif one == State.SKIPPED:
                self.counts.skipped += sign

    def _read(self, query: str, *given: Any) -> list[tuple[Any, ...]]:
        try:
            return self._db.execute(query, given).fetchall()
        except sqlite3.Error as error:
            raise JournalError(f"The journal {self.path.name} cannot be read: {words(error)}") from error

    def _one(self, query: str) -> int:
        return int(self._db.execute(query).fetchone()[0])

    def _transaction(self) -> Transaction:
        return Transaction(self._db, self.owner, self.path.name)
