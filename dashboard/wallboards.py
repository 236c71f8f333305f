"""Wallboard links: one view for a screen on the wall, read-only, without signing in, until it is revoked."""

from __future__ import annotations

import secrets

from django.utils import timezone

from . import audit
from .access import Principal, hash_of
from .live.bus import the_bus
from .models import Wallboard
from .refused import DeedRefused
from .saved_views import checked


def new_wallboard(principal: Principal, name: str, filter: str = "", sort: str = "") -> tuple[Wallboard, str]:
    """A link for one view: the row, and the token in the address, which is nowhere else. Raises DeedRefused."""
    name = name.strip()
    if not name or len(name) > 100 or not name.isprintable():
        raise DeedRefused("name", "A wallboard needs a name of at most 100 printable characters.")
    if Wallboard.objects.filter(name=name).exists():
        raise DeedRefused(
            "name", f"A wallboard named {name} exists already (revoked ones keep their names).", conflict=True
        )
    filter, sort = checked(filter, sort)
    text = secrets.token_urlsafe(32)
    row = Wallboard.objects.create(
        name=name, filter=filter, sort=sort, hash=hash_of(text), created_by=principal.who[:150]
    )
    audit.record(principal.who, "create wallboard", name, filter=filter)
    return row, text


def revoke_wallboard(principal: Principal, row: Wallboard) -> Wallboard:
    """Refuse a link from now on; screens that show it are told. Raises DeedRefused when it was revoked already."""
    if not Wallboard.objects.filter(pk=row.pk, revoked_at=None).update(revoked_at=timezone.now()):
        raise DeedRefused("", f"The wallboard {row.name} was revoked already.", conflict=True)
    audit.record(principal.who, "revoke wallboard", row.name)
    the_bus().note("signed_out", wallboard=row.pk)
    row.refresh_from_db()
    return row
