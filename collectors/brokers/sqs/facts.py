"""What rarely changes about a queue, in words for its page, and how queues hang together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from ...conventions import BY_NAME, queue_of
from ...protocol import QueueFacts, Relation
from .attributes import Attributes
from .names import key_of_arn, short
from .queue import Queue


def of_queue(queue: Queue, queues: Mapping[str, Queue], cloudwatch: bool, takes_dead: bool) -> QueueFacts:
    """The facts of a queue that was asked. `takes_dead`: dead letters of others come here."""
    a = queue.attributes
    if a is None:
        return QueueFacts(tags=queue.tags or ())
    region, account, _ = queue.key.split(":", 2)
    facts = [("Type", "FIFO" if queue.fifo else "standard"), ("Account", account), ("Region", region)]
    facts += _fifo(a) if queue.fifo else []
    facts += [("Kept for", duration(a.retention)), ("Hidden after a receive for", duration(a.visibility_timeout))]
    if a.delay:
        facts.append(("Delivered after", duration(a.delay)))
    facts += _redrive(queue, a, queues)
    facts.append(("Encryption", _encryption(a)))
    if a.created:
        facts.append(("Created", f"{datetime.fromtimestamp(min(a.created, 4e9), UTC):%Y-%m-%d %H:%M} UTC"))
    facts.append(("Counts", "approximate: SQS says that they settle about a minute after the last message was sent"))
    facts.append(("Flow", _flow(cloudwatch)))
    facts.append(("Lag", _lag(queue, cloudwatch)))
    lines = tuple((label, value) for label, value in facts if value)
    return QueueFacts(lines, tags=queue.tags or (), keeps_seconds=_keeps(queue, a, takes_dead))


def _keeps(queue: Queue, a: Attributes, takes_dead: bool) -> float | None:
    """The retention. None for a standard queue of dead letters: it goes on counting from when they were first sent,
    while the age that SQS tells of them counts from when they came here. Of those the letters themselves tell."""
    return None if (takes_dead or queue.sources) and not queue.fifo else a.retention


def relations(queues: Mapping[str, Queue]) -> list[Relation]:
    """Where dead letters go, among queues that are watched: by redrive policies, else by names."""
    found: dict[tuple[str, str], Relation] = {}
    for queue in queues.values():
        redrive = queue.attributes.redrive if queue.attributes else None
        if redrive and redrive.target in queues:
            after = f" after {times(redrive.most)}" if redrive.most else ""
            found[queue.key, redrive.target] = Relation(
                queue.key, redrive.target, "dead_letters", f"its redrive policy{after}"
            )
    for queue in queues.values():
        for source in queue.sources or ():
            if source in queues and (source, queue.key) not in found:
                found[source, queue.key] = Relation(source, queue.key, "dead_letters", "listed by SQS as its source")
    told = {target for _, target in found}
    for key in queues.keys() - told:  # an application may put its dead letters aside itself
        named = queue_of(key, queues)
        attributes = queues[named].attributes if named is not None else None
        if named is not None and attributes is not None and attributes.redrive is None:
            found[named, key] = Relation(named, key, "dead_letters", BY_NAME)
    return list(found.values())


def targets(relations: Iterable[Relation]) -> frozenset[str]:
    """Of those that SQS told, for a name is a guess."""
    return frozenset(relation.target for relation in relations if relation.via != BY_NAME)


def duration(seconds: float | None) -> str:
    """4 days, 12 h, 30 s; "" for unknown."""
    if seconds is None:
        return ""
    for unit, length in (("day", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length and seconds % length == 0:
            n = int(seconds // length)
            return f"{n:,} {unit}{'s' if unit == 'day' and n != 1 else ''}"
    return f"{seconds:,.0f} s"


def times(count: int | None) -> str:
    if count is None:
        return "some receives"
    return "1 receive" if count == 1 else f"{count:,} receives"


def _fifo(a: Attributes) -> list[tuple[str, str]]:
    by = "by the hash of the body" if a.deduplicates_by_body else "by the id that a producer gives"
    scope = ", within each message group" if a.deduplication_scope == "messageGroup" else ""
    high = a.throughput_limit == "perMessageGroupId"
    return [
        ("Deduplication", f"{by}{scope}, for 5 minutes"),
        ("Throughput", "high: the limit is for each message group" if high else "300 calls per second of each kind"),
        ("Order", "within a message group; one message in flight blocks those behind it in its group"),
    ]


def _redrive(queue: Queue, a: Attributes, queues: Mapping[str, Queue]) -> list[tuple[str, str]]:
    facts = []
    if a.redrive is None:
        facts.append(("Dead letters", "none: no redrive policy, so a message is tried until its retention ends"))
    else:
        seen = queues.get(a.redrive.target)
        where = seen.name if seen else f"{short(a.redrive.target) or 'an unreadable ARN'}, which is not watched here"
        facts.append(("Dead letters", f"go to {where} after {times(a.redrive.most)}"))
        facts += _early_loss(queue, a, seen)
    if a.allow:
        only = ", ".join(short(key_of_arn(arn)) or arn for arn in a.allowed_sources)
        words = {"allowAll": "every queue of the account", "denyAll": "no queue", "byQueue": only}
        facts.append(("May be the dead-letter queue of", words.get(a.allow, a.allow)))
    outside = [short(key) for key in queue.sources or () if key not in queues]
    if outside:
        facts.append(("Dead letters of", f"{', '.join(sorted(outside))}, not watched here"))
    return facts


def _early_loss(queue: Queue, a: Attributes, seen: Queue | None) -> list[tuple[str, str]]:
    """On standard queues retention counts from when a message was first sent, in the dead-letter queue too."""
    there = seen.attributes.retention if seen and seen.attributes else None
    if queue.fifo or there is None or a.retention is None or there > a.retention:
        return []
    return [
        (
            "Dead letters are lost",
            f"{duration(there)} after they were first sent: retention goes on counting when a message moves, "
            "so give the dead-letter queue a longer one",
        )
    ]


def _encryption(a: Attributes) -> str:
    if a.kms_key:
        return f"KMS key {a.kms_key}"
    return "by SQS itself (SSE-SQS)" if a.own_encryption else "none by SQS"


def _flow(cloudwatch: bool) -> str:
    if cloudwatch:
        return "from CloudWatch, one to three minutes late; a deletion may be counted twice"
    return "only the net change, estimated from the depth; cloudwatch=true in the URL adds rates, at a price"


def _lag(queue: Queue, cloudwatch: bool) -> str:
    if not cloudwatch:
        return "unknown: SQS tells the age of its oldest message to CloudWatch only (cloudwatch=true, at a price)"
    if queue.fifo:
        return "age of the oldest message, from CloudWatch"
    return (
        "age of the oldest message, from CloudWatch, which leaves out messages that were received three times or "
        "more: poison hides from it, and shows as deliveries made again"
    )
