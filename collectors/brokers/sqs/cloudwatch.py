"""Rates and the age of the oldest message, from CloudWatch. It bills every metric that is asked for.

Sums of a minute arrive one to three minutes late, and none arrive for a queue that nobody uses: what is missing is
unknown, and is not counted as zero. Several minutes are asked for at once, because a call costs the same for one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from .attributes import number

if TYPE_CHECKING:
    from .queue import Queue

#: Metrics of a queue: CloudWatch's name, and what is taken of each minute.
METRICS = (
    ("sent", "NumberOfMessagesSent", "Sum"),
    ("received", "NumberOfMessagesReceived", "Sum"),  # counts redeliveries too
    ("deleted", "NumberOfMessagesDeleted", "Sum"),
    ("age", "ApproximateAgeOfOldestMessage", "Maximum"),
)
PERIOD = 60
#: Most metrics that one call may ask for; a whole number of queues fits in.
BATCH = 500 // len(METRICS) * len(METRICS)
#: The newest minutes are still on their way.
LATE = 120.0
#: So many minutes are asked for at least: they tell whether the age goes up or down.
LEAST_MINUTES = 3
#: What was told so many times `cloudwatch_every` ago (and at least a quarter of an hour) is not said any more.
TOO_OLD, TOO_OLD_LEAST = 3.0, 900.0


@dataclass(frozen=True, slots=True)
class Flow:
    """Of one queue: messages per second and seconds, None = unknown; `at`, epoch seconds, is the end of the minutes.

    `age` was that of the oldest message at `age_at`; until then it went up by `ageing` a second, over the minutes.
    """

    at: float
    sent: float | None
    received: float | None
    deleted: float | None
    age: float | None = None
    age_at: float = 0.0
    ageing: float = 0.0

    def age_by(self, at: float) -> float | None:
        """The age carried on to `at`: nothing grows older by more than the time that passes, or is younger than 0."""
        passed = max(0.0, at - self.age_at)
        return None if self.age is None else max(0.0, self.age + min(self.ageing, 1.0) * passed)

    @property
    def again(self) -> float | None:
        """Deliveries per second that did not end with a deletion: an estimate of those made again."""
        if self.received is None or self.deleted is None:
            return None
        return max(0.0, self.received - self.deleted)


def window(now: float, every: float) -> tuple[float, float]:
    """The whole minutes that an answer made at `now` (epoch seconds) is taken from: start and end."""
    end = math.floor((now - LATE) / PERIOD) * PERIOD
    return end - max(math.ceil(every / PERIOD), LEAST_MINUTES) * PERIOD, end


def queries(queues: Sequence[Queue]) -> list[dict[str, Any]]:
    """The MetricDataQueries for so many queues; ids say which queue (by its place) and which metric."""
    return [
        {
            "Id": f"{word}_{place}",
            "MetricStat": {
                "Metric": {
                    "Namespace": "AWS/SQS",
                    "MetricName": metric,
                    "Dimensions": [{"Name": "QueueName", "Value": queue.short}],
                },
                "Period": PERIOD,
                "Stat": stat,
            },
        }
        for place, queue in enumerate(queues)
        for word, metric, stat in METRICS
    ]


def ask(queues: Sequence[Queue], now: float, every: float) -> dict[str, Flow]:
    """The flow of at most BATCH / 4 queues of one target, by key. Raises CollectorError."""
    start, end = window(now, every)
    found: dict[str, dict[datetime, float]] = {}
    pages = queues[0].target.pages(
        "cloudwatch",
        "get_metric_data",
        MetricDataQueries=queries(queues),
        StartTime=datetime.fromtimestamp(start, UTC),
        EndTime=datetime.fromtimestamp(end, UTC),
    )
    for page in pages:
        for row in page.get("MetricDataResults") or ():
            pairs = zip(row.get("Timestamps") or (), row.get("Values") or (), strict=False)
            found.setdefault(str(row.get("Id")), {}).update(pairs)
    return {queue.key: flow_of(found, place, start, end) for place, queue in enumerate(queues)}


def flow_of(found: Mapping[str, Mapping[datetime, float]], place: int, start: float, end: float) -> Flow:
    """What the answer says of one queue: rates over the minutes that are there, the age in the newest of them."""

    def values(word: str) -> list[tuple[float, float]]:
        rows = found.get(f"{word}_{place}", {}).items()
        known = [(at.timestamp(), number(value)) for at, value in rows]
        return sorted((at, value) for at, value in known if value is not None and start <= at < end)

    def rate(word: str) -> float | None:
        minutes = values(word)
        return sum(value for _, value in minutes) / (len(minutes) * PERIOD) if minutes else None

    flow = (end, rate("sent"), rate("received"), rate("deleted"))
    ages = values("age")[-LEAST_MINUTES:]
    if not ages:
        return Flow(*flow)
    (first, then), (last, now) = ages[0], ages[-1]
    return Flow(*flow, now, last + PERIOD, (now - then) / (last - first) if last > first else 0.0)
