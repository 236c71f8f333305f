"""How right Weir's judgement is: `python -m tests.bench.judgement [--short]`.

States against the labelled set (tests/dashboard/labelled): precision and recall by state, delay, flicker, causes named;
once on the arrivals that the judge's constants were tried on, once on others that it never saw, and once on queues of
RabbitMQ, Redis and SQS that went through known phases and were recorded (tests/recordings/record_series.py).
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from itertools import groupby

from tests.dashboard.labelled.made import made
from tests.dashboard.labelled.recorded import recorded
from tests.dashboard.labelled.score import Judged, flicker, judge, reasons_right, scores

from . import report
from .registry import Table, Target

FRESH = 5000


def states(judged: list[Judged], title: str) -> Table:
    found = scores(judged)
    count, right = reasons_right(judged)
    names = ("idle", "steady", "draining", "growing", "stalled")
    rows = [row for row in (score.row() for score in found.values()) if row["state"] in names]
    least = {row["state"]: min(row["precision"], row["recall"]) for row in rows}
    targets = [Target(f"{name}: the less of precision and recall", value, 0.95, True) for name, value in least.items()]
    targets += [
        Target("changes of state an hour that nothing caused", flicker(judged), 0.5),
        Target("share of known causes that are named", right / max(count, 1), 0.95, True),
    ]
    hours = sum(one.series.seconds for one in judged) / 3600
    note = f"{len(judged)} series, {hours:,.0f} hours, {sum(len(j.series.times) for j in judged):,} polls."
    return Table(title, rows, note, targets=targets)


def families(judged: list[Judged]) -> Table:
    rows = []
    for family, some in groupby(judged, key=lambda one: one.series.family):
        ones = list(some)
        scored = sum(len(right) < 6 for one in ones for right in one.series.expected)
        wrong = sum(len(one.wrong) for one in ones)
        worst = max(ones, key=lambda one: len(one.wrong))
        rows.append({"family": family, "series": len(ones), "right": 1 - wrong / max(scored, 1), "polls": scored,
                     "changes an hour": flicker(ones), "worst": worst.series.name if worst.wrong else ""})  # fmt: skip
    return Table("By family, on arrivals that it never saw", rows)


def bench(short: bool = False) -> list[Table]:
    """The report; the short form judges a few series once."""
    if short:
        some = judge([series for series in made(FRESH) if series.family in ("steady", "ramp", "outage of consumers")])
        return [states(some, "Three families"), families(some)]
    fresh = judge(made(FRESH))
    return [states(fresh, "States, on arrivals that it never saw"), families(fresh),
            states(judge(made()), "States, on those that its constants were tried on"),
            states(judge(recorded()), "States, on real queues that were recorded")]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--short", action="store_true")
    print(report.text({"tables": [asdict(table) for table in bench(parser.parse_args().short)], "seconds": 0}))


if __name__ == "__main__":
    main()
