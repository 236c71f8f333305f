"""Which letters a filter means: the index as a table of the filter language, and one letter by itself.

What is in letters is known only of those that are kept (`bodies`): a filter that asks for it says how many it
searched. Fields that somebody may not see, or that a rule masks, cannot be filtered on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collectors.letters import Letter as Seen

from .. import filters
from ..access import Principal
from ..filters import Field, Fields
from ..models import Letter, Queue
from ..ticks import Floats, Ints
from . import contents
from .columns import Letters, distinct, letters
from .masking import Masking
from .reading import Read, read

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Sight:
    """What somebody may filter by: whether they see payloads, and what is masked. Equal for all who see the same."""

    payloads: bool
    rules: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())

    @classmethod
    def of(cls, principal: Principal, masking: Masking | None = None) -> Sight:
        return cls(principal.can("see_payloads"), (masking or Masking.load()).version)

    @property
    def masking(self) -> Masking:
        return Masking(*self.rules)

    @property
    def fields(self) -> Fields:
        return _fields(self)


#: Weir itself: nothing is withheld, but masks hold.
def everything() -> Sight:
    """The sight of a person who sees payloads."""
    return Sight(True, Masking.load().version)


@lru_cache(maxsize=64)
def _fields(sight: Sight) -> Fields:
    masking = sight.masking

    def refused(field: Field) -> str:
        if field.name == "body" or field.name.startswith("header."):
            if not sight.payloads:
                return f"'{field.name}' is in letters, which your role does not see"
            rule = masking.header_rule(field.name.partition(".")[2]) if field.name != "body" else ""
            if rule:
                return f"'{field.name}' is masked by rule {rule}, and cannot be filtered on"
        return ""

    return filters.LETTERS.without(refused)


@lru_cache(maxsize=512)
def parsed(text: str, sight: Sight) -> filters.Expression:
    """A filter, parsed once. Raises FilterError."""
    return filters.parse(text.strip(), sight.fields)


@dataclass(slots=True)
class Searched:
    """In how many letters it was searched: `read`, of `kept` that could be, of all; and whether it goes on."""

    read: int
    kept: int
    of: int
    going_on: bool = False

    @property
    def sentence(self) -> str:
        if self.going_on:
            return (
                f"searched in {self.read:,} of {self.kept:,} kept letters so far, of {self.of:,}; more are being read"
            )
        if self.read < self.kept:
            return f"searched in {self.read:,} of {self.of:,} letters: {self.kept:,} are kept, more than are searched"
        return f"searched in {self.read:,} of {self.of:,} letters: of the others Weir holds no body"


@dataclass
class Table:
    """The index as a table that filters read (`dashboard.filters.Coded`).

    queues  id -> (name, broker)
    """

    index: Letters
    queues: Mapping[int, tuple[str, str]]
    sight: Sight
    now: float
    searched: Searched | None = None
    _contents: contents.Contents | None = None
    _coded: dict[str, tuple[Ints, list[str | None]]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.index)

    def numbers(self, field: str) -> Floats:
        if field == "died":
            return self.now - self.index.died
        if field == "age":
            return self.now - self.index.floats["enqueued_at"]
        if field == "attempts":
            return self.index.floats["attempts"]
        return self.index.whole[field].astype(np.float64)

    def texts(self, field: str) -> Sequence[str]:
        codes, texts = self.coded(field)
        return [texts[code] or "" for code in codes.tolist()]

    def tags(self) -> Sequence[Sequence[str]]:
        return [()] * len(self)

    def flags(self, field: str) -> Mask:
        if field == "gone":
            return ~self.index.there
        causes = self.index.causes.items()
        asleep = [id for id, cause in causes if cause.snoozed_until is not None and cause.snoozed_until > self.now]
        if not asleep:
            return np.zeros(len(self), bool)
        return np.isin(self.index.whole["cause_id"], np.array(asleep, np.int64))

    def coded(self, field: str) -> tuple[Ints, Sequence[str | None]]:
        if field not in self._coded:
            self._coded[field] = self._code(field)
        return self._coded[field]

    def _code(self, field: str) -> tuple[Ints, list[str | None]]:
        if field == "type":
            return self.index.type.astype(np.int64), list(self.index.types)
        if field in ("queue", "broker"):
            which = 0 if field == "queue" else 1
            return _numbered(
                self.index.whole["queue_id"], lambda id: self.queues[id][which] if id in self.queues else ""
            )
        if field in ("cause", "error"):
            tell = _cause_text if field == "cause" else _error_text
            causes = self.index.causes
            return _numbered(self.index.whole["cause_id"], lambda id: tell(causes[id]) if id in causes else "")
        return self._inside(field)

    def _inside(self, field: str) -> tuple[Ints, list[str | None]]:
        """What is in the letters that are kept; of the others it is not known."""
        if self._contents is None:
            self._contents = contents.of(self.index, self.sight.masking, self.now)
            found = self._contents
            self.searched = Searched(len(found.rows), found.kept, int(self.index.there.sum()), found.going_on)
        codes = np.zeros(len(self), np.int64)
        codes[self._contents.rows] = np.arange(1, len(self._contents.rows) + 1)
        if field == "body":
            return codes, [None, *self._contents.bodies()]
        return codes, [None, *self._contents.headers(field.partition(".")[2])]


def _numbered(ids: Ints, tell: Callable[[int], str]) -> tuple[Ints, list[str | None]]:
    """Each distinct id's text, and for each row its number."""
    seen, codes = distinct(ids)
    return codes, [tell(id) for id in seen.tolist()]


