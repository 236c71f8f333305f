"""How finely the past is kept: samples as they came, then one rollup a minute, then one an hour.

Samples are sealed by the hour, minutes by the day, hours by ten days: a seal holds the span of one broker, with a
chunk for each queue that said something. What is sealed on one level is rolled up into the next before it is dropped.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np

from ..ticks import Floats
from .base import StoreError


@dataclass(frozen=True, slots=True)
class Level:
    """`number` is stored: never renumber. `step`: seconds between two times (0: as polled); `span`: of a seal."""

    number: int
    step: int
    span: int

    def start(self, at: float) -> int:
        """The start of the span in which a time lies."""
        return int(at // self.span) * self.span


RAW, MINUTE, HOUR = Level(0, 0, 3600), Level(1, 60, 86_400), Level(2, 3600, 864_000)
LEVELS = (RAW, MINUTE, HOUR)

#: States of a seal: being made (its chunks are not read yet), in use, to be removed.
MAKING, IN_USE, REMOVED = 0, 1, 2


@dataclass(slots=True)
class Seal:
    """A row of the table, without its times. `interval`: usual seconds between two ticks, or two rollups."""

    id: int
    level: Level
    start: int
    rolled: bool
    ticks: int
    interval: float

    @property
    def end(self) -> int:
        return self.start + self.level.span


#: The columns of a Seal, in the order of `seal_of`.
SEAL_COLUMNS = "id, level, start, rolled, ticks, interval"


def seal_of(row: tuple[int, int, int, int, int, float]) -> Seal:
    number, level, start, rolled, ticks, interval = row
    return Seal(number, LEVELS[level], start, bool(rolled), ticks, interval)


def pack_times(times: Floats) -> bytes:
    """The times of a seal, ascending, without loss."""
    return zlib.compress(np.diff(times.view(np.int64), prepend=0).astype("<i8").tobytes())


def unpack_times(data: bytes) -> Floats:
    """Raises StoreError when they are damaged."""
    try:
        return np.cumsum(np.frombuffer(zlib.decompress(data), "<i8")).astype(np.int64).view(np.float64)
    except (zlib.error, ValueError) as error:
        raise StoreError(f"The times of sealed samples are damaged: {error}.") from error
