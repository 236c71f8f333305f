"""Who may do what.

A `Principal` is a person with a session, or a machine with a token. It has one of three roles, each of
which includes the one before: viewer < operator < admin. `DEEDS` says which role each deed needs;
pages, API and live view ask for deeds, never for roles.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import wraps
from typing import Any
from urllib.parse import quote

from django.conf import settings
from django.db.models import Q
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render, resolve_url
from django.urls import get_script_prefix
from django.utils import timezone

from .models import Role, Token, User, Wallboard

RANK: Mapping[str, int] = {Role.VIEWER: 0, Role.OPERATOR: 1, Role.ADMIN: 2}

#: Each deed and the least role that may do it.
DEEDS: Mapping[str, str] = {
    "see": Role.VIEWER,  # queues, brokers, series, metrics
    "tend_brokers": Role.OPERATOR,  # check, pause and resume
    "mark_queues": Role.OPERATOR,  # hide, show, tag
    "look": Role.OPERATOR,  # into queues of dead letters; causes and counts are for everybody
    "see_payloads": Role.OPERATOR,  # bodies and headers of letters; WEIR_PAYLOADS withholds them
    "note_causes": Role.OPERATOR,  # notes on causes of death, snoozing
    "replay": Role.OPERATOR,  # send letters again, move and copy them
    "send_messages": Role.OPERATOR,  # one new message into a queue
    "edit_letters": Role.OPERATOR,  # before they are sent again
    "delete_letters": Role.OPERATOR,  # and purge queues; copies are kept for a while
    "share_views": Role.OPERATOR,  # saved views for everybody
    "tend_incidents": Role.OPERATOR,  # acknowledge, silence
    "change_rules": Role.OPERATOR,
    "change_notifiers": Role.ADMIN,  # holds secrets, and connects to where it is told
    "delete_queues": Role.ADMIN,  # such as are gone, with their history
    "change_brokers": Role.ADMIN,  # add, edit and delete: holds passwords, and connects anywhere
    "change_masking": Role.ADMIN,  # what nobody is shown
    "see_audit": Role.ADMIN,
    "manage_people": Role.ADMIN,  # people, roles, tokens, wallboards
}

TOKEN_PREFIX = "weir_"
_LAST_USE_EVERY = timedelta(minutes=1)


def least_role(deed: str) -> str:
    """The least role that may do a deed; "nobody" where payloads are withheld from all."""
    return settings.WEIR_PAYLOADS if deed == "see_payloads" else DEEDS[deed]


def withheld(role: str) -> str:
    """Why a role is not shown what is in letters, a sentence; "" = it is."""
    least = least_role("see_payloads")
    if least not in RANK:
        return "Withheld: what is in letters is shown to nobody here (WEIR_PAYLOADS)."
    return "" if RANK[role] >= RANK[least] else f"Withheld: what is in letters needs the role {least}."


class Refused(Exception):
    """Access is refused. `status` is 401 (not signed in) or 403 (not allowed); the message is a sentence."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks: `kind` is "person", "token" or "wallboard", `id` that of the User, Token or Wallboard.

    A wallboard sees one view of the queues and nothing else, whatever a viewer may.
    """

    kind: str
    id: int
    name: str
    role: str

    def can(self, deed: str) -> bool:
        """Whether the role allows a deed of DEEDS."""
        return RANK[self.role] >= RANK.get(least_role(deed), 99) and (self.kind != "wallboard" or deed == "see")

    def must(self, deed: str) -> None:
        """Raise Refused (403) unless `can`."""
        if not self.can(deed):
            least = least_role(deed)
            if least not in RANK:
                raise Refused(403, withheld(self.role))
            raise Refused(403, f"This needs the role {least}; {self.name} has the role {self.role}.")

    @property
    def who(self) -> str:
        """The name for the audit trail."""
        return self.name if self.kind == "person" else f"{self.kind} {self.name}"


def from_request(request: HttpRequest) -> Principal | None:
    """Who sends a request, None when nobody is signed in. Raises Refused (401) for a token that is not good."""
    header = request.headers.get("Authorization", "")
    return of_header(header) if header else of_user(getattr(request, "user", None))


def from_scope(scope: Mapping[str, Any]) -> Principal | None:
    """Who opens a WebSocket: a wallboard by its address, an `Authorization` header, else the session's user.

    Queries the database. Raises Refused (401) for a token that is not good.
    """
    text = scope.get("url_route", {}).get("kwargs", {}).get("wallboard")
    if text is not None:
        row = find_wallboard(text)
        return Principal("wallboard", row.pk, row.name, Role.VIEWER)
    header = dict(scope.get("headers", ())).get(b"authorization", b"").decode("latin-1")
    return of_header(header) if header else of_user(scope.get("user"))


def of_user(user: Any) -> Principal | None:
    """A person who is signed in and active, else None."""
    if user is None or not user.is_authenticated or not user.is_active:
        return None
    return Principal("person", user.pk, user.get_username(), user.role)


def of_header(header: str) -> Principal:
    """The token of an `Authorization: Bearer ...` header. Raises Refused (401)."""
    scheme, _, text = header.partition(" ")
    if scheme.lower() != "bearer":
        raise Refused(401, "The Authorization header must read: Bearer TOKEN.")
    return of_token(text.strip())


def of_token(text: str) -> Principal:
    """The machine that holds a token; its last use is noted, at most once a minute. Raises Refused (401)."""
    token = Token.objects.filter(hash=hash_of(text)).first()
    if token is None:
        raise Refused(401, "This token is not known.")
    if token.revoked_at is not None:
        raise Refused(401, f"The token {token.name} was revoked.")
    _note_use(Token, token)
    return Principal("token", token.pk, token.name, token.role)


def find_wallboard(text: str) -> Wallboard:
    """The wallboard whose address holds this token; its last use is noted. Raises Refused (401)."""
    row = Wallboard.objects.filter(hash=hash_of(text)).first()
    if row is None:
        raise Refused(401, "This wallboard link is not known.")
    if row.revoked_at is not None:
        raise Refused(401, f"The wallboard link {row.name} was revoked.")
    _note_use(Wallboard, row)
    return row


def _note_use(kind: type[Token] | type[Wallboard], row: Token | Wallboard) -> None:
    """Once a minute at most, whoever asks."""
    now = timezone.now()
    stale = Q(last_used_at=None) | Q(last_used_at__lt=now - _LAST_USE_EVERY)
    if row.last_used_at is None or row.last_used_at < now - _LAST_USE_EVERY:
        kind.objects.filter(stale, pk=row.pk).update(last_used_at=now)


def hash_of(text: str) -> str:
    """What is kept of a token or a sign-in link: 32 random bytes, so a plain SHA-256 cannot be guessed back."""
    return hashlib.sha256(text.encode()).hexdigest()


def new_token(name: str, role: str, created_by: str = "") -> tuple[Token, str]:
    """Make a token: the row, and its text, which is nowhere else and cannot be had again.

    Raises ValueError with a sentence for a name that is taken or empty, or an unknown role.
    """
    name = name.strip()
    if not name or len(name) > 100:
        raise ValueError("A token needs a name of at most 100 characters.")
    if role not in Role.values:
        raise ValueError(f"'{role}' is not a role; the roles are {', '.join(Role.values)}.")
    if Token.objects.filter(name=name).exists():
        raise ValueError(f"A token named {name} exists already; choose another name (revoked ones keep theirs).")
    text = TOKEN_PREFIX + secrets.token_urlsafe(32)
    hint = text[: len(TOKEN_PREFIX) + 4]
    return Token.objects.create(name=name, role=role, hash=hash_of(text), hint=hint, created_by=created_by), text


def revoke_token(name: str) -> Token:
    """Refuse a token from now on. Raises ValueError with a sentence when there is none of that name in use."""
    token = Token.objects.filter(name=name).first()
    if token is None:
        raise ValueError(f"There is no token named {name}.")
    if token.revoked_at is not None:
        raise ValueError(f"The token {name} was revoked already, at {token.revoked_at:%Y-%m-%d %H:%M} UTC.")
    token.revoked_at = timezone.now()
    token.save(update_fields=["revoked_at"])
    return token


View = Callable[..., HttpResponse]


def _here(request: HttpRequest) -> str:
    """The address to come back to, as browsers know it: a proxy may have taken the path of WEIR_PUBLIC_URL off."""
    if request.method not in ("GET", "HEAD"):
        return resolve_url("queues")
    query = request.META.get("QUERY_STRING", "")
    return get_script_prefix().rstrip("/") + quote(request.path_info) + (f"?{query}" if query else "")


def require(deed: str) -> Callable[[View], View]:
    """A page that needs a deed: others are sent to sign in, or told in a sentence that they may not (403).

    The view finds its `Principal` as `request.principal`.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            principal = of_user(request.user)
            if principal is None:
                return HttpResponseRedirect(f"{resolve_url('sign_in')}?next={quote(_here(request), safe='/')}")
            try:
                principal.must(deed)
            except Refused as refused:
                return render(request, "403.html", {"sentence": str(refused)}, status=403)
            request.principal = principal  # type: ignore[attr-defined]
            return view(request, *args, **kwargs)

        guarded.deed = deed  # type: ignore[attr-defined]
        return guarded

    return decorate


def admins() -> int:
    """How many people can manage people: the last one may not be taken away."""
    return User.objects.filter(role=Role.ADMIN, is_active=True).count()
