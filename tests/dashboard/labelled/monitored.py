"""The lag that Weir tells of a queue of SQS by CloudWatch, which says each minute's greatest age, minutes late."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import cast

import numpy as np

from collectors.brokers.sqs.attributes import read
from collectors.brokers.sqs.cloudwatch import PERIOD, flow_of, window
from collectors.brokers.sqs.queue import Queue
from collectors.brokers.sqs.samples import sample_of
from collectors.brokers.sqs.target import Target

from .told import Series

EVERY = 300.0  # seconds between two questions to CloudWatch, unless told otherwise
POLLED = 30.0


def errors(series: Series) -> list[float]:
    """How far the lag that is told at the polls of a series is from the truth, in seconds; unknown is left out."""
    times, lag = np.array(series.times), np.array(series.lag)
    depth = [0.0 if sample is None else sample.get("depth", 0.0) for sample in series.samples]
    queue = Queue("orders", "orders", "", cast(Target, None))
    far, due = [], 0.0
    for at in np.arange(times[0] + 3 * EVERY, times[-1], POLLED).tolist():
        if at >= due:
            due = at + EVERY
            start, end = window(at, EVERY)
            minutes = {
                minute: (times > minute) & (times <= minute + PERIOD) for minute in np.arange(start, end, PERIOD)
            }
            ages = {datetime.fromtimestamp(m, UTC): float(lag[i].max()) for m, i in minutes.items() if i.any()}
            queue.flow = flow_of({"age_0": ages}, 0, start, end)
        now = int(np.searchsorted(times, at, "right")) - 1
        queue.attributes, queue.measured_at = read({"ApproximateNumberOfMessages": str(round(depth[now]))}), at
        told = sample_of(queue, at, False, EVERY).lag_seconds
        if told is not None:
            far.append(abs(told - float(lag[now])))
    return far
