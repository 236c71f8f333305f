"""What a letter tells about its end, as it was written down."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Failure:
    """Every field "" when it is not told.

    source       who wrote it down, for people ("Celery", "Spring AMQP")
    error_class  with its module or package ("billing.errors.CardDeclined")
    message      as it was
    trace        the stack, as text
    reason       why the broker or the library gave up, in its own word ("rejected", "MaxDeliveryCountExceeded")
    queue        where it died, when that is not where it lies
    """

    source: str
    error_class: str = ""
    message: str = ""
    trace: str = ""
    reason: str = ""
    queue: str = ""

    @property
    def names_error(self) -> bool:
        """Whether it tells of an error, not only that the letter was given up."""
        return bool(self.error_class or self.message or self.trace)


#: From a letter's headers and its decoded value (or anything, when there is none) to its failure. None = not mine.
Reader = Callable[[Mapping[str, Any], Any], Failure | None]


def text(value: Any) -> str:
    """A header's value as text: bytes are UTF-8 (Kafka, AMQP), of a list, a repeated header, the last is the latest."""
    if isinstance(value, list | tuple):
        return text(value[-1]) if value else ""
    if value is None or isinstance(value, Mapping):
        return ""
    return bytes(value).decode("utf-8", "replace") if isinstance(value, bytes | memoryview) else str(value)


def lines(value: Any) -> str:
    """A stack as text: as it is, or one line for each item (Ruby, JavaScript)."""
    return "\n".join(text(line) for line in value[:500]) if isinstance(value, list | tuple) else text(value)
