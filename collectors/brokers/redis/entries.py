"""Ids of stream entries: `milliseconds-sequence`, a time unless whoever adds the entry chooses otherwise. Pure."""

from __future__ import annotations

from dataclasses import dataclass

#: Streams came with Redis 5.0; an id from before 2018 (or from the future) is a number of somebody's own.
EARLIEST = 1_514_764_800.0
#: Seconds by which a server's clock may have been set back since an entry was added.
AHEAD = 3600.0


@dataclass(frozen=True, slots=True, order=True)
class EntryId:
    """Ordered as Redis orders entries."""

    milliseconds: int = 0
    sequence: int = 0

    @classmethod
    def of(cls, raw: bytes) -> EntryId:
        """From `1700000000000-0`. Raises ValueError on anything else."""
        milliseconds, _, sequence = raw.partition(b"-")
        return cls(int(milliseconds), int(sequence or 0))

    def age(self, now: float) -> float | None:
        """Seconds since the entry was added; None when the id is not a time."""
        at = self.milliseconds / 1000
        return max(0.0, now - at) if EARLIEST < at < now + AHEAD else None


def beyond(counted: int, length: int, first: EntryId, reached: EntryId, last: EntryId) -> int | None:
    """How many entries follow a delivered one, when `counted` of them, up to `reached`, were counted and more follow.

    The rest is taken from how densely the stream is filled between its `first` and `last` entry; never less
    than was counted, never more than the `length`. None when the ids are no scale.
    """
    span = last.milliseconds - first.milliseconds
    if span <= 0 or not (first <= reached <= last):
        return None
    rest = length * (last.milliseconds - reached.milliseconds) / span
    return min(length, counted + round(rest))
