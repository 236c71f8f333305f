"""Where dead letters lie: the queues that hold them, how many there are, and of how many of them Weir knows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collectors.protocol import Quality

from ..models import Place
from ..snapshot import Snapshot, iso
from ..ticks import ROW, Ints
from .columns import Letters, distinct

_QUALITY = [quality.name.lower() for quality in Quality]


@dataclass(frozen=True, slots=True)
class Holder:
    """A queue that holds dead letters, now. `of`: how many lie there, None where it is not known."""

    id: int
    name: str
    broker: str
    broker_id: int
    of: int | None
    quality: str
    sampled_at: float
    stale: bool
    empty: bool  # its broker says that nothing lies there, nor is in anybody's hands
    lying: tuple[float, float]  # another one when something came or went

    @property
    def known(self) -> bool:
        return self.of is not None


def holders(snapshot: Snapshot) -> Mapping[int, Holder]:
    """Every queue that holds dead letters, by id: separate ones, and those that keep their own inside.

    Worked out once for each snapshot, however many ask.
    """
    global _known
    known = _known
    if known is None or known[0] is not snapshot:
        known = _known = (snapshot, _holders(snapshot))
    return known[1]


_known: tuple[Snapshot, Mapping[int, Holder]] | None = None


def _holders(snapshot: Snapshot) -> dict[int, Holder]:
    found: dict[int, Holder] = {}
    for i in np.flatnonzero(_holding(snapshot)).tolist():
        entry = snapshot.entries[i]
        if entry.gone_at is None:
            found[entry.id] = _holder(snapshot, i, "depth" if entry.holds_dead_letters else "dead_letters")
    return found


def holds(snapshot: Snapshot, queue: int) -> bool | None:
    """Whether a queue holds dead letters; None = that cannot be told now."""
    i = snapshot.index(queue)
    if i is None or snapshot.entries[i].gone_at is not None:
        return None
    if snapshot.entries[i].marked is False:
        return False
    return True if _holding(snapshot)[i] else None


def _holding(snapshot: Snapshot) -> NDArray[np.bool_]:
    inside = np.isfinite(snapshot.column("dead_letters"))
    told = [
        entry.holds_dead_letters or (own and entry.dead_letter_queue_id is None and entry.marked is not False)
        for entry, own in zip(snapshot.entries, inside.tolist(), strict=True)
    ]
    return np.array(told, bool)


def _holder(snapshot: Snapshot, i: int, column: str) -> Holder:
    entry = snapshot.entries[i]
    value = float(snapshot.column(column)[i])
    flight = float(snapshot.column("in_flight")[i])
    quality = int(snapshot.quality[ROW[column], i])
    stale = bool(snapshot.stale[i])
    return Holder(
        id=entry.id,
        name=entry.name,
        broker=snapshot.brokers[entry.broker].name,
        broker_id=entry.broker,
        of=None if np.isnan(value) else int(value),
        quality=_QUALITY[quality],
        sampled_at=float(snapshot.sampled_at[i]),
        stale=stale,
        empty=not stale and value == 0 and flight == 0 and quality == Quality.EXACT,
        lying=(value, flight if np.isfinite(flight) else -1.0),
    )


@dataclass(frozen=True, slots=True)
class Taken:
    """Of how many letters a count was taken, and when.

    taken     letters that Weir knows of
    of        letters that lie there; None = of some queue that cannot be told
    as_of     epoch seconds of the oldest look behind it; None = some queue was never looked into
    unlooked  names of queues that were never looked into
    """

    taken: int
    of: int | None
    exact: bool
    as_of: float | None
    unlooked: tuple[str, ...] = ()

    def sentence(self, now: float) -> str:
        """ "from 2,000 of 184,000, 3 min ago"."""
        whole = "?" if self.of is None else f"{'' if self.exact else '≈'}{self.of:,}"
        when = "never looked" if self.as_of is None else ago(now - self.as_of)
        return f"from {self.taken:,} of {whole}, {when}"

    def shown(self, now: float) -> dict[str, Any]:
        """As the API shows it."""
        return {
            "taken": self.taken,
            "of": self.of,
            "exact": self.exact,
            "as_of": None if self.as_of is None else iso(self.as_of),
            "sentence": self.sentence(now),
        }


def ago(seconds: float) -> str:
    """ "just now", "3 min ago"."""
    if seconds < 5:
        return "just now"
    for size, word in ((86400, "d"), (3600, "h"), (60, "min"), (1, "s")):
        if seconds >= size:
            return f"{int(seconds // size)} {word} ago"
    return "just now"


def told(row: Place | None) -> dict[str, Any] | None:
    """How a queue is looked into, as the API shows it; None = it never was, and no price is known."""
    if row is None:
        return None
    return {
        "price": row.price or None,
        "free": row.free,
        "refused": row.refused or None,
        "by_itself": row.by_itself,
        "looked_at": iso(row.looked_at or 0.0),
        "complete_at": iso(row.complete_at or 0.0),
        "error": row.error or None,
    }


class Coverage:
    """Of how many letters counts are taken, queue by queue, at one moment."""

    def __init__(self, letters: Letters, held: Mapping[int, Holder], rows: Mapping[int, Place]) -> None:
        self.held, self.rows = held, rows
        there = letters.there
        ids, where = distinct(letters.whole["queue_id"])
        counts = np.bincount(where, letters.whole["count"] * there, len(ids))
        self._taken = dict(zip(ids.tolist(), counts.astype(int).tolist(), strict=True))

    def taken(self, queue: int) -> int:
        return int(self._taken.get(queue, 0))

    def as_of(self, queue: int) -> float | None:
        """When the queue was last looked into; of one that is read through, when that was last done."""
        row = self.rows.get(queue)
        return None if row is None else row.looked_at

    def of(self, queue: int) -> tuple[int | None, bool]:
        """How many lie there, and whether that is exact."""
        holder, row = self.held.get(queue), self.rows.get(queue)
        if holder is not None and holder.of is not None and not holder.stale:
            return holder.of, holder.quality == "exact"
        return (row.of, False) if row is not None else (None, False)

    def over(self, queues: Sequence[int] | Ints) -> Taken:
        """Of several queues together."""
        taken, of, exact, oldest = 0, 0, True, float("inf")
        unknown, unlooked = False, []
        for queue in (int(one) for one in queues):
            lying, sure = self.of(queue)
            at, n = self.as_of(queue), self.taken(queue)
            taken += n
            of += max(lying or 0, n if not sure else 0)
            exact, unknown = exact and sure, unknown or lying is None
            if at is None and lying != 0:
                unlooked.append(self.held[queue].name if queue in self.held else f"queue {queue}")
            oldest = min(oldest, at) if at is not None else oldest
        as_of = None if oldest == float("inf") else oldest
        return Taken(taken, None if unknown else of, exact, as_of, tuple(unlooked))


def rows() -> dict[int, Place]:
    """What is written of every place."""
    return {row.queue_id: row for row in Place.objects.all()}
