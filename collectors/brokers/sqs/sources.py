"""Where the letters of a queue died, where they do not say so themselves.

AWS writes the source into each message that a redrive policy moved (`DeadLetterQueueSourceArn`): one without it was
sent by somebody. Some that speak its protocol write nothing. There the redrive policies that lead to a queue tell it,
of letters that were received more often than these policies allow (so that one which somebody sent, and which was
looked at as often since, is taken for one of theirs).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ...errors import CollectorError
from ...letters import Death
from .asking import attributes_of, sources_of
from .attributes import Attributes, Source
from .names import short
from .queue import Queue

#: Queues that are asked for their policy.
MOST = 10


def with_sources(queue: Queue, attributes: Attributes) -> Attributes:
    """The attributes, and which queues send their dead letters here, where letters may need it."""
    if queue.target.is_aws:
        return attributes
    try:
        keys = sources_of(queue)[:MOST]
        found = [(key, attributes_of(_other(queue, key)).redrive) for key in keys]
    except CollectorError:  # not known, or not allowed, here: then nobody tells
        return attributes
    policies = [Source(key, redrive.most) for key, redrive in found if redrive and redrive.target == queue.key]
    return replace(attributes, sources=tuple(policies))


def death_by(sources: Sequence[Source], received: int) -> Death | None:
    """How a letter died that was received so often, by these policies alone; None = they do not tell."""
    fitting = [one for one in sources if one.most is not None and received > one.most]
    if not fitting:
        return None
    names = [short(one.key) for one in fitting]
    if len(names) > 1:
        return Death(" or ".join(names), "maxReceiveCount", via="the redrive policies that lead here, of each of them")
    return Death(names[0], "maxReceiveCount", via=f"its redrive policy (more than {fitting[0].most} receives)")


def origin_by(sources: Sequence[Source], received: int) -> str:
    """The key of the queue in which it died, by these policies alone; "" = none or several of them fit."""
    fitting = [one for one in sources if one.most is not None and received > one.most]
    return fitting[0].key if len(fitting) == 1 else ""


def _other(queue: Queue, key: str) -> Queue:
    account = key.split(":")[1]
    return Queue(key, short(key), queue.target.queue_url(account, short(key)), queue.target)
