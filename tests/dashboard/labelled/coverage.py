"""How often the band of a forecast held what came, over the labelled set."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from dashboard.insight.forecast import PAST, forecast
from dashboard.ticks import Floats

from .told import Series

#: Between two forecasts of one series (no share of a period in it), and the moments after each that are looked at.
EVERY, LATER = 420.0, (300.0, 900.0, 1800.0)
#: As fine as the past is read for a forecast.
FINE = 30.0
#: The family whose changes are a part of what goes on.
REPEATING = "sawtooth"


@dataclass(slots=True)
class Held:
    """One forecast at one moment: whether the band held what came, and how far its middle was off."""

    series: Series
    later: float
    held: bool
    width: float
    off: float
    naive_off: float  # of the guess that all stays as it is
    level: float
    lasted: bool  # the queue was in the same true state all the while, or does again what it always does


def values_of(series: Series, metric: str) -> tuple[Floats, Floats]:
    """Times, and what was told of a metric; `lag_seconds` is the true one."""
    if metric == "lag_seconds":
        told = [None if s is None else lag for s, lag in zip(series.samples, series.lag, strict=True)]
    else:
        told = [None if s is None else s.get("depth", s.get("lag_messages")) for s in series.samples]
    return np.array(series.times), np.array([np.nan if v is None else v for v in told], float)


def forecasts(series: Series, metric: str, apart: float = EVERY) -> Iterator[Held]:
    """Forecasts from moments so far apart, each from what was known by then, beside what came."""
    times, values = values_of(series, metric)
    every = max(1, round(FINE / series.interval))
    times, values, began = (row[every - 1 :: every] for row in (times, values, np.array(series.began)))
    for at in np.arange(times[0] + apart, times[-1], apart):
        past = (times <= at) & (times > at - PAST)
        made = forecast(times[past], values[past])
        if made is None:
            continue
        newest = values[past][~np.isnan(values[past])][-1]
        for later in LATER:
            came = int(np.searchsorted(times, at + later))
            if came >= len(times) or np.isnan(values[came]):
                continue
            i = min(int(np.searchsorted(made.times, times[came] - 1e-6)), len(made.times) - 1)
            low, high, actual = made.low[i], made.high[i], values[came]
            held = bool(low - 0.5 <= actual <= high + 0.5)
            off, naive_off = abs(float(made.middle[i]) - actual), abs(newest - actual)
            lasted = bool(began[came] <= at) or series.family == REPEATING
            yield Held(series, later, held, float(high - low), off, naive_off, float(actual), lasted)


def coverage(held: Iterable[Held]) -> tuple[float, int]:
    """The share that was held, of those where there was something to be unsure of, each series counting the same."""
    by_series: dict[str, list[bool]] = {}
    for one in held:
        if one.width >= 1 or one.level >= 1:
            by_series.setdefault(one.series.name, []).append(one.held)
    shares = [sum(some) / len(some) for some in by_series.values()]
    return (sum(shares) / len(shares) if shares else float("nan")), sum(map(len, by_series.values()))
