"""Text to `Expression`, with the position of what cannot be read."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

from .fields import QUEUES, Field, Fields, Kind
from .terms import (
    And,
    Between,
    Compare,
    Expression,
    Flag,
    Text,
    Unknown,
    Word,
    all_of,
    any_of,
    negated,
)

MAX_LENGTH, MAX_TERMS, MAX_DEPTH = 2000, 100, 50

_LEFT = re.compile(r'[^\s()":<>]*')
_VALUE = re.compile(r'[^\s()"]*')
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_OPERATOR = re.compile(r":|[<>]=?")
_SPACE = re.compile(r"\s*")
_FLOAT = r"(?:\d+(?:\.\d*)?|\.\d+)"
_NUMBER = re.compile(rf"([+-]?{_FLOAT}(?:[eE][+-]?\d+)?)([kKMG]?)")
_DURATION = re.compile(rf"({_FLOAT})(ms|s|m|h|d|w)")
_SIZES = {"": 1.0, "k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9}
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_NOT_WORDS = {
    "AND": "terms side by side are all required already: leave 'AND' out, or put it in quotes",
    "NOT": "write '-' in front of a term to negate it, or put 'NOT' in quotes",
}


class FilterError(ValueError):
    """A filter cannot be read: `message` says what was expected, `position` at which character, counted
    from 1. As a text it is the whole sentence."""

    def __init__(self, message: str, position: int) -> None:
        super().__init__(f"At position {position}: {message}.")
        self.message = message
        self.position = position


def parse(text: str, fields: Fields = QUEUES) -> Expression:
    """Read a filter. An empty one lets everything through. Raises FilterError, and nothing else."""
    if len(text) > MAX_LENGTH:
        raise FilterError(f"a filter has at most {MAX_LENGTH:,} characters, this one {len(text):,}", MAX_LENGTH + 1)
    return _Parser(text, fields).whole()


class _Parser:
    """Reads from left to right; `at` is the offset of the next character."""

    def __init__(self, text: str, fields: Fields) -> None:
        self.text, self.fields = text, fields
        self.at = self.depth = self.terms = 0

    def whole(self) -> Expression:
        self.skip_space()
        if self.ended():
            return And(())
        expression = self.either()
        if not self.ended():
            raise self.error("there is a ')' without its '('")
        return expression

    def either(self) -> Expression:
        """Terms, joined by OR where it says so."""
        parts = [self.together()]
        while self.at_or():
            self.at += 2
            self.skip_space()
            parts.append(self.together("after OR"))
        return any_of(parts)

    def together(self, where: str = "here") -> Expression:
        """One term or more, side by side."""
        parts: list[Expression] = []
        while not (self.ended() or self.peek() == ")" or self.at_or()):
            parts.append(self.term())
            self.skip_space()
        if not parts:
            raise self.error(f"something to look for is expected {where}")
        return all_of(parts)

    def term(self) -> Expression:
        negations = 0
        while self.peek() == "-":
            self.at += 1
            negations += 1
        if negations and (self.peek() in ")" or self.peek().isspace()):
            raise self.error("a term is expected right after '-'")
        expression = self.group() if self.peek() == "(" else self.leaf()
        if not (self.peek() in ")" or self.peek().isspace()):
            raise self.error(f"a space is expected before {self.peek()!r}, or quotes around the whole text")
        return negated(expression) if negations % 2 else expression

    def group(self) -> Expression:
        opened = self.at
        self.at += 1
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self.error(f"parentheses can be {MAX_DEPTH} levels deep at most")
        self.skip_space()
        expression = self.either()
        if self.peek() != ")":
            raise self.error(f"a ')' is missing for the '(' at {opened + 1}")
        self.at += 1
        self.depth -= 1
        return expression

    def leaf(self) -> Expression:
        """A bare word, or a field with its operator and value."""
        self.terms += 1
        if self.terms > MAX_TERMS:
            raise self.error(f"a filter has at most {MAX_TERMS} terms")
        began = self.at
        if self.peek() == '"':
            return Word(self.quoted(), False, self.fields.bare)
        left = self.take(_LEFT)
        if operator := self.take(_OPERATOR):
            return self.condition(left, began, operator)
        if left in _NOT_WORDS:
            raise self.error(_NOT_WORDS[left], began)
        name, equals, value = left.partition("=")
        if equals and self.fields.find(name):
            raise self.error(f"write {name}:{value} instead of {left}", began)
        return Word(left, _is_glob(left), self.fields.bare)

    def condition(self, name: str, began: int, operator: str) -> Expression:
        quoted, value_at = self.peek() == '"', self.at
        field = None if name.lower() == "is" and self.fields.flags else self.field(name, began, operator)
        value = self.quoted(empty=field is not None and field.kind is Kind.TEXT) if quoted else self.take(_VALUE)
        if not quoted and not value:
            raise self.error(f"a value is expected after '{name}{operator}'")
        if field is None:
            return self.flag(operator, value, value_at)
        if field.is_number:
            return self.number(field, operator, value, value_at)
        if operator != ":":
            raise self.error(f"'{field.name}' is text: write {field.name}:{value}", began + len(name))
        glob = not quoted and _is_glob(value)
        if field.choices and not glob and value.lower() not in field.choices:
            raise self.error(f"'{value}' is not a {field.name}{_meant(value, field.choices)}", value_at)
        return Text(field, value, glob)

    def field(self, name: str, began: int, operator: str) -> Field:
        field = self.fields.find(name)
        if field is not None:
            if why := self.fields.refused(field):
                raise self.error(why, began)
            return field
        if not name:
            raise self.error(f"a field is expected before '{operator}'", began)
        hint = _meant(name, self.fields.names)
        raise self.error(f"'{name}' is not a field{hint} (quotes around it look for it as text)", began)

    def flag(self, operator: str, value: str, at: int) -> Expression:
        if operator != ":" or value.lower() not in self.fields.flags:
            raise self.error(f"'{value}' cannot be asked with 'is'{_meant(value, self.fields.flags)}", at)
        return Flag(value.lower())

    def number(self, field: Field, operator: str, value: str, at: int) -> Expression:
        if operator != ":":
            return Compare(field, operator, self.amount(field, value, at))
        if value.lower() == "unknown":
            return Unknown(field)
        low, dots, high = value.partition("..")
        if not dots:
            return Compare(field, ":", self.amount(field, value, at))
        between = Between(field, self.amount(field, low, at), self.amount(field, high, at + len(low) + 2))
        if between.low > between.high:
            raise self.error(f"the range {value} is empty: write {high}..{low}", at)
        return between

    def amount(self, field: Field, text: str, at: int) -> float:
        """A number with its unit, as the field's column has it."""
        if text.lower() in field.choices:
            return float("inf")
        read = _duration if field.kind is Kind.SECONDS else _number
        value = read(text)
        if value is None or value in (float("inf"), float("-inf")):
            what = "a duration such as 30s, 5m or 2h" if field.kind is Kind.SECONDS else "a number such as 5, 10k or 2M"
            raise self.error(f"'{text}' cannot be compared with '{field.name}', which takes {what}", at)
        return value

    # --- characters ----------------------------------------------------------------------------------------------
    def quoted(self, empty: bool = False) -> str:
        began = self.at
        match = _QUOTED.match(self.text, self.at)
        if not match:
            raise self.error("the quote that opens here is never closed", began)
        self.at = match.end()
        if not match[1] and not empty:
            raise self.error("there is nothing between the quotes", began)
        return re.sub(r'\\(["\\])', r"\1", match[1])

    def take(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self.text, self.at)
        self.at = match.end() if match else self.at
        return match[0] if match else ""

    def skip_space(self) -> None:
        self.take(_SPACE)

    def peek(self) -> str:
        """The next character, "" at the end."""
        return self.text[self.at : self.at + 1]

    def ended(self) -> bool:
        return self.at >= len(self.text)

    def at_or(self) -> bool:
        after = self.text[self.at + 2 : self.at + 3]
        return self.text.startswith("OR", self.at) and (after in "()" or after.isspace())

    def error(self, message: str, offset: int | None = None) -> FilterError:
        return FilterError(message, (self.at if offset is None else offset) + 1)


def _is_glob(text: str) -> bool:
    return "*" in text or "?" in text


def _number(text: str) -> float | None:
    match = _NUMBER.fullmatch(text)
    return float(match[1]) * _SIZES[match[2]] if match else None


def _duration(text: str) -> float | None:
    """Seconds of "90", "5m" or "1h30m"."""
    if match := _NUMBER.fullmatch(text):
        return float(match[1]) if not match[2] else None
    parts = list(_DURATION.finditer(text))
    if not parts or "".join(part[0] for part in parts) != text:
        return None
    return sum(float(part[1]) * _SECONDS[part[2]] for part in parts)


def _meant(word: str, known: Iterable[str]) -> str:
    """A hint at what may have been meant."""
    known = list(known)
    close = difflib.get_close_matches(word.lower(), known, 1) or [k for k in known if k in word.lower()]
    return f"; did you mean '{close[0]}'?" if close else f"; there are {', '.join(known)}"
