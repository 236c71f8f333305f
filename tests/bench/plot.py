"""A curve as an SVG: lines over one axis, straight or of powers of ten."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from math import ceil, floor, log10
from typing import Any

from .registry import Curve

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 720, 360, 64, 210, 34, 40
SVG = 'xmlns="http://www.w3.org/2000/svg"'
COLOURS = ("#0969c9", "#13755a", "#8a5b06", "#c02b3a", "#7440c4", "#5b7693", "#16202b", "#b06a00")

Points = list[tuple[float, float]]


def svg(title: str, rows: list[dict[str, Any]], curve: Curve) -> str:
    """The lines of a curve, each with its name at the right."""
    lines = _lines(rows, curve)
    xs = [x for points in lines.values() for x, _ in points]
    ys = [y for points in lines.values() for _, y in points]
    if not xs:
        return f'<svg {SVG} width="{WIDTH}" height="40"><text y="20">nothing</text></svg>'
    across, x_marks = _scale(xs, LEFT, WIDTH - RIGHT, curve.log)
    up, y_marks = _scale(ys, HEIGHT - BOTTOM, TOP, curve.log)
    parts = [
        f'<svg {SVG} width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif" font-size="11">',
        f'<rect width="100%" height="100%" fill="#fff"/><text x="{LEFT}" y="18" font-size="13">{escape(title)}</text>',
    ]
    for mark in y_marks:
        y = up(mark)
        parts.append(f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="#e1e5ea"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end" fill="#4e5d6c">{_short(mark)}</text>')
    for mark in x_marks:
        place = f'x="{across(mark):.1f}" y="{HEIGHT - BOTTOM + 16}"'
        parts.append(f'<text {place} text-anchor="middle" fill="#4e5d6c">{_short(mark)}</text>')
    parts.append(
        f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 8}" text-anchor="middle">{escape(curve.x)}</text>'
    )
    for n, (name, points) in enumerate(lines.items()):
        colour = COLOURS[n % len(COLOURS)]
        path = " ".join(f"{across(x):.1f},{up(y):.1f}" for x, y in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.8"/>')
        parts += [f'<circle cx="{across(x):.1f}" cy="{up(y):.1f}" r="2.6" fill="{colour}"/>' for x, y in points]
        at = TOP + 8 + 16 * n
        parts.append(f'<text x="{WIDTH - RIGHT + 14}" y="{at}" fill="{colour}">{escape(name)}</text>')
    return "\n".join([*parts, "</svg>", ""])


def _lines(rows: list[dict[str, Any]], curve: Curve) -> dict[str, Points]:
    """Name -> points by ascending x; what is not known, or cannot be shown on an axis of powers, is left out."""
    lines: dict[str, Points] = {}
    for row in rows:
        for y in curve.ys:
            name = " ".join(
                filter(None, (str(row[curve.by]) if curve.by else "", y if len(curve.ys) > 1 or not curve.by else ""))
            )
            if row[y] is not None and (not curve.log or (row[y] > 0 and row[curve.x] > 0)):
                lines.setdefault(name, []).append((float(row[curve.x]), float(row[y])))
    return {name: sorted(points) for name, points in lines.items()}


def _scale(values: list[float], low: float, high: float, log: bool) -> tuple[Callable[[float], float], list[float]]:
    """From a value to its place, and the marks of the axis."""
    if log:
        first, last = floor(log10(min(values))), max(ceil(log10(max(values))), floor(log10(min(values))) + 1)
        return lambda v: low + (log10(v) - first) / (last - first) * (high - low), [
            10.0**e for e in range(first, last + 1)
        ]
    most, least = max(values), min(0.0, *values)
    rough = (most - least or 1.0) / 4
    step = next(m * 10 ** floor(log10(rough)) for m in (1, 2, 5, 10) if m * 10 ** floor(log10(rough)) >= rough)
    marks = [step * n for n in range(floor(least / step), ceil(most / step) + 1)]
    return lambda v: low + (v - marks[0]) / (marks[-1] - marks[0]) * (high - low), marks


def _short(value: float) -> str:
    if value >= 1000:
        return f"{value / 1000:g}k" if value < 1e6 else f"{value / 1e6:g}M"
    return f"{value:g}"
