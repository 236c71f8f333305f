"""MessagePack, as kombu writes it ("application/x-msgpack") and as anybody else does.

kombu's own reader gives no say over sizes: a header of five bytes can claim millions of elements, a thousand times
over, one inside the other. Here the room that all headers together may claim is bounded before reading.
"""

from __future__ import annotations

from typing import Any

import msgpack

from .piece import Found, Limits, Piece, Step

#: Elements that all lists of one body together may make room for in advance.
ROOM = 4_000_000

_LIST_HEADERS = (b"\xdc", b"\xdd")
_FAILURES = (ValueError, TypeError, OverflowError, MemoryError, msgpack.UnpackException)


def msgpacked(piece: Piece, limits: Limits) -> Found | None:
    """Reads a map or a list that takes up all bytes; anything else only when it is declared."""
    declared = "msgpack" in piece.content_type.lower()
    first = piece.data[0] if piece.data else 0
    sniffed = 0x81 <= first <= 0x8F or 0x91 <= first <= 0x9F or 0xDC <= first <= 0xDF
    if not (declared or sniffed):
        return None
    headers = sum(piece.data.count(header) for header in _LIST_HEADERS)
    try:
        value = msgpack.unpackb(
            piece.data,
            raw=False,
            unicode_errors="replace",
            strict_map_key=False,
            timestamp=0,
            max_array_len=min(len(piece.data), ROOM // max(1, headers)),
        )
    except _FAILURES:
        return None  # not MessagePack, or cut: shown as bytes
    if _depth(value) > limits.depth:
        return Found(Step("MessagePack", "too deep"), notes=(f"Nested more than {limits.depth} deep: shown as bytes.",))
    return Found(Step("MessagePack"), value=value)


def _depth(value: Any) -> int:
    """How deep lists and maps are nested, without recursion."""
    deepest, waiting = 0, [(value, 1)]
    while waiting:
        item, depth = waiting.pop()
        if isinstance(item, dict | list) and item:
            deepest = max(deepest, depth)
            for inner in item.values() if isinstance(item, dict) else item:
                if inner and isinstance(inner, dict | list):
                    waiting.append((inner, depth + 1))
    return deepest
