"""Queues as lines of a terminal. Pure: rows as the API shows them go in, text comes out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

SIGNS = {"stalled": "■", "growing": "▲", "draining": "▼", "steady": "●", "idle": "○", "unknown": "?"}
#: Title, field of the row, width; texts stand left, numbers right. The name takes what is left of the line.
_NUMBERS = (
    ("DEPTH", "depth", 9), ("IN/S", "in_rate", 8), ("OUT/S", "out_rate", 8), ("LAG", "lag_seconds", 9),
    ("CLEARS", "clears_in_seconds", 9), ("CONS", "consumers", 6), ("DEAD", "dead_letters", 7),
)  # fmt: skip
_STATE, _BROKER, _LEAST_NAME = 10, 16, 16
_DURATIONS = ("lag_seconds", "clears_in_seconds")


def table(rows: Sequence[dict[str, Any]], width: int) -> list[str]:
    """A head and a line for each queue, none longer than `width` where the name has room to give way."""
    name = max(_LEAST_NAME, width - _STATE - _BROKER - sum(each for *_, each in _NUMBERS) - 2)
    head = f"{'STATE':{_STATE}}{'QUEUE':{name}} {'BROKER':{_BROKER}} "
    lines = [head + "".join(f"{title:>{room}}" for title, _, room in _NUMBERS)]
    for row in rows:
        state = f"{SIGNS[row['state']]} {row['state']}"
        texts = f"{state:{_STATE}}{cut(row['name'], name):{name}} {cut(row['broker'], _BROKER):{_BROKER}} "
        lines.append((texts + "".join(f"{figure(row, field):>{room}}" for _, field, room in _NUMBERS)).rstrip())
    return lines


def figure(row: dict[str, Any], field: str) -> str:
    """One number: "?" where it is not known, "≈" before what is not exact; never 0 for unknown."""
    value = row[field]
    if field == "clears_in_seconds" and row["never_clears"]:
        return "never"
    if value is None:
        return "?"
    text = duration(value) if field in _DURATIONS else number(value)
    return text if row["quality"].get(field, "exact") == "exact" or field in _DURATIONS else f"≈{text}"


def number(value: float) -> str:
    """12,345 · 3.5 · 0.04"""
    if value == int(value):
        return f"{int(value):,}"
    return f"{value:.2f}" if abs(value) < 0.1 else f"{value:,.1f}"


def duration(seconds: float) -> str:
    """0.6s · 36s · 3m41s · 2h04m · 3d2h"""
    whole = round(seconds)
    if seconds < 9.95:
        return f"{seconds:.1f}s"
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02}s"
    if whole < 86400:
        return f"{whole // 3600}h{whole % 3600 // 60:02}m"
    return f"{whole // 86400}d{whole % 86400 // 3600}h"


def cut(text: str, room: int) -> str:
    """A text that fits, without characters that a terminal would obey: names of queues are anybody's."""
    shown = "".join(c if c.isprintable() else "�" for c in text)
    return shown if len(shown) <= room else shown[: room - 1] + "…"
