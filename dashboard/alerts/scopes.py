"""Which queues a rule or a silence is about: its filter over the queues of a broker.

Masks that depend on names, kinds and tags alone are kept until the queues are others; those that ask for numbers or
states are made at each look, with what they ask of names kept.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..directory import Entry
from ..filters import FilterError, terms
from ..insight.vocabulary import State
from ..live import view
from ..ticks import Floats, Ints
from .phases import Bools

_STATIC = frozenset({"name", "broker", "kind", "dialect", "tags", "tag", "hidden", "gone", "dead", "id"})
_BROKER_ONLY = frozenset({"broker"})
_STATE_WORD = [state.name.lower() for state in State]

#: A number per queue of a table by metric, as a `rules.Frame` gives it.
Numbers = Callable[[str], Floats]


class ScopeTable:
    """The queues of one broker, as filters read them (`filters.Table`). `frame` gives the numbers of now."""

    def __init__(self, broker: str, ids: Ints, entries: Sequence[Entry | None]) -> None:
        self.broker, self.ids = broker, ids
        self.entries = entries
        self.numbers_of: Numbers | None = None
        self._kept: dict[str, Bools] = {}
        self._static = _Kept(self)
        self.hidden = np.fromiter((e is None or e.hidden for e in entries), bool, len(ids))
        self.gone = np.zeros(len(ids), bool)

    def mask(self, text: str) -> Bools:
        """Which queues a filter is about; hidden ones only when it speaks of them. Nothing at all when it is wrong."""
        kept = self._kept.get(text)
        if kept is not None:
            return kept
        try:
            expression = view.parsed(text.strip())
        except FilterError:  # it was good when it was saved: another version's language
            return np.zeros(len(self.ids), bool)
        mask = expression.judge(self._static)[0]
        if not expression.speaks_of("hidden"):
            mask = mask & ~self.hidden
        if columns_of(expression) <= _STATIC:
            self._kept[text] = mask
        return mask

    def is_about_brokers(self, text: str) -> bool:
        """Whether a filter asks for nothing but brokers."""
        try:
            return columns_of(view.parsed(text.strip())) <= _BROKER_ONLY
        except FilterError:
            return False

    def __len__(self) -> int:
        return len(self.ids)

    def numbers(self, field: str) -> Floats:
        if field == "id":
            return self.ids.astype(np.float64)
        return np.full(len(self), np.nan) if self.numbers_of is None else self.numbers_of(field)

    def texts(self, field: str) -> Sequence[str]:
        if field == "broker":
            return [self.broker] * len(self)
        if field == "state":
            codes = np.nan_to_num(self.numbers("state")).astype(int)
            return [_STATE_WORD[code] for code in codes.tolist()]
        return ["" if e is None else getattr(e, field) or "" for e in self.entries]

    def tags(self) -> Sequence[Sequence[str]]:
        return [() if e is None else e.tags for e in self.entries]

    def flags(self, field: str) -> Bools:
        if field == "dead":
            return np.fromiter((e is not None and e.holds_dead_letters for e in self.entries), bool, len(self))
        return self.hidden if field == "hidden" else np.zeros(len(self), bool)


class _Kept(terms.Columns):
    """Columns whose answers about texts that do not change are kept."""

    def __init__(self, table: ScopeTable) -> None:
        super().__init__(table)
        self._answers: dict[tuple[Any, ...], Bools] = {}

    def holds(self, column: str, text: str, glob: bool) -> Bools:
        return self._once(("holds", column, text, glob), lambda: super(_Kept, self).holds(column, text, glob)).copy()

    def equals(self, column: str, text: str, glob: bool) -> Bools:
        if column not in _STATIC:
            self._lower.pop(column, None)
            return super().equals(column, text, glob)
        return self._once(("equals", column, text, glob), lambda: super(_Kept, self).equals(column, text, glob)).copy()

    def tagged(self, text: str, glob: bool) -> Bools:
        return self._once(("tagged", text, glob), lambda: super(_Kept, self).tagged(text, glob)).copy()

    def _once(self, key: tuple[Any, ...], make: Callable[[], Bools]) -> Bools:
        if key not in self._answers:
            self._answers[key] = make()
        return self._answers[key]


def columns_of(expression: terms.Expression) -> frozenset[str]:
    """What a filter asks for: columns, and flags after `is:`."""
    if isinstance(expression, terms.Not):
        return columns_of(expression.term)
    if isinstance(expression, terms.And | terms.Or):
        return frozenset().union(*(columns_of(term) for term in expression.terms))
    if isinstance(expression, terms.Flag):
        return frozenset({expression.name})
    if isinstance(expression, terms.Word):
        return frozenset(expression.fields)
    return frozenset({expression.field.column})  # type: ignore[attr-defined]
