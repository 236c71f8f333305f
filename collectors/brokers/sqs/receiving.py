"""Receiving messages, hiding them for longer, letting go of them, deleting them: what is done by receipt handles."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from ...errors import BadAnswer, CollectorError
from ...letters import Outcome, Receipt
from .message import Received
from .parallel import Round
from .queue import Queue

#: Entries of one call, and messages of one receive.
BATCH = 10
#: Times that a delete is tried: done twice it is the same.
TIMES = 3
#: Errors of a receipt handle by which nothing can be hidden or shown any more (ChangeMessageVisibility).
NOT_HELD = {"ReceiptHandleIsInvalid", "MessageNotInflight", "InvalidParameterValue"}
NOT_SAID = "SQS did not say what became of it."


@dataclass(slots=True, frozen=True)
class Handed:
    """Messages as SQS handed them out, hidden until `until`; `tried_again`: the answer of a call before was lost, and
    with it, maybe, messages that it hid."""

    messages: list[Mapping[str, Any]]
    until: float
    tried_again: bool = False


def receive(queue: Queue, most: int, hidden: int, wait: int) -> Handed:
    """At most ten messages, hidden for so many seconds, after a wait of at most so many.

    On a FIFO queue a call whose answer was lost is made again as the same attempt, which gives the same messages.
    """
    until = time.time() + hidden
    again = {"ReceiveRequestAttemptId": uuid4().hex} if queue.fifo else {}
    answer = queue.target.call(
        "sqs", "receive_message", QueueUrl=queue.url, MaxNumberOfMessages=max(1, min(most, BATCH)),
        VisibilityTimeout=hidden, WaitTimeSeconds=wait, MessageSystemAttributeNames=["All"],
        MessageAttributeNames=["All"], **again,
    )  # fmt: skip
    messages = answer.get("Messages") or []
    for message in messages:
        if not message.get("MessageId") or not message.get("ReceiptHandle"):
            raise BadAnswer(f"{queue.target.place()} handed out a message without an id or a receipt handle.")
    return Handed(messages, until, bool((answer.get("ResponseMetadata") or {}).get("RetryAttempts")))


def hide(queue: Queue, letters: Sequence[Received], seconds: int) -> tuple[list[Received], CollectorError | None]:
    """Keep letters out of sight for so many seconds from now, or with 0 let go of them, in order where that counts.

    Those for which it did not work, and why: they come back by themselves when their time is over.
    """
    failed: list[Received] = []
    why: CollectorError | None = None
    until = time.time() + seconds  # as with `receive`: an answer may come long after SQS has begun to count
    for batch, answer in _batches(queue, letters, lambda batch: _hide(queue, batch, seconds)):
        if isinstance(answer, CollectorError):
            failed += batch
            why = why or answer
        else:
            said = _by_entry(answer)
            for n, letter in enumerate(batch):
                if said.get(n) == "":
                    letter.hidden_until = until
                else:
                    failed.append(letter)
    return failed, why


def let_go(queue: Queue, handles: Sequence[str]) -> bool:
    """Show others at once what somebody had received; whether it worked for all handles that are still valid."""

    def work(batch: Sequence[str]) -> Answer:
        entries = [{"Id": str(n), "ReceiptHandle": one, "VisibilityTimeout": 0} for n, one in enumerate(batch)]
        return queue.target.call("sqs", "change_message_visibility_batch", QueueUrl=queue.url, Entries=entries)

    answers = Round(work, lambda: True).run([handles[n : n + BATCH] for n in range(0, len(handles), BATCH)])
    return all(not isinstance(answer, CollectorError) and _only_invalid(answer) for _, answer in answers)


def _only_invalid(answer: Answer) -> bool:
    """Whether each entry that failed did so because its letter is in nobody's hands any more, or in others."""
    codes = [str(one.get("Code", "")).rpartition(".")[2] for one in answer.get("Failed") or ()]
    return all(code in NOT_HELD for code in codes)


def delete(queue: Queue, letters: Sequence[Received]) -> list[Receipt]:
    """Delete originals for good, except those that may be in other hands by now. What failed is tried again."""
    left, why = list(letters), {letter.tag: NOT_SAID for letter in letters}
    for _ in range(TIMES):
        now = time.time()
        for letter in left:
            if letter.hidden_until <= now:
                why[letter.tag] = "Not deleted: the time for which it was hidden had passed."
        ours = [letter for letter in left if letter.hidden_until > now]
        for batch, answer in _batches(queue, ours, lambda batch: _delete(queue, batch)):
            said = {} if isinstance(answer, CollectorError) else _by_entry(answer)
            for n, letter in enumerate(batch):
                why[letter.tag] = str(answer) if isinstance(answer, CollectorError) else said.get(n, NOT_SAID)
        left = [letter for letter in ours if why[letter.tag]]
        if not left:
            break
    return [Receipt(tag, Outcome.UNKNOWN if why[tag] else Outcome.REMOVED, why[tag]) for tag in why]


Answer = dict[str, Any]
Batch = Sequence[Received]


def _batches(
    queue: Queue, letters: Sequence[Received], work: Callable[[Batch], Answer]
) -> list[tuple[Batch, Answer | CollectorError]]:
    """Ten by ten, at once on a standard queue; one after the other on a FIFO queue, which has an order to keep."""
    batches: list[Batch] = [letters[n : n + BATCH] for n in range(0, len(letters), BATCH)]
    if not queue.fifo:
        return Round(work, lambda: True).run(batches)
    done: list[tuple[Batch, Answer | CollectorError]] = []
    for batch in batches:
        done += Round(work, lambda: True).run([batch])
    return done


def _hide(queue: Queue, batch: Batch, seconds: int) -> Answer:
    entries = [
        {"Id": str(n), "ReceiptHandle": letter.handle, "VisibilityTimeout": seconds} for n, letter in enumerate(batch)
    ]
    return queue.target.call("sqs", "change_message_visibility_batch", QueueUrl=queue.url, Entries=entries)


def _delete(queue: Queue, batch: Batch) -> Answer:
    entries = [{"Id": str(n), "ReceiptHandle": letter.handle} for n, letter in enumerate(batch)]
    return queue.target.call("sqs", "delete_message_batch", QueueUrl=queue.url, Entries=entries)


def _by_entry(answer: Answer) -> dict[int, str]:
    """Why an entry failed, by its number; "" = it went well. One that is not named is not told of."""
    said = {int(one["Id"]): "" for one in answer.get("Successful") or ()}
    for one in answer.get("Failed") or ():
        said[int(one["Id"])] = f"SQS refused it: {one.get('Code', 'no reason given')}."
    return said
