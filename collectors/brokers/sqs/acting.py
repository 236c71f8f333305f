"""Tries the actions that looking and replaying need on SQS, without touching a message.

Each that touches messages is called with an argument that cannot be: IAM is asked before the arguments are, so that
credentials which may do it are refused for the argument, and others for themselves.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from ...errors import BadAnswer
from ...protocol import Check
from .discovery import Discovery
from .failures import Denied, Gone, Throttled
from .queue import Queue
from .target import Target

LOOKING, REPLAYING = "looking", "replaying"
NO_RECEIPT = "weir-check"

#: By its name in boto3: the power that needs it, what is missing without it, and arguments that cannot be.
ACTIONS: Mapping[str, tuple[str, str, Mapping[str, Any]]] = {
    "get_queue_attributes": (LOOKING, "nobody knows what a look would do", {"AttributeNames": ["All"]}),
    "receive_message": (
        LOOKING,
        "messages cannot be looked at",
        {"MaxNumberOfMessages": 99, "VisibilityTimeout": 0},
    ),
    "change_message_visibility": (
        LOOKING,
        "messages that were looked at cannot be given back at once",
        {"ReceiptHandle": NO_RECEIPT, "VisibilityTimeout": 0},
    ),
    "send_message": (REPLAYING, "nothing can be sent", {"MessageBody": "x", "DelaySeconds": 99_999}),
    "delete_message": (REPLAYING, "what was sent again cannot be removed", {"ReceiptHandle": NO_RECEIPT}),
}


def check_acting(
    targets: Sequence[Target], discoveries: Sequence[Discovery], keys: Sequence[str], replaying: bool
) -> list[Check]:
    """A line for each action and target, on one queue of `keys` there. Raises CollectorError."""
    lines: list[Check] = []
    for target, discovery in zip(targets, discoveries, strict=True):
        discovery.refresh(time.monotonic(), again=True)
        if discovery.problem is not None:
            raise discovery.problem
        found = next((discovery.queues[key] for key in keys if key in discovery.queues), None)
        queue = found or next(iter(discovery.queues.values()), None)
        for operation, (power, gives, _) in ACTIONS.items():
            if power == LOOKING or replaying:
                lines.append(_line(power, operation, gives, target, queue))
    return lines


def _line(power: str, operation: str, gives: str, target: Target, queue: Queue | None) -> Check:
    action = "sqs:" + operation.title().replace("_", "")
    name = f"{power}: {action}"
    if queue is None:
        return Check(name, True, f"Not tried: there is no queue to ask of {target.place()}.")
    try:
        may(queue, operation)
    except Denied as error:
        return Check(name, False, f"{str(error).rstrip('.')}; without it {gives}.")
    except Gone:
        return Check(name, True, "Not tried: the queue that it was tried on is gone by now.")
    return Check(name, True, "Allowed.")


def may(queue: Queue, operation: str) -> None:
    """Return when these credentials may do this on a queue. Raises Denied, or why that cannot be told."""
    fifo = {"MessageGroupId": "weir"} if operation == "send_message" and queue.fifo else {}
    try:
        queue.target.call("sqs", operation, QueueUrl=queue.url, **ACTIONS[operation][2], **fifo)
    except Throttled:
        raise
    except BadAnswer:
        return
