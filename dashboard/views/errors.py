"""What is shown for an address that is not there, and for a request that cannot be taken.

Under /api/ the answer is JSON (`dashboard.api.errors`).
"""

from __future__ import annotations

from django.core.exceptions import DisallowedHost, RequestDataTooBig
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from collectors.decoding import visible


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return render(request, "404.html", status=404)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Made without the frame of the other pages: nothing of the request is to be trusted, its host name included."""
    sentence = _sentence(request, exception)
    response = render(None, "400.html", {"sentence": sentence}, status=400)  # type: ignore[arg-type]
    response.sentence = sentence  # type: ignore[attr-defined]  # for the API's shape
    return response


def _sentence(request: HttpRequest, exception: Exception) -> str:
    if isinstance(exception, DisallowedHost):
        host = visible(request.META.get("HTTP_HOST", "")[:100])
        return (
            f"Weir does not answer to the host name '{host}'; WEIR_ALLOWED_HOSTS, or WEIR_PUBLIC_URL, has to name it."
        )
    if isinstance(exception, RequestDataTooBig):
        return "This is too large: 2.5 MB at most are taken."
    return "This request cannot be read."
