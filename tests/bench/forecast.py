"""How often the band of a forecast held what came: `python -m tests.bench.forecast`.

Forecasts every ten minutes of each series of the labelled set, looked at 5, 15 and 30 minutes later. A band of 80 % is
to hold from 70 to 90 % of what comes while the queue stays in its true state; what happens where consumers go or
come back within the half hour, which no past tells, is shown beside it.
"""

from __future__ import annotations

from dataclasses import asdict
from itertools import groupby

from tests.dashboard.labelled.coverage import LATER, Held, coverage, forecasts
from tests.dashboard.labelled.made import made

from . import report
from .registry import Curve, Table, Target

FRESH = 5000
METRICS = ("depth", "lag_seconds")


def by_horizon(held: dict[str, list[Held]]) -> Table:
    rows, targets = [], []
    for metric, all_held in held.items():
        lasting = [one for one in all_held if one.lasted]
        for later in LATER:
            some = [one for one in lasting if one.later == later]
            rows.append({
                "later, minutes": later / 60, "metric": metric, "held": coverage(some)[0],
                "held, whatever happened": coverage(one for one in all_held if one.later == later)[0],
                "error beside 'it stays'": sum(o.off for o in some) / max(sum(o.naive_off for o in some), 1e-9),
                "forecasts": len(some),
            })  # fmt: skip
        share = coverage(lasting)[0]
        targets.append(Target(f"{metric}: share held, at least", share, 0.70, True))
        targets.append(Target(f"{metric}: share held, at most", share, 0.90))
    note = "Each series counts the same. 'It stays': the guess that the newest value stays."
    return Table("Forecasts by how far they look", rows, note, Curve("later, minutes", ("held",), "metric"), targets)


def by_family(held: list[Held]) -> Table:
    rows = []
    for family, some in groupby(held, key=lambda one: one.series.family):
        ones = [one for one in some if one.lasted]
        if ones:
            off = sum(o.off for o in ones) / max(sum(o.naive_off for o in ones), 1e-9)
            share = coverage(ones)[0]
            rows.append({"family": family, "held": share, "error beside 'it stays'": off, "forecasts": len(ones)})
    return Table("Forecasts of depth by family", rows)


def bench(short: bool = False) -> list[Table]:
    series = [one for one in made(FRESH) if one.kind != "rates" and (not short or one.family == "leak")]
    held = {metric: [one for some in series for one in forecasts(some, metric)] for metric in METRICS}
    return [by_horizon(held), by_family(held["depth"])]


if __name__ == "__main__":
    print(report.text({"tables": [asdict(table) for table in bench()], "seconds": 0}))
