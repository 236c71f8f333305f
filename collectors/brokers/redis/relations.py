"""Dead-letter places by their names: Redis knows none, people name them after the queue. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from ...protocol import Relation

#: What is appended to the name of a queue for its dead letters.
ENDINGS = (":dlq", ".dlq", ":dead", ":failed")
_ENDING = re.compile(f"({'|'.join(map(re.escape, ENDINGS))})$", re.IGNORECASE)


def queue_of(name: bytes) -> bytes | None:
    """The queue whose dead letters a key holds by its name; None when the name says nothing of the kind."""
    decoded = name.decode("latin-1")
    queue = _ENDING.sub("", decoded)
    return queue.encode("latin-1") if queue and queue != decoded else None


def by_name(keys: Mapping[bytes, Iterable[str]]) -> list[Relation]:
    """Relations between queues, given the identities under which each Redis key is shown."""
    found = []
    for name, targets in keys.items():
        queue = queue_of(name)
        target = next(iter(targets), None)
        if queue is None or target is None:
            continue
        for source in keys.get(queue, ()):
            found.append(Relation(source, target, "dead_letters", "by its name"))
    return found
