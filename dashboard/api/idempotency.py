"""`Idempotency-Key`: a writing call that is repeated with the same key within a day is answered, not done, again.

Keys belong to who calls. Only what succeeded is kept: after an error nothing was done, and the call may be repeated.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from inspect import signature
from typing import Any

import orjson
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.crypto import salted_hmac

from ..models import KeptAnswer
from .errors import ApiError

KEPT = timedelta(hours=24)
#: A call that was begun so long ago and never ended died with its process.
GIVEN_UP = timedelta(minutes=2)

View = Callable[..., tuple[int, Any]]


def once(view: View) -> Callable[..., HttpResponse]:
    """Make a writing view, which answers (status, JSON or None), take an Idempotency-Key."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        key = request.headers.get("Idempotency-Key", "").strip()
        if not key:
            return _response(*view(request, *args, **kwargs))
        if len(key) > 200:
            raise ApiError(400, "An Idempotency-Key has at most 200 characters.", "Idempotency-Key")
        kept = _claim(request, key)
        if kept.status is not None:
            response = _raw(kept.status, kept.body)
            response["Idempotency-Replayed"] = "true"
            return response
        try:
            status, body = view(request, *args, **kwargs)
        except BaseException:
            kept.delete()
            raise
        response = _response(status, body)
        KeptAnswer.objects.filter(pk=kept.pk).update(status=status, body=response.content.decode())
        return response

    # ninja looks the names of types up in this module; the view's are in its own
    guarded.__signature__ = signature(view, eval_str=True)  # type: ignore[attr-defined]
    return guarded


def _claim(request: HttpRequest, key: str) -> KeptAnswer:
    """The row of this call: a new one to be worked on, or the kept answer. Raises ApiError (409)."""
    principal, now = request.auth, timezone.now()  # type: ignore[attr-defined]
    KeptAnswer.objects.filter(at__lt=now - KEPT).delete()
    KeptAnswer.objects.filter(status=None, at__lt=now - GIVEN_UP).delete()
    fingerprint = _fingerprint(request)
    who = f"{principal.kind} {principal.id}"
    try:
        with transaction.atomic():
            return KeptAnswer.objects.create(principal=who, key=key, request_hash=fingerprint)
    except IntegrityError:
        kept = KeptAnswer.objects.filter(principal=who, key=key).first()
    if kept is None:
        raise ApiError(409, "The first call with this Idempotency-Key has just failed; send it again.")
    if kept.request_hash != fingerprint:
        raise ApiError(409, "This Idempotency-Key was used for another call.", "Idempotency-Key")
    if kept.status is None:
        raise ApiError(409, "The first call with this Idempotency-Key is still being worked on.", "Idempotency-Key")
    return kept


def _fingerprint(request: HttpRequest) -> str:
    """Of method, address and body. Keyed, because a body may hold a password."""
    text = b"\n".join([str(request.method).encode(), request.get_full_path().encode(), request.body])
    return salted_hmac("weir.idempotency", text, algorithm="sha256").hexdigest()


def _response(status: int, body: Any) -> HttpResponse:
    return _raw(status, "" if body is None else orjson.dumps(body).decode())


def _raw(status: int, body: str) -> HttpResponse:
    return HttpResponse(body, content_type="application/json", status=status)
