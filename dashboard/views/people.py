"""The settings page: people, tokens, wallboards, and one's own password."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.forms import PasswordChangeForm, SetPasswordForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from .. import audit
from ..access import DEEDS, new_token, require, revoke_token
from ..live.bus import the_bus
from ..models import MaskRule, Role, SavedView, Token, User, Wallboard
from ..people import add_person, change_person, sign_in_path
from ..wallboards import new_wallboard, revoke_wallboard

#: What each role may do, in words for the page.
ROLE_WORDS = {
    Role.VIEWER: "sees all but what is in letters, and changes nothing",
    Role.OPERATOR: "also looks into letters, replays and deletes them, acknowledges, silences, changes rules, pauses "
    "brokers, hides and tags queues, shares views",
    Role.ADMIN: "also adds and changes brokers and notifiers, says what is masked, empties the archive, manages "
    "people, tokens and wallboards, reads the audit trail",
}


@never_cache
@require_GET
@require("see")
def settings_page(request: HttpRequest) -> HttpResponse:
    """People and tokens (administrators), own password (everybody)."""
    return settings_with(request)


@require_POST
@require("manage_people")
def people_add(request: HttpRequest) -> HttpResponse:
    """A new person, with a sign-in link that is shown once."""

    def deed() -> HttpResponse:
        person = add_person(request.POST.get("name", ""), request.POST.get("role", ""))
        audit.record(request.principal.who, "add person", person.username, role=person.role)
        return _with_link(request, person)

    return _or_sentence(request, "people", deed)


@require_POST
@require("manage_people")
def people_change(request: HttpRequest, id: int) -> HttpResponse:
    """Another role, or in and out: `role` or `active` (true, false)."""
    person = get_object_or_404(User, pk=id)

    def deed() -> HttpResponse:
        role, active = request.POST.get("role"), request.POST.get("active")
        change_person(person, role, None if active is None else active == "true")
        audit.record(request.principal.who, "change person", person.username, role=person.role, active=person.is_active)
        the_bus().note("signed_out", user=person.pk)
        state = f"is now {person.role}" if person.is_active else "may no longer sign in"
        messages.success(request, f"{person.username} {state}.")
        return redirect("settings")

    return _or_sentence(request, "people", deed)


@require_POST
@require("manage_people")
def people_link(request: HttpRequest, id: int) -> HttpResponse:
    """A new sign-in link for a person, shown once."""
    person = get_object_or_404(User, pk=id, is_active=True)
    audit.record(request.principal.who, "make sign-in link", person.username)
    return _with_link(request, person)


@require_POST
@require("manage_people")
def tokens_add(request: HttpRequest) -> HttpResponse:
    """A new token; its text is shown once."""

    def deed() -> HttpResponse:
        name, role = request.POST.get("name", ""), request.POST.get("role", "")
        token, text = new_token(name, role, created_by=request.principal.name)
        audit.record(request.principal.who, "create token", token.name, role=token.role)
        return settings_with(request, shown={"kind": "token", "name": token.name, "secret": text})

    return _or_sentence(request, "tokens", deed)


@require_POST
@require("manage_people")
def tokens_revoke(request: HttpRequest, id: int) -> HttpResponse:
    """Refuse a token from now on."""
    token = get_object_or_404(Token, pk=id)

    def deed() -> HttpResponse:
        revoke_token(token.name)
        audit.record(request.principal.who, "revoke token", token.name)
        the_bus().note("signed_out", token=token.pk)
        messages.success(request, f"The token {token.name} is refused from now on.")
        return redirect("settings")

    return _or_sentence(request, "tokens", deed)


@require_POST
@require("manage_people")
def wallboards_add(request: HttpRequest) -> HttpResponse:
    """A new wallboard; its link is shown once."""

    def deed() -> HttpResponse:
        row, text = new_wallboard(request.principal, request.POST.get("name", ""), request.POST.get("filter", ""))
        link = request.build_absolute_uri(reverse("wallboard", args=[text]))
        return settings_with(request, shown={"kind": "wallboard", "name": row.name, "secret": link})

    return _or_sentence(request, "wallboards", deed)


@require_POST
@require("manage_people")
def wallboards_revoke(request: HttpRequest, id: int) -> HttpResponse:
    """Refuse a wallboard's link from now on."""
    row = get_object_or_404(Wallboard, pk=id)

    def deed() -> HttpResponse:
        revoke_wallboard(request.principal, row)
        messages.success(request, f"The wallboard {row.name} shows nothing from now on.")
        return redirect("settings")

    return _or_sentence(request, "wallboards", deed)


@require_POST
@require("see")
def password_change(request: HttpRequest) -> HttpResponse:
    """One's own password; the present one is asked for, if there is one. Other sessions end."""
    form = _password_form(request.user, request.POST)
    if not form.is_valid():
        return settings_with(request, status=400, password_form=form)
    form.save()
    update_session_auth_hash(request, form.user)
    audit.record(request.principal.who, "change own password")
    the_bus().note("signed_out", user=form.user.pk)
    messages.success(request, "Your password is changed. Other sessions of yours have ended.")
    return redirect("settings")


def settings_with(request: HttpRequest, status: int = 200, **context: Any) -> HttpResponse:
    """The settings page, with what is to be said on it."""
    manages = request.principal.can("manage_people")
    return render(
        request,
        "people/settings.html",
        {
            "nav": "settings",
            "manages": manages,
            "sees_audit": request.principal.can("see_audit"),
            "roles": [(role.value, ROLE_WORDS[role]) for role in Role],
            "needed": DEEDS["manage_people"],
            "people": User.objects.order_by("username") if manages else (),
            "tokens": Token.objects.order_by("revoked_at", "name") if manages else (),
            "wallboards": Wallboard.objects.order_by("revoked_at", "name") if manages else (),
            "masks": MaskRule.objects.all() if request.principal.can("change_masking") else None,
            "views": SavedView.objects.filter(owner=None).exclude(filter="") if manages else (),
            "password_form": _password_form(request.user),
            **context,
        },
        status=status,
    )


def _with_link(request: HttpRequest, person: User) -> HttpResponse:
    link = request.build_absolute_uri(sign_in_path(person))
    return settings_with(request, shown={"kind": "link", "name": person.username, "secret": link})


def _or_sentence(request: HttpRequest, part: str, deed: Callable[[], HttpResponse]) -> HttpResponse:
    """Do a deed; if it is refused, show the page again with the sentence at its part."""
    try:
        return deed()
    except ValueError as refused:
        return settings_with(request, status=400, refused={"part": part, "sentence": str(refused)})


def _password_form(user: User, data: Any = None) -> SetPasswordForm:
    form = PasswordChangeForm(user, data) if user.has_usable_password() else SetPasswordForm(user, data)
    for field in form.fields.values():
        field.widget.attrs.pop("autofocus", None)
    return form
