"""What a journal says, read while a worker writes it: messages, counts, what happened when."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from collectors.letters import STAMPS

from .states import COUNTED, Counts, JournalError, State, counts_of, words


@dataclass(slots=True, frozen=True)
class Row:
    """One message of a replay. `again`: how often it was sent again without knowing that it had not arrived; `size`
    -1: not known; `marks`: how many of `collectors.letters.STAMPS` its copy bears where copies bear any."""

    n: int
    id: str
    state: State
    size: int
    destination: str
    again: int
    came_back: bool
    why: str
    at: float
    marks: int = len(STAMPS)


@dataclass(slots=True, frozen=True)
class Asked:
    """Which messages are asked for: of a kind (KINDS), that hold all words, from behind the number `after` on."""

    kind: str = ""
    words: tuple[str, ...] = ()
    backwards: bool = False
    after: int | None = None
    most: int = 100

    def holding(self, *columns: str) -> tuple[str, list[str]]:
        """A condition for SQL, that each word stands in one of these columns, and what goes into it."""
        either = " or ".join(f"instr(lower({column}), ?)" for column in columns)
        values = [word.lower() for word in self.words for _ in columns]
        return " and ".join(["1", *(f"({either})" for _ in self.words)]), values

    def page(self) -> tuple[str, list[int]]:
        """A condition, order and limit for SQL, and what goes into them."""
        first = (1 << 62 if self.backwards else 0) if self.after is None else self.after
        sign, order = ("<", "desc") if self.backwards else (">", "asc")
        return f"n {sign} ? order by n {order} limit ?", [first, self.most]


class Reading:
    """Reads a journal, while another process writes it."""

    def __init__(self, path: Path) -> None:
        """Raises JournalError."""
        if not path.exists():
            raise JournalError("This replay has no journal on this machine.")
        try:
            self._db = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=5.0)
            if not self._db.execute("select 1 from sqlite_master where name = 'message'").fetchone():
                self._db.close()  # its worker is just making it: nothing stands in it yet
                self._db = sqlite3.connect(":memory:")
                self._db.execute(f"create table message ({', '.join(Row.__dataclass_fields__)})")
        except sqlite3.Error as error:
            raise JournalError(f"The journal {path.name} cannot be read: {words(error)}") from error

    def __enter__(self) -> Reading:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._db.close()

    def counts(self) -> Counts:
        return counts_of(self._db.execute(COUNTED))

    def messages(self, which: str = "", after: int = 0, most: int = 100) -> list[Row]:
        """Messages in order from behind `after` on; `which` as the keys of KINDS, "" = all."""
        rows = self._db.execute(
            f"select * from message where n > ? and {KINDS[which]} order by n limit ?", (after, most)
        )
        return self._rows(rows.fetchall())

    def marks(self) -> dict[int, int]:
        """How many copies bear how many of the marks, of those that were sent."""
        sent = self.counts().sent
        some = self._unmarked(
            "marks, count(*)", f"join message using (n) where {KINDS['sent']} or {KINDS['removed']} group by marks"
        )
        usual = sent - sum(some.values())
        return ({self._usual: usual} if usual else {}) | dict(sorted(some.items(), reverse=True))

    @property
    def _usual(self) -> int:
        """How many marks a copy bears of which nothing else is said: none, where the replay marks none."""
        told = self._db.execute("select value from said where name='stamps'").fetchone()
        return 0 if told is not None and not told[0] else len(STAMPS)

    def _rows(self, rows: Sequence[tuple[Any, ...]]) -> list[Row]:
        """Messages as they stand in the file, with how many marks their copies bear."""
        if not rows:
            return []
        first, last = sorted((rows[0][0], rows[-1][0]))
        marks, usual = self._unmarked("n, marks", "where n between ? and ?", first, last), self._usual
        return [
            Row(n, id, State(state), size, destination, again, bool(came_back), why, at, marks.get(n, usual))
            for n, id, state, size, destination, again, came_back, why, at in rows
        ]

    def held(self) -> int:
        """How many letters are in hands whose handles are known."""
        return sum(self._unmarked("1, count(*)", "", table="held").values())

    def _unmarked(self, columns: str, where: str, *given: Any, table: str = "unmarked") -> dict[int, int]:
        """Of a table that journals of an earlier Weir do not have."""
        if not self._db.execute("select 1 from sqlite_master where name=?", (table,)).fetchone():
            return {}
        return dict(self._db.execute(f"select {columns} from {table} {where}", given).fetchall())

    def asked(self, asked: Asked) -> tuple[list[Row], int]:
        """A page of messages, and how many there are."""
        (holding, values), (page, bounds) = asked.holding("id", "destination", "why"), asked.page()
        found = f"from message where {KINDS[asked.kind]} and {holding}"
        rows = self._db.execute(f"select * {found} and {page}", (*values, *bounds)).fetchall()
        (total,) = self._db.execute(f"select count(*) {found}", values).fetchone()
        return self._rows(rows), total

    def by_time(self, points: int = 120) -> list[tuple[float, int, int]]:
        """(epoch seconds, sent until then, came back until then) for a chart, at most so many."""
        there = "from message where state in (3, 4)"
        first, last = self._db.execute(f"select min(at), max(at) {there}").fetchone()
        if first is None:
            return []
        slots = f"select max(at), count(*), sum(came_back) {there} group by cast((at - ?) / ? as int) order by 1"
        line: list[tuple[float, int, int]] = []
        sent = back = 0
        for at, more, returned in self._db.execute(slots, (first, max((last - first) / points, 1e-9))):
            sent, back = sent + more, back + returned
            line.append((at, sent, back))
        return line


#: What messages can be asked for by.
KINDS = {
    "": "1",
    **{state.word: f"state={state.value}" for state in State},
    "came_back": "came_back",
    "possibly_duplicated": "again",
}
