"""How the queues of a broker hang together: dead letters, retry loops, timers, and names that say it."""

from __future__ import annotations

from collections.abc import Mapping

from collectors.conventions import BY_NAME, candidates
from collectors.protocol import Relation

from .deadletters import DeadLetters, comes_back
from .hidden import is_timer
from .inventory import QueueRow, sample_key
from .policies import Settings
from .prometheus import QueueKey


def relations_of(
    rows: Mapping[QueueKey, QueueRow],
    settings: Mapping[QueueKey, Settings],
    found: Mapping[QueueKey, DeadLetters | None],
) -> list[Relation]:
    """All relations of a broker; `settings` and `found` hold every queue of `rows`."""
    relations: list[Relation] = []
    arranged: set[QueueKey] = set()
    for key, letters in found.items():
        if letters is None:
            continue
        arranged.add(key)
        for target in sorted(letters.targets):
            if target != key or _waits(target, settings):
                relations.append(_relation(key, target, letters, rows, settings, found))
    relations.extend(_by_name(rows, arranged))
    return relations


def _relation(
    source: QueueKey,
    target: QueueKey,
    letters: DeadLetters,
    rows: Mapping[QueueKey, QueueRow],
    settings: Mapping[QueueKey, Settings],
    found: Mapping[QueueKey, DeadLetters | None],
) -> Relation:
    kind = "dead_letters"
    if is_timer(rows[source]):
        kind = "feeds"  # what has waited here moves on: it did not die
    elif _waits(target, settings) and comes_back(target, source, found):
        kind = "retries"
    elif _waits(source, settings) and comes_back(target, source, found):
        kind = "feeds"  # the way back of a retry loop
    via = letters.via if kind != "feeds" else f"{letters.via}, after its time to live"
    return Relation(sample_key(*source), sample_key(*target), kind, via)


def _waits(key: QueueKey, settings: Mapping[QueueKey, Settings]) -> bool:
    """Whether messages leave a queue by themselves after a time."""
    held = settings.get(key)
    return held is not None and held.get("message-ttl") is not None


def _by_name(rows: Mapping[QueueKey, QueueRow], arranged: set[QueueKey]) -> list[Relation]:
    """Dead-letter queues that only their names tell of; a queue with a dead-letter exchange needs no guess."""
    relations = []
    for vhost, name in rows:
        source = next(((vhost, queue) for queue in candidates(name) if (vhost, queue) in rows), None)
        if source is not None and source not in arranged:
            relations.append(Relation(sample_key(*source), sample_key(vhost, name), "dead_letters", BY_NAME))
    return relations
