"""What can be filtered by: the fields of one language, those of queues and those of dead letters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import Enum


class Kind(Enum):
    """How a field's values are written and compared."""

    WORDS = "words"  # a part of the text is enough
    TEXT = "text"  # the whole text
    TAGS = "tags"  # any of several whole texts
    NUMBER = "number"
    SECONDS = "seconds"


@dataclass(frozen=True, slots=True)
class Field:
    """A field of the language. `choices`: the only texts it takes; of a number, words for infinity."""

    name: str
    kind: Kind
    column: str = ""
    choices: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.column:
            object.__setattr__(self, "column", self.name)

    @property
    def is_number(self) -> bool:
        return self.kind in (Kind.NUMBER, Kind.SECONDS)


@dataclass(frozen=True)
class Fields:
    """The fields of one language. A name that ends in "." stands for all that begin with it (`header.NAME`).

    bare    the fields in which a bare word is looked for
    flags   what may follow `is:`
    refused why somebody may not filter by a field, a sentence; "" = they may
    """

    by_name: Mapping[str, Field]
    bare: tuple[str, ...]
    flags: tuple[str, ...] = ()
    refused: Callable[[Field], str] = lambda field: ""

    @classmethod
    def of(cls, *fields: Field, bare: tuple[str, ...], flags: tuple[str, ...] = ()) -> Fields:
        return cls({each.name: each for each in fields}, bare, flags)

    @property
    def names(self) -> tuple[str, ...]:
        return (*self.by_name, "is") if self.flags else tuple(self.by_name)

    def without(self, refused: Callable[[Field], str]) -> Fields:
        """The same for somebody who may not filter by everything: neither by name nor by bare words."""
        allowed = tuple(name for name in self.bare if not refused(self.by_name[name]))
        return replace(self, bare=allowed, refused=refused)

    def find(self, name: str) -> Field | None:
        """The field of a name, in any case; None when there is none."""
        name = name.lower()
        if name in self.by_name and not name.endswith("."):
            return self.by_name[name]
        prefix, dot, rest = name.partition(".")
        family = self.by_name.get(prefix + dot)
        return Field(name, family.kind) if family and rest else None


#: What queues can be filtered by.
QUEUES = Fields.of(
    Field("name", Kind.WORDS),
    Field("broker", Kind.TEXT),
    Field("kind", Kind.TEXT),
    Field("dialect", Kind.TEXT),
    Field("state", Kind.TEXT, choices=("idle", "steady", "draining", "growing", "stalled", "unknown")),
    Field("tag", Kind.TAGS),
    Field("depth", Kind.NUMBER),
    Field("in_flight", Kind.NUMBER),
    Field("in_rate", Kind.NUMBER),
    Field("out_rate", Kind.NUMBER),
    Field("lag", Kind.SECONDS, column="lag_seconds"),
    Field("wait", Kind.SECONDS, column="wait_seconds"),
    Field("clears", Kind.SECONDS, column="clears_in_seconds", choices=("never",)),
    Field("consumers", Kind.NUMBER),
    Field("dead", Kind.NUMBER, column="dead_letters"),
    Field("id", Kind.NUMBER),  # one queue, whatever it is called
    bare=("name",),
    flags=("hidden", "stale", "gone", "dead"),
)

#: What dead letters can be filtered by. `died`: since when it is dead, `age`: since when it was first sent.
LETTERS = Fields.of(
    Field("queue", Kind.TEXT),
    Field("broker", Kind.TEXT),
    Field("cause", Kind.WORDS),
    Field("error", Kind.WORDS),
    Field("type", Kind.TEXT),
    Field("body", Kind.WORDS),
    Field("header.", Kind.WORDS),
    Field("died", Kind.SECONDS),
    Field("age", Kind.SECONDS),
    Field("attempts", Kind.NUMBER),
    Field("size", Kind.NUMBER),
    Field("replayed", Kind.NUMBER),
    bare=("cause", "body"),
    flags=("gone", "snoozed"),
)
