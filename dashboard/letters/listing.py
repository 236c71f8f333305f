"""Letters in order, a page at a time, without sorting a million of them. Pure."""

from __future__ import annotations

import numpy as np

from ..ticks import Floats, Ints
from .columns import Letters

#: What letters are sorted by, "-" before it turns it around; unknown comes last either way.
SORTS = ("died_at", "enqueued_at", "first_seen", "expires_at", "attempts", "size", "count", "replayed", "id")
#: The same under the names that the API gives to fields.
_ALSO = {"size_bytes": "size"}

Key = float | None


def ordered(index: Letters, rows: Ints, sort: str, limit: int, after: tuple[object, int] | None) -> tuple[Ints, Key]:
    """The first `limit` + 1 of these rows behind `after` (key, id); and the key of the row at the limit.

    Raises ValueError with a sentence for a sort that is none.
    """
    name, sign = sort.removeprefix("-"), -1.0 if sort.startswith("-") else 1.0
    name = _ALSO.get(name, name)
    if name not in SORTS:
        raise ValueError(f"sort must be one of {', '.join(SORTS)}, or -name of one.")
    keys, ids = sign * _column(index, name)[rows], index.ids[rows]
    if after is not None:
        later = _later(keys, ids, after)
        rows, keys, ids = rows[later], keys[later], ids[later]
    if len(rows) > 4 * (limit + 1):
        edge = np.partition(keys, limit)[limit]
        if not np.isnan(edge):
            near = keys <= edge
            rows, keys, ids = rows[near], keys[near], ids[near]
    order = np.lexsort((ids, keys))[: limit + 1]
    last = float(keys[order[limit - 1]]) if len(order) >= limit > 0 else np.nan
    return rows[order], None if np.isnan(last) else last


def _column(index: Letters, name: str) -> Floats:
    if name == "died_at":
        return index.died
    if name == "id":
        return index.ids.astype(np.float64)
    return index.floats[name] if name in index.floats else index.whole[name].astype(np.float64)


def _later(keys: Floats, ids: Ints, after: tuple[object, int]) -> np.typing.NDArray[np.bool_]:
    value, last = after
    unknown = np.isnan(keys)
    if value is None:
        return unknown & (ids > last)
    if not isinstance(value, int | float):
        raise ValueError("This cursor belongs to another sort; start again without it.")
    return unknown | (keys > value) | ((keys == value) & (ids > last))
