"""SQS's own move of a whole dead-letter queue: asynchronous, without a filter, one at a time for each queue.

It moves what lies there by its own count and cannot be bounded otherwise, only slowed down and cancelled; messages get
new ids and dates. To "where each died" it knows the way only of those that SQS itself moved into the queue.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...errors import BadAnswer, NotSupported
from ...powers import MoveProgress
from .attributes import number
from .failures import Denied, Throttled
from .queue import Queue

#: What SQS allows, in messages per second.
FASTEST = 500
#: Moves that SQS goes on listing.
LISTED = 10
TERMS = (
    f"At most {FASTEST} a second, one queue at a time, and only dead-letter queues of SQS; no journal of single "
    "messages, no marks on copies, rough counts, no trial, pause or yielding. It can be cancelled, not undone: what "
    "was moved stays moved, with a new id and time. To where each died it knows the way only of those that SQS "
    "itself moved in."
)
_STATES = {
    "RUNNING": "running",
    "CANCELLING": "running",
    "COMPLETED": "done",
    "CANCELLED": "cancelled",
    "FAILED": "failed",
}


def unfit(queue: Queue, to: Queue | None) -> str:
    """Why SQS's own move cannot be used, a sentence; "" = it can."""
    if to is not None and to.key == queue.key:
        return "A queue cannot be moved into itself."
    if to is not None and to.key.rpartition(":")[0] != queue.key.rpartition(":")[0]:
        return "SQS moves only within one region and account."
    if to is not None and to.fifo != queue.fifo:
        return "SQS moves from FIFO to FIFO queues only, and from standard to standard ones."
    try:
        sources = queue.target.call("sqs", "list_dead_letter_source_queues", QueueUrl=queue.url, MaxResults=1)
        tasks = _tasks(queue)
    except Throttled:
        raise
    except (Denied, NotSupported, BadAnswer) as error:
        return str(error)
    if not sources.get("queueUrls"):
        return f"SQS moves only dead-letter queues of its own, and no queue sends its dead letters to '{queue.short}'."
    if any(_STATES.get(str(task.get("Status"))) == "running" for task in tasks):
        return "SQS is moving this queue already, and makes one move at a time."
    return ""


def mark(queue: Queue) -> str:
    """A handle of the next move, before it is begun: it tells when the latest one until now began."""
    return f"{max((_began(task) for task in _tasks(queue)), default=0)}:"


def start(queue: Queue, to: Queue | None, rate: float | None) -> str:
    """Begin; the handle is SQS's own, which is told of running moves only, and when the move before it began."""
    more: dict[str, Any] = {} if to is None else {"DestinationArn": to.target.queue_arn(to.key)}
    if rate is not None:
        more["MaxNumberOfMessagesPerSecond"] = max(1, min(FASTEST, int(rate)))
    before = mark(queue)
    arn = queue.target.queue_arn(queue.key)
    answer = queue.target.call_once("sqs", "start_message_move_task", SourceArn=arn, **more)
    return f"{before}{answer['TaskHandle']}"


def progress(queue: Queue, handle: str) -> MoveProgress:
    """How far a move is; counts are approximate, and None where SQS does not give them."""
    task = _found(queue, handle)
    if task is None:
        return MoveProgress("none")
    state = _STATES.get(str(task.get("Status")))
    if state is None:
        raise BadAnswer(f"{queue.target.place()} says of a move what is not known here: {task.get('Status')!r:.40}.")
    moved, of = (task.get(f"ApproximateNumberOfMessages{what}") for what in ("Moved", "ToMove"))
    return MoveProgress(state, moved, of, str(task.get("FailureReason") or "")[:300])


def cancel(queue: Queue, handle: str) -> None:
    """Stop it. A move that is over by now, is being stopped, or never began, is no failure."""
    task = _found(queue, handle)
    if task is not None and "TaskHandle" in task and task.get("Status") == "RUNNING":
        queue.target.call("sqs", "cancel_message_move_task", TaskHandle=task["TaskHandle"])


def _found(queue: Queue, handle: str) -> Mapping[str, Any] | None:
    """The move of a handle; None = only the mark is known, and none was begun after it."""
    before, _, own = handle.partition(":")
    tasks = sorted(_tasks(queue), key=_began)
    task = next((one for one in tasks if own and one.get("TaskHandle") == own), None)
    if task is None:  # it is over, or its handle never arrived: then it is the first one after the one before
        after = (one for one in tasks if before.isdecimal() and _began(one) > int(before))
        task = next((one for one in after if not own or "TaskHandle" not in one), None)
    if task is None and own:
        raise BadAnswer(f"SQS does not list this move any more; it lists the last {LISTED} of a queue.")
    return task


def _tasks(queue: Queue) -> list[Mapping[str, Any]]:
    arn = queue.target.queue_arn(queue.key)
    answer = queue.target.call("sqs", "list_message_move_tasks", SourceArn=arn, MaxResults=LISTED)
    return list(answer.get("Results") or ())


def _began(task: Mapping[str, Any]) -> int:
    return int(number(task.get("StartedTimestamp")) or 0)
