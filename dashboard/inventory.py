"""The queues that are known: from a broker's keys to ids, and back to names, facts and relations.

It gives every sample its queue's id, and writes what is new, without a query per queue. Queues that are absent
from a complete poll are gone: they stay with their history until they come back, are deleted from the archive, or
outlive the retention of their samples. `directory.py` is the side of the readers.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from django.db import transaction
from django.utils import timezone

from collectors import conventions, protocol

from .directory import dead_letter_pairs
from .models import Queue, Relation
from .ticks import Ints

_BATCH = 500
#: Queues that are gone and remembered, before it is looked up which of them the archive still has.
MOST_GONE = 40_000


class Inventory:
    """The queues of one broker, for the collector that polls it."""

    def __init__(self, broker: int) -> None:
        self.broker = broker
        self.version = int(time.time() * 1000)  # another number after a restart: readers load again
        self._ids: dict[str, int] = {}
        self._names: dict[str, str] = {}
        self._gone: set[str] = set()
        self._most_gone = MOST_GONE
        self._facts: dict[str, protocol.QueueFacts] = {}
        for row in Queue.objects.filter(broker_id=broker):
            self._ids[row.key], self._names[row.key] = row.id, row.name
            if row.gone_at is not None:
                self._gone.add(row.key)
            pairs = tuple((label, value) for label, value in row.facts)
            self._facts[row.key] = protocol.QueueFacts(
                pairs, row.hidden, row.why_hidden, tuple(row.tags), row.keeps_seconds
            )
        self._relations: frozenset[protocol.Relation] | None = None
        self._keys: list[str] = []
        self._found: Ints = np.empty(0, np.int64)
        #: Ids of the queues where dead letters arrive: messages lie still there for good reason.
        self.resting: Ints = np.empty(0, np.int64)
        self.rest()

    def rest(self) -> None:
        """Read again where dead letters arrive: people say it too, and some names."""
        pairs, marks = dead_letter_pairs(self.broker)
        named = (self._ids[key] for key, name in self._names.items() if conventions.alone(name))
        ids = [*(to for _, to in pairs), *(id for id, yes in marks.items() if yes)]
        ids += [id for id in named if marks.get(id, True)]
        self.resting = np.unique(np.array(ids, np.int64))

    def resolve(self, poll: protocol.Poll) -> Ints:
        """The id of each sample's queue, in order; new queues, facts and relations are written."""
        keys = [sample.key for sample in poll.samples]
        if keys != self._keys:
            self._mark(keys, poll.complete)
            self._add([s for s in poll.samples if s.key not in self._ids], poll.facts or {})
            self._found = np.fromiter((self._ids[key] for key in keys), np.int64, len(keys))
            self._keys = keys
        if poll.facts is not None:
            self._write_facts(poll.facts)
        if poll.relations is not None:
            self._write_relations(poll.relations)
        return self._found

    def _add(self, samples: Sequence[protocol.Sample], facts: Mapping[str, protocol.QueueFacts]) -> None:
        if not samples:
            return
        rows = [
            Queue(
                broker_id=self.broker,
                key=s.key,
                name=s.name,
                kind=s.kind,
                dialect=s.dialect or "",
                **_columns(facts[s.key]) if s.key in facts else {},
            )
            for s in samples
        ]
        with transaction.atomic():
            Queue.objects.bulk_create(rows, batch_size=_BATCH, ignore_conflicts=True)
            for batch in _batches([s.key for s in samples]):
                found = Queue.objects.filter(broker_id=self.broker, key__in=batch)
                self._ids.update(found.values_list("key", "id"))
        self._names.update({s.key: s.name for s in samples})
        if any(conventions.alone(s.name) for s in samples):
            self.rest()
        self._facts.update({s.key: facts[s.key] for s in samples if s.key in facts})
        self.version += 1

    def _mark(self, keys: Sequence[str], complete: bool) -> None:
        """Queues that are absent from a complete poll are gone; those that came back are not."""
        present = set(keys)
        back = present & self._gone
        gone = (self._ids.keys() - present - self._gone) if complete else set()
        for batch in _batches(back):
            self._welcome(batch)
        for batch in _batches([self._ids[k] for k in gone]):
            Queue.objects.filter(id__in=batch).update(gone_at=timezone.now())
        self._gone = (self._gone - back) | gone
        if len(self._gone) > self._most_gone:
            self._forget_deleted()
        if back or gone:
            self.version += 1

    def _forget_deleted(self) -> None:
        """Of queues that are gone, let go of those that the archive let go of."""
        rows = Queue.objects.filter(broker_id=self.broker).exclude(gone_at=None)
        deleted = self._gone - set(rows.values_list("key", flat=True))
        for key in deleted:
            for known in (self._ids, self._names, self._facts):
                known.pop(key, None)  # type: ignore[attr-defined]
        self._gone -= deleted
        self._most_gone = max(MOST_GONE, len(self._gone) + MOST_GONE // 4)

    def _welcome(self, keys: Sequence[str]) -> None:
        """These queues came back. Those that were deleted from the archive meanwhile are new ones, without a past."""
        ids = {self._ids[key]: key for key in keys}
        found = Queue.objects.filter(id__in=ids)
        if found.update(gone_at=None) < len(ids):
            there = set(found.values_list("id", flat=True))
            for key in (key for id, key in ids.items() if id not in there):
                for known in (self._ids, self._names, self._facts):
                    known.pop(key, None)  # type: ignore[attr-defined]

    def _write_facts(self, facts: Mapping[str, protocol.QueueFacts]) -> None:
        changed = [k for k, value in facts.items() if k in self._ids and self._facts.get(k) != value]
        rows = [Queue(broker_id=self.broker, key=k, name=self._names[k], **_columns(facts[k])) for k in changed]
        if rows:
            Queue.objects.bulk_create(
                rows,
                batch_size=_BATCH,
                update_conflicts=True,
                unique_fields=["broker", "key"],
                update_fields=["facts", "hidden", "why_hidden", "tags", "keeps_seconds"],
            )
            self._facts.update({k: facts[k] for k in changed})
            self.version += 1

    def _write_relations(self, relations: Iterable[protocol.Relation]) -> None:
        known = dict.fromkeys(r for r in relations if r.source in self._ids and r.target in self._ids)
        if self._relations == known.keys():
            return
        rows = [
            Relation(source_id=self._ids[r.source], target_id=self._ids[r.target], kind=r.kind, via=r.via[:300])
            for r in known  # in the broker's order: of several places for dead letters the first is shown
        ]
        with transaction.atomic():
            Relation.objects.filter(source__broker_id=self.broker).delete()
            Relation.objects.bulk_create(rows, batch_size=_BATCH, ignore_conflicts=True)
        self._relations = frozenset(known)
        self.rest()
        self.version += 1


def _columns(facts: protocol.QueueFacts) -> dict[str, object]:
    rows = [list(pair) for pair in facts.facts]
    return {
        "facts": rows,
        "hidden": facts.hidden,
        "why_hidden": facts.why_hidden[:200],
        "tags": list(facts.tags),
        "keeps_seconds": facts.keeps_seconds,
    }


def _batches(items: Iterable, size: int = _BATCH) -> Iterable[list]:  # type: ignore[type-arg]
    items = list(items)
    return (items[i : i + size] for i in range(0, len(items), size))
