"""What a filter is made of: an `Expression` is a small tree of these terms, and tests a whole table at once.

Three-valued: each term says of every row whether it is true, and whether it is false. A row whose value is unknown
is neither, and so it stays out under negation too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from .fields import Field, Kind

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Table(Protocol):
    """What is filtered: n rows, by columns."""

    def __len__(self) -> int: ...

    def numbers(self, field: str) -> Floats:
        """A number per row, NaN where it is unknown, inf for "never", shape (n,)."""

    def texts(self, field: str) -> Sequence[str]:
        """A text per row, "" where there is none."""

    def tags(self) -> Sequence[Sequence[str]]:
        """The tags of each row."""

    def flags(self, field: str) -> Bools:
        """Whether each row is this, shape (n,)."""


@runtime_checkable
class Coded(Table, Protocol):
    """A long table whose texts repeat: each distinct one is looked at once, whatever the number of rows."""

    def coded(self, field: str) -> tuple[Ints, Sequence[str | None]]:
        """The texts of a field, and for each row the number of its own. None = it is unknown which text it has."""


class Expression:
    """A filter. Equal when it says the same in the same order; `str()` is its text."""

    def mask(self, table: Table) -> Bools:
        """Which rows the filter lets through, shape (len(table),)."""
        return self.judge(Columns(table))[0]

    def judge(self, columns: Columns) -> tuple[Bools, Bools]:
        """Of which rows this is true, and of which it is false; neither where it depends on what is unknown."""
        raise NotImplementedError

    def speaks_of(self, flag: str) -> bool:
        """Whether is:FLAG stands anywhere in it."""
        return False


class Columns:
    """A table as the terms read it: each column is made ready once per filtering."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self._lower: dict[str, list[str]] = {}
        self._coded: dict[str, tuple[Ints, list[str | None]]] = {}

    def __len__(self) -> int:
        return len(self.table)

    def lower(self, column: str) -> list[str]:
        if column not in self._lower:
            self._lower[column] = [text.lower() for text in self.table.texts(column)]
        return self._lower[column]

    def holds(self, column: str, text: str, glob: bool) -> Bools:
        """Where a text is found anywhere in the column, or by a glob over the whole of it."""
        text = text.lower()
        test = _glob(text) if glob else lambda each: text in each
        if isinstance(self.table, Coded):
            return self._decided(column, test)
        texts = self.lower(column)
        return np.fromiter(map(test, texts), bool, len(texts))

    def equals(self, column: str, text: str, glob: bool) -> Bools:
        """Where the column is this text. Values repeat, so each distinct one is looked at once."""
        test = _whole(text, glob)
        if isinstance(self.table, Coded):
            return self._decided(column, test)
        texts = self.lower(column)
        verdict = {each: test(each) for each in set(texts)}
        return np.fromiter(map(verdict.__getitem__, texts), bool, len(texts))

    def told(self, column: str) -> Bools | None:
        """Of which rows it is known what text they have; None = of all."""
        if not isinstance(self.table, Coded):
            return None
        codes, texts = self.codes(column)
        told = np.fromiter((each is not None for each in texts), bool, len(texts))
        return None if told.all() else told[codes]

    def codes(self, column: str) -> tuple[Ints, list[str | None]]:
        """As `Coded.coded`, in lower case."""
        assert isinstance(self.table, Coded)
        if column not in self._coded:
            codes, texts = self.table.coded(column)
            self._coded[column] = codes, [None if each is None else each.lower() for each in texts]
        return self._coded[column]

    def _decided(self, column: str, test: Callable[[str], object]) -> Bools:
        codes, texts = self.codes(column)
        verdict = np.fromiter((each is not None and bool(test(each)) for each in texts), bool, len(texts))
        return verdict[codes] if len(texts) else np.zeros(len(codes), bool)

    def tagged(self, text: str, glob: bool) -> Bools:
        """Where any tag is this text."""
        rows, test = self.table.tags(), _whole(text, glob)
        wanted = {tag for tag in {tag for row in rows for tag in row} if test(tag.lower())}
        return np.fromiter((not wanted.isdisjoint(row) for row in rows), bool, len(rows))


@dataclass(frozen=True, slots=True)
class Word(Expression):
    """A text in any of the fields that bare words are looked for in; where one is not known, the others decide."""

    text: str
    glob: bool
    fields: tuple[str, ...]

    def judge(self, columns: Columns) -> tuple[Bools, Bools]:
        yes = columns.holds(self.fields[0], self.text, self.glob)
        for name in self.fields[1:]:
            yes |= columns.holds(name, self.text, self.glob)
        return yes, ~yes

    def __str__(self) -> str:
        return self.text if self.glob else _quoted(self.text)


@dataclass(frozen=True, slots=True)
class Text(Expression):
    """A field of text is this."""

    field: Field
    text: str
    glob: bool

    def judge(self, columns: Columns) -> tuple[Bools, Bools]:
        if self.field.kind is Kind.TAGS:
            yes = columns.tagged(self.text, self.glob)
        elif self.field.kind is Kind.WORDS:
            yes = columns.holds(self.field.column, self.text, self.glob)
        else:
            yes = columns.equals(self.field.column, self.text, self.glob)
        told = None if self.field.kind is Kind.TAGS else columns.told(self.field.column)
        return yes, ~yes if told is None else ~yes & told

    def __str__(self) -> str:
        return f"{self.field.name}:{self.text if self.glob else _quoted(self.text)}"


_COMPARE: dict[str, Callable[[Floats, float], Bools]] = {
    ":": np.equal,
    ">": np.greater,
    ">=": np.greater_equal,
    "<": np.less,
    "<=": np.less_equal,
}


