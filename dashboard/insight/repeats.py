"""What a series does again and again, and how it goes on if it does so once more.

Its period is the time after which it is again where it was, much closer than after any shorter time. Pure; values
are of even steps, the newest last.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..ticks import Floats

#: The shortest period, in steps; the longest is half of what is known.
SHORTEST = 6
#: A period after another, values are apart by at most this share of what they are at the most after a shorter time;
#: by less where fewer than SEVERAL periods are known.
ALIKE, ALIKE_OF_FEW, SEVERAL = 0.4, 0.15, 3.0
#: By what share of a period it may be early or late, and how many periods before are asked.
LOOSE, BEFORE = 0.06, 4
#: The share of a period in which it finds back to what it did before.
BACK = 1 / 6


@dataclass(frozen=True, slots=True)
class Period:
    """So many steps, and how far values a period apart are from each other on average."""

    steps: int
    apart: float


def period(x: Floats) -> Period | None:
    """After how many steps a series does the same again; None when it does not."""
    n = len(x)
    lags = np.arange(1, n // 2 + 1)
    if len(lags) <= SHORTEST:
        return None
    before = np.arange(n)[None, :] - lags[:, None]
    apart = np.where(before >= 0, np.abs(x[None, :] - x[before]), 0.0).sum(axis=1) / (n - lags)
    most = np.maximum.accumulate(apart)
    share = np.where((lags >= SHORTEST) & (most > 1.0), apart / np.maximum(most, 1e-9), 1.0)
    found = int(np.flatnonzero(share <= 1.2 * share.min() + 0.02)[0])  # the first of its multiples
    while found + 1 < len(share) and share[found + 1] < share[found]:
        found += 1
    few = n < SEVERAL * lags[found]
    alike = share[found] < (ALIKE_OF_FEW if few else ALIKE)
    return Period(int(lags[found]), float(apart[found])) if alike else None


def once_more(x: Floats, steps: int, ahead: Floats) -> list[Floats]:
    """Middle and band at so many steps ahead: from what was there, or nearly there, one and more periods before."""
    n, loose = len(x), max(1, round(LOOSE * steps))
    shift = float(np.median(x[steps:] - x[:-steps]))  # from one period to the next
    h = np.round(ahead).astype(int)[:, None, None]
    ago = np.arange(1, BEFORE + 1)[None, :, None] + np.maximum(h - 1, 0) // steps
    place = n - 1 + h - ago * steps + np.arange(-loose, loose + 1)[None, None, :]
    values = np.where((place >= 0) & (place < n), x[np.clip(place, 0, n - 1)] + shift * ago, np.nan)
    low, middle, high = np.nanquantile(values.reshape(len(ahead), -1), (0.1, 0.5, 0.9), axis=1)
    off = (x[-1] - x[-1 - steps] - shift) * np.exp(-ahead / (steps * BACK))
    return [middle + off, low + np.minimum(off, 0.0), high + np.maximum(off, 0.0)]
