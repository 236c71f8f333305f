"""What judging the rules costs a tick: `python -m tests.bench.rules [--json] [--ticks N]`.

Milliseconds of processor time (median over ticks) at 100, 1,000 and 10,000 queues x 10 and 200 rules, of which seven
in ten are limits, the others states, changes, forecasts and verdicts over windows. Half of the rules are about every
queue, half about one in ten. Each tick a tenth of the queues is beyond the limits, another tenth comes and goes.
Then previews: a rule of each kind over 7 and 30 days of minutes of 10 and 100 queues, the first and the next.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from typing import Any

import django
import numpy as np

from collectors.protocol import METRICS as MEASURED
from dashboard.alerts.conditions import METRICS, Condition
from dashboard.alerts.rules import Engine, Spec
from dashboard.store import open_store
from dashboard.store.base import Store
from dashboard.store.chunks import NOT_KNOWN
from dashboard.store.rollups import Stats
from dashboard.ticks import ROW

from .registry import Curve, Table, Target

INTERVAL, START = 10.0, 1_700_000_000.0
SIZES = tuple((queues, rules) for queues in (100, 1_000, 10_000) for rules in (10, 200))


class Moments:
    """Made-up ticks as a frame shows them."""

    def __init__(self, queues: int) -> None:
        self.random = np.random.default_rng(1)
        self.ids = np.arange(1, queues + 1)
        self.high = self.random.random(queues) < 0.1
        self.at, self.held = START, None
        self.columns: dict[str, Any] = {}

    def next(self) -> Moments:
        self.at += INTERVAL
        n = len(self.ids)
        base = np.where(self.high, 1000.0, 10.0) * self.random.random(n)
        wild = self.random.random(n) < 0.1
        self.columns = {metric: np.where(wild, self.random.random(n) * 1000, base) for metric in METRICS}
        self.columns["waiting"] = self.columns["depth"]
        self.columns["state"] = self.random.integers(0, 6, n).astype(float)
        return self

    def numbers(self, metric: str) -> Any:
        return self.columns[metric]


def conditions(rules: int) -> list[Condition]:
    metrics = list(METRICS)
    kinds: list[dict[str, Any]] = [
        {"kind": "state", "value": "stalled", "for_seconds": 60},
        {"kind": "change", "metric": "depth", "value": 500, "window_seconds": 600},
        {"kind": "forecast", "metric": "lag_seconds", "value": 900, "window_seconds": 600},
    ]
    made = []
    for i in range(rules):
        limit = {
            "metric": metrics[i % len(metrics)],
            "op": ">",
            "value": 700 + i,
            "clear_value": 500,
            "for_seconds": 10 * (i % 7),
        }
        made.append(Condition.read(kinds[i % 10] if i % 10 < 3 else limit))
    return made


def measure(queues: int, rules: int, ticks: int) -> dict[str, float]:
    engine, moments = Engine(INTERVAL), Moments(queues)
    engine.set_rules([Spec(i, condition) for i, condition in enumerate(conditions(rules))])
    some = [np.arange(queues) % 10 == i for i in range(10)]
    scopes = {i: None if i % 2 else some[i % 10] for i in range(rules)}
    spent, changes = [], 0
    for _ in range(ticks):
        frame = moments.next()
        began = time.process_time()
        found = engine.judge(frame, scopes)
        spent.append((time.process_time() - began) * 1000)
        changes += sum(len(change.opened) + len(change.closed) for change in found)
    return {
        "queues": queues,
        "rules": rules,
        "ms": round(statistics.median(spent[ticks // 3 :]), 3),
        "worst ms": round(max(spent[ticks // 3 :]), 3),
        "changes a tick": round(changes / ticks, 1),
        "kept bytes": len(json.dumps(engine.kept())),
    }


#: A rule of each kind, as a form previews them.
PREVIEWED: dict[str, dict[str, Any]] = {
    "limit": {"metric": "lag_seconds", "value": 300.0, "for_seconds": 120},
    "change": {"kind": "change", "metric": "depth", "value": 300, "window_seconds": 600},
    "forecast": {"kind": "forecast", "metric": "lag_seconds", "value": 300, "window_seconds": 900},
    "unusual": {"kind": "unusual", "metric": "depth", "value": 6, "for_seconds": 600},
    "clears": {"metric": "clears_in_seconds", "value": 3600, "for_seconds": 600},
    "stuck": {"kind": "stuck", "value": "behind", "window_seconds": 900},
    "stalled": {"kind": "state", "value": "stalled", "for_seconds": 120},
    "growing": {"kind": "state", "value": "growing", "for_seconds": 900},
}


def week_of(store: Store, queues: int, days: int, end: float) -> list[int]:
    """So many days of minutes: a wave each day, noise, and a peak at another time for each queue; its ids."""
    times = np.arange(end - days * 86400, end, 60.0)
    random = np.random.default_rng(1)
    given = {}
    for id in range(1, queues + 1):
        values = np.full((len(MEASURED), len(times)), np.nan)
        wave = 100 + 80 * np.sin(times / 86400 * 2 * np.pi) + random.integers(0, 20, len(times))
        wave[100 * id : 100 * id + 40] = 1000
        for metric in ("lag_seconds", "depth", "in_rate", "out_rate"):
            values[ROW[metric]] = wave
        status = np.where(np.isnan(values), NOT_KNOWN, 0).astype(np.uint8)
        given[id] = (times, Stats.of(values, status))
    store.add_history(1, 60, given)
    return list(given)


def measure_previews(queues: int, days: int, folder: str) -> list[dict[str, Any]]:
    """Milliseconds of processor time for previews of minutes: the first of a kind, with nothing read before, and the
    next with another time."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()
    from dashboard.alerts import past  # Django has to be set up for it
    from dashboard.alerts.preview import preview

    store, end = open_store(folder), START // 86400 * 86400
    ids, rows = week_of(store, queues, days, end), []
    for kind, given in PREVIEWED.items():
        past.forget()
        spent = []
        for more in (0, 60):
            condition = Condition.read(given | {"for_seconds": given.get("for_seconds", 0) + more})
            began = time.process_time()
            found = preview(store, condition, {1: (INTERVAL, ids)}, end - days * 86400, end)
            spent.append((time.process_time() - began) * 1000)
        rows.append({"queues": queues, "days": days, "rule": kind, "ms": round(spent[0], 1),
                     "again ms": round(spent[1], 1), "incidents": found.incidents})  # fmt: skip
    store.close()
    return rows


