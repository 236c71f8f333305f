"""What a number will be over the next half hour, with a band that holds it four times out of five.

Three pictures of a queue, of which its own past chooses:

- **It moves**: its changes add up to more than chance brings, over the newest of some windows that says so. Then it
  goes on at that pace; the band widens with the doubt about the pace, and with the scatter of the changes (a random
  walk).
- **It wanders**: nothing pulls it back to where it was (the test of Dickey and Fuller), but its pace is not clear
  either. Then it goes on as a random walk, at that pace as far as it can be believed.
- **It stands**: then it comes back to where it usually is, as quickly as it does (an Ornstein-Uhlenbeck process, whose
  persistence is the correlation of each value with the next), and the band is where it was four times out of five.

Nothing goes below zero. Pure; times are epoch seconds, unknown is NaN. How often the band held what came is measured
(`python -m tests.bench.forecast`), and a test.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..ticks import Floats

#: What is forecast, from how much of the past, in steps of what.
HORIZON, PAST, STEP = 1800.0, 7200.0, 60.0
#: Fewer known values than this, or over a shorter time, tell nothing; nor do values that ended this many steps ago.
LEAST_VALUES, LEAST_SECONDS, NEWEST = 12, 300.0, 4
#: The band from the lower to the upper of these shares, and how many standard deviations that is to each side.
LOW, HIGH, DEVIATIONS = 0.1, 0.9, 1.2816
#: Windows in which a pace is looked for, in seconds.
WINDOWS = (300.0, 600.0, 1200.0, 2400.0, 7200.0)
#: A pace counts when it is so many times its own scatter; a window of few changes needs more.
CLEAR, CLEAR_OF_FEW = 3.0, 10.0
#: The number of values times how unlike each is to the next, below which nothing shows that it comes back.
WANDERS = 11.0
#: By how much of itself a pace changes within half an hour, as far as one can tell beforehand.
FICKLE = 0.25


@dataclass(slots=True)
class Forecast:
    """Moments to come, and for each the middle and the band; it begins at the newest value, `value` at `at`.

    `moves` is the pace per second that was seen, else 0.
    """

    at: float
    value: float
    times: Floats
    middle: Floats
    low: Floats
    high: Floats
    moves: float


@dataclass(slots=True)
class _Pace:
    """Change per second, its standard error, and the variance that the changes add per second."""

    rate: float
    error: float
    scatter: float
    seconds: float


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
    ahead = np.arange(step, horizon + step / 2, step)
    pace, since = _pace(t, x)
    t, x = t[t >= since], x[t >= since]
    likeness = _likeness(x)
    if pace is None and len(x) * (1 - likeness) < WANDERS:
        pace = _believed(_pace_of(t, x))
    middle, low, high = _stands(t, x, likeness, ahead) if pace is None else _moves(x[-1], pace, ahead)
    middle, low, high = (np.maximum(line, 0.0) for line in (middle, low, high))
    return Forecast(float(t[-1]), float(x[-1]), t[-1] + ahead, middle, low, high, pace.rate if pace else 0.0)


def _likeness(x: Floats) -> float:
    """The correlation of each value with the next; 0 where nothing changes."""
    rest = x - x.mean()
    squares = float(rest @ rest)
    return float(rest[1:] @ rest[:-1]) / squares if squares else 0.0


def _believed(pace: _Pace) -> _Pace:
    """A pace that is not clear, less by as much as it is in doubt."""
    doubt = pace.error**2
    share = max(0.0, 1 - doubt / pace.rate**2) if pace.rate else 0.0
    return _Pace(pace.rate * share, pace.error, pace.scatter, pace.seconds)


def _pace(t: Floats, x: Floats) -> tuple[_Pace | None, float]:
    """The pace of the shortest window that has a clear one, and the time since which the past counts.

    Where what is newer contradicts that pace it is over, and what was before no longer counts.
    """
    before: list[_Pace] = []
    for seconds in WINDOWS:
        inside = t >= t[-1] - seconds - 1
        if inside.sum() < 4:
            continue
        found = _pace_of(t[inside], x[inside])
        few = CLEAR + CLEAR_OF_FEW / (inside.sum() - 1)
        if abs(found.rate) > few * found.error:
            over = any(abs(newer.rate - found.rate) > 2.5 * np.hypot(newer.error, found.error) for newer in before)
            return (None, float(t[-1]) - before[-1].seconds) if over else (found, float(t[0]))
        before.append(found)
    return None, float(t[0])


def _pace_of(t: Floats, x: Floats) -> _Pace:
    """From the changes between neighbours; where each takes back some of the one before, they scatter less by that."""
    steps, spans = np.diff(x), np.diff(t)
    seconds = float(t[-1] - t[0])
    rate = float(x[-1] - x[0]) / seconds
    rest = steps - rate * spans
    squares = float(rest @ rest)
    if len(rest) > 8:
        back = 2 * float(rest[1:] @ rest[:-1])
        squares = squares + back if back < -2 * squares / np.sqrt(len(rest)) else squares
        squares = max(squares, float(rest @ rest) / np.sqrt(len(rest)))
    scatter = squares / seconds * len(rest) / max(len(rest) - 1, 1)
    return _Pace(rate, float(np.sqrt(scatter / seconds)), scatter, seconds)


def _moves(newest: float, pace: _Pace, ahead: Floats) -> tuple[Floats, Floats, Floats]:
    middle = newest + pace.rate * ahead
    fickle = FICKLE * abs(pace.rate) * ahead * np.sqrt(ahead / HORIZON)
    half = DEVIATIONS * np.sqrt((pace.error * ahead) ** 2 + pace.scatter * ahead + fickle**2)
    return middle, middle - half, middle + half


def _stands(t: Floats, x: Floats, likeness: float, ahead: Floats) -> tuple[Floats, Floats, Floats]:
    usual, low, high = np.quantile(x, (0.5, LOW, HIGH))
    each = float(np.median(np.diff(t)))
    stays = min(max(likeness, 0.0), 0.999) ** (ahead / each)
    widens = np.sqrt(1 - stays**2)
    middle = usual + stays * (x[-1] - usual)
    return middle, middle + (low - usual) * widens, middle + (high - usual) * widens
