"""Times that people write into plain JSON messages under names that say what they are. Pure.

Only what can be nothing but a time is taken for one: ISO 8601, or a number of seconds or milliseconds since 2010.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from ...dialects.keeping import moment, seconds

#: When it was given up, and when it was first sent; the plainest name first.
DIED = ("died_at", "failed_at", "dead_at", "dead_lettered_at", "failedAt", "diedAt", "error_time")
SENT = (
    "enqueued_at", "published_at", "sent_at", "created_at", "placed_at", "timestamp", "time", "ts", "at",
    "enqueuedAt", "publishedAt", "sentAt", "createdAt",
)  # fmt: skip
#: Bytes of a message that is looked at, and the first and last epoch seconds that are believed.
MOST, FIRST, LAST = 1 << 16, 1_262_304_000.0, 4_102_444_800.0


def times(raw: bytes) -> tuple[float | None, float | None]:
    """When a message was first sent, and when it died; None where it does not say."""
    if not raw.startswith(b"{") or len(raw) > MOST:
        return None, None
    try:
        fields = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None, None
    return (_first(fields, SENT), _first(fields, DIED)) if isinstance(fields, dict) else (None, None)


def _first(fields: dict[str, Any], names: Sequence[str]) -> float | None:
    for name in names:
        value = fields.get(name)
        if value is None or isinstance(value, bool | dict | list):
            continue
        at = seconds(value) or moment(value)
        if at is not None and FIRST < at < LAST:
            return at
    return None
