"""What a client asks to see: its message, checked, as a value that clients who ask the same share."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from .. import filters
from ..access import Principal
from ..snapshot import Snapshot
from . import sorting
from .others import KINDS, OtherView

LARGEST_LIMIT = 200
_RANGE = re.compile(r"[1-9]\d{0,4}[smhd]")

#: Each view and the deed (dashboard.access.DEEDS) that a person or a token must be allowed.
DEEDS = {"queues": "see", "queue": "see"}


class BadView(ValueError):
    """A view that cannot be shown: a sentence, the field that is wrong, and in a filter the position."""

    def __init__(self, sentence: str, field: str, position: int | None = None) -> None:
        super().__init__(sentence)
        self.field, self.position = field, position


@dataclass(frozen=True, slots=True)
class QueuesView:
    """Rows `offset` to `offset + limit` of the queues that pass `filter`, in the order of `sort`."""

    name = "queues"
    filter: str = ""
    sort: str = ""
    offset: int = 0
    limit: int = 50


@dataclass(frozen=True, slots=True)
class WallboardView(QueuesView):
    """The queues of a wallboard. Its summary is of these queues and no others: the link shows one view."""


@dataclass(frozen=True, slots=True)
class QueueView:
    """One queue by its id. (A `range` is accepted and checked: the chart itself is had over HTTP.)"""

    name = "queue"
    id: int


View = QueuesView | QueueView | OtherView


def pinned(view: View, filter: str, sort: str) -> WallboardView:
    """What a wallboard shows, whatever it asks for; only how many rows is its own affair. Raises BadView."""
    if not isinstance(view, QueuesView):
        raise BadView("A wallboard shows one view of the queues and nothing else.", "view")
    return WallboardView(filter, sort, 0, view.limit)


def same_list(one: View, other: View) -> bool:
    """Whether two views show the same rows in the same order, if perhaps another part of them."""
    if isinstance(one, QueuesView) and isinstance(other, QueuesView):
        return (one.filter, one.sort) == (other.filter, other.sort)
    return one == other


def deed_of(view: View) -> str:
    """What a person or a token must be allowed, to see this."""
    return KINDS[view.name].deed if isinstance(view, OtherView) else DEEDS[view.name]


def read_view(message: Mapping[str, Any], principal: Principal) -> View:
    """The view of a client's message, of whatever kind. Raises BadView."""
    name = message.get("view")
    if isinstance(name, str) and name in KINDS:
        return KINDS[name].read(message, principal)
    return queues_view(message)


def queues_view(message: Mapping[str, Any]) -> QueuesView | QueueView:
    """The view of queues, or of one, that a message asks for. Raises BadView."""
    name = message.get("view")
    if name == "queues":
        return _queues(message)
    if name == "queue":
        known(message, "id", "range")
        range_ = message.get("range", "1h")
        if not isinstance(range_, str) or not _RANGE.fullmatch(range_):
            raise BadView("range must be a duration such as 15m, 1h or 2d.", "range")
        return QueueView(_whole(message, "id", None, 1, 2**53))
    raise BadView(f"view must be one of {', '.join((*DEEDS, *KINDS))}.", "view")


def _queues(message: Mapping[str, Any]) -> QueuesView:
    known(message, "filter", "sort", "offset", "limit")
    text, sort = message.get("filter") or "", message.get("sort") or ""
    if not isinstance(text, str):
        raise BadView("filter must be a text.", "filter")
    try:
        parsed(text.strip())
    except filters.FilterError as error:
        raise BadView(str(error), "filter", error.position) from None
    if not isinstance(sort, str) or sort.removeprefix("-") not in sorting.COLUMNS:
        raise BadView(f"sort must be one of {', '.join(filter(None, sorting.COLUMNS))}, or -name of one.", "sort")
    offset = _whole(message, "offset", 0, 0, 10_000_000)
    return QueuesView(text.strip(), sort, offset, _whole(message, "limit", 50, 1, LARGEST_LIMIT))


def known(message: Mapping[str, Any], *fields: str) -> None:
    """Raise BadView for a field that this kind of view has not."""
    for field in message:
        if field not in ("view", *fields):
            raise BadView(f"A view of this kind has no '{field[:40]}'; it has {', '.join(fields)}.", field[:40])


def _whole(message: Mapping[str, Any], field: str, default: int | None, least: int, most: int) -> int:
    value = message.get(field, default)
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise BadView(f"{field} must be a whole number from {least} to {most}.", field)
    return value


@lru_cache(maxsize=512)
def parsed(text: str) -> filters.Expression:
    """A filter, parsed once. Raises FilterError."""
    return filters.parse(text)


def mask(text: str, table: Snapshot) -> sorting.Mask:
    """Which queues a filter shows: hidden ones and such that are gone only when it speaks of them (is:hidden)."""
    expression = parsed(text)
    shown: sorting.Mask = expression.mask(table)
    if not expression.speaks_of("hidden"):
        shown &= ~table.hidden
    return shown if expression.speaks_of("gone") else shown & ~table.gone
