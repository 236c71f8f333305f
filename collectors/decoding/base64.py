"""Base64: text that must be of its alphabet alone, and must turn out to be something."""

from __future__ import annotations

import binascii
import re

from .piece import Found, Limits, Piece, Step
from .text import read

_ALPHABET = re.compile(rb"[A-Za-z0-9+/\s]{2,}={0,2}\s*|[A-Za-z0-9_\-\s]{2,}={0,2}\s*")

#: Shorter text is taken as it is: too many words are also base64.
SHORTEST = 16


def based64(piece: Piece, limits: Limits) -> Found | None:
    """Opens standard and URL-safe base64, with or without line ends and padding.

    Unless it is declared (Content-Encoding: base64), what comes out must be known by its first bytes or be text.
    """
    declared = not piece.inner and piece.content_encoding.lower() == "base64"
    if not _ALPHABET.fullmatch(piece.data):
        return None
    text = b"".join(piece.data.split()).translate(bytes.maketrans(b"-_", b"+/"), b"=")
    if len(text) < SHORTEST and not (declared and text):
        return None
    text = text[: len(text) // 4 * 4] if piece.cut else text + b"=" * (-len(text) % 4)
    try:
        data = binascii.a2b_base64(text, strict_mode=True)
    except binascii.Error:
        return None
    inner = piece.within(data, cut=piece.cut)
    if not declared and not _is_something(inner):
        return None
    return Found(Step("base64", f"{len(piece.data):,} → {len(data):,} bytes"), inner)


def _is_something(piece: Piece) -> bool:
    if piece.data[:2] in _BEGINNINGS or piece.data[:4] in _BEGINNINGS:
        return True
    text = read(piece)
    return text is not None and not any("not valid UTF-8" in note.lower() for note in text[1]) and text[0].isprintable()


#: gzip, zlib at its usual levels, bzip2, zstd, xz, lzma, pickle 2 to 5, Java, Ruby.
_BEGINNINGS = {
    b"\x1f\x8b", b"x\x01", b"x\x5e", b"x\x9c", b"x\xda", b"BZh9", b"\x28\xb5\x2f\xfd", b"\xfd7zX", b"]\x00\x00\x80",
    b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05", b"\xac\xed\x00\x05", b"\x04\x08",
}  # fmt: skip
