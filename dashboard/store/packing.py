"""Rows of whole numbers as few bytes: differences, as wide as they need to be, bytes of one weight together, zlib.

A packed table holds R rows of T int64 each; a row may be absent, and carries a tag (0 to 15) of its owner's choice:

    1 byte    format (1)
    1 byte    R
    4 bytes   T
    R bytes   form of each row: tag * 16 + width code
    8 bytes   first number, for each row that is present
    ...       T - 1 differences of each row that is not constant, zigzag, in the width of its largest one,
              all lowest bytes first, then the next ones

and all of it through zlib, whose checksum finds damage. A constant row costs eight bytes before zlib and no time
when it is read. An hour of 360 ticks of the mix in `tests/bench/samples_mix.py` took 0.12 bytes per value; with all
differences eight bytes wide 0.13, floats combined with the one before by XOR 0.19, floats as they are 0.21, all through
zlib 6. Zlib 9 gained nothing and zlib 1 lost a fifteenth; lzma gained a twentieth for twice the time.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..ticks import Bytes, Ints
from .base import StoreError

FORMAT = 1
LEVEL = 6
ABSENT, CONSTANT = 0, 1
#: Bytes per difference, by width code.
WIDTHS = (0, 0, 1, 2, 4, 8)
#: By form: whether the row is present, and bytes per difference (no such code: -1, which fits no size).
_HAS = [int(form & 15 != ABSENT) for form in range(256)]
_WIDE = [WIDTHS[form & 15] if form & 15 < len(WIDTHS) else -1 for form in range(256)]
_HEAD = struct.Struct("<BBI")


def pack(rows: Ints, present: NDArray[np.bool_], tags: Bytes) -> list[bytes]:
    """Tables of several owners, each packed on its own: rows (R, B, T), present and tags (R, B) -> B packed tables.

    What stands in an absent row is not kept. T is at least 1.
    """
    count, owners, length = rows.shape
    with np.errstate(over="ignore"):  # differences may wrap around, and wrap back when they are summed up
        steps = np.diff(rows, axis=2)
        zigzag = ((steps << 1) ^ (steps >> 63)).view(np.uint64)
    largest = zigzag.max(axis=2, initial=0)
    codes = 1 + (largest > 0) + sum((largest >= np.uint64(1 << bits)).astype(np.uint8) for bits in (8, 16, 32))
    codes = np.where(present, codes, ABSENT).astype(np.uint8)
    planes = {code: _planes(zigzag, WIDTHS[code]) for code in np.unique(codes).tolist() if code > CONSTANT}
    forms = (tags << 4 | codes).T
    head = _HEAD.pack(FORMAT, count, length)
    packed = []
    for owner in range(owners):
        mine = codes[:, owner]
        parts = [head, forms[owner].tobytes(), rows[mine != ABSENT, owner, 0].tobytes()]
        parts += [planes[mine[row]][row, owner].tobytes() for row in np.flatnonzero(mine > CONSTANT).tolist()]
        packed.append(zlib.compress(b"".join(parts), LEVEL))
    return packed


def _planes(zigzag: NDArray[np.uint64], width: int) -> Bytes:
    """Differences as bytes of one weight together, shape (R, B, width, T - 1)."""
    narrow = zigzag.astype(f"<u{width}")
    return narrow.view(np.uint8).reshape(*zigzag.shape, width).swapaxes(2, 3)


class Packed:
    """A packed table, read row by row. StoreError when it is damaged or is no table of `length` columns."""

    def __init__(self, data: bytes, length: int) -> None:
        try:
            self._body = zlib.decompress(data)
            form, self.count, self.length = _HEAD.unpack_from(self._body)
            if form != FORMAT or self.length != length:
                raise StoreError(f"Sealed samples are of format {form} with {self.length} columns, not {length}.")
            self._forms = self._body[_HEAD.size : _HEAD.size + self.count]
            place = _HEAD.size + self.count
            self._first = [place := place + 8 * _HAS[form] for form in self._forms]  # where the next one's is
            self._next = [place := place + (length - 1) * _WIDE[form] for form in self._forms]
            if place != len(self._body) or len(self._forms) != self.count:
                raise StoreError("Sealed samples have another size than they say.")
        except (zlib.error, struct.error, IndexError) as error:
            raise StoreError(f"Sealed samples are damaged: {error}.") from error

    def has(self, row: int) -> bool:
        return row < self.count and self._forms[row] & 15 != ABSENT

    def tag(self, row: int) -> int:
        return self._forms[row] >> 4

    def row(self, row: int) -> Ints:
        """The numbers of a row that is present, shape (T,)."""
        form, steps = self._forms[row], self.length - 1
        width = _WIDE[form]
        if not width:
            return np.full(self.length, self._number(row), np.int64)
        planes = np.frombuffer(self._body, np.uint8, width * steps, self._next[row] - width * steps)
        if width > 1:
            planes = np.ascontiguousarray(planes.reshape(width, steps).T).reshape(-1)
        zigzag = planes.view(f"<u{width}").astype(np.int64)
        numbers = np.empty(self.length, np.int64)
        numbers[0] = self._number(row)
        numbers[1:] = (zigzag >> 1 & 0x7FFF_FFFF_FFFF_FFFF) ^ -(zigzag & 1)
        return np.cumsum(numbers, out=numbers)

    def rows(self, rows: Sequence[int]) -> Ints:
        """Several rows that are present, shape (len(rows), T)."""
        return np.array([self.row(row) for row in rows], np.int64).reshape(len(rows), self.length)

    def _number(self, row: int) -> int:
        return int.from_bytes(self._body[self._first[row] - 8 : self._first[row]], "little", signed=True)
