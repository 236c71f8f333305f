"""Dead-letter places by their names: Redis knows none, people name them after the queue. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ...conventions import BY_NAME, is_dead_letters, queue_of
from ...protocol import Relation


def is_dead(key: bytes) -> bool:
    """Whether a key says by its name that it holds the dead letters of a queue."""
    return is_dead_letters(key.decode("latin-1"))


def by_name(keys: Mapping[bytes, Iterable[str]]) -> list[Relation]:
    """Relations between queues, given the identities under which each Redis key is shown."""
    known = {key.decode("latin-1"): list(shown) for key, shown in keys.items()}
    found = []
    for name, targets in known.items():
        queue = queue_of(name, known)
        if queue is not None and targets:
            found += [Relation(source, targets[0], "dead_letters", BY_NAME) for source in known[queue]]
    return found
