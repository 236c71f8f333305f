"""Compressed bytes, opened only as far as a limit: a bomb gives its first megabyte and is then left alone.

kombu has a registry of compressions, but its decoders know no limit; its names for them are understood (its
"application/x-gzip" and its alias "gzip" mean zlib's format, which is why formats are told by their first bytes).
"""

from __future__ import annotations

import bz2
import lzma
import re
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import zstandard

from .piece import Found, Limits, Piece, Step
from .text import hex_dump, read

#: Memory that a decompressor may take for its window: LZMA and Zstandard let the sender choose.
WINDOW = 64 << 20

#: Bytes handed at a time to a decompressor without a limit: four may become 128 kB, a whole block (RFC 8878, 3.1.1.2).
_SLICE = 64

#: Members of one file (gzip and the others may be several, one after the other) that are opened.
_MEMBERS = 1_000

_FAILURES = (zlib.error, lzma.LZMAError, zstandard.ZstdError, OSError, EOFError, ValueError, MemoryError)
_BZIP2 = re.compile(rb"BZh[1-9](?:1AY&SY|\x17rE8P\x90)")


#: A window of 32 kB at each of the four levels (RFC 1950). "x^" is also text: then it must open to its end.
_ZLIB = (b"x\x01", b"x\x5e", b"x\x9c", b"x\xda")


#: name, whether the bytes begin so, and what opens it.
FORMATS: tuple[tuple[str, Callable[[bytes], bool], Callable[[], Any]], ...] = (
    ("gzip", lambda data: data.startswith(b"\x1f\x8b\x08"), lambda: zlib.decompressobj(31)),
    ("zlib", lambda data: data.startswith(_ZLIB), lambda: zlib.decompressobj(15)),
    ("bzip2", lambda data: bool(_BZIP2.match(data)), bz2.BZ2Decompressor),
    ("xz", lambda data: data.startswith(b"\xfd7zXZ\x00"), lambda: lzma.LZMADecompressor(memlimit=WINDOW)),
    ("lzma", lambda data: data.startswith(b"\x5d\x00\x00"), lambda: lzma.LZMADecompressor(memlimit=WINDOW)),
    ("zstd", lambda data: data.startswith(b"\x28\xb5\x2f\xfd"), lambda: _Zstandard()),
)

#: Whose first bytes can mean nothing else.
CERTAIN = ("gzip", "bzip2", "xz", "zstd")
_DAMAGED = f"The {{name}} content cannot be opened: it is damaged, or wants more than {WINDOW >> 20} MB of memory."

#: Told by name only, since it has no beginning of its own.
DEFLATE: tuple[str, Callable[[], Any]] = ("deflate", lambda: zlib.decompressobj(-15))

#: Brotli has no beginning of its own either; the last is kombu's name for it.
BROTLI = ("br", "brotli", "application/x-brotli")

#: Known, and not opened.
CLOSED = (("LZ4", b"\x04\x22\x4d\x18"), ("Snappy", b"\xff\x06\x00\x00sNaPpY"), ("Snappy", b"\x82SNAPPY\x00"))


def compressed(piece: Piece, limits: Limits) -> Found | None:
    """Opens gzip, zlib, bzip2, xz, lzma and zstd by their first bytes, and raw deflate when it is declared."""
    for name, begins, opener in FORMATS:
        if begins(piece.data):
            if found := _found(name, opener, piece, limits):
                return found
            if name in CERTAIN and read(piece) is None:
                return Found(Step(name, "not opened"), text=hex_dump(piece.data), notes=(_DAMAGED.format(name=name),))
    for name, magic in CLOSED:
        if piece.data.startswith(magic):
            return _closed(name, piece)
    declared = "" if piece.inner else piece.content_encoding.lower()
    if declared == "deflate":
        return _found(*DEFLATE, piece, limits)
    brotli = declared in BROTLI or piece.headers.get("compression") in BROTLI
    return _closed("Brotli", piece) if brotli and read(piece) is None else None


def _closed(name: str, piece: Piece) -> Found:
    return Found(Step(name), text=hex_dump(piece.data), notes=(f"Compressed with {name}, which Weir does not open.",))


def _found(name: str, opener: Callable[[], Any], piece: Piece, limits: Limits) -> Found | None:
    data, whole = opened(piece.data, opener, limits.bytes)
    if not whole and (not data or (not piece.cut and read(piece) is not None)):
        return None
    notes: tuple[str, ...] = ()
    if len(data) >= limits.bytes:
        notes = (f"The {name} content is cut: shown from its first {limits.bytes:,} bytes.",)
    elif not whole and not piece.cut:
        notes = (f"The {name} content is damaged: it ends after {len(data):,} bytes.",)
    detail = f"{len(piece.data):,} → {len(data):,} bytes"
    return Found(Step(name, detail), piece.within(data, cut=bool(notes) or (piece.cut and not whole)), notes=notes)


def opened(data: bytes, opener: Callable[[], Any], limit: int) -> tuple[bytes, bool]:
    """The first `limit` bytes of what is inside, and whether that is all. What is damaged gives what came before."""
    out, whole = bytearray(), False
    try:
        for chunk, ends in _chunks(data, opener, limit):
            out += chunk
            whole = ends
            if len(out) >= limit:
                return bytes(out[:limit]), False
    except _FAILURES:
        whole = False  # said by the caller, with what could be read
    return bytes(out), whole


def _chunks(data: bytes, opener: Callable[[], Any], limit: int) -> Iterator[tuple[bytes, bool]]:
    """What comes out, piece by piece, each with whether its member has ended there."""
    for _ in range(_MEMBERS):
        machine, pending = opener(), data
        while True:
            chunk = machine.decompress(pending, limit)
            yield chunk, machine.eof
            if machine.eof or not chunk:
                break
            pending = getattr(machine, "unconsumed_tail", b"")
        data = machine.unused_data
        if not machine.eof or len(data) < 3:  # what follows is another member, or padding, or nothing
            return


class _Zstandard:
    """zstandard's decompressor in the shape of the standard library's: it knows no limit of its own."""

    def __init__(self) -> None:
        self.machine = zstandard.ZstdDecompressor(max_window_size=WINDOW).decompressobj()
        self.unconsumed_tail = b""

    def decompress(self, data: bytes, limit: int) -> bytes:
        out, at = bytearray(), 0
        while at < len(data) and len(out) < limit and not self.machine.eof:
            out += self.machine.decompress(data[at : at + _SLICE])
            at += _SLICE
        self.unconsumed_tail = data[at:]
        return bytes(out)

    @property
    def eof(self) -> bool:
        return self.machine.eof

    @property
    def unused_data(self) -> bytes:
        return self.machine.unused_data + self.unconsumed_tail
