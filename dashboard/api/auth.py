"""Who calls the API: a session (with its CSRF token where something is written), or a token."""

from __future__ import annotations

from django.http import HttpRequest
from ninja.security.base import SecuritySchema
from ninja.utils import check_csrf

from ..access import DEEDS, Principal, from_request
from .errors import ApiError

SAFE = ("GET", "HEAD", "OPTIONS")


class BearerOrSession:
    """A call that needs a deed of `dashboard.access.DEEDS`. The principal is then `request.auth`."""

    openapi_security_schema = SecuritySchema(
        type="http", scheme="bearer", description="A token, or a session with its CSRF token in X-CSRFToken"
    )

    def __init__(self, deed: str) -> None:
        self.deed, self.role = deed, DEEDS[deed]

    def __call__(self, request: HttpRequest) -> Principal | None:
        principal = from_request(request)
        if principal is None:
            return None
        if principal.kind == "person" and request.method not in SAFE and check_csrf(request) is not None:
            raise ApiError(403, "The CSRF token is missing or wrong: send it as X-CSRFToken.", code="csrf")
        principal.must(self.deed)
        return principal


def may(deed: str) -> BearerOrSession:
    """For `auth=` of an operation."""
    return BearerOrSession(deed)
