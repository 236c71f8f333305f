"""Which queue keeps the dead letters of which: by its dialect, by its name, and what a group fails at. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from ...conventions import BY_NAME, is_dead_letters, queue_of
from ...dialects import APART
from ...dialects.keeping import Apart
from ...dialects.layout import Link, Place
from ...protocol import Relation
from .groups import POISON

POISONED = f"delivered {POISON} times or more and still pending"


def is_dead(key: bytes) -> bool:
    """Whether a key says by its name that it holds the dead letters of a queue."""
    return is_dead_letters(key.decode("latin-1"))


def apart_of(key: bytes) -> Apart | None:
    """How the messages of a sorted set lie apart from it; None = its members are the messages."""
    return next((apart for find in APART if (apart := find(key)) is not None), None)


def is_dead_set(key: bytes) -> bool:
    """Whether a sorted set is worth watching: dead letters lie in it, by what its name says."""
    return is_dead(key) or apart_of(key) is not None


def dead_sets(sets: Iterable[bytes], claimed: Collection[bytes], links: list[Link]) -> list[Place]:
    """Places for sorted sets of dead letters that no layout has claimed, and for the queues that a dialect knows
    them to belong to, which may be empty. The links between them are added."""
    places: list[Place] = []
    for key in sets:
        if key in claimed:
            continue
        apart = apart_of(key)
        places.append(Place(key, key, "dead set", apart.dialect if apart else None, sets=(key,)))
        if apart is not None:
            places.append(Place(apart.queue, apart.queue, lists=(apart.queue,)))
            links.append(Link(apart.queue, key, "dead_letters", f"{NAMES[apart.dialect]} keeps dead messages there"))
    return places


NAMES = {"rq": "RQ", "dramatiq": "Dramatiq", "bullmq": "BullMQ"}


def by_name(keys: Mapping[bytes, Iterable[str]]) -> list[Relation]:
    """Relations between queues, given the identities under which each Redis key is shown."""
    known = {key.decode("latin-1"): list(shown) for key, shown in keys.items()}
    found = []
    for name, targets in known.items():
        queue = queue_of(name, known)
        if queue is not None and targets:
            found += [Relation(source, targets[0], "dead_letters", BY_NAME) for source in known[queue]]
    return found


def together(*told: Iterable[Relation]) -> list[Relation]:
    """All of them; of two that say the same of two queues the first, which knows better."""
    found: dict[tuple[str, str, str], Relation] = {}
    for relations in told:
        for one in relations:
            found.setdefault((one.source, one.target, one.kind), one)
    return list(found.values())
