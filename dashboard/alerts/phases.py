"""Where each queue stands with one rule: quiet, waiting out its time, firing, or on its way to be closed. Pure.

The same steps judge live ticks and stored history. A rule does not flap: it fires when the limit was passed for
its time without a break, and closes when the lower level was kept for its own time without a break.
What is not known counts neither way: the clocks stand still meanwhile, and so they do through a gap between polls.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from ..ticks import Bytes, Floats, Ints, aligned

Bools = NDArray[np.bool_]
_SLACK = 1e-3  # seconds: times are sums of floats


class Phase(IntEnum):
    """The numbers are stored: never renumber them."""

    OK = 0
    PENDING = 1  # the limit is passed, but not yet for long enough
    FIRING = 2
    CLEARING = 3  # firing, but the lower level is kept


@dataclass(slots=True)
class Look:
    """One look at every queue. `over`: beyond the limit; `clear`: beyond neither the limit nor the lower level.

    `unknown`: neither can be said. `held`: only an earlier measurement was carried on, so nothing is judged.
    All of shape (n,).
    """

    over: Bools
    clear: Bools
    unknown: Bools
    held: Bools | None = None


@dataclass(slots=True)
class Phases:
    """Phase of every queue of `ids` (ascending), and since when: epoch seconds, of its own clock."""

    lasting: float
    closing: float
    ids: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    phase: Bytes = field(default_factory=lambda: np.empty(0, np.uint8))
    since: Floats = field(default_factory=lambda: np.empty(0))
    quiet: bool = True  # every queue is OK
    stirred: int = 0  # rises whenever anything here is another

    def over_queues(self, ids: Ints) -> Ints:
        """Have exactly these queues; the ids of those that fired and are no longer among them."""
        if ids is self.ids or np.array_equal(ids, self.ids):
            self.ids = ids
            return ids[:0]
        lost = self.ids[(self.phase >= Phase.FIRING) & ~np.isin(self.ids, ids)] if not self.quiet else ids[:0]
        self.phase, self.since = aligned(self.phase, self.ids, ids), aligned(self.since, self.ids, ids)
        self.since = np.nan_to_num(self.since)
        self.ids = ids
        self.quiet = not self.phase.any()
        self.stirred += len(lost)
        return lost

    def pause(self, seconds: float) -> None:
        """Let a time pass that counts neither way."""
        if not self.quiet:
            self.stirred += 1
            self.since[(self.phase == Phase.PENDING) | (self.phase == Phase.CLEARING)] += seconds

    def step(self, at: float, span: float, look: Look) -> tuple[Ints, Ints]:
        """Take one look, `span` seconds after the last one; the rows that begin to fire, and those that close."""
        none = np.empty(0, np.int64)
        if self.quiet and not look.over.any():
            return none, none
        phase, since = self.phase, self.since
        known = ~look.unknown if look.held is None else ~(look.unknown | look.held)
        over, clear = look.over & known, look.clear & known
        pending, clearing = phase == Phase.PENDING, phase == Phase.CLEARING
        blind = (pending | clearing) & ~known
        if look.held is not None:
            blind &= ~look.held
        since[blind] += span
        begins = over & (phase == Phase.OK)
        since[begins] = at
        fires = (begins | (pending & over)) & (at - since >= self.lasting - _SLACK)
        phase[begins] = Phase.PENDING
        drops, returns = pending & known & ~over, clearing & known & ~clear
        phase[drops], phase[returns] = Phase.OK, Phase.FIRING
        calms = clear & (phase == Phase.FIRING)
        since[calms] = at
        closes = (calms | (clearing & clear)) & (at - since >= self.closing - _SLACK)
        phase[calms] = Phase.CLEARING
        phase[fires], phase[closes] = Phase.FIRING, Phase.OK
        since[fires] = at
        self.quiet = not phase.any()
        self.stirred += bool((begins | blind | fires | drops | returns | calms | closes).any())
        return np.flatnonzero(fires), np.flatnonzero(closes)

    def kept(self) -> list[tuple[int, int, float]]:
        """What a restart has to know: (queue, phase, since) of every queue that is not OK."""
        rows = np.flatnonzero(self.phase)
        columns = (self.ids[rows].tolist(), self.phase[rows].tolist(), self.since[rows].tolist())
        return list(zip(*columns, strict=True))

    def restore(self, kept: list[tuple[int, int, float]]) -> None:
        """The opposite of `kept`."""
        rows = sorted(kept)
        self.ids = np.array([row[0] for row in rows], np.int64)
        self.phase = np.array([row[1] for row in rows], np.uint8)
        self.since = np.array([row[2] for row in rows], np.float64)
        self.quiet = not self.phase.any()

    def adopt(self, queue: int) -> None:
        """A queue fires, whatever was thought of it here: somebody opened an incident of it."""
        rows = [row for row in self.kept() if row[0] != queue or row[1] >= Phase.FIRING]
        if queue in [row[0] for row in rows]:
            return
        at = int(np.searchsorted(self.ids, queue))
        if at >= len(self.ids) or self.ids[at] != queue:
            self.ids = np.insert(self.ids, at, queue)
            self.phase, self.since = np.insert(self.phase, at, 0), np.insert(self.since, at, 0.0)
        self.phase[at], self.quiet = Phase.FIRING, False


def at_once(times: Floats, advance: Floats, look: Look, lasting: float, closing: float) -> tuple[Ints, Ints, Ints]:
    """What `step` does over a whole history, look of shape (t, n): queue, moment of firing, of closing (-1: not yet).

    `advance`: how far the clocks go on at each moment. Whether a limit was passed for long enough does not depend on
    the phase: a run of looks beyond it ends what came before, and so does a run of looks that are clear.
    """
    known = ~look.unknown
    over, clear = look.over & known, look.clear & known
    clock = np.cumsum(np.where(known, advance[:, None], 0.0), axis=0) if look.unknown.any() else None
    clock = np.cumsum(advance)[:, None] if clock is None else clock
    fires = _long_enough(over, known, clock, lasting)
    closes = _long_enough(clear, known, clock, closing)
    queue, moment = np.nonzero((fires | closes).T)
    begins = fires[moment, queue]
    first = np.diff(queue, prepend=-1) != 0
    before = np.concatenate([[False], begins[:-1]]) & ~first  # whether it fired at the moment before
    turns = begins != before
    queue, moment, begins = queue[turns], moment[turns], begins[turns]
    opens = np.flatnonzero(begins)
    follows = np.minimum(opens + 1, max(len(queue) - 1, 0))
    closed = (follows > opens) & (queue[follows] == queue[opens]) if len(opens) else np.zeros(0, bool)
    return queue[opens], moment[opens], np.where(closed, moment[follows], -1)


def _long_enough(yes: Bools, known: Bools, clock: Floats, lasting: float) -> Bools:
    """Where it is so, and has been for so long by the queue's own clock, unknown moments left out."""
    if lasting <= 0:
        return yes
    moments = np.arange(len(yes), dtype=np.int32)[:, None]
    broken = np.maximum.accumulate(np.where(known & ~yes, moments, np.int32(-1)), axis=0)
    held = np.maximum.accumulate(np.where(yes, moments, np.int32(-1)), axis=0)
    earlier = np.vstack([np.full((1, yes.shape[1]), -1, np.int32), held[:-1]])
    starts = np.maximum.accumulate(np.where(yes & (earlier <= broken), moments, np.int32(0)), axis=0)
    since = np.take_along_axis(np.broadcast_to(clock, yes.shape), starts, axis=0)
    enough: Bools = yes & (clock - since >= lasting - _SLACK)
    return enough
