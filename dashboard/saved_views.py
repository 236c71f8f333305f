"""Saved views: made, changed and deleted by those whose they are; shared ones by operators."""

from __future__ import annotations

from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet

from . import audit
from .access import Principal
from .live.view import BadView, queues_view
from .models import SavedView
from .refused import DeedRefused

MOST_OWN, MOST_SHARED = 50, 200
LONGEST_NAME = 60


def visible_to(principal: Principal) -> QuerySet[SavedView]:
    """The shared views, and a person's own, by name."""
    mine = Q(owner_id=principal.id) if principal.kind == "person" else Q(pk=None)
    return SavedView.objects.filter(Q(owner=None) | mine)


def save(principal: Principal, view: SavedView | None, name: str, filter: str, sort: str, shared: bool) -> SavedView:
    """A new view, or another name, filter, order for `view`. Raises DeedRefused, and Refused for whom it is not."""
    if shared or (view is not None and view.owner_id is None):
        principal.must("share_views")
    if not shared and principal.kind != "person":
        raise DeedRefused("shared", "A token has no views of its own: make a shared one.")
    row = view or SavedView(created_by=principal.who[:150])
    row.owner_id = None if shared else principal.id
    row.name, row.filter, row.sort = checked_name(name), *checked(filter, sort)
    _few(row)
    try:
        with transaction.atomic():
            row.save()
    except IntegrityError:
        whose = "shared view" if shared else "view of yours"
        raise DeedRefused("name", f"There is a {whose} named {row.name} already.", conflict=True) from None
    if shared:
        audit.record(principal.who, "share view", row.name, filter=row.filter, sort=row.sort)
    return row


def delete(principal: Principal, view: SavedView) -> None:
    """Raises Refused for a shared one and whom it is not."""
    if view.owner_id is None:
        principal.must("share_views")
        audit.record(principal.who, "delete shared view", view.name, filter=view.filter)
    view.delete()


def checked(filter: str, sort: str) -> tuple[str, str]:
    """A filter and an order as they are kept. Raises DeedRefused."""
    try:
        read = queues_view({"view": "queues", "filter": filter, "sort": sort})
    except BadView as wrong:
        raise DeedRefused(wrong.field, str(wrong)) from None
    return read.filter, read.sort  # type: ignore[union-attr]


def checked_name(name: str) -> str:
    name = name.strip()
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise DeedRefused("name", f"A view needs a name of at most {LONGEST_NAME} printable characters.")
    return name


def _few(row: SavedView) -> None:
    most = MOST_SHARED if row.owner_id is None else MOST_OWN
    if row.pk is None and SavedView.objects.filter(owner_id=row.owner_id).count() >= most:
        raise DeedRefused("", f"There are {most} views already; delete one first.", conflict=True)
