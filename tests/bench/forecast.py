"""How often the band of a forecast held what came: `python -m tests.bench.forecast`.

Forecasts every seven minutes of each series of the labelled set and of longer courses (tests/dashboard/labelled:
`made`, `ahead`), looked at 5, 15 and 30 minutes later. A band of 80 % is to hold from 70 to 90 % of what comes while
the queue stays in its true state, or does again what it always does; what happens where consumers go or come back
within the half hour for the first time, which no past tells, is shown beside it.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import asdict

import numpy as np

from dashboard.insight.forecast import forecast
from tests.dashboard.labelled.ahead import ahead
from tests.dashboard.labelled.coverage import LATER, Held, coverage, forecasts
from tests.dashboard.labelled.made import made
from tests.dashboard.labelled.told import Series

from . import report
from .registry import Curve, Table, Target

FRESH = 5000
METRICS = ("depth", "lag_seconds")


def ratios(held: Iterable[Held]) -> tuple[float, float]:
    """How far the middle was off beside the newest value, and how wide the band was beside how far it was off."""
    ones = list(held)
    off = sum(one.off for one in ones)
    return off / max(sum(one.naive_off for one in ones), 1e-9), sum(one.width for one in ones) / max(off, 1e-9)


def by_horizon(held: dict[str, list[Held]]) -> Table:
    rows, targets = [], []
    for metric, all_held in held.items():
        lasting = [one for one in all_held if one.lasted]
        for later in LATER:
            some = [one for one in lasting if one.later == later]
            beside, width = ratios(some)
            rows.append({
                "later, minutes": later / 60, "metric": metric, "held": coverage(some)[0],
                "held, whatever happened": coverage(one for one in all_held if one.later == later)[0],
                "held, where it changed": coverage(o for o in all_held if o.later == later and not o.lasted)[0],
                "error beside 'it stays'": beside, "width beside error": width, "forecasts": len(some),
            })  # fmt: skip
        share = coverage(lasting)[0]
        targets.append(Target(f"{metric}: share held, at least", share, 0.70, True))
        targets.append(Target(f"{metric}: share held, at most", share, 0.90))
    note = "Each series counts the same. 'It stays': the guess that the newest value stays."
    return Table("Forecasts by how far they look", rows, note, Curve("later, minutes", ("held",), "metric"), targets)


def by_family(metric: str, held: list[Held]) -> Table:
    rows = []
    for family in dict.fromkeys(one.series.family for one in held):
        ones = [one for one in held if one.series.family == family and one.lasted]
        shares = {f"held at {later / 60:g} min": coverage(o for o in ones if o.later == later)[0] for later in LATER}
        if ones:
            beside, width = ratios(ones)
            rows.append({"family": family, **shares, "error beside 'it stays'": beside, "width beside error": width,
                         "series": len({one.series.name for one in ones}), "forecasts": len(ones)})  # fmt: skip
    return Table(f"Forecasts of {metric} by family", rows)


def cost(series: Series) -> Table:
    """Of one forecast from two hours of half minutes, ours alone: nothing is read."""
    times, values = 30.0 * np.arange(240), np.resize([one["depth"] for one in series.samples if one], 240)
    began, n = time.process_time(), 100
    for _ in range(n):
        forecast(times, values)
    return Table("One forecast", [{"of": "two hours", "ms of processor": 1000 * (time.process_time() - began) / n}])


def bench(short: bool = False) -> list[Table]:
    if short:
        every = [one for one in made(FRESH) if one.family == "leak"]
    else:
        every = [one for one in (*made(FRESH), *ahead(FRESH)) if one.kind != "rates"]
    held = {metric: [one for some in every for one in forecasts(some, metric)] for metric in METRICS}
    return [by_horizon(held), *(by_family(metric, held[metric]) for metric in METRICS), cost(every[0])]


if __name__ == "__main__":
    print(report.text({"tables": [asdict(table) for table in bench()], "seconds": 0}))
