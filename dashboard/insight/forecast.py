"""What a number will be over the next half hour, with a band that holds it four times out of five.

A queue that does the same again and again does it once more (`repeats`). Any other goes on as it has since its last
break (`pictures`), in a band that its own past corrects: what would have been forecast at earlier moments is held
against what came, and middle and band are moved and widened until they would have been right (conformal prediction,
with some weight for what is to be expected). What broke off meanwhile counts little: that its consumers went an hour
ago does not say that they will again; and of the first time no past tells.

Nothing goes below zero. Pure; times are epoch seconds, unknown is NaN. How often the band held what came is measured
(`python -m tests.bench.forecast`), and a test.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..ticks import Floats
from .pictures import HIGH, LOW, Pictures, pictures
from .repeats import once_more, period

#: What is forecast, from how much of the past, in steps of what.
HORIZON, PAST, STEP = 1800.0, 7200.0, 60.0
#: Fewer known values than this, or over a shorter time, tell nothing; nor do values that ended this many steps ago.
LEAST_VALUES, LEAST_SECONDS, NEWEST = 12, 300.0, 4
#: Into how many steps the past is cut at most.
MOST_STEPS = 240
#: Earlier moments at which a forecast is tried, and how far it looks, both in steps.
BACK = np.array([2, 4, 6, 8, 10, 12, 15, 18, 22, 26, 30, 35, 40, 46, 52, 60, 70, 80, 90, 100])
FAR = np.array([5.0, 10.0, 20.0, 30.0, 60.0])
#: An error counts less by its age in steps, by how far it looked beyond NEAR (such overlap), and across a break.
AGE, NEAR, ACROSS = 60.0, 5.0, 0.2
#: Errors, in half bands, that are expected before any are known; what they weigh together; the largest that counts.
EXPECTED, WEIGHT, LARGEST = np.array([-2.0, -1.2, -0.7, -0.4, -0.2, 0.0, 0.2, 0.4, 0.7, 1.2, 2.0]), 6.0, 3.5
#: Periods must have been apart by at most this share of what pictures were off, so many steps ahead or more.
CLOSER, CLOSER_FROM = 0.6, 20.0


@dataclass(slots=True)
class Forecast:
    """Moments to come, and for each the middle and the band; it begins at the newest value, `value` at `at`.

    `moves` is the pace per second that was seen, `repeats` the seconds after which it does the same; else 0.
    """

    at: float
    value: float
    times: Floats
    middle: Floats
    low: Floats
    high: Floats
    moves: float
    repeats: float = 0.0


def forecast(times: Floats, values: Floats, horizon: float = HORIZON, step: float = STEP) -> Forecast | None:
    """The next `horizon` seconds of a series, None where too little is known of it."""
    known = ~np.isnan(values)
    if not len(times) or known.sum() < LEAST_VALUES:
        return None
    usual = float(np.median(np.diff(times))) if len(times) > 1 else 0.0
    if times[-1] - times[known][-1] > NEWEST * max(usual, 1.0):
        return None
    t, x = times[known], values[known]
    if t[-1] - t[0] < LEAST_SECONDS:
        return None
    each = max(usual, float(t[-1] - t[0]) / MOST_STEPS)
    row = np.interp(t[-1] - each * np.arange(round((t[-1] - t[0]) / each), -1, -1), t, x)
    ahead = np.arange(step, horizon + step / 2, step)
    lines, moves, repeats = _lines(row, ahead / each, each)
    middle, low, high = (np.maximum(line, 0.0) for line in lines)
    return Forecast(float(t[-1]), float(x[-1]), t[-1] + ahead, middle, low, high, moves / each, repeats * each)


def _lines(row: Floats, ahead: Floats, each: float) -> tuple[list[Floats], float, float]:
    """Middle and band at so many steps ahead; the change per step, and the period in steps, that were seen, else 0."""
    now = pictures(row[None, :], ahead, each)
    errors, weights, typical = _tried(row, each, int(now.since[0]))
    again = period(row)
    if again is not None and again.apart < CLOSER * typical:
        return once_more(row, again.steps, ahead), 0.0, again.steps
    return _corrected(now, errors, weights), float(now.pace[0]), 0.0


def _tried(row: Floats, each: float, since: int) -> tuple[Floats, Floats, float]:
    """How far forecasts at earlier moments were off, in half bands; what each counts; how far they usually were."""
    longest = len(row) - LEAST_VALUES
    back = BACK[longest >= BACK][:, None]
    if not len(back):
        return np.empty(0), np.empty(0), 0.0
    past = np.full((len(back), len(row)), np.nan)
    for line, ago in zip(past, back[:, 0].tolist(), strict=True):
        line[ago:] = row[:-ago]
    then = pictures(past, FAR, each)
    came = row[np.minimum(len(row) - 1 - back + FAR.astype(int), len(row) - 1)]
    off = came - np.maximum(then.middle, 0.0)
    half = np.where(off > 0, then.high - then.middle, then.middle - then.low)
    known = back >= FAR
    within = np.where(back <= since - 3, 1.0, ACROSS)
    counts = np.where(known, within * np.exp(-back / AGE) * np.minimum(NEAR / FAR, 1.0), 0.0)
    far = np.abs(off[known & (FAR >= CLOSER_FROM)])
    return (off / (half + 0.5)).ravel(), counts.ravel(), float(np.mean(far)) if len(far) else 0.0


def _corrected(now: Pictures, errors: Floats, weights: Floats) -> list[Floats]:
    """Middle and band as they would have been right so far."""
    seen = np.concatenate([np.clip(errors, -LARGEST, LARGEST), EXPECTED])
    weighs = np.concatenate([weights, np.full(len(EXPECTED), WEIGHT / len(EXPECTED))])
    order = np.argsort(seen)
    shares = (np.cumsum(weighs[order]) - weighs[order] / 2) / weighs.sum()
    middle, low, high = now.middle[0], now.low[0], now.high[0]
    corrections = np.interp((0.5, LOW, HIGH), shares, seen[order]).tolist()
    return [middle + by * (high - middle if by > 0 else middle - low) for by in corrections]
