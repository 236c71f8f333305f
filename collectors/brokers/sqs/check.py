"""Tries each action that Weir can use on SQS, and names the IAM permission that is missing."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from ...errors import CollectorError, NotSupported
from ...protocol import Check
from . import cloudwatch
from .discovery import Discovery
from .failures import Denied, Gone
from .options import Options
from .powers import POWERS
from .queue import Queue
from .target import Target

#: What is tried on one queue, by its name in boto3.
_TRIED: Mapping[str, Mapping[str, Any]] = {
    "get_queue_attributes": {"AttributeNames": ["All"]},
    "list_queue_tags": {},
    "list_dead_letter_source_queues": {"MaxResults": 1},
}


def check(options: Options, targets: Sequence[Target], discoveries: Sequence[Discovery]) -> list[Check]:
    """One line per power and target, about polling first."""
    lines: list[Check] = []
    found = 0
    for target, discovery in zip(targets, discoveries, strict=True):
        rows, queues = _one(options, target, discovery)
        lines += rows
        found += queues
    broken = [line for line in lines if not line.ok and line.power in ("sqs:ListQueues", "sqs:GetQueueAttributes")]
    if broken:
        return [Check("polling", False, broken[0].sentence), *lines]
    places = ", ".join(target.place() for target in targets)
    return [Check("polling", True, f"{found:,} queues can be polled of {places}."), *lines]


def _one(options: Options, target: Target, discovery: Discovery) -> tuple[list[Check], int]:
    discovery.refresh(time.monotonic(), again=True)
    if discovery.problem is not None:
        action = discovery.problem.action if isinstance(discovery.problem, Denied) else "sqs:ListQueues"
        lines = [] if action == "sqs:ListQueues" else [_line(action, discovery.problem)]
        return [*lines, Check("sqs:ListQueues", False, str(discovery.problem))], 0
    queues = list(discovery.queues.values())
    lines = [Check("sqs:ListQueues", True, f"{len(queues):,} queues of {target.place()}.")]
    if options.tags:
        lines.append(Check("tag:GetResources", True, "Queues can be chosen by tag."))
    if not queues:
        lines.append(Check("sqs:GetQueueAttributes", True, "Not tried: there is no queue to ask."))
        return lines, 0
    queue = queues[0]
    for operation, arguments in _TRIED.items():
        action = "sqs:" + operation.title().replace("_", "")
        ask = partial(target.call, "sqs", operation, QueueUrl=queue.url, **arguments)
        lines.append(_try(action, ask))
    lines.append(_monitoring(options, queue))
    return lines, len(queues)


def _monitoring(options: Options, queue: Queue) -> Check:
    action = "cloudwatch:GetMetricData"
    if not options.cloudwatch:
        return Check(
            action, True, f"Not tried: without cloudwatch=true in the URL {POWERS[action]}, and nothing is paid."
        )
    return _try(action, lambda: cloudwatch.ask([queue], time.time(), options.cloudwatch_every))


def _try(action: str, ask: Callable[[], object]) -> Check:
    try:
        ask()
    except CollectorError as error:
        return _line(action, error)
    return Check(action, True, "Allowed.")


def _line(action: str, error: CollectorError) -> Check:
    if isinstance(error, Gone):
        return Check(action, True, "Not tried: the queue that it was tried on is gone by now.")
    if isinstance(error, NotSupported):
        return Check(action, False, f"{error} Then {POWERS[action]}.")
    return Check(action, False, f"{str(error).rstrip('.')}; without it {POWERS[action]}.")
