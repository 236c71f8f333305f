"""JSON, read without recursion to any depth that a sender likes, and without losing a digit.

The standard library's parser is used, since orjson turns integers beyond 64 bits into floats. Depth is measured
before parsing; numbers that Python would show otherwise than they were written are kept as text (`Number`), so that
one of 10,000 digits costs nothing; halves of surrogate pairs become �, since no page and no file can hold them.
"""

from __future__ import annotations

import json
import re
from typing import Any

from .piece import Found, Limits, Piece, Step
from .text import read
from .tree import DIGITS, Number

_TOKEN = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?+|[\[\]{},]', re.S)
_ESCAPE = re.compile(
    r"\\(?:(u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.S
)
_HALF_ESCAPE = re.compile(r"\\(?:u[0-9a-fA-F]{0,3})?\Z")
_CLOSING = {"[": "]", "{": "}"}
_SCALAR = re.compile(r"\s*+(?:true|false|null|-?\d[\d.eE+-]*+)\s*+")
_BAD = (ValueError, RecursionError)

#: Lines of newline-delimited JSON that are parsed.
LINES = 1_000


def jsoned(piece: Piece, limits: Limits) -> Found | None:
    """Reads JSON and newline-delimited JSON. What is cut is read as far as it goes; what is too deep is text."""
    beginning = piece.data[:64].lstrip(b"\xef\xbb\xbf\xff\xfe\x00 \t\r\n")[:1]
    brackets = beginning in (b"{", b"[", b'"')
    if not (brackets or "json" in piece.content_type.lower()) or (text := read(piece)) is None:
        return None
    body, notes = text
    if not brackets and not _SCALAR.fullmatch(body):
        return None
    deepest = 0
    if body.count("[") + body.count("{") > limits.depth and (deepest := nesting(body)[0]) > limits.depth:
        reason = f"JSON nested {deepest:,} deep, more than {limits.depth}: shown as text."
        return Found(Step("JSON", "too deep"), text=body, notes=(*notes, reason))
    try:
        value, repeated = parsed(body)
    except _BAD:
        return _lines(body, notes, limits, piece.cut) or _beginning(body, notes, piece.cut)
    if repeated:
        notes += ("A key stands twice in one object: the last one counts.",)
    return Found(Step("JSON"), value=value, text=body, notes=notes)


def parsed(text: str) -> tuple[Any, bool]:
    """The value of a JSON text, and whether a key stood twice in one object. Raises ValueError."""
    repeated = False

    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal repeated
        made = dict(found)
        repeated |= len(made) != len(found)
        return made

    if "\\ud" in text or "\\uD" in text:
        text = _ESCAPE.sub(lambda m: "\\ufffd" if m[2] else m[0], text)
    value = json.loads(text, parse_int=_integer, parse_float=_float, parse_constant=Number, object_pairs_hook=pairs)
    return value, repeated


def nesting(text: str) -> tuple[int, tuple[str, ...]]:
    """How deep brackets are nested, and, where they are not all closed, the text closed in two ways.

    The first way closes a string that is open at the end, the second leaves the last unfinished element out.
    """
    deepest, at, stack, opened = 0, 0, [], -1
    for token in _TOKEN.finditer(text):
        sign = token[0]
        opened = -1
        if sign in _CLOSING:
            stack.append(_CLOSING[sign])
            deepest, at = max(deepest, len(stack)), token.end()
        elif sign == ",":
            at = token.start()
        elif sign in "]}" and stack:
            stack.pop()
            at = token.end()
        elif sign[0] == '"' and (len(sign) == 1 or sign[-1] != '"'):
            opened = token.start()
    if not stack:
        return deepest, ()
    closing = "".join(reversed(stack))
    whole = (_HALF_ESCAPE.sub("", text) + '…"' + closing,) if opened >= 0 else ()
    return deepest, (*whole, text[:at] + closing)


def _beginning(body: str, notes: tuple[str, ...], cut: bool) -> Found | None:
    """JSON that ends in the middle: what there is of it."""
    for closed in nesting(body)[1]:
        try:
            value, _ = parsed(closed)
        except _BAD:
            continue  # the other way to close it, or none
        damaged = () if cut else ("The JSON ends in the middle: shown as far as it goes.",)
        return Found(Step("JSON", "the beginning"), value=value, text=body, notes=(*notes, *damaged))
    return None


def _lines(text: str, notes: tuple[str, ...], limits: Limits, cut: bool) -> Found | None:
    """Newline-delimited JSON: at least two lines, each an object or a list."""
    lines = [line for line in text.split("\n", LINES + 1) if line.strip()]
    if cut or len(lines) > LINES:
        lines = lines[: min(len(lines) - 1, LINES)]
        notes += (f"The first {len(lines):,} lines are read.",)
    if len(lines) < 2 or any(line.lstrip()[0] not in "{[" for line in lines):
        return None
    try:
        values = [parsed(line)[0] for line in lines]
    except _BAD:
        return None
    return Found(Step("JSON lines", f"{len(values):,}"), value=values, text=text, notes=notes)


def _integer(digits: str) -> int | Number:
    return int(digits) if len(digits) <= DIGITS else Number(digits)


def _float(digits: str) -> float | Number:
    if len(digits) > 2 * DIGITS:
        return Number(digits)
    number = float(digits)
    return number if repr(number) == digits else Number(digits)
