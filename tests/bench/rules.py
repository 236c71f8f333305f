"""What judging the rules costs a tick: `python -m tests.bench.rules [--json] [--ticks N]`.

Milliseconds of processor time (median over ticks) at 100, 1,000 and 10,000 queues x 10 and 200 rules, of which seven
in ten are limits, the others states, changes, forecasts and verdicts over windows. Half of the rules are about every
queue, half about one in ten. Each tick a tenth of the queues is beyond the limits, another tenth comes and goes.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from typing import Any

import numpy as np

from dashboard.alerts.conditions import METRICS, Condition
from dashboard.alerts.rules import Engine, Spec

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
        limit = {"metric": metrics[i % len(metrics)], "value": 700 + i, "clear_value": 500, "for_seconds": 10 * (i % 7)}
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--ticks", type=int, default=60)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args()
    results = [measure(queues, rules, options.ticks) for queues, rules in SIZES]
    if options.json:
        print(json.dumps(results, indent=1))
        return
    print(" ".join(f"{name:>15}" for name in results[0]))
    for result in results:
        print(" ".join(f"{value:>15,}" for value in result.values()))


if __name__ == "__main__":
    main()