@dataclass(frozen=True, slots=True)
class Compare(Expression):
    """A number against a value, by one of `: > >= < <=`."""

    field: Field
    operator: str
    value: float

    def judge(self, columns: Columns) -> tuple[Bools, Bools]:
        numbers = columns.table.numbers(self.field.column)
        yes = _COMPARE[self.operator](numbers, self.value)
        return yes, ~(yes | np.isnan(numbers))

    def __str__(self) -> str:
        return f"{self.field.name}{self.operator}{_amount(self.field, self.value)}"


@dataclass(frozen=True, slots=True)
class Between(Expression):
    """A number between two values, both included."""

    field: Field
    low: float
    high: float

    def judge(self, columns: Columns) -> tuple[Bools, Bools]:
        numbers = columns.table.numbers(self.field.column)
        yes = (numbers >= self.low) & (numbers <= self.high)
        return yes, ~(yes | np.isnan(numbers))

    def __str__(self) -> str:
        return f"{self.field.name}:{_amount(self.field, self.low)}..{_amount(self.field, self.high)}"


@dataclass(frozen=True, slots=True)
class Unknown(Expression):
    """A number that is not known."""

    field: Field

    def judge(self, columns: Columns) -> tuple[Bools, Bools]:
        yes = np.isnan(columns.table.numbers(self.field.column))
        return yes, ~yes

    def __str__(self) -> str:
        return f"{self.field.name}:unknown"


@dataclass(frozen=True, slots=True)
class Flag(Expression):
    """What a row is, by `is:`."""

    name: str

    def judge(self, columns: Columns) -> tuple[Bools, Bools]:
        yes = np.array(columns.table.flags(self.name), bool)  # a copy: masks may be written to
        return yes, ~yes

    def speaks_of(self, flag: str) -> bool:
        return self.name == flag

    def __str__(self) -> str:
        return f"is:{self.name}"


@dataclass(frozen=True, slots=True)
class Not(Expression):
    """The opposite of a term."""

    term: Expression

    def judge(self, columns: Columns) -> tuple[Bools, Bools]:
        yes, no = self.term.judge(columns)
        return no, yes

    def speaks_of(self, flag: str) -> bool:
        return self.term.speaks_of(flag)

    def __str__(self) -> str:
        return f"-({self.term})" if isinstance(self.term, And | Or) else f"-{self.term}"


@dataclass(frozen=True, slots=True)
class And(Expression):
    """All of several terms; of none: everything."""

    terms: tuple[Expression, ...]

    def judge(self, columns: Columns) -> tuple[Bools, Bools]:
        yes, no = np.ones(len(columns), bool), np.zeros(len(columns), bool)
        for term in self.terms:
            true, false = term.judge(columns)
            yes, no = yes & true, no | false
        return yes, no

    def speaks_of(self, flag: str) -> bool:
        return any(term.speaks_of(flag) for term in self.terms)

    def __str__(self) -> str:
        return " ".join(f"({term})" if isinstance(term, Or) else str(term) for term in self.terms)


@dataclass(frozen=True, slots=True)
class Or(Expression):
    """Any of several terms."""

    terms: tuple[Expression, ...]

    def judge(self, columns: Columns) -> tuple[Bools, Bools]:
        yes, no = np.zeros(len(columns), bool), np.ones(len(columns), bool)
        for term in self.terms:
            true, false = term.judge(columns)
            yes, no = yes | true, no & false
        return yes, no

    def speaks_of(self, flag: str) -> bool:
        return any(term.speaks_of(flag) for term in self.terms)

    def __str__(self) -> str:
        return " OR ".join(map(str, self.terms))


def all_of(terms: Sequence[Expression]) -> Expression:
    """All of these terms, without a tree inside a tree of the same kind."""
    flat = [part for term in terms for part in (term.terms if isinstance(term, And) else (term,))]
    return flat[0] if len(flat) == 1 else And(tuple(flat))


def any_of(terms: Sequence[Expression]) -> Expression:
    """Any of these terms, without a tree inside a tree of the same kind."""
    flat = [part for term in terms for part in (term.terms if isinstance(term, Or) else (term,))]
    return flat[0] if len(flat) == 1 else Or(tuple(flat))


def negated(term: Expression) -> Expression:
    """The opposite of a term; twice is the term itself, for what is unknown as well."""
    return term.term if isinstance(term, Not) else Not(term)


def _whole(text: str, glob: bool) -> Callable[[str], object]:
    text = text.lower()
    return _glob(text) if glob else text.__eq__


@lru_cache(maxsize=512)
def _glob(pattern: str) -> Callable[[str], bool]:
    """A test of a whole text against a glob of * and ?, in time linear in both: what was matched is not taken back."""
    first, *rest = ("".join("." if c == "?" else re.escape(c) for c in part) for part in re.split(r"\*+", pattern))
    between = "".join(f"(?>.*?{part})" for part in rest[:-1])
    end = f".*{rest[-1]}" if rest else ""
    match = re.compile(first + between + end, re.DOTALL).fullmatch
    return lambda text: match(text) is not None


def _quoted(text: str) -> str:
    plain = text and text not in ("OR", "AND", "NOT") and not re.search(r'[\s()":<>=*?]|^-', text)
    return text if plain else '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


_UNITS: dict[Kind, Iterable[tuple[str, int]]] = {
    Kind.SECONDS: (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)),
    Kind.NUMBER: (("G", 10**9), ("M", 10**6), ("k", 1000)),
}


def _amount(field: Field, value: float) -> str:
    """A number as the language writes it, shortest where that is exact."""
    if value == float("inf"):
        return field.choices[0]
    if value == int(value) and 0 < value < 2**53:
        for unit, size in _UNITS[field.kind]:
            if int(value) % size == 0:
                return f"{int(value) // size}{unit}"
    return repr(value).removesuffix(".0")
