"""Bytes that could run code when loaded, and others that need a schema: named and shown, never loaded.

A pickle is a program: it is disassembled by the standard library's `pickletools`, which reads it without running it.
"""

from __future__ import annotations

import pickletools
import re
from typing import Any

from .piece import Found, Limits, Piece, Step
from .text import cut, hex_dump

#: Bytes and instructions of a pickle that are disassembled, and characters of one argument.
PICKLE_BYTES, INSTRUCTIONS, ARGUMENT = 64 * 1024, 2_000, 200

#: Protocols 2 to 5 say so; 0 and 1 have no beginning of their own, and are known when they are declared.
_PICKLE = re.compile(rb"\x80[\x02-\x05]")
_TEXTS = {"STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"}

#: name, the first bytes, and what is known of them.
CLOSED: tuple[tuple[str, re.Pattern[bytes], str], ...] = (
    ("Java serialization", re.compile(rb"\xac\xed\x00\x05"), "Loading it could run code: its bytes are shown."),
    (".NET BinaryFormatter", re.compile(rb"\x00\x01\x00\x00\x00\xff\xff\xff\xff\x01\x00\x00\x00"),
     "Loading it could run code: its bytes are shown."),
    ("Ruby Marshal", re.compile(rb"\x04\x08[\"\[{oIiu@c:]"), "Loading it could run code: its bytes are shown."),
)  # fmt: skip
_PHP = re.compile(rb"(?:[OC]:\d{1,9}:\"|a:\d{1,9}:\{)[^\x00]")
_XML = re.compile(rb"\s*<(?:\?xml\s|!DOCTYPE\s|[A-Za-z_][\w.:-]{0,60}[\s>/])")
_FRAMED = re.compile(rb"\x00(....)(?=\s*[{\[])", re.S)


def pickled(piece: Piece, limits: Limits) -> Found | None:
    """Disassembles a pickle. Told by its first and last bytes, or by its declared content type."""
    declared = "python-serialize" in piece.content_type or "pickle" in piece.content_type
    if not declared and not (_PICKLE.match(piece.data) and (piece.cut or piece.data.rstrip(b"\n")[-1:] == b".")):
        return None
    lines, imports, problem = _disassembled(piece.data[:PICKLE_BYTES])
    if not lines:
        return None
    notes = ["A pickle is a program: it is shown, never loaded."]
    if imports:
        notes.append(f"Loading it would import {cut(', '.join(dict.fromkeys(imports)), 500)}.")
    if problem:
        notes.append(problem)
    return Found(Step("pickle", "not loaded"), text="\n".join(lines), notes=tuple(notes))


def _disassembled(data: bytes) -> tuple[list[str], list[str], str]:
    """Lines of instructions, what they would import, and a sentence when there is more than was read."""
    lines: list[str] = []
    imports: list[str] = []
    texts: list[str] = []
    try:
        for code, argument, at in pickletools.genops(data):
            if len(lines) >= INSTRUCTIONS:
                return lines, imports, f"Shown: the first {INSTRUCTIONS:,} instructions."
            lines.append(f"{at or 0:6d}  {code.name:<16} {_argument(argument)}".rstrip())
            if code.name in _TEXTS:
                texts = [*texts[-1:], str(argument)]
            elif code.name == "STACK_GLOBAL":
                imports.append(cut(".".join(texts), ARGUMENT))
            elif code.name in ("GLOBAL", "INST"):
                imports.append(cut(str(argument).replace(" ", "."), ARGUMENT))
    except (ValueError, IndexError, OverflowError, MemoryError):
        return lines, imports, "Its end is damaged, or beyond what is read."
    return lines, imports, ""


def _argument(argument: Any) -> str:
    if argument is None:
        return ""
    if isinstance(argument, int) and argument.bit_length() > 512:
        return f"an integer of {argument.bit_length():,} bits"
    return cut(repr(argument[: ARGUMENT + 1] if isinstance(argument, str | bytes) else argument), ARGUMENT)


def closed(piece: Piece, limits: Limits) -> Found | None:
    """Other serialised objects, by their first bytes: named, and shown as they are."""
    for name, magic, note in CLOSED:
        if magic.match(piece.data):
            return Found(Step(name, "not loaded"), text=hex_dump(piece.data), notes=(note,))
    if _PHP.match(piece.data):
        text = piece.data.decode("utf-8", "replace")
        return Found(Step("PHP serialization", "not loaded"), text=text, notes=("Shown as text, never loaded.",))
    return None


def framed(piece: Piece, limits: Limits) -> Found | None:
    """Confluent's framing of JSON: a zero byte and the number of a schema, big-endian, before the content."""
    match = _FRAMED.match(piece.data)
    if match is None:
        return None
    schema = int.from_bytes(match[1], "big")
    return Found(Step("Confluent framing", f"schema {schema}"), piece.within(piece.data[5:], cut=piece.cut))


def kind_of_text(piece: Piece) -> str:
    """What kind of text it is: XML, whose entities are never resolved, YAML, which is never loaded, or any."""
    if "yaml" in piece.content_type:
        return "YAML"
    return "XML" if _XML.match(piece.data) else "text"
