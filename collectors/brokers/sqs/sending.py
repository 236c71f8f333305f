"""Copies of messages, sent in batches, and what became of each.

A send whose answer was lost is not made again on a standard queue: it may have arrived. On a FIFO queue it may be
made again, since the deduplication id of a copy stays the same. Bodies and attributes are sent as they came, so that
pointers to S3 of the Extended Client, and what SNS wrapped, stay what they are.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from botocore import exceptions as aws

from ...errors import AccessRefused, BadURL, CollectorError, NotSupported
from ...letters import Outcome, Receipt
from . import digests
from .failures import THROTTLED, Throttled
from .message import Received
from .queue import Queue
from .receiving import BATCH, NOT_SAID

#: Bytes of one batch. AWS takes 1 MiB by now and took 256 KiB for long, as its emulators do; a larger one goes alone.
BATCH_BYTES = 256 * 1024
#: Times that a copy is sent which AWS refused for being one too many, and seconds to wait before the second.
TIMES, WAIT = 6, 0.1
#: Tries of which the answers may be lost, on a FIFO queue.
FIFO_TIMES = 3


@dataclass(slots=True, frozen=True)
class Copy:
    """A copy of the letter `tag`: `entry` as SendMessageBatch takes it, without its Id; `size` in bytes."""

    tag: int
    entry: Mapping[str, Any]
    size: int

    @property
    def group(self) -> str:
        return str(self.entry.get("MessageGroupId", ""))


Attributes = Mapping[str, Mapping[str, Any]]


def copy_of(letter: Received, to: Queue, attributes: Attributes, deduplication: str, body: str | None = None) -> Copy:
    """A copy with these attributes for a queue; its message group stays, and FIFO queues get a deduplication id."""
    text = letter.body if body is None else body
    entry: dict[str, Any] = {"MessageBody": text}
    if attributes:
        entry["MessageAttributes"] = dict(attributes)
    if trace := letter.system.get("AWSTraceHeader"):
        entry["MessageSystemAttributes"] = {"AWSTraceHeader": {"DataType": "String", "StringValue": trace}}
    if group := letter.group or (letter.id if to.fifo else ""):
        entry["MessageGroupId"] = group
    if to.fifo:
        entry["MessageDeduplicationId"] = deduplication
    return Copy(letter.tag, entry, len(text.encode()) + size_of(attributes))


def text(value: str) -> dict[str, Any]:
    """An attribute that is plain text."""
    return {"DataType": "String", "StringValue": value}


def size_of(attributes: Attributes) -> int:
    """Bytes of attributes, which count towards the size of a message."""
    return sum(
        len(name.encode()) + len(one["DataType"]) + len(one.get("BinaryValue") or one.get("StringValue", "").encode())
        for name, one in attributes.items()
    )


def batches(copies: Sequence[Copy]) -> Iterator[list[Copy]]:
    """In order, as many at once as one call may have."""
    batch: list[Copy] = []
    size = 0
    for copy in copies:
        if batch and (len(batch) == BATCH or size + copy.size > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(copy)
        size += copy.size
    if batch:
        yield batch


def send(queue: Queue, batch: Sequence[Copy]) -> list[Receipt]:
    """Send one batch: SENT, REFUSED or UNKNOWN for each of it."""
    left, why, doubt = list(batch), "", False  # doubt: an answer was lost, so that a later refusal says little
    receipts: list[Receipt] = []
    for turn in range(TIMES):
        if turn:
            time.sleep(WAIT * 2 ** (turn - 1) * random.uniform(0.5, 1.5))
        entries = [{"Id": str(n), **copy.entry} for n, copy in enumerate(left)]
        try:
            answer = queue.target.call_once("sqs", "send_message_batch", QueueUrl=queue.url, Entries=entries)
        except Throttled as error:
            why = str(error)
            continue
        except CollectorError as error:
            outcome, why = _outcome(error), str(error)
            if outcome is Outcome.UNKNOWN and queue.fifo and turn < FIFO_TIMES - 1:
                doubt = True
                continue
            return [*receipts, *_refused(left, outcome, why, doubt)]
        told = _judged(answer, left, doubt)
        receipts += [receipt for receipt in told if receipt is not None]
        left = [copy for copy, receipt in zip(left, told, strict=True) if receipt is None]
        if not left:
            return receipts
        why = "SQS refused it because too many calls were made."
    return [*receipts, *_refused(left, Outcome.REFUSED, why, doubt)]


def _refused(copies: Sequence[Copy], outcome: Outcome, why: str, doubt: bool) -> list[Receipt]:
    """Where a try before may have arrived, a refusal of this one does not say that no copy is anywhere."""
    return [Receipt(copy.tag, Outcome.UNKNOWN if doubt else outcome, why) for copy in copies]


def _judged(answer: Mapping[str, Any], batch: Sequence[Copy], doubt: bool) -> list[Receipt | None]:
    """What the answer says of each copy; None = it may be sent again."""
    sent = {one["Id"]: one for one in answer.get("Successful") or ()}
    failed = {one["Id"]: one for one in answer.get("Failed") or ()}
    judged: list[Receipt | None] = []
    for n, copy in enumerate(batch):
        if one := sent.get(str(n)):
            fine = as_sent(one, copy.entry)
            why = "" if fine else "SQS says that it stored something else than was sent (MD5)."
            judged.append(Receipt(copy.tag, Outcome.SENT if fine else Outcome.UNKNOWN, why))
        elif one := failed.get(str(n)):
            code = str(one.get("Code", "no reason given"))
            ours = one.get("SenderFault") is True and not doubt
            outcome = Outcome.REFUSED if ours else Outcome.UNKNOWN
            again = code.rpartition(".")[2] in THROTTLED
            judged.append(None if again else Receipt(copy.tag, outcome, f"SQS refused it: {code}."))
        else:
            judged.append(Receipt(copy.tag, Outcome.UNKNOWN, NOT_SAID))
    return judged


def as_sent(told: Mapping[str, Any], entry: Mapping[str, Any]) -> bool:
    """Whether the digests, where there are any, are those of what was sent."""
    expected = {
        "MD5OfMessageBody": digests.of_body(entry["MessageBody"]),
        "MD5OfMessageAttributes": digests.of_attributes(entry.get("MessageAttributes") or {}),
    }
    return all(told.get(name) in (None, "", digest) for name, digest in expected.items())


def _outcome(error: CollectorError) -> Outcome:
    """REFUSED only where this call left no copy anywhere."""
    cause = error.__cause__
    if isinstance(cause, aws.ClientError):
        status = int(cause.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) or 0)
        return Outcome.REFUSED if 400 <= status < 500 else Outcome.UNKNOWN
    if isinstance(error, AccessRefused | NotSupported | BadURL):
        return Outcome.REFUSED
    never_left = isinstance(cause, aws.EndpointConnectionError | aws.ConnectTimeoutError)
    return Outcome.REFUSED if never_left else Outcome.UNKNOWN
