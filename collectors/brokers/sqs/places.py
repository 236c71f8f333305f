"""Queues by their keys, for looking and replaying, which name queues that no poll of theirs has listed.

The URL of a queue is written from its key, so that neither ListQueues nor GetQueueUrl has to be allowed; one that
does not exist is found out by the first call about it.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...errors import NotSupported
from ...letters import Destination
from .failures import Gone
from .names import short
from .queue import Queue
from .target import Target


class Places:
    """The queues that were named so far."""

    def __init__(self, targets: Sequence[Target]) -> None:
        self._targets = targets
        self._known: dict[str, Queue] = {}

    def queue(self, key: str) -> Queue:
        """The queue of this key. Raises Gone for one that cannot be in the regions and accounts of the URL."""
        if key not in self._known:
            region, _, rest = key.partition(":")
            account, _, name = rest.partition(":")
            target = next((t for t in self._targets if t.region == region and t.account in ("", account)), None)
            if target is None or not name:
                raise Gone(f"There is no queue '{key}' in the regions and accounts of this URL.")
            self._known[key] = Queue(key, short(key), target.queue_url(account, name), target)
        return self._known[key]

    def destination(self, to: Destination) -> Queue:
        """Where copies are to go. Raises NotSupported for an exchange."""
        if to.exchange is not None:
            raise NotSupported("SQS has no exchanges and no topics; name a queue.")
        return self.queue(to.queue)
