"""What it costs to take in one poll: `python -m tests.bench.ingest [--json] [--ticks N] [QUEUES ...]`.

Milliseconds of processor time (median over the ticks), by step of the spine: samples to columns,
judging, keeping in the embedded store, encoding for the bus; and the bytes a sample takes on disk,
and reading a chart of one queue. Half of the queues are idle, as in real fleets; the other half
changes with every tick, which real ones do not: the figures are on the dear side.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from collectors.protocol import Poll, Quality, Sample
from dashboard.insight.states import Judge
from dashboard.store import FILE_NAME, open_store
from dashboard.ticks import Ring, Tick

from .registry import Curve, Table, Target

START, INTERVAL = 1_700_000_000.0, 10.0
APPROXIMATE = {"in_rate": Quality.APPROXIMATE, "out_rate": Quality.APPROXIMATE}
STEPS = ("columns", "judge", "append", "encode")


class Fleet:
    """Made-up queues that answer polls as RabbitMQ's would."""

    def __init__(self, queues: int) -> None:
        self.random = np.random.default_rng(1)
        self.depth = np.zeros(queues)
        self.busy = np.arange(queues) >= queues // 2
        self.names = [f"team-{i % 40}.service-{i}.queue" for i in range(queues)]

    def poll(self, at: float) -> Poll:
        n = len(self.depth)
        came = np.where(self.busy, self.random.poisson(200, n), 0)
        went = np.minimum(self.depth + came, np.where(self.busy, self.random.poisson(205, n), 0))
        self.depth += came - went
        columns = (self.names, self.depth.tolist(), (came / INTERVAL).tolist(), (went / INTERVAL).tolist())
        samples = [
            Sample(
                key=name,
                name=name,
                kind="quorum",
                depth=depth,
                in_flight=3.0,
                in_rate=in_rate,
                out_rate=out_rate,
                consumers=4.0,
                redelivery_rate=0.0,
                lag_seconds=depth / (out_rate or 1),
                quality=APPROXIMATE,
            )
            for name, depth, in_rate, out_rate in zip(*columns, strict=True)
        ]
        return Poll(at, samples)


def timed(spent: list[float], deed: Callable[[], Any]) -> Any:
    began = time.process_time()
    result = deed()
    spent.append((time.process_time() - began) * 1000)
    return result


def measure(queues: int, ticks: int, folder: Path) -> dict[str, float]:
    """Median milliseconds of processor time by step, bytes per queue and tick, and a chart's milliseconds."""
    fleet, ids, ring, judge = Fleet(queues), np.arange(1, queues + 1), Ring(), Judge()
    store = open_store(folder)
    spent: dict[str, list[float]] = {step: [] for step in STEPS}
    for i in range(ticks):
        poll = fleet.poll(START + INTERVAL * i)
        tick: Tick = timed(spent["columns"], lambda poll=poll: Tick.of(poll, 1, ids))
        tick.judgement = timed(spent["judge"], lambda tick=tick: judge(ring, tick))
        ring.push(tick)
        timed(spent["append"], lambda tick=tick: store.append(tick))
        encoded = timed(spent["encode"], tick.encode)
    chart: list[float] = []
    end = START + INTERVAL * ticks
    for queue in range(1, queues + 1, max(1, queues // 20)):
        timed(chart, lambda queue=queue: store.range([queue], ["depth", "in_rate", "out_rate"], end - 3600, end, 400))
    store.close()
    medians = {step: statistics.median(spent[step]) for step in STEPS}
    return {
        "queues": queues,
        "ticks": ticks,
        **medians,
        "all": sum(medians.values()),
        "encoded_bytes": len(encoded) / queues,
        "stored_bytes": (folder / FILE_NAME).stat().st_size / queues / ticks,
        "chart": statistics.median(chart),
    }


def bench(short: bool = False) -> list[Table]:
    """From 100 to 100,000 queues: what a tick costs by step, and by queue."""
    rows = []
    for queues in (100, 1_000) if short else (100, 1_000, 10_000, 100_000):
        with tempfile.TemporaryDirectory() as folder:
            ticks = 12 if short else max(12, min(360, 600_000 // queues))
            found = measure(queues, ticks, Path(folder))
        rows.append(
            {"queues": queues, **{f"{step} ms": found[step] for step in STEPS}, "all ms": found["all"]}
            | {"µs per queue": 1000 * found["all"] / queues, "encoded bytes per queue": found["encoded_bytes"]}
            | {"a chart of 1 h ms": found["chart"]}
        )
    by_size = {row["queues"]: row for row in rows}
    targets = []
    if 10_000 in by_size:
        share, flat = by_size[10_000]["all ms"] / 5000, by_size[10_000]["µs per queue"] / by_size[100]["µs per queue"]
        targets = [
            Target("10,000 queues every 5 s, share of one core", share, 0.25),
            Target("cost per queue, 10,000 beside 100", flat, 1.0),
        ]
    note = "Processor time, medians over the ticks. Half of the queues change with every tick, which is dear."
    return [Table("Taking in a poll", rows, note, Curve("queues", tuple(f"{s} ms" for s in STEPS), log=True), targets)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("queues", nargs="*", type=int, default=[100, 1_000, 10_000, 100_000])
    parser.add_argument("--ticks", type=int, default=0, help="per size (default: an hour's, fewer of many queues)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args()
    results = []
    for queues in options.queues:
        with tempfile.TemporaryDirectory() as folder:
            ticks = options.ticks or max(12, min(360, 1_000_000 // queues))
            results.append({k: round(v, 3) for k, v in measure(queues, ticks, Path(folder)).items()})
    if options.json:
        print(json.dumps(results, indent=1))
        return
    print("milliseconds of processor time, medians; bytes per queue and tick")
    print(" ".join(f"{name:>13}" for name in results[0]))
    for result in results:
        print(
            " ".join(f"{value:>13,.1f}" if isinstance(value, float) else f"{value:>13,}" for value in result.values())
        )


if __name__ == "__main__":
    main()
