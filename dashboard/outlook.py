"""What is to be expected of one queue that somebody looks at: how it goes on, and how many consumers it needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .insight.capacity import METRICS, Capacity, capacity
from .insight.forecast import PAST, Forecast, forecast
from .samples import the_store
from .store.base import Aggregate, Series

#: As fine as the past is read, in seconds.
FINE = 30.0
#: What is forecast.
FORECAST = ("depth", "lag_seconds")


@dataclass(slots=True, frozen=True)
class Outlook:
    """Forecasts by metric, those that can be made, and what consumers it needs, or why that cannot be told."""

    forecasts: Mapping[str, Forecast]
    capacity: Capacity | str


def outlook(queue: int, now: float, row: Mapping[str, Any] | None) -> Outlook:
    """Of a queue id, from its last two hours; `row` is its row of now (`Snapshot.row`), None when it has none."""
    if row is None or row["stale"]:
        return Outlook({}, "Not known: the broker does not answer.")
    newest = _whole(queue, FORECAST, now, "last")
    moments = newest.times + newest.step / 2
    made = {metric: forecast(moments, newest.values[metric][0]) for metric in FORECAST}
    means = _whole(queue, METRICS, now, "avg")
    kept = not all(np.isnan(values).all() for values in means.values.values())
    if not kept and any(row.get(metric) is not None for metric in METRICS):  # the broker tells, since a moment
        return Outlook({}, "Not known yet: it is watched for less than a minute.")
    needed = capacity(means.times, {metric: means.values[metric][0] for metric in METRICS})
    return Outlook({metric: found for metric, found in made.items() if found is not None}, needed)


def _whole(queue: int, metrics: Sequence[str], now: float, aggregate: Aggregate) -> Series:
    """The steps of the past that are over: one that has only begun would look like a change of pace."""
    series = the_store().range([queue], metrics, now - PAST, now, round(PAST / FINE), aggregate)
    over = series.times + series.step <= now
    series.times = series.times[over]
    series.values = {metric: values[:, over] for metric, values in series.values.items()}
    return series