def bench(short: bool) -> list[Table]:
    """Judging and previewing, as tables of the one report."""
    sizes = SIZES[:3] if short else SIZES
    judging = Table(
        "Judging rules, milliseconds of processor time a tick", [measure(q, r, 12 if short else 60) for q, r in sizes]
    )
    judging.curve = Curve("queues", ("ms",), by="rules", log=True)
    judging.targets = [
        Target("10,000 queues x 200 rules in 100 ms", row["ms"], 100.0) for row in judging.rows[-1:] if not short
    ]
    rows = []
    for queues, days in ((3, 1),) if short else ((10, 7), (100, 7), (100, 30)):
        with tempfile.TemporaryDirectory() as folder:
            rows += measure_previews(queues, days, folder)
    previews = Table(
        "Previews on minutes, milliseconds of processor time", rows, note="again: another time, as a form asks"
    )
    week = [row["ms"] for row in rows if row["queues"] == 100 and row["days"] == 7]
    previews.targets = [Target("any rule on 100 queues over 7 days in 300 ms", max(week), 300.0)] if week else []
    return [judging, previews]


def table(results: list[dict[str, Any]]) -> None:
    print(" ".join(f"{name:>15}" for name in results[0]))
    for result in results:
        print(" ".join(f"{value:>15}" if isinstance(value, str) else f"{value:>15,}" for value in result.values()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--ticks", type=int, default=60)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args()
    results = [measure(queues, rules, options.ticks) for queues, rules in SIZES]
    previews = []
    for queues, days in ((10, 7), (100, 7), (100, 30)):
        with tempfile.TemporaryDirectory() as folder:
            previews += measure_previews(queues, days, folder)
    if options.json:
        print(json.dumps({"judging": results, "previews": previews}, indent=1))
        return
    table(results)
    print("previews on minutes")
    table(previews)


if __name__ == "__main__":
    main()
