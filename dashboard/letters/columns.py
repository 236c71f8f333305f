"""The index of letters as columns: what filters, groups, the API and live frames read.

Each process holds all letters as numpy columns, about 100 bytes a letter, and takes in what changed by its
revision: a million letters are grouped and searched without a query. The database is the truth; a process that
cannot follow step by step (another database, rows that were deleted meanwhile) reads all of it again.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import Any

import numpy as np
from django.conf import settings
from django.db import connection, transaction
from django.db.models import F
from numpy.typing import NDArray

from ..models import Cause, Letter, LetterClock
from ..ticks import Floats, Ints

#: The columns: first those that are kept as whole numbers, then floats, where NaN is what is not known.
WHOLE = ("id", "queue_id", "cause_id", "size", "count", "replayed")
FLOATS = ("attempts", "enqueued_at", "died_at", "first_seen", "last_seen", "expires_at", "gone_at")
_PIECE = 20_000


@dataclass(frozen=True)
class Letters:
    """The index at one revision: n rows by ascending id. Arrays are never written to.

    types   the texts that `type` numbers
    causes  by id
    """

    revision: int = 0
    token: str = ""
    whole: Mapping[str, Ints] = field(default_factory=lambda: {name: np.empty(0, np.int64) for name in WHOLE})
    floats: Mapping[str, Floats] = field(default_factory=lambda: {name: np.empty(0) for name in FLOATS})
    type: NDArray[np.int32] = field(default_factory=lambda: np.empty(0, np.int32))
    types: Sequence[str] = ()
    causes: Mapping[int, Cause] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def ids(self) -> Ints:
        return self.whole["id"]

    def index(self, id: int) -> int | None:
        """The row of a letter, None when it is not known."""
        at = int(np.searchsorted(self.ids, id))
        return at if at < len(self) and self.ids[at] == id else None

    @property
    def there(self) -> NDArray[np.bool_]:
        """Which letters are not gone."""
        return np.isnan(self.floats["gone_at"])

    @property
    def died(self) -> Floats:
        """When each died; where that is not told, when it was first seen, which is later."""
        died = self.floats["died_at"]
        return np.where(np.isnan(died), self.floats["first_seen"], died)


class Index:
    """The newest `Letters` of this process. Safe to call from several threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._letters = Letters()
        self._types: dict[str, int] = {}

    def letters(self) -> Letters:
        """The index as the database has it now. Costs one small query while nothing changed."""
        clock = LetterClock.objects.filter(pk=1).values_list("revision", "pruned", "token").first()
        revision, pruned, token = clock or (0, 0, "")
        with self._lock:
            known = self._letters
            if known.token == token and known.revision >= revision:
                return known
            if known.token != token or known.revision < pruned:
                known, self._types = Letters(token=token), {}
            self._letters = self._refreshed(known, revision)
            return self._letters

    def _refreshed(self, known: Letters, revision: int) -> Letters:
        causes = {**known.causes, **{c.pk: c for c in Cause.objects.filter(revision__gt=known.revision)}}
        pieces = list(self._changed(known.revision))
        known = replace(known, revision=revision, causes=causes)
        if not pieces:
            return known
        numbers = np.concatenate([piece[0] for piece in pieces])
        codes = np.concatenate([piece[1] for piece in pieces])
        order = np.argsort(numbers[:, 0], kind="stable")
        return _without_old(_merged(known, numbers[order], codes[order], tuple(self._types)))

    def _changed(self, revision: int) -> Iterator[tuple[Floats, NDArray[np.int32]]]:
        """Rows above a revision, in pieces, past the models: a million rows in seconds."""
        rows = Letter.objects.filter(revision__gt=revision).values_list(*WHOLE, *FLOATS, "type")
        if revision == 0:
            rows = Letter.objects.values_list(*WHOLE, *FLOATS, "type")
        sql, parameters = rows.query.sql_with_params()
        with connection.cursor() as cursor:
            cursor.execute(sql, parameters)
            while piece := cursor.fetchmany(_PIECE):
                codes = [self._types.setdefault(row[-1], len(self._types)) for row in piece]
                yield np.array([row[:-1] for row in piece], np.float64), np.array(codes, np.int32)


def _merged(known: Letters, numbers: Floats, codes: NDArray[np.int32], types: Sequence[str]) -> Letters:
    """The rows of before with changed ones in their places and new ones behind."""
    ids = numbers[:, 0].astype(np.int64)
    at = np.searchsorted(known.ids, ids)
    old = (at < len(known)) & (known.ids[np.minimum(at, max(len(known) - 1, 0))] == ids) if len(known) else at < 0
    new = ~old

    def merge(before: NDArray[Any], column: NDArray[Any]) -> NDArray[Any]:
        out = np.concatenate([before, column[new].astype(before.dtype)])
        out[at[old]] = column[old].astype(before.dtype)
        return out

    whole = {name: merge(known.whole[name], numbers[:, i]) for i, name in enumerate(WHOLE)}
    floats = {name: merge(known.floats[name], numbers[:, len(WHOLE) + i]) for i, name in enumerate(FLOATS)}
    merged = replace(known, whole=whole, floats=floats, type=merge(known.type, codes), types=types)
    if new.any() and len(known) and ids[new][0] <= known.ids[-1]:  # ids came out of order: never seen, but harmless
        order = np.argsort(merged.ids, kind="stable")
        merged = replace(
            merged,
            whole={name: column[order] for name, column in whole.items()},
            floats={name: column[order] for name, column in floats.items()},
            type=merged.type[order],
        )
    return merged


def _without_old(index: Letters) -> Letters:
    """Without rows that the database lets go of, once they are a tenth of all."""
    old = index.floats["gone_at"] < time.time() - settings.WEIR_RETENTION_LETTERS
    if old.sum() * 10 < len(index):
        return index
    return replace(
        index,
        whole={name: column[~old] for name, column in index.whole.items()},
        floats={name: column[~old] for name, column in index.floats.items()},
        type=index.type[~old],
    )


def distinct(ids: Ints) -> tuple[Ints, Ints]:
    """The distinct ids, ascending, and for each row the number of its own. Small ids go by a table, without sorting."""
    if not len(ids):
        return np.empty(0, np.int64), np.empty(0, np.int64)
    if int(ids.max()) > 4 * len(ids) + 1_000_000:
        found, codes = np.unique(ids, return_inverse=True)
        return found, codes
    found = np.flatnonzero(np.bincount(ids))
    place = np.zeros(int(found[-1]) + 1, np.int64)
    place[found] = np.arange(len(found))
    return found, place[ids]


def next_revision() -> int:
    """The revision of what is written in this transaction; other writers wait until it ends."""
    assert connection.in_atomic_block, "a revision belongs to a transaction"
    if not LetterClock.objects.filter(pk=1).update(revision=F("revision") + 1):
        LetterClock.objects.bulk_create([LetterClock(pk=1, token=secrets.token_hex(16))], ignore_conflicts=True)
        LetterClock.objects.filter(pk=1).update(revision=F("revision") + 1)
    return int(LetterClock.objects.values_list("revision", flat=True).get(pk=1))


def pruned(revision: int) -> None:
    """Rows up to this revision were deleted: who knows less than it reads everything again."""
    with transaction.atomic():
        next_revision()
        LetterClock.objects.filter(pk=1, pruned__lt=revision).update(pruned=revision)


_index = Index()


def letters() -> Letters:
    """The index of this process as of now."""
    return _index.letters()
