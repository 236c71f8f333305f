"""How far the lag that Weir tells is from the truth, on real brokers: `python -m tests.bench.lag [--seconds 100]`.

Every message's time of sending and of taking is known (tests/brokers/lived.py). Queues fill, stand, fill again while
their consumers are gone, and are worked off; Weir polls at its usual interval. SQS is a stand-in (moto), Redis lists
that are no dialect's tell no lag at all, and neither does SQS without CloudWatch: unknown is not scored. What SQS tells
by CloudWatch takes hours to show: that is measured on made courses (tests/dashboard/labelled: `ahead`, `monitored`),
each minute's greatest age arriving as late as it does.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Sequence
from dataclasses import asdict

from collectors.brokers.sqs.cloudwatch import PERIOD
from tests.brokers.lived import Phase
from tests.brokers.watched import Watched, engines, lines_for, watch
from tests.dashboard.labelled.ahead import ahead, goes_on
from tests.dashboard.labelled.monitored import EVERY, POLLED
from tests.dashboard.labelled.monitored import errors as monitored

from . import report
from .registry import Table, Target

INTERVAL = 10.0  # that of Weir unless told otherwise


def course(seconds: float, rate: float) -> list[Phase]:
    """A backlog comes up, stands, grows without consumers, and is worked off."""
    part = seconds / 12
    return [
        Phase(part, 2 * rate, 0, "gone"), Phase(4 * part, rate, rate),
        Phase(2 * part, rate, 0, "gone"), Phase(5 * part, rate / 2, 2 * rate),
    ]  # fmt: skip


def live(seconds: float, interval: float, rabbitmq: bool = True) -> list[Watched]:
    with engines(rabbitmq) as found:
        return watch(lines_for(found, course(seconds, 20), course(seconds, 2)), seconds, interval)


def table(watched: Sequence[Watched], interval: float) -> Table:
    """One row for each queue and method; the mean error has to be below one interval of polls."""
    rows, targets = [], []
    for one in watched:
        name = f"{one.broker} {one.line.name}"
        errors = one.errors()
        for method, far in sorted(errors.items()):
            words = f"{name}, {method.name.lower()}"
            rows.append({"queue": words, "polls": len(far), "mean error s": statistics.mean(far),
                         "largest s": max(far), "told no lag": one.untold})  # fmt: skip
            if len(far) >= 4:
                targets.append(Target(f"{words}: mean error in intervals", statistics.mean(far) / INTERVAL, 1.0))
        if not errors:
            rows.append({"queue": f"{name}, unknown", "polls": len(one.polls), "mean error s": None, "largest s": None,
                         "told no lag": one.untold})  # fmt: skip
    note = f"Polled every {interval:g} s. RabbitMQ refreshes its numbers every 5 s."
    return Table("Lag in seconds against the messages' own times", rows, note, targets=targets)


def by_cloudwatch(short: bool) -> Table:
    """SQS with `cloudwatch=true`, by family of courses."""
    far: dict[str, list[float]] = {}
    for series in (course(shift=0) for course in goes_on()[12:13]) if short else ahead():
        if series.interval <= POLLED and max(series.lag) > PERIOD:
            far.setdefault(series.family, []).extend(monitored(series))
    rows = [
        {"course": family, "polls": len(some), "mean error s": statistics.mean(some), "largest s": max(some)}
        for family, some in far.items()
    ]
    mean = statistics.mean(statistics.mean(some) for some in far.values())
    worst = max(statistics.mean(some) for some in far.values())
    targets = [Target("monitored: mean error in intervals of CloudWatch", mean / EVERY, 1.0),
               Target("monitored: of the worst family", worst / EVERY, 1.0)]  # fmt: skip
    note = f"CloudWatch is asked every {EVERY:g} s, SQS every {POLLED:g} s; what CloudWatch says is 2 to 8 minutes old."
    return Table("Lag of SQS by CloudWatch, on made courses", rows, note, targets=targets)


def bench(short: bool = False) -> list[Table]:
    seconds, interval = (10.0, 1.0) if short else (110.0, INTERVAL)
    return [table(live(seconds, interval, rabbitmq=not short), interval), by_cloudwatch(short)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=110.0)
    parser.add_argument("--interval", type=float, default=INTERVAL)
    options = parser.parse_args()
    found = [table(live(options.seconds, options.interval), options.interval), by_cloudwatch(short=False)]
    print(report.text({"tables": [asdict(one) for one in found], "seconds": options.seconds}))


if __name__ == "__main__":
    main()
