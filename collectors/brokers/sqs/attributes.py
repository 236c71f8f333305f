"""The answer of GetQueueAttributes, read. Pure. What is missing or makes no sense is None: it is never a zero."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass

from .names import key_of_arn


@dataclass(frozen=True, slots=True)
class Redrive:
    """The queue (its key) where messages go that were received `most` times undeleted (None: not said)."""

    target: str
    most: int | None


@dataclass(frozen=True, slots=True)
class Source:
    """A queue (its key) whose redrive policy leads here, after `most` receives."""

    key: str
    most: int | None


@dataclass(frozen=True, slots=True)
class Attributes:
    """One queue as SQS tells it. Counts in messages, durations in seconds, times in epoch seconds; None = not told."""

    depth: float | None
    in_flight: float | None
    delayed: float | None
    created: float | None
    retention: float | None
    visibility_timeout: float | None
    delay: float | None
    largest: float | None
    kms_key: str
    own_encryption: bool
    redrive: Redrive | None
    allow: str
    allowed_sources: tuple[str, ...]
    fifo: bool
    deduplicates_by_body: bool
    deduplication_scope: str
    throughput_limit: str
    sources: tuple[Source, ...] = ()  # only where letters do not say themselves where they died

    @property
    def counts(self) -> tuple[float | None, float | None, float | None]:
        return self.depth, self.in_flight, self.delayed


def read(answer: Mapping[str, object]) -> Attributes:
    """Attributes as the API gives them: names to strings."""
    allow, sources = _allowed(answer.get("RedriveAllowPolicy"))
    return Attributes(
        depth=number(answer.get("ApproximateNumberOfMessages")),
        in_flight=number(answer.get("ApproximateNumberOfMessagesNotVisible")),
        delayed=number(answer.get("ApproximateNumberOfMessagesDelayed")),
        created=number(answer.get("CreatedTimestamp")),
        retention=number(answer.get("MessageRetentionPeriod")),
        visibility_timeout=number(answer.get("VisibilityTimeout")),
        delay=number(answer.get("DelaySeconds")),
        largest=number(answer.get("MaximumMessageSize")),
        kms_key=_text(answer.get("KmsMasterKeyId")),
        own_encryption=answer.get("SqsManagedSseEnabled") == "true",
        redrive=_redrive(answer.get("RedrivePolicy")),
        allow=allow,
        allowed_sources=sources,
        fifo=answer.get("FifoQueue") == "true",
        deduplicates_by_body=answer.get("ContentBasedDeduplication") == "true",
        deduplication_scope=_text(answer.get("DeduplicationScope")),
        throughput_limit=_text(answer.get("FifoThroughputLimit")),
    )


def number(value: object) -> float | None:
    """A count or a time, which are never negative; None for anything else."""
    if not isinstance(value, str | int | float) or isinstance(value, bool):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) and found >= 0 else None


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _policy(value: object) -> dict[str, object]:
    """A policy is JSON in a string."""
    if not isinstance(value, str):
        return {}
    try:
        found = json.loads(value)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _redrive(value: object) -> Redrive | None:
    policy = _policy(value)
    arn = _text(policy.get("deadLetterTargetArn"))
    most = number(policy.get("maxReceiveCount"))
    return Redrive(key_of_arn(arn), None if most is None else int(most)) if arn else None


def _allowed(value: object) -> tuple[str, tuple[str, ...]]:
    policy = _policy(value)
    sources = policy.get("sourceQueueArns")
    arns = tuple(arn for arn in sources if isinstance(arn, str)) if isinstance(sources, list) else ()
    return _text(policy.get("redrivePermission")), arns
