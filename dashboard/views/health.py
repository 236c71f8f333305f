"""What other programs ask: does the process live, is it ready, and the numbers for Prometheus."""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import Error as DatabaseError
from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from ..access import Refused, from_request
from ..live.bus import BusError, the_bus
from ..live.feed import fleet
from ..metrics import CONTENT_TYPE, exposition
from ..samples import the_store
from ..store.base import StoreError


@require_safe
@never_cache
def healthz(request: HttpRequest) -> HttpResponse:
    """The process lives. Asks nothing of anything else."""
    return HttpResponse("ok\n", content_type="text/plain")


@require_safe
@never_cache
def readyz(request: HttpRequest) -> HttpResponse:
    """Database, store and bus answer; else 503, naming what fails. Says no more than that to strangers."""
    checks = {"database": _failure(_ask_database), "store": _failure(_ask_store), "bus": _failure(_ask_bus)}
    failing = [name for name, failure in checks.items() if failure]
    shown = {name: "fails" if failure else "ok" for name, failure in checks.items()}
    return JsonResponse({"ready": not failing, "failing": failing, **shown}, status=503 if failing else 200)


@require_safe
@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus' numbers, behind a token or a session unless `WEIR_METRICS_PUBLIC`."""
    if not settings.WEIR_METRICS_PUBLIC:
        try:
            principal = from_request(request)
            if principal is None:
                raise Refused(401, "Metrics need a token (Authorization: Bearer TOKEN), or WEIR_METRICS_PUBLIC=true.")
            principal.must("see")
        except Refused as refused:
            response = HttpResponse(f"{refused}\n", content_type="text/plain", status=refused.status)
            response["WWW-Authenticate"] = "Bearer"
            return response
    return HttpResponse(exposition(fleet().snapshot()), content_type=CONTENT_TYPE)


def _failure(ask: Callable[[], None]) -> str:
    try:
        ask()
    except (DatabaseError, StoreError, BusError, ImproperlyConfigured) as error:
        return str(error) or type(error).__name__
    return ""


def _ask_database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def _ask_store() -> None:
    the_store().check()


def _ask_bus() -> None:
    the_bus().check()
