"""What conditions with a window look back on: one value per queue and slot, the newest of each slot. Pure.

Slots have a round length and begin at multiples of it, so that a window is the same whenever one began to look, and
can be refilled after a restart.
"""

from __future__ import annotations

from collections import deque

import numpy as np

from ..ticks import Floats, Ints, aligned

#: Slots that a window is cut into, at most.
SLOTS = 30
_NICE = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)


def slot_for(window: float) -> int:
    """The round length of a slot for a window, in seconds."""
    return next((step for step in _NICE if step * SLOTS >= window), _NICE[-1])


class Window:
    """The newest value of some queues in each slot of the last `seconds`, NaN where nothing was known."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.step = slot_for(seconds)
        self.ids: Ints = np.empty(0, np.int64)
        self.slots: deque[int] = deque()
        self._columns: deque[Floats] = deque()
        self.version = 0  # rises when a slot begins

    def push(self, at: float, ids: Ints, values: Floats) -> None:
        """The values of a tick. What is unknown leaves an earlier value of the same slot."""
        self._have(ids)
        slot = int(at // self.step)
        if self.slots and slot <= self.slots[-1]:
            newest = self._columns[-1]
            self._columns[-1] = np.where(np.isnan(values), newest, values)
        else:
            self.slots.append(slot)
            self._columns.append(values.copy())
            self.version += 1
        oldest = int((at - self.seconds) // self.step)
        while self.slots[0] < oldest:
            self.slots.popleft()
            self._columns.popleft()

    def _have(self, ids: Ints) -> None:
        if ids is not self.ids and not np.array_equal(ids, self.ids):
            self._columns = deque(aligned(column, self.ids, ids) for column in self._columns)
        self.ids = ids

    def matrix(self) -> Floats:
        """Shape (slots, queues), oldest first."""
        return np.vstack(self._columns) if self._columns else np.empty((0, len(self.ids)))

    @property
    def times(self) -> Floats:
        """When each slot ends."""
        return (np.array(self.slots, np.float64) + 1) * self.step

    def lowest(self) -> Floats:
        return lowest(self)

    def highest(self) -> Floats:
        return highest(self)

    def slope(self) -> Floats:
        return slope(self)

    def verdict(self, rates: Window, word: str) -> tuple[Floats, Floats]:
        return verdict(self, rates, word)


def lowest(window: Window) -> Floats:
    """Per queue; NaN where nothing is known."""
    out = np.full(len(window.ids), np.nan)
    for column in window._columns:
        out = np.fmin(out, column)
    return out


def highest(window: Window) -> Floats:
    """Per queue; NaN where nothing is known."""
    out = np.full(len(window.ids), np.nan)
    for column in window._columns:
        out = np.fmax(out, column)
    return out


#: Slots with a value that a slope needs, and how many of its standard errors it has to be away from 0.
LEAST_SLOTS, SIGNIFICANT = 5, 3.0


def slope(window: Window) -> Floats:
    """Change per second by least squares over the slots; 0 where it is not clear of its noise, NaN with few slots."""
    levels = window.matrix()
    if len(levels) < LEAST_SLOTS:
        return np.full(len(window.ids), np.nan)
    known = ~np.isnan(levels)
    number = known.sum(axis=0)
    safe = np.maximum(number, 1)
    t = np.where(known, (window.times - window.times[-1])[:, None], 0.0)
    y = np.where(known, levels, 0.0)
    t = np.where(known, t - t.sum(axis=0) / safe, 0.0)
    y = np.where(known, y - y.sum(axis=0) / safe, 0.0)
    squares = np.einsum("ij,ij->j", t, t)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.einsum("ij,ij->j", t, y) / squares
        rest = np.maximum(np.einsum("ij,ij->j", y, y) - found**2 * squares, 0.0)
        error = np.sqrt(rest / np.maximum(number - 2, 1) / squares)
    found = np.where(np.abs(found) > SIGNIFICANT * error, found, 0.0)
    return np.where(number >= LEAST_SLOTS, found, np.nan)


def verdict(waiting: Window, out_rate: Window, word: str) -> tuple[Floats, Floats]:
    """Burrow's verdicts over a window: 1.0 where `word` is true, 0.0 where not, and NaN where it cannot be said.

    Second: 1.0 where the queue was seen to be well (something else than the verdict, beyond doubt).
    Source of the idea: LinkedIn's Burrow evaluates the lag of a consumer group over a sliding window and knows no
    thresholds: all is well when the lag was ever zero or shrank; it is stopped or stalled when offsets stand still.
    """
    levels, rates = waiting.matrix(), out_rate.matrix()
    n = len(waiting.ids)
    full = len(levels) >= 3 and waiting.times[-1] - waiting.times[0] >= waiting.seconds - 2 * waiting.step
    if not full:
        return np.full(n, np.nan), np.full(n, np.nan)
    seen = (~np.isnan(levels)).sum(axis=0) >= max(3, len(levels) // 2)
    ever_empty = (levels <= 0).any(axis=0)
    change = np.diff(levels, axis=0)
    shrank = (change < 0).any(axis=0)
    rated = ~np.isnan(rates).all(axis=0)
    with np.errstate(invalid="ignore"):
        completed = (rates > 0).any(axis=0)
    moves = np.where(rated, completed, shrank)
    grew = np.nan_to_num(change).sum(axis=0) > 0
    if word == "stopped":
        yes = ~ever_empty & ~moves
    elif word == "behind":
        yes = ~ever_empty & ~shrank & grew & moves & rated
    else:
        raise ValueError(f"There is no verdict '{word}' over windows.")
    return np.where(seen, yes.astype(float), np.nan), np.where(seen, (~yes).astype(float), np.nan)
