"""Letters in groups: by cause, queue or type, with count, first and last, trend, and what is new. Pure: columns in.

A count is of messages: letters that are equal count as often as they lie there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..ticks import Floats, Ints
from .columns import Letters, distinct

BY = ("cause", "queue", "type")
#: Bars of a trend, and hours that they cover.
BARS, HOURS = 24, 24.0
#: What is new when nobody says since when.
NEW_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Group:
    """key            id of a cause or a queue, or the type as a text
    count          messages, of which `new` are those that came since the time asked for
    letters        different ones
    first, last    epoch seconds at which the first and the last of them died (or was first seen)
    trend          messages that died in each of the last 24 hours, the oldest first
    queues, causes ids
    expires_at     when the first of them is dropped by its broker, None = not known
    replayed       messages that were replayed before
    bytes          of all their bodies
    """

    key: int | str
    count: int
    letters: int
    new: int
    first: float
    last: float
    trend: list[int]
    queues: list[int]
    causes: list[int]
    expires_at: float | None
    replayed: int
    bytes: int


def grouped(index: Letters, mask: NDArray[np.bool_], by: str, now: float, since: float | None) -> list[Group]:
    """The letters that the mask lets through, in groups, the largest first.

    New is what was first seen since a time. Without one it is what died within an hour: a queue that is read for the
    first time is not all new.
    """
    rows = np.flatnonzero(mask)
    if not len(rows):
        return []
    column = index.type[rows].astype(np.int64) if by == "type" else index.whole[f"{by}_id"][rows]
    keys, codes = distinct(column)
    n = len(keys)
    count, died = index.whole["count"][rows], index.died[rows]

    def total(weights: Ints | NDArray[np.bool_]) -> Ints:
        return np.bincount(codes, weights, n).astype(np.int64)

    counts = total(count)
    new = total(count * (died > now - NEW_SECONDS if since is None else index.floats["first_seen"][rows] > since))
    replayed = total(count * (index.whole["replayed"][rows] > 0))
    sizes = total(count * index.whole["size"][rows])
    letters = np.bincount(codes, minlength=n)
    first, last = _ends(codes, died, n)
    expiry, _ = _ends(codes, np.where(np.isnan(e := index.floats["expires_at"][rows]), np.inf, e), n)
    trends = _trends(codes, died, count, n, now)
    queues = _along(codes, index.whole["queue_id"][rows], n)
    causes = _along(codes, index.whole["cause_id"][rows], n)
    groups = [
        Group(
            key=index.types[key] if by == "type" else key,
            count=int(counts[i]),
            letters=int(letters[i]),
            new=int(new[i]),
            first=float(first[i]),
            last=float(last[i]),
            trend=trends[i].tolist(),
            queues=queues[i],
            causes=causes[i],
            expires_at=float(expiry[i]) if np.isfinite(expiry[i]) else None,
            replayed=int(replayed[i]),
            bytes=int(sizes[i]),
        )
        for i, key in enumerate(keys.tolist())
    ]
    return sorted(groups, key=lambda group: (-group.count, -group.last))


def _ends(codes: Ints, values: Floats, n: int) -> tuple[Floats, Floats]:
    """The least and the greatest value of each group."""
    low, high = np.full(n, np.inf), np.full(n, -np.inf)
    np.minimum.at(low, codes, values)
    np.maximum.at(high, codes, values)
    return low, high


def _trends(codes: Ints, died: Floats, count: Ints, n: int, now: float) -> Ints:
    """Messages that died, by group and bar."""
    step = HOURS * 3600 / BARS
    bars = np.floor((died - now) / step).astype(np.int64) + BARS
    within = (bars >= 0) & (bars < BARS + 1)  # a clock that is a little ahead counts as now
    flat = codes[within] * BARS + np.minimum(bars[within], BARS - 1)
    return np.bincount(flat, count[within], n * BARS).astype(np.int64).reshape(n, BARS)


def _along(codes: Ints, ids: Ints, n: int) -> list[list[int]]:
    """The distinct ids that each group has."""
    found, places = distinct(ids)
    pairs, _ = distinct(codes * len(found) + places)
    out: list[list[int]] = [[] for _ in range(n)]
    for pair in pairs.tolist():
        out[pair // len(found)].append(int(found[pair % len(found)]))
    return out
