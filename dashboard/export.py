"""Queues as CSV (RFC 4180), for a spreadsheet: a row for each, a piece at a time.

What is unknown is empty, never 0. A text that a spreadsheet would take for a formula begins with a quote instead
(https://owasp.org/www-community/attacks/CSV_Injection): names of queues are anybody's.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

from collectors.protocol import METRICS

from .snapshot import Snapshot
from .ticks import Ints

CONTENT_TYPE = "text/csv; charset=utf-8"
COLUMNS = (
    "id", "broker", "name", "kind", "dialect", "state", "state_since", "reason", "stale", *METRICS, "lag_method",
    "wait_seconds", "clears_in_seconds", "tags", "hidden", "gone_at", "sampled_at",
)  # fmt: skip
_PIECE = 500
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def lines(snapshot: Snapshot, rows: Ints) -> Iterator[bytes]:
    """The head, then these rows of a snapshot in this order, in pieces of some hundred lines."""
    yield _written([COLUMNS])
    for start in range(0, len(rows), _PIECE):
        yield _written([_cells(snapshot.row(i)) for i in rows[start : start + _PIECE].tolist()])


def _cells(row: dict[str, Any]) -> list[Any]:
    never = {"clears_in_seconds": "never"} if row["never_clears"] else {}
    return [_cell((row | never)[column]) for column in COLUMNS]


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        value = " ".join(value)
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_FORMULA) else value
    return "" if value is None else value


def _written(rows: Any) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue().encode()
