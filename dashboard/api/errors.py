"""Errors of the API: always `{"error": {"code", "message", "field"}}` with the right status.

| status | code | when |
|---|---|---|
| 400 | invalid | a parameter or the body is wrong; `field` names it, a filter's error says its position |
| 401 | not_signed_in | no session and no good token |
| 403 | not_allowed, csrf | the role does not reach; a session's call without its CSRF token |
| 404 | not_found | no such broker, queue or address |
| 405 | method_not_allowed | the header Allow names those that are |
| 409 | conflict | in the way: a name that is taken, a broker managed elsewhere, a key used twice, a spent budget |
| 413 | too_large | a body of more than 2.5 MB |
| 429 | too_many | wait as long as Retry-After says |
| 500 | failed | a bug; the log has it |
| 503 | unavailable | the samples cannot be read, or a broker does not answer |
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import orjson
from django.db import DataError
from django.http import Http404, HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError

from collectors.errors import CollectorError

from ..access import Refused
from ..brokers import BrokerRefused
from ..refused import DeedRefused
from ..store.base import StoreError

log = logging.getLogger("weir.api")

CODES = {
    400: "invalid",
    401: "not_signed_in",
    403: "not_allowed",
    404: "not_found",
    405: "method_not_allowed",
    409: "conflict",
    413: "too_large",
    429: "too_many",
    500: "failed",
    503: "unavailable",
}
_SENTENCES = {
    401: "Sign in, or send a token: Authorization: Bearer TOKEN.",
    404: "There is nothing at this address.",
    405: "This address does not take that method.",
}
#: What pydantic finds, as it goes on behind the name of a field.
_WORDS = {
    "missing": "is missing",
    "extra_forbidden": "is not known here",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "string_type": "must be a text",
    "list_type": "must be a list",
    "dict_type": "must be an object",
    "model_attributes_type": "must be an object",
    "literal_error": "must be {expected}",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be {ge} or more",
    "less_than_equal": "must be {le} or less",
    "string_too_long": "has more than {max_length:,} characters",
    "too_long": "has more than {max_length:,} entries",
    "datetime_type": "must be a time in ISO 8601",
    "datetime_parsing": "must be a time in ISO 8601",
    "datetime_from_date_parsing": "must be a time in ISO 8601",
}


class ApiError(Exception):
    """Raised anywhere in the API. The message is one sentence for a person."""

    def __init__(self, status: int, message: str, field: str = "", code: str = "") -> None:
        super().__init__(message)
        self.status, self.field, self.code = status, field, code or CODES[status]


def answer(status: int, message: str, field: str = "", code: str = "") -> HttpResponse:
    """An error as a response."""
    error: dict[str, Any] = {"code": code or CODES.get(status, "failed"), "message": message, "field": field or None}
    response = HttpResponse(orjson.dumps({"error": error}), content_type="application/json", status=status)
    if status == 401:
        response["WWW-Authenticate"] = "Bearer"
    return response


def handle_errors(api: NinjaAPI) -> None:
    """Register how each error that a view may raise is answered."""
    on: Callable[[type[Exception], Callable[[HttpRequest, Any], HttpResponse]], None] = api.add_exception_handler
    on(ApiError, lambda _, e: answer(e.status, str(e), e.field, e.code))
    on(Refused, lambda _, e: answer(e.status, str(e)))
    on(BrokerRefused, lambda _, e: answer(409 if e.conflict else 400, str(e), e.field))
    on(DeedRefused, lambda _, e: answer(409 if e.conflict else 400, str(e), e.field))
    on(CollectorError, lambda _, e: answer(409 if e.permanent else 503, str(e)))
    on(DataError, lambda _, e: answer(400, "The database holds no such text or number; a NUL is none of a text."))
    on(StoreError, lambda _, e: answer(503, str(e)))
    on(AuthenticationError, lambda _, e: answer(401, _SENTENCES[401]))
    on(ValidationError, lambda _, e: _invalid(e.errors))
    on(Http404, lambda _, e: answer(404, _SENTENCES[404]))
    on(HttpError, lambda _, e: _refused_body(e.__cause__) or answer(e.status_code, _sentence(str(e))))
    on(Exception, _failed)


def _invalid(errors: list[dict[str, Any]]) -> HttpResponse:
    """The first thing that pydantic found wrong. An id in the address that is no number names nothing: 404."""
    found = errors[0]
    if found["loc"][0] == "path":
        return answer(404, _SENTENCES[404])
    field = ".".join(str(part) for part in found["loc"][1:] if part not in ("payload", "data"))
    if not field and found["loc"][0] == "body":
        return answer(400, "This call takes a body: a JSON object.")
    said = _WORDS.get(found["type"], "")
    if said:
        return answer(400, _sentence(f"{field} {said.format(**found.get('ctx', {}))}"), field)
    message = str(found["msg"]).removeprefix("Value error, ")
    return answer(400, _sentence(f"{field} {message}" if message.startswith("must ") else f"{field}: {message}"), field)


def _refused_body(cause: BaseException | None) -> HttpResponse | None:
    """What the door said of a body, which ninja wraps in words of its own."""
    return answer(cause.status, str(cause), cause.field, cause.code) if isinstance(cause, ApiError) else None


def _sentence(text: str) -> str:
    return text if text.endswith(".") else f"{text}."


def _failed(request: HttpRequest, error: Exception) -> HttpResponse:
    log.error("%s %s failed.", request.method, request.path, exc_info=error)
    return answer(500, "Weir has failed at this; its log says where.")


class ErrorsAsJSON:
    """Middleware: what Django itself answers under /api/ (404, 405, 500 ...) gets the API's shape too."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        status = response.status_code
        wrong = status >= 400 and request.path_info.startswith("/api/")
        if not wrong or response.headers.get("Content-Type", "").startswith("application/json"):
            return response
        told = getattr(response, "sentence", "") or _SENTENCES.get(status, "This call was refused.")
        shaped = answer(status, told)
        if "Allow" in response.headers:
            shaped["Allow"] = response.headers["Allow"]
        return shaped
