"""Since when a series goes as it does now: at a steady pace, or at one that changes steadily.

Each row of changes from step to step is cut where two straight lines (pace over time) fit it much better than one
does, and its newest part is cut again until nothing more is found; a jump of the level cuts as well. Pure; a row is one
series, or one as it was at an earlier moment, and all of them are cut at once.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..ticks import Floats, Ints

#: Changes that a part has at least.
LEAST = 3
#: By how much two lines must fit better than one (twice the logarithm of likelihood).
BETTER = 14.0
#: So many times its own doubt must a new pace differ from the old one; a part of few changes needs more.
CLEAR, CLEAR_OF_FEW = 3.0, 10.0
#: A change that is so many times the usual, and that the next few do not take back, is a jump.
JUMP, NEXT, LATELY = 10.0, 2, 40
_ROUNDS = 6


def since_break(changes: Floats, known: Ints) -> Ints:
    """How many of a row's newest changes belong to what goes on now; the newest `known` of each are looked at."""
    newest_first = changes[:, ::-1]
    place = np.arange(1, changes.shape[1] + 1, dtype=float)
    sums = [np.cumsum(newest_first * weight, axis=1) for weight in (1.0, place - 1)]
    sums.append(np.cumsum(newest_first**2, axis=1))
    last = np.maximum(_since_jump(newest_first, known), 1)
    for _ in range(_ROUNDS):
        cut = _cut(sums, place, last)
        if (cut == last).all():
            break
        last = cut
    half = (last < known) & (last > LEAST)  # the oldest change may still be half of what was before
    return np.minimum(np.where(half, last - 1, last), known)


def quantile(values: Floats, count: Ints, *shares: float) -> Floats:
    """Of each row's `count` values that are not infinite; (rows,), or (shares, rows) for several shares."""
    ordered, rows = np.sort(values, axis=1), np.arange(len(values))
    last = np.maximum(count, 1) - 1
    found = []
    for share in shares:
        below = np.floor(share * last).astype(int)
        low, high = ordered[rows, below], ordered[rows, np.minimum(below + 1, last)]
        found.append(low + (share * last - below) * np.where(np.isinf(low), 0.0, high - low))
    return np.where(count > 0, found[0] if len(shares) == 1 else found, 0.0)


def _since_jump(newest_first: Floats, known: Ints) -> Ints:
    """How many changes are newer than the newest that took the level elsewhere at once."""
    width = newest_first.shape[1]
    if width < 4 * NEXT:
        return known
    inside = np.arange(width)[None, :] < known[:, None]
    usual = quantile(np.where(inside, newest_first, np.inf), known, 0.5)[:, None]
    far = np.where(inside, np.abs(newest_first - usual), np.inf)
    lately = quantile(far[:, :LATELY], np.minimum(known, LATELY), 0.5)  # what was quiet may have become uneven
    scatter = np.maximum(quantile(far, known, 0.5), lately)[:, None]
    off = np.where(inside, newest_first - usual, 0.0)
    total = np.cumsum(np.pad(off, ((0, 0), (NEXT + 1, NEXT))), axis=1)
    around = total[:, 2 * NEXT + 1 :] - total[:, : -2 * NEXT - 1]
    jumped = np.abs(off) > JUMP * (1.5 * scatter + np.sqrt(0.3 + np.abs(usual) / 2))
    jumped &= (off * around > 0) & (np.abs(around) > 0.7 * np.abs(off)) & (np.abs(off) > 0.6 * np.abs(around))
    jumped[:, : NEXT + 1] = False
    return np.where(jumped.any(axis=1), np.argmax(jumped, axis=1), known)


def _cut(sums: list[Floats], place: Floats, last: Ints) -> Ints:
    """Where to cut each row's newest `last` changes; `last` itself where nothing is to be cut."""
    rows = np.arange(len(last))
    whole = [total[rows, last - 1][:, None] for total in sums]
    n = last[:, None].astype(float)
    rest = [every - some for every, some in zip(whole, sums, strict=True)]
    newer = _misfit(sums[0], sums[1], sums[2], place)
    older = _misfit(rest[0], rest[1] - place * rest[0], rest[2], n - place)
    one = newer[rows, last - 1][:, None]
    least = 0.3 + np.abs(whole[0]) / n / 2  # messages come one by one: they scatter at least so much
    fits = n * (np.log(one / n + least) - np.log((newer + older) / n + least))
    fits[(place[None, :] < LEAST) | (place[None, :] > n - LEAST) | ~_paces_differ(sums, rest, place, n)] = 0.0
    best = np.argmax(fits, axis=1)
    return np.where(fits[rows, best] > BETTER, best + 1, last)


def _misfit(total: Floats, weighted: Floats, squares: Floats, n: Floats) -> Floats:
    """The squares that a straight line through n changes leaves; the changes are weighted by 0, 1, 2 ..."""
    with np.errstate(divide="ignore", invalid="ignore"):
        lean = weighted - total * (n - 1) / 2
        left = squares - total**2 / n - np.where(n > 2, lean**2 * 12 / (n * (n * n - 1)), 0.0)
    return np.maximum(np.nan_to_num(left), 0.0)


def _paces_differ(sums: list[Floats], rest: list[Floats], place: Floats, n: Floats) -> NDArray[np.bool_]:
    """Whether the newer part is on average faster or slower than the older by more than both scatter."""
    with np.errstate(divide="ignore", invalid="ignore"):
        paces, doubts = [], []
        for total, squares, count in ((sums[0], sums[2], place), (rest[0], rest[2], n - place)):
            pace = total / count
            scatter = np.maximum(squares - total * pace, 0.0) / (count - 1) + np.abs(pace) / 2
            paces.append(pace)
            doubts.append(scatter / count)
        differ: NDArray[np.bool_] = np.abs(paces[0] - paces[1]) > (CLEAR + CLEAR_OF_FEW / place) * np.sqrt(sum(doubts))
    return differ
