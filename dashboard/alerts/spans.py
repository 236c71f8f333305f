"""What conditions with a window look back on, over a whole stretch of rollups at once. Pure.

The same answers as `windows.Window` gives tick after tick, for every tick: slots, their newest values, and what is
worked out when a slot begins. Sums over slots are differences of running sums, which are exact for whole numbers and
good to far less than what an average of a minute hides.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..ticks import Floats, Ints
from .windows import LEAST_SLOTS, SIGNIFICANT, slot_for


class Span:
    """A metric at ascending `times`, shape (t,), as `values`, shape (t, n), with a window of so many `seconds`."""

    version = 0

    def __init__(self, ids: Ints, times: Floats, values: Floats, seconds: float) -> None:
        self.ids, self.seconds, self.step = ids, seconds, slot_for(seconds)
        slots = (times // self.step).astype(np.int64)
        self.begins = np.flatnonzero(np.diff(slots, prepend=-1))  # ticks at which a slot begins
        self.slots = slots[self.begins]
        self.slot_of = np.cumsum(np.isin(np.arange(len(times)), self.begins)) - 1 if len(times) else slots
        oldest = ((times - seconds) // self.step).astype(np.int64)
        self.oldest: Ints = np.searchsorted(self.slots, oldest)  # of each tick the first slot in its window
        self.now = _newest(values, self.begins[self.slot_of])  # of its slot, as far as it was at each tick
        ends = np.append(self.begins[1:], len(times)) - 1
        self.whole = self.now[ends]  # of each slot, when it is over
        self.first = values[self.begins]  # of each slot, when it begins

    def push(self, at: float, ids: Ints, values: Floats) -> None:
        raise TypeError("A span has all of its moments from the start.")

    def lowest(self) -> Floats:
        """Per tick and queue; NaN where nothing is known."""
        return self._extreme(np.fmin)

    def highest(self) -> Floats:
        """Per tick and queue; NaN where nothing is known."""
        return self._extreme(np.fmax)

    def _extreme(self, pick: np.ufunc) -> Floats:
        """Over the slots before each tick's own by two spans of a power of two that cover them, and its own so far."""
        out, length = self.now.copy(), self.slot_of - self.oldest
        spans, size = self.whole, 1
        while size <= length.max(initial=0):
            rows = np.flatnonzero((length >= size) & (length < 2 * size))
            if len(rows):
                before = pick(spans[self.oldest[rows]], spans[self.slot_of[rows] - size])
                out[rows] = pick(out[rows], before)
            spans = pick(spans[:-size], spans[size:]) if len(spans) > size else spans[:0]
            size *= 2
        return out

    def slope(self) -> Floats:
        """Change per second by least squares; 0 where it is not clear of its noise, NaN with few slots."""
        t = (self.slots - self.slots[:1].repeat(len(self.slots))) * float(self.step)
        t = (t - t.mean())[:, None] if len(t) else t[:, None]
        known, there = ~np.isnan(self.whole), ~np.isnan(self.first)
        centre = np.nan_to_num(self.whole).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
        y, new = self.whole - centre, self.first - centre
        if known.all() and there.all():  # then the times are the same for every queue
            known = there = np.ones((len(self.slots), 1), bool)
        y, new = np.nan_to_num(y), np.nan_to_num(new)
        number = self._over_slots(known, there)
        sum_t, sum_tt = self._over_slots(t * known, t * there), self._over_slots(t * t * known, t * t * there)
        sum_y, sum_ty = self._over_slots(y, new), self._over_slots(t * y, t * new)
        with np.errstate(divide="ignore", invalid="ignore"):
            squares = sum_tt - sum_t**2 / number
            found = (sum_ty - sum_t * sum_y / number) / squares
            rest = self._over_slots(y * y, new * new) - sum_y**2 / number - found**2 * squares
            error = np.sqrt(np.maximum(rest, 0.0) / np.maximum(number - 2, 1) / squares)
            found[np.abs(found) <= SIGNIFICANT * error] = 0.0
        found[np.broadcast_to(number < LEAST_SLOTS, found.shape)] = np.nan
        return found[self.slot_of]

    def _over_slots(self, whole: NDArray, first: NDArray) -> Floats:  # type: ignore[type-arg]
        """Sums over the window in which a slot begins: those before it as they were in the end, its own as it began."""
        running = np.zeros((len(self.slots) + 1, whole.shape[1]))
        np.cumsum(whole, axis=0, out=running[1:])
        sums: Floats = running[:-1] - running[self.oldest[self.begins]] + first
        return sums

    def verdict(self, rates: Span, word: str) -> tuple[Floats, Floats]:
        """As `windows.verdict`, for every tick."""
        number = np.arange(len(self.slots)) - self.oldest[self.begins] + 1
        lasted = (self.slots - self.slots[self.oldest[self.begins]]) * self.step
        full = (number >= 3) & (lasted >= self.seconds - 2 * self.step)
        seen = self._over_slots(~np.isnan(self.whole), ~np.isnan(self.first))
        seen = seen >= np.maximum(3, number // 2)[:, None]
        ever_empty = self._over_slots(self.whole <= 0, self.first <= 0) > 0
        shrank, grew = self._moves()
        rated = self._over_slots(~np.isnan(rates.whole), ~np.isnan(rates.first)) > 0
        completed = self._over_slots(rates.whole > 0, rates.first > 0) > 0
        moves = np.where(rated, completed, shrank)
        behind = ~ever_empty & ~shrank & grew & moves & rated
        yes = ~ever_empty & ~moves if word == "stopped" else behind
        said = seen & full[:, None]
        yes_no = np.where(said, yes, np.nan), np.where(said, ~yes, np.nan)
        return yes_no[0][self.slot_of], yes_no[1][self.slot_of]

    def _moves(self) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Whether it ever shrank from slot to slot of a window, and whether it grew in all."""
        nothing = np.full((1, len(self.ids)), np.nan)
        steps = np.vstack([nothing, np.diff(self.whole, axis=0)])
        last = np.vstack([nothing, self.first[1:] - self.whole[:-1]])
        first = self.oldest[self.begins]  # the step into the first slot of a window is none of it
        none_before = (np.arange(len(self.slots)) == first)[:, None]
        last[np.broadcast_to(none_before, last.shape)] = np.nan
        into = np.where(none_before, np.nan, steps[first])
        shrank = self._over_slots(steps < 0, last < 0) - (into < 0) > 0
        grew = self._over_slots(np.nan_to_num(steps), np.nan_to_num(last)) - np.nan_to_num(into) > 0
        return shrank, grew


def _newest(values: Floats, begins: Ints) -> Floats:
    """Of each tick the newest known value of its slot, which began at the tick `begins`."""
    if np.array_equal(begins, np.arange(len(values))):
        return values
    known = np.where(np.isnan(values), -1, np.arange(len(values))[:, None])
    newest = np.maximum.accumulate(known, axis=0)
    found = np.take_along_axis(values, np.maximum(newest, 0), axis=0)
    return np.where(newest >= begins[:, None], found, np.nan)
