"""Lists: `{"items", "total", "next"}` with sort, limit and cursor.

A cursor holds where the page before ended (sort value and id), not how many rows came before. So a row whose
place does not change is neither missed nor shown twice while others come, go and move.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import reduce
from operator import or_
from typing import Any

import numpy as np
import orjson
from django.db.models import Q, QuerySet
from django.http import HttpResponse

from ..ticks import Floats, Ints
from .errors import ApiError

LARGEST_LIMIT = 1000
USUAL_LIMIT = 100

Key = float | str | None


def encode_cursor(context: Sequence[str], key: Key, id: int) -> str:
    """After the row `id` with the sort value `key`, in a list that was asked for by `context` (sort, filter)."""
    return base64.urlsafe_b64encode(orjson.dumps([list(context), key, id])).decode().rstrip("=")


def decode_cursor(text: str, context: Sequence[str]) -> tuple[Key, int] | None:
    """Where to go on; None for the first page. Raises ApiError for a cursor of another list."""
    if not text:
        return None
    try:
        made_for, key, id = orjson.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        if not (isinstance(id, int) and (key is None or isinstance(key, str | int | float))):
            raise ValueError(text)
    except (ValueError, TypeError):
        raise ApiError(400, "This is not a cursor; take it from next of the page before.", "cursor") from None
    if made_for != list(context):
        raise ApiError(400, "This cursor belongs to another sort or filter; start again without it.", "cursor")
    return key, id


def check_limit(limit: int) -> int:
    """The limit itself. Raises ApiError when it is out of bounds."""
    if not 1 <= limit <= LARGEST_LIMIT:
        raise ApiError(400, f"limit must be from 1 to {LARGEST_LIMIT}.", "limit")
    return limit


def rows_after(keys: Floats, ids: Ints, rows: Ints, after: tuple[Key, int] | None) -> Ints:
    """`rows` ordered by key (NaN last), then id, from behind `after` on. Keys are ascending."""
    key, id = keys[rows], ids[rows]
    if after is not None:
        value, last = after
        if isinstance(value, str):
            raise ApiError(400, "This cursor belongs to another sort or filter; start again without it.", "cursor")
        unknown = np.isnan(key)
        later = unknown & (id > last) if value is None else unknown | (key > value) | ((key == value) & (id > last))
        rows, key, id = rows[later], key[later], id[later]
    ordered: Ints = rows[np.lexsort((id, key))]
    return ordered


def holds(item: Mapping[str, Any], texts: Sequence[str], filter: str) -> bool:
    """Whether every word of a filter stands in one of these texts of an item, whatever its case."""
    told = [str(item[text] or "").casefold() for text in texts]
    return all(any(word in text for text in told) for word in filter.casefold().split())


def check_sort(sort: str, sorts: Sequence[str]) -> str:
    """The sort itself. Raises ApiError when it is none of these, with or without "-" before it."""
    if sort.removeprefix("-") not in sorts:
        raise ApiError(400, f"sort must be one of {', '.join(sorts)}, or -{sorts[0]} ... to turn it around.", "sort")
    return sort


def short_list(
    items: Iterable[dict[str, Any]],
    texts: Sequence[str],
    sorts: Sequence[str],
    filter: str,
    sort: str,
    limit: int,
    cursor: str,
) -> HttpResponse:
    """A page of a short list that is at hand whole; words of the filter stand in `texts`, `sorts` are its orders."""
    field = check_sort(sort, sorts).removeprefix("-")
    found = [item for item in items if holds(item, texts, filter)]
    return page_of(found, (sort, filter), lambda item: item[field], sort.startswith("-"), limit, cursor)


def words(filter: str, columns: Sequence[str]) -> Q:
    """The same of rows of a table: every word in one of these columns."""
    found = Q()
    for word in filter.replace("\0", "").split():
        found &= reduce(or_, (Q(**{f"{column}__icontains": word}) for column in columns))
    return found


def by_number(
    found: QuerySet[Any],
    show: Callable[[Any], dict[str, Any]],
    context: Sequence[str],
    sort: str,
    limit: int,
    cursor: str,
) -> HttpResponse:
    """A page of rows of a table in the order of their ids, which is also that of time; -id is the newest first."""
    check_limit(limit)
    check_sort(sort, ("id",))
    after, total = decode_cursor(cursor, (sort, *context)), found.count()
    if after is not None:
        found = found.filter(id__gt=after[1]) if sort == "id" else found.filter(id__lt=after[1])
    rows = list(found.order_by(sort)[: limit + 1])
    next = encode_cursor((sort, *context), None, rows[limit - 1].pk) if len(rows) > limit else None
    return listing([show(row) for row in rows[:limit]], total, next)


def page_of(
    items: Iterable[dict[str, Any]],
    context: Sequence[str],
    key_of: Callable[[dict[str, Any]], Key],
    descending: bool,
    limit: int,
    cursor: str,
) -> HttpResponse:
    """A short list that is at hand whole, sorted and cut to a page. `key_of` None = unknown, always last."""
    check_limit(limit)
    after = decode_cursor(cursor, context)
    listed = sorted(items, key=lambda item: item["id"])
    known = [item for item in listed if key_of(item) is not None]
    known.sort(key=key_of, reverse=descending)  # type: ignore[arg-type]
    ordered = known + [item for item in listed if key_of(item) is None]
    start = 0
    if after is not None:
        start = next((i + 1 for i, item in enumerate(ordered) if item["id"] == after[1]), None) or _place(
            ordered, key_of, descending, after[0]
        )
    page = ordered[start : start + limit]
    more = start + limit < len(ordered)
    return listing(page, len(ordered), encode_cursor(context, key_of(page[-1]), page[-1]["id"]) if more else None)


def _place(
    ordered: Sequence[dict[str, Any]], key_of: Callable[[dict[str, Any]], Key], descending: bool, last: Key
) -> int:
    """Where a row that is gone by now would have stood."""
    for i, item in enumerate(ordered):
        key = key_of(item)
        if last is not None and (key is None or (key < last if descending else key > last)):  # type: ignore[operator]
            return i
    return len(ordered)


def listing(items: Sequence[Any], total: int, next: str | None) -> HttpResponse:
    """The answer of a list, straight to JSON."""
    return as_json({"items": items, "total": total, "next": next})


def as_json(value: Any) -> HttpResponse:
    """An answer past the schemas, for what is large."""
    return HttpResponse(orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY), content_type="application/json")
