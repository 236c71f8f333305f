"""Durations and sizes as the pages write them."""

from __future__ import annotations

from django import template
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

register = template.Library()


@register.filter
def duration(seconds: float | None) -> str:
    """0.8 s, 51 s, 3 m 41 s, 2 h 5 m, 3 d 4 h; "?" when it is not known."""
    if seconds is None:
        return "?"
    if seconds < 10:
        return f"{max(seconds, 0):.1f} s"
    whole = round(seconds)
    for unit, smaller, size, part in (("d", "h", 86400, 3600), ("h", "m", 3600, 60), ("m", "s", 60, 1)):
        if whole >= size:
            return f"{whole // size} {unit} {whole % size // part} {smaller}"
    return f"{whole} s"


@register.filter
def size(count: float | None) -> str:
    """812 B, 4.2 kB, 1.3 MB; "?" when it is not known."""
    if count is None:
        return "?"
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} B" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


@register.filter
def code(text: str) -> SafeString:
    """`x` in a text as code; everything else stays text."""
    parts = escape(text).split("`")
    words = [f"<code>{part}</code>" if i % 2 and i < len(parts) - 1 else part for i, part in enumerate(parts)]
    return mark_safe("".join(words))  # escaped above
