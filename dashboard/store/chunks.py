"""Sealed samples: what one queue said in one hour, as bytes, without loss.

A metric becomes two rows of a packed table (`packing.py`): its values, and one status per tick, which is the
Quality code or NOT_KNOWN. Values that are decimals of few digits are kept as whole numbers of the last digit, which
is what makes them small; what is not decimal (a rate over an uneven interval) is kept bit by bit.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from collectors.protocol import Quality

from ..ticks import Bytes, Floats, Ints
from .packing import Packed, pack

#: Status of a tick without a value; below it are Quality codes of a known one.
NOT_KNOWN = 4
#: Digits behind the point that are tried; the tag of a row is one of them, or BITS.
DIGITS = (0, 1, 2, 3)
BITS = 15
_EXACT = float(1 << 53)


def status_of(values: Floats, quality: Bytes) -> Bytes:
    """One status per value: its Quality code, or NOT_KNOWN."""
    status: Bytes = np.where(np.isnan(values), NOT_KNOWN, quality).astype(np.uint8)
    return status


def quality_of(status: Bytes) -> Bytes:
    """Quality codes again."""
    quality: Bytes = np.minimum(status, int(Quality.UNKNOWN)).astype(np.uint8)
    return quality


def encode(values: Floats, status: Bytes) -> list[bytes]:
    """Samples of B queues over T ticks, shapes (metrics, B, T), as one chunk per queue."""
    known = status != NOT_KNOWN
    numbers, tags = as_numbers(_filled(values, known))
    present = known.any(axis=2)
    rows = np.concatenate([numbers, status.astype(np.int64)])
    there = np.concatenate([present, np.ones_like(present)])
    return pack(rows, there, np.concatenate([tags, np.zeros_like(tags)]))


def decode(data: bytes, metrics: Sequence[int], ticks: int) -> tuple[Floats, Bytes]:
    """Values and statuses of some metrics (rows of METRICS), shapes (len(metrics), ticks).

    A metric that did not exist yet when the chunk was made is not known. Raises StoreError when it is damaged.
    """
    packed = Packed(data, ticks)
    count = packed.count // 2
    values = np.full((len(metrics), ticks), np.nan)
    status = np.full((len(metrics), ticks), NOT_KNOWN, np.uint8)
    for i, metric in enumerate(metrics):
        if metric >= count or not packed.has(metric):
            continue
        values[i] = as_floats(packed.row(metric), packed.tag(metric))
        status[i] = packed.row(count + metric)
        values[i, status[i] == NOT_KNOWN] = np.nan
    return values, status


def _filled(values: Floats, known: NDArray[np.bool_]) -> Floats:
    """Unknown values replaced by the known one before them (at the beginning: behind them), 0 where there is none."""
    ticks = values.shape[2]
    source = np.maximum.accumulate(np.where(known, np.arange(ticks), -1), axis=2)
    source = np.where(source < 0, known.argmax(axis=2)[:, :, None], source)
    filled = np.take_along_axis(values, source, axis=2)
    filled[~known.any(axis=2)] = 0.0
    return filled


def as_numbers(values: Floats) -> tuple[Ints, Bytes]:
    """Finite values as whole numbers, and by row (all axes but the last) the digits behind the point, or BITS."""
    numbers = values.view(np.int64).copy()
    tags = np.full(values.shape[:-1], BITS, np.uint8)
    with np.errstate(invalid="ignore", over="ignore"):
        for digits in DIGITS:
            open_rows = np.nonzero(tags == BITS)
            if not len(open_rows[0]):
                break
            rest = values[open_rows]
            whole = np.rint(rest * 10.0**digits)
            fits = ((whole / 10.0**digits == rest) & (np.abs(whole) < _EXACT)).all(axis=-1)
            done = tuple(axis[fits] for axis in open_rows)
            numbers[done] = whole[fits].astype(np.int64)
            tags[done] = digits
    return numbers, tags


def as_floats(numbers: Ints, tag: int) -> Floats:
    """The values of one row again."""
    if tag == BITS:
        return numbers.view(np.float64)
    return numbers / 10.0**tag if tag else numbers.astype(np.float64)
