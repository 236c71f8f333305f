"""Coming in and going out: password, one-use link, sign-out, and what is said after too many attempts."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth import login, logout
from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from .. import audit
from ..access import of_user
from ..live.bus import the_bus
from ..models import SignInLink
from ..people import LinkRefused, find_link, from_loopback, use_link

BACKEND = "django.contrib.auth.backends.ModelBackend"
LOCKED_MINUTES = round(settings.AXES_COOLOFF_TIME * 60)


class SignIn(LoginView):
    """Name and password. Attempts are limited by django-axes; `next` leads nowhere but into Weir."""

    template_name = "people/sign_in.html"
    redirect_authenticated_user = True

    def form_valid(self, form: Any) -> HttpResponse:
        audit.record(form.get_user().username, "sign in")
        return super().form_valid(form)


def locked_out(request: HttpRequest, response: HttpResponse | None, credentials: dict[str, Any]) -> HttpResponse:
    """After too many wrong passwords (`AXES_LOCKOUT_CALLABLE`)."""
    name = str((credentials or {}).get("username", ""))
    audit.record(name or "?", "sign in", result="refused: too many attempts")
    page = render(request, "people/locked_out.html", {"minutes": LOCKED_MINUTES}, status=429)
    page["Retry-After"] = str(LOCKED_MINUTES * 60)
    return page


@never_cache
@require_http_methods(["GET", "POST"])
def sign_in_link(request: HttpRequest, text: str) -> HttpResponse:
    """A one-use link. A GET shows a button, so that the preview of a link in a chat does not use it up.

    A link for this machine only, opened on this machine, signs in directly: it came from this machine's terminal.
    """
    try:
        link = find_link(text, request)
        if request.method == "POST" or _opens_at_once(link, request):
            return _come_in(request, link)
    except LinkRefused as refused:
        return render(request, "people/link_refused.html", {"sentence": str(refused)}, status=410)
    return render(request, "people/sign_in_link.html", {"name": link.user.username if link.user else "admin"})


def _opens_at_once(link: SignInLink, request: HttpRequest) -> bool:
    ahead = "prefetch" in request.headers.get("Sec-Purpose", "") or "prefetch" in request.headers.get("Purpose", "")
    return link.loopback_only and from_loopback(request) and not ahead


def _come_in(request: HttpRequest, link: SignInLink) -> HttpResponse:
    user = use_link(link)
    if request.user.is_authenticated and request.user.pk != user.pk:
        _end_session(request)
    login(request, user, backend=BACKEND)
    audit.record(user.username, "sign in", result="by link")
    return redirect(settings.LOGIN_REDIRECT_URL)


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    """End the session, and its live connections in every process."""
    principal = of_user(request.user)
    if principal is not None:
        audit.record(principal.who, "sign out")
    _end_session(request)
    return redirect("sign_in")


def _end_session(request: HttpRequest) -> None:
    """First the session, then its live connections: else they could come back with it."""
    key = request.session.session_key
    logout(request)
    if key:
        the_bus().note("signed_out", session=key)
