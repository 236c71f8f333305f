"""Samples of queues from what is remembered of them."""

from __future__ import annotations

from ...protocol import LagMethod, Quality, Sample
from .cloudwatch import TOO_OLD, TOO_OLD_LEAST, Flow
from .queue import Queue

#: Counts are approximate by SQS's own word; what CloudWatch sums up is late by minutes, and may count twice.
_APPROXIMATE = dict.fromkeys(("depth", "in_flight", "delayed", "in_rate", "out_rate"), Quality.APPROXIMATE)
_ASKED = {**_APPROXIMATE, **dict.fromkeys(("net_rate", "redelivery_rate", "lag_seconds"), Quality.ESTIMATED)}
#: A value that is carried on from an earlier poll is an estimate of the present.
_CARRIED = dict.fromkeys(_ASKED, Quality.ESTIMATED)


def sample_of(queue: Queue, at: float, is_target: bool, every: float) -> Sample:
    """The sample of a queue at `at` (epoch seconds).

    `is_target`: dead letters arrive here. `every`: seconds between two answers of CloudWatch.
    """
    sample = Sample(queue.key, queue.name, "fifo" if queue.fifo else "standard")
    if queue.attributes is None or queue.measured_at is None:
        sample.measured_at = 0.0
        return sample
    carried = queue.measured_at < at
    sample.measured_at = queue.measured_at if carried else None
    sample.quality = _CARRIED if carried else _ASKED
    sample.depth, sample.in_flight, sample.delayed = queue.attributes.counts
    flow = queue.flow
    if flow is not None and at - flow.at <= max(TOO_OLD * every, TOO_OLD_LEAST):
        _add_flow(sample, flow, is_target, at)
    if sample.in_rate is None or sample.out_rate is None:
        sample.net_rate = queue.trend.net_rate
    return sample


def _add_flow(sample: Sample, flow: Flow, is_target: bool, at: float) -> None:
    # What a redrive policy moves into a dead-letter queue is not counted as sent there.
    sample.in_rate = None if is_target else flow.sent
    sample.out_rate = flow.deleted
    sample.redelivery_rate = None if is_target else flow.again
    # CloudWatch leaves out messages that were received three times or more: no age while messages wait is no proof.
    if flow.age is not None and (flow.age > 0 or sample.depth == 0):
        sample.lag_seconds = flow.age_by(at) if sample.depth else 0.0
        sample.lag_method = LagMethod.MONITORED
