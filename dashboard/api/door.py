"""What comes in, checked before anything is made of it: JSON as the standard has it, numbers and times within bounds.

Python's own reading lets NaN, halves of surrogates and numbers of any size through; no database takes them, and none of
them was meant.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, cast

import orjson
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest
from ninja import Query
from ninja.parser import Parser
from pydantic import AfterValidator, BeforeValidator, Field

from .errors import ApiError

EARLIEST, LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


def aware(at: datetime) -> datetime:
    """A time with its zone; without one it is UTC. Raises ValueError."""
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    if not EARLIEST <= at < LATEST:
        raise ValueError("a time must be between 1970 and 2200")
    return at


#: A time that comes in.
Time = Annotated[datetime, AfterValidator(aware)]
#: What ids and other whole numbers are at most: what a database holds.
LARGEST = (1 << 63) - 1

#: An id in an address; 0 = none.
Id = Annotated[int, Query(ge=0, le=LARGEST)]


def no_flag(value: Any) -> Any:
    """A number that is none of true and false, which Python takes for 1 and 0. Raises ValueError."""
    if isinstance(value, bool):
        raise ValueError("must be a number")
    return value


#: What stands in bodies: true and false and nothing that looks like them, since some of them start things.
Flag = Annotated[bool, Field(strict=True)]
Whole = Annotated[int, BeforeValidator(no_flag)]
Number = Annotated[float, BeforeValidator(no_flag)]


class Strict(Parser):
    """Reads bodies. Raises ApiError with a sentence; ninja wraps it, and `errors` unwraps it."""

    def parse_body(self, request: HttpRequest) -> dict[str, Any]:
        try:
            value = orjson.loads(request.body)
        except orjson.JSONDecodeError as error:
            raise ApiError(400, f"The body is no JSON: {str(error).rstrip('.')}.") from None
        except RequestDataTooBig:
            raise ApiError(413, "This body is too large: a call takes 2.5 MB at most.") from None
        within(value)
        return cast(dict[str, Any], value)


def within(value: Any) -> None:
    """Raise ApiError for a number that no database holds, anywhere in a JSON value."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            waiting.extend(one.values())
        elif isinstance(one, list):
            waiting.extend(one)
        elif isinstance(one, int | float) and abs(one) > LARGEST:
            raise ApiError(400, f"The number {one:.3g} in the body is beyond all bounds.")
