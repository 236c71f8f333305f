"""How people come in: one-use sign-in links, the first person, new people.

A link signs in once, within ten minutes. A link that is flagged works on this machine only.
"""

from __future__ import annotations

import ipaddress
import secrets
from datetime import timedelta

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from .access import admins, hash_of
from .models import Role, SignInLink, User

LINK_LIVES = timedelta(minutes=10)
FIRST_NAME = "admin"
#: A proxy in front sets one of these: the peer's address is then not the person's.
_FORWARDED = ("X-Forwarded-For", "Forwarded", "X-Real-Ip", "X-Forwarded-Host")


class LinkRefused(Exception):
    """A sign-in link cannot be used; the message is a sentence for a person."""


def first_sign_in_path() -> str:
    """Path of a link that makes and signs in the first person, an admin named "admin". This machine only."""
    SignInLink.objects.filter(user=None).delete()  # of an earlier start
    return _new_link(None, loopback_only=True)


def sign_in_path(user: User, loopback_only: bool = False) -> str:
    """Path of a new link for a person; older ones of the same person no longer work."""
    SignInLink.objects.filter(user=user, used_at=None).delete()
    return _new_link(user, loopback_only)


def _new_link(user: User | None, loopback_only: bool) -> str:
    text = secrets.token_urlsafe(32)
    SignInLink.objects.create(
        user=user, hash=hash_of(text), expires_at=timezone.now() + LINK_LIVES, loopback_only=loopback_only
    )
    return reverse("sign_in_link", args=[text])


def find_link(text: str, request: HttpRequest) -> SignInLink:
    """A link that can still be used from where the request comes. Raises LinkRefused; uses nothing up."""
    link = SignInLink.objects.filter(hash=hash_of(text)).select_related("user").first()
    again = "Ask for a new one, or run: manage.py sign_in NAME"
    if link is None:
        raise LinkRefused(f"This sign-in link is not known. {again}")
    if link.used_at is not None:
        raise LinkRefused(f"This sign-in link was used already; it works once. {again}")
    if link.expires_at < timezone.now():
        raise LinkRefused(f"This sign-in link has expired; it works for ten minutes. {again}")
    if link.loopback_only and not from_loopback(request):
        raise LinkRefused("This sign-in link works only in a browser on the machine that Weir runs on.")
    if link.user is None and User.objects.exists():
        raise LinkRefused(f"This link was for the first person, and there is one by now. {again}")
    if link.user is not None and not link.user.is_active:
        raise LinkRefused(f"{link.user.username} may no longer sign in.")
    return link


@transaction.atomic
def use_link(link: SignInLink) -> User:
    """Use a link up; the person it signs in, made now if it is the first. Raises LinkRefused if another was faster."""
    if not SignInLink.objects.filter(pk=link.pk, used_at=None).update(used_at=timezone.now()):
        raise LinkRefused("This sign-in link was used already; it works once.")
    if link.user is not None:
        return link.user
    return add_person(FIRST_NAME, Role.ADMIN)


def from_loopback(request: HttpRequest) -> bool:
    """Whether the browser runs on this machine: a loopback peer, and no proxy that speaks for another."""
    if any(request.headers.get(name) for name in _FORWARDED):
        return False
    try:
        return ipaddress.ip_address(request.META.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:
        return False


def add_person(name: str, role: str, password: str | None = None) -> User:
    """Make a person; without a password they sign in by links until they set one.

    Raises ValueError with a sentence: the name is taken or not usable, the role is unknown. The caller
    has checked the password (`django.contrib.auth.password_validation`).
    """
    if role not in Role.values:
        raise ValueError(f"'{role}' is not a role; the roles are {', '.join(Role.values)}.")
    person = get_user_model()(username=name.strip(), role=role)
    try:
        person.clean_fields(exclude=["password"])
    except ValidationError as error:
        raise ValueError(f"{error.messages[0].rstrip('.')}: '{name}'.") from None
    if User.objects.filter(username__iexact=person.username).exists():
        raise ValueError(f"A person named {person.username} exists already.")
    person.set_password(password) if password else person.set_unusable_password()
    person.save()
    return person


def change_person(person: User, role: str | None = None, active: bool | None = None) -> User:
    """Give a person another role, let them in or keep them out. Raises ValueError when no admin would be left."""
    if role is not None and role not in Role.values:
        raise ValueError(f"'{role}' is not a role; the roles are {', '.join(Role.values)}.")
    loses = (role is not None and role != Role.ADMIN) or active is False
    if person.role == Role.ADMIN and person.is_active and loses and admins() == 1:
        raise ValueError(f"{person.username} is the only admin; make another one first.")
    if role is not None:
        person.role = role
    if active is not None:
        person.is_active = active
    person.save(update_fields=["role", "is_active"])
    return person
