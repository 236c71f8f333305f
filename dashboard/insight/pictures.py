"""How series go on if they do as they did since their last break: four pictures, of which each row's own past chooses.

- **It bends**: its pace changes steadily (more and more arrives, consumers get slower). Then it goes on to change so.
- **It moves**: its changes add up to more than chance brings. Then it goes on at that pace.
- **It wanders**: nothing pulls it back to where it was (the test of Dickey and Fuller), but its pace is not clear
  either. Then it goes on as a random walk, at that pace as far as it can be believed.
- **It stands**: then it comes back to where it usually is, as quickly as it does (an Ornstein-Uhlenbeck process, whose
  persistence is the correlation of each value with the next), and the band is where it was four times out of five.

The band of the first three widens with the doubt about the pace, with the scatter of the changes (a random walk), and
with how fickle paces are. Pure; rows are series of even steps, the newest value last, NaN before they began.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..ticks import Floats, Ints
from .breaks import quantile, since_break

Bools = NDArray[np.bool_]

#: The band from the lower to the upper of these shares, and how many standard deviations that is to each side.
LOW, HIGH, DEVIATIONS = 0.1, 0.9, 1.2816
#: A pace, or its bend, counts when it is so many times its own scatter; few changes need more.
CLEAR, CLEAR_OF_FEW, LEAST_BENT = 3.0, 10.0, 12
#: The number of values times how unlike each is to the next, below which nothing shows that it comes back.
WANDERS = 15.0
#: By how much of itself a pace, and a bend, changes within half an hour, as far as one can tell beforehand.
FICKLE, FICKLE_BEND, HALF_HOUR = 0.25, 0.5, 1800.0


@dataclass(slots=True)
class Pictures:
    """Middle and band of each row at each step asked for; change per step now; changes since the last break."""

    middle: Floats
    low: Floats
    high: Floats
    pace: Floats
    since: Ints


@dataclass(slots=True)
class _Since:
    """The changes since the last break: which, how many; pace, its error, the variance that a change adds."""

    inside: Bools
    count: Floats
    pace: Floats
    error: Floats
    scatter: Floats
    rest: Floats  # what each change differs from the pace, 0 outside


def pictures(rows: Floats, ahead: Floats, each: float) -> Pictures:
    """Of rows with `each` seconds between values, at so many steps ahead."""
    began = np.argmax(~np.isnan(rows), axis=1)
    changes = np.nan_to_num(np.diff(rows, axis=1))
    since = since_break(changes, rows.shape[1] - 1 - began)
    seen, newest = _since(changes, since), rows[:, -1]
    fickle = FICKLE * ahead * np.sqrt(ahead * each / HALF_HOUR)
    bent, bends, bent_pace = _bends(newest, changes, seen, ahead)
    clear = (seen.count >= 2) & (
        np.abs(seen.pace) > (CLEAR + CLEAR_OF_FEW / np.maximum(seen.count - 1, 1)) * seen.error
    )
    stood, likeness = _stands(rows, since, ahead)
    wanders = (seen.count + 1) * (1 - likeness) < WANDERS
    pace = np.where(clear, seen.pace, np.where(wanders, _believed(seen), 0.0))
    moved = newest[:, None] + pace[:, None] * ahead
    half = DEVIATIONS * np.sqrt(
        (seen.error[:, None] * ahead) ** 2 + seen.scatter[:, None] * ahead + (pace[:, None] * fickle) ** 2
    )
    chosen = [bends[:, None], (clear | wanders)[:, None]]
    bands = [(b, m, s) for b, m, s in zip(bent, (moved, moved - half, moved + half), stood, strict=True)]
    middle, low, high = (np.select(chosen, [b, m], s) for b, m, s in bands)
    return Pictures(middle, low, high, np.where(bends, bent_pace, pace), since)


def _since(changes: Floats, since: Ints) -> _Since:
    width = changes.shape[1]
    inside = np.arange(width)[None, :] >= (width - since)[:, None]
    count = np.maximum(since, 1).astype(float)
    pace = np.where(inside, changes, 0.0).sum(axis=1) / count
    rest = np.where(inside, changes - pace[:, None], 0.0)
    scatter = _scatter(rest, count, 1)
    return _Since(inside, count, pace, np.sqrt(scatter / count), scatter, rest)


def _scatter(rest: Floats, count: Floats, fitted: int) -> Floats:
    """Variance that a change adds; where each takes back some of the one before, less by that."""
    squares = (rest * rest).sum(axis=1)
    back = 2 * (rest[:, 1:] * rest[:, :-1]).sum(axis=1)
    taken = (count > 8) & (back < -2 * squares / np.sqrt(count))
    least: Floats = np.maximum(np.where(taken, squares + back, squares), squares / np.sqrt(count))
    return least / np.maximum(count - fitted, 1)


def _believed(seen: _Since) -> Floats:
    """A pace that is not clear, less by as much as it is in doubt."""
    with np.errstate(divide="ignore", invalid="ignore"):
        share: Floats = np.maximum(0.0, 1 - seen.error**2 / seen.pace**2)
    return np.where(seen.pace == 0, 0.0, seen.pace * np.nan_to_num(share))


def _bends(newest: Floats, changes: Floats, seen: _Since, ahead: Floats) -> tuple[tuple[Floats, ...], Bools, Floats]:
    """Middle and band of a pace that changes steadily, which rows have one, and the pace it has come to."""
    width = changes.shape[1]
    place = np.where(seen.inside, np.arange(width)[None, :] - (width - 1.0), 0.0)  # 0 = the newest change
    centre = place.sum(axis=1) / seen.count
    place = np.where(seen.inside, place - centre[:, None], 0.0)
    spread = np.maximum((place**2).sum(axis=1), 1e-9)
    bend = (place * changes).sum(axis=1) / spread
    scatter = _scatter(seen.rest - bend[:, None] * place, seen.count, 2)
    few = CLEAR + CLEAR_OF_FEW / seen.count
    bends = (seen.count >= LEAST_BENT) & (np.abs(bend) > few * np.sqrt(scatter / spread))
    pace = seen.pace - bend * centre
    middle = newest[:, None] + pace[:, None] * ahead + bend[:, None] * ahead * (ahead + 1) / 2
    reach = ((ahead[None, :] + 1) / 2 - centre[:, None]) ** 2 / spread[:, None] + 1 / seen.count[:, None]
    fickle = FICKLE_BEND * bend[:, None] * ahead**2 / 2
    half = DEVIATIONS * np.sqrt(scatter[:, None] * (reach * ahead**2 + ahead) + fickle**2)
    return (middle, middle - half, middle + half), bends, pace


def _stands(rows: Floats, since: Ints, ahead: Floats) -> tuple[tuple[Floats, ...], Floats]:
    """Middle and band of a level that is come back to, and the correlation of each value with the next."""
    width = rows.shape[1]
    inside = np.arange(width)[None, :] >= (width - 1 - since)[:, None]
    count = inside.sum(axis=1)
    mean = np.where(inside, np.nan_to_num(rows), 0.0).sum(axis=1) / count
    rest = np.where(inside, rows - mean[:, None], 0.0)
    squares = (rest * rest).sum(axis=1)
    likeness = (rest[:, 1:] * rest[:, :-1]).sum(axis=1) / np.where(squares > 0, squares, 1.0)
    usual, low, high = quantile(np.where(inside, rows, np.inf), count, 0.5, LOW, HIGH)
    stays = np.clip(likeness, 0.0, 0.999)[:, None] ** ahead
    widens = np.sqrt(1 - stays**2)
    middle = usual[:, None] + stays * (rows[:, -1] - usual)[:, None]
    return (middle, middle + (low - usual)[:, None] * widens, middle + (high - usual)[:, None] * widens), likeness
