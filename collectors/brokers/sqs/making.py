"""A queue beside another, for letters that are moved aside: it keeps them as long as SQS keeps anything."""

from __future__ import annotations

from ...errors import BadAnswer, NotSupported
from .attributes import Attributes
from .names import key_of_url, short
from .queue import Queue

LONGEST_NAME = 80
KEPT = 14 * 86400  # seconds; the most that SQS offers


def unfit(queue: Queue) -> str:
    """Why none can be made beside this one."""
    if queue.fifo:
        return (
            "Of a FIFO queue SQS hands out ten letters of a group while one of it is held: what was not chosen cannot "
            "be moved aside past what was."
        )
    return ""


def make_beside(queue: Queue, a: Attributes, mark: str) -> tuple[str, str]:
    """Create it; its key and name. Raises CollectorError."""
    if why := unfit(queue):
        raise NotSupported(why)
    name = f"{queue.short[: LONGEST_NAME - len(mark) - 1]}-{mark}"
    attributes = {"MessageRetentionPeriod": str(KEPT)}
    if a.largest is not None:
        attributes["MaximumMessageSize"] = str(int(a.largest))
    if a.kms_key:
        attributes["KmsMasterKeyId"] = a.kms_key
    answer = queue.target.call("sqs", "create_queue", QueueName=name, Attributes=attributes)
    key = key_of_url(queue.target.region, str(answer.get("QueueUrl", "")))
    if key.rpartition(":")[0] != queue.key.rpartition(":")[0]:
        raise BadAnswer(f"{queue.target.place()} made '{name}' elsewhere than where '{queue.short}' is.")
    return key, short(key)