def _cause_text(cause: Any) -> str:
    return f"{cause.title}\n{cause.error_class}: {cause.message}\n{cause.fingerprint}"


def _error_text(cause: Any) -> str:
    return str(cause.error_class)


def table(sight: Sight, now: float | None = None, queue: int | None = None) -> Table:
    """The index of now, ready to be filtered: of the queues of the inbox, or of one queue, whatever it is."""
    index = letters()
    ids, _ = distinct(index.whole["queue_id"])
    found = Queue.objects.filter(pk__in=ids.tolist()).exclude(place__inbox=False)
    found = found if queue is None else Queue.objects.filter(pk=queue)
    names = found.values_list("id", "name", "broker__name")
    queues = {id: (name, broker) for id, name, broker in names}
    return Table(index, queues, sight, time.time() if now is None else now)


def mask(text: str, table: Table) -> Mask:
    """Which letters a filter shows: such as are gone, and those of snoozed causes, only when it speaks of them.

    Raises FilterError.
    """
    expression = parsed(text, table.sight)
    shown: Mask = expression.mask(table)
    if not expression.speaks_of("gone"):
        shown &= table.index.there
    if not expression.speaks_of("snoozed"):
        shown &= ~table.flags("snoozed")
    ids, codes = distinct(table.index.whole["queue_id"])  # deleted queues, and live ones, are left out
    return shown & np.isin(ids, np.array(sorted(table.queues), np.int64))[codes]


# --- for replays and deletions -----------------------------------------------------------------------------------
def chosen(queue: int, text: str = "", cause: str = "", sight: Sight | None = None) -> dict[str, int]:
    """The letters of a queue that match a filter and a cause's fingerprint: `Letter.id` -> how many.

    Of what the index holds: the caller says of how many that is. Raises FilterError.
    """
    made = table(sight or everything(), queue=queue)
    rows = np.flatnonzero(mask(text, made) & _of_cause(made.index, cause))
    ids, found = made.index.ids[rows].tolist(), {}
    for at in range(0, len(ids), 500):
        found.update(dict(Letter.objects.filter(pk__in=ids[at : at + 500]).values_list("key", "count")))
    return found


def _of_cause(index: Letters, fingerprint: str) -> Mask:
    if not fingerprint:
        return np.ones(len(index), bool)
    ids = [id for id, cause in index.causes.items() if cause.fingerprint == fingerprint]
    return np.isin(index.whole["cause_id"], np.array(ids, np.int64))


def tester(queue: Queue, text: str = "", cause: str = "", sight: Sight | None = None) -> Callable[[Seen], bool]:
    """A test of letters as a lease takes them, whole: by the same filter and cause. Raises FilterError."""
    sight = sight or everything()
    expression, masking = parsed(text, sight), sight.masking

    def test(letter: Seen) -> bool:
        one = read(letter, masking, queue.name)
        if cause and one.cause.fingerprint != cause:
            return False
        return bool(expression.mask(_One(one, queue, time.time()))[0])

    return test


@dataclass
class _One:
    """One letter as a table of one row."""

    read: Read
    queue: Queue
    now: float

    def __len__(self) -> int:
        return 1

    def numbers(self, field: str) -> Floats:
        letter = self.read.letter
        died = self.read.died_at
        values = {
            "died": None if died is None else self.now - died,
            "age": None if letter.enqueued_at is None else self.now - letter.enqueued_at,
            "attempts": self.read.attempts,
            "size": letter.size,
            "replayed": letter.replayed,
        }
        return np.array([values[field]], np.float64)

    def texts(self, field: str) -> Sequence[str]:
        cause = self.read.cause
        if field.startswith("header."):
            return [contents.header_text(self.read.masked.headers, field.partition(".")[2])]
        texts = {
            "queue": self.queue.name,
            "broker": self.queue.broker.name,
            "cause": _cause_text(cause),
            "error": cause.error_class,
            "type": self.read.type,
        }
        return [texts[field] if field in texts else contents.body_text(self.read.masked)]

    def tags(self) -> Sequence[Sequence[str]]:
        return [()]

    def flags(self, field: str) -> Mask:
        return np.zeros(1, bool)
