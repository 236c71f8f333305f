"""States over a whole history of rollups at once, near to what they were: previews over weeks cannot judge each poll
again as it was judged live. Pure.

The questions are those of `insight.states` (is anything completed, does the backlog rise or fall beyond its noise,
does anything flow), asked of averages of minutes over two windows. What is shorter than a few minutes is not seen.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..insight.vocabulary import State
from ..ticks import Floats, Ints
from .frames import Stored
from .phases import Bools

#: What they are made of.
NEEDS = ("depth", "lag_messages", "in_flight", "out_rate", "in_rate", "consumers")
#: Rows that a trend is looked for in, with Student's t for one chance in 2,000; what it adds up to at least.
WINDOWS = ((10, 4.78), (60, 3.46))
LEAST, LEAST_SHARE, STAY = 5.0, 0.02, 2.0
#: Nothing is completed for so many rows: stalled; while messages are in somebody's hands. And so many usual distances.
QUIET, QUIET_HELD, QUIET_GAPS = 1, 2, 4.5
IDLE_AFTER, GAP = 5, 3.5
_HOUR = 60  # rows
_AT_ONCE = 16  # queues, whose numbers the processor's own memory holds


def states(stored: Stored, resting: Ints, wanted: State | None = None) -> Floats:
    """Codes of State per moment and queue. `wanted`: whether it is this one is all that matters."""
    found = np.full((len(stored.times), len(stored.ids)), np.nan)
    if not len(stored.times):
        return found
    columns = {name: stored.numbers(name) for name in ("waiting", "in_flight", "out_rate", "in_rate", "consumers")}
    new = np.append(True, np.diff(stored.times) > GAP * max(stored.step, 1.0))  # moments without one just before
    rests = np.isin(stored.ids, resting)
    for first in range(0, len(stored.ids), _AT_ONCE):
        some = slice(first, first + _AT_ONCE)
        part = {name: np.ascontiguousarray(column[:, some]) for name, column in columns.items()}
        found[:, some] = _states(part, new, max(stored.step, 1.0), rests[some], wanted)
    return found


def _states(
    numbers: Mapping[str, Floats], new: Bools, seconds: float, rests: Bools, wanted: State | None
) -> NDArray[np.int8]:
    waits, out, arrives = numbers["waiting"], numbers["out_rate"], numbers["in_rate"]
    held = np.nan_to_num(numbers["in_flight"])
    backlog = waits + held
    step = np.diff(backlog, axis=0, prepend=np.nan)
    step[new] = np.nan
    rated, fell = ~np.isnan(out), step < 0
    moved, told = np.where(rated, out > 0, fell), rated | fell
    active = moved | (arrives > 0) | (np.nan_to_num(step) != 0)
    state = _flowing(waits, rated | ~np.isnan(arrives), told, moved, active)
    if wanted is not State.STALLED:
        trend = _Trend(backlog, step, (np.nan_to_num(arrives) + np.nan_to_num(out)) * seconds)
        state[trend.lasts(+1)] = State.GROWING
        state[trend.lasts(-1) & (waits > 0)] = State.DRAINING
    state[_stalled(waits, held > 0, numbers["consumers"] == 0, told, moved)] = State.STALLED
    lies = np.isin(state, (State.STALLED, State.UNKNOWN)) & rests if rests.any() else rests
    state[np.broadcast_to(lies, state.shape)] = State.IDLE
    return state


def _flowing(waits: Floats, rated: Bools, told: Bools, moved: Bools, active: Bools) -> Any:
    """Without a trend: idle, steady, or unknown."""
    lately = _within(active, IDLE_AFTER) > 0
    state = np.where(lately, np.int8(State.STEADY), np.int8(State.IDLE))
    waiting = waits > 0
    state[waiting] = State.STEADY
    blind = np.isnan(waits) & ~rated
    flat = waiting & (_within(moved, IDLE_AFTER) == 0) & (_within(told, IDLE_AFTER) == 0)
    state[blind | flat] = State.UNKNOWN
    return state


def _stalled(waits: Floats, held: Bools, alone: Bools, told: Bools, moved: Bools) -> Bools:
    """Messages wait, and nothing was completed for longer than usual."""
    still = (waits > 0) & ~moved
    rows = np.arange(len(waits), dtype=np.int32)[:, None]
    quiet = rows - np.maximum.accumulate(np.where(still, np.int32(-1), rows), axis=0)
    moves, waited = _within(moved, _HOUR), _within(still | moved, _HOUR)
    usual = np.maximum((waited - quiet) / np.maximum(moves, 1) - 1, 0.0)
    needed = np.where(held & ~alone, QUIET_HELD, QUIET)
    needed = np.where(moves > 0, np.maximum(needed, QUIET_GAPS * usual), needed)
    can_tell = _within(told, IDLE_AFTER) > 0
    stalled: Bools = still & can_tell & (quiet >= needed)
    return stalled


def _within(yes: Bools, rows: int) -> Any:
    """Of how many of the last rows, its own with them, it is so."""
    return _last(np.cumsum(yes, axis=0, dtype=np.int32), rows)


class _Trend:
    """Whether the backlog rises or falls by more than its noise, in any of the windows."""

    def __init__(self, backlog: Floats, step: Floats, flow: Floats) -> None:
        known = ~np.isnan(step)
        step = np.where(known, step, 0.0)
        self.moments = np.arange(len(step), dtype=np.int32)[:, None]
        self.least = np.maximum(LEAST, LEAST_SHARE * np.nan_to_num(backlog))
        running = [np.cumsum(one, axis=0) for one in (step, step * step, flow, known)]
        self.totals, self.bars = [], []
        for rows, t in WINDOWS:
            total, squares, flowed, number = (_last(one, rows) for one in running)
            self.totals.append(total)
            self.bars.append(self._bars(total, squares, flowed, number, t))

    def _bars(self, total: Floats, squares: Floats, flowed: Floats, number: Any, t: float) -> tuple[Floats, Floats]:
        """What the changes of a window have to add up to, to enter a trend and to stay in it."""
        counted = np.maximum(number, 2)
        spread = np.maximum(squares - total**2 / counted, 1e-6)
        scatter = np.sqrt(spread * counted / (counted - 1))
        enter = np.maximum(np.maximum(self.least, t * scatter), 3 * np.sqrt(np.maximum(flowed, 0.0)))
        enter[number < 4] = np.inf
        return enter, np.maximum(self.least / 2, STAY * scatter)

    def lasts(self, sign: int) -> Bools:
        """Where it goes up (+1) or down (-1): it begins beyond the higher bar, and ends at the lower one.

        A long window that goes on by what is over is contradicted by the newest rows.
        """
        short = sign * self.totals[0]
        found = np.zeros(short.shape, bool)
        for total, (enter, stay), (rows, _) in zip(self.totals, self.bars, WINDOWS, strict=True):
            rise = sign * total
            enters = rise > enter
            if not enters.any():
                continue
            stays = rise > stay
            if rows != WINDOWS[0][0]:
                goes_on = short > rise * (WINDOWS[0][0] / rows / 3)
                enters, stays = enters & goes_on, stays & goes_on
            began = np.maximum.accumulate(np.where(enters, self.moments, np.int32(-1)), axis=0)
            ended = np.maximum.accumulate(np.where(enters | stays, np.int32(-1), self.moments), axis=0)
            found |= began > ended
        return found


def _last(running: Any, rows: int) -> Any:
    """Of running sums what the last rows add up to."""
    sums = running.copy()
    sums[rows:] -= running[:-rows]
    return sums
