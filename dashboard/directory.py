"""What the page says about a queue beside its numbers: names, tags, relations, what people marked.

A `Directory` holds it for readers, by id, a broker at a time, and makes no query per queue.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from threading import Lock
from typing import Any

from collectors import conventions
from collectors.errors import CollectorError
from collectors.url import BrokerURL

from .models import Broker, DeadLetterMark, Queue, Relation, TagRule

#: Queues of a broker that are gone and shown, the newest first. Where queues come and go each second there are
#: hundreds of thousands; what is beyond these still comes back with its history.
MOST_GONE = 2000


@dataclass(slots=True, frozen=True)
class Entry:
    """What is known of a queue beside its numbers. `dead_letter_queue_id`, `dead_letter_of`: ids of queues.

    `holds_dead_letters`: by the broker, by its name, or as people said, who have the last word (`marked`).
    `hidden`: by the broker or by people. `tags`: all, from the broker, a file and people; `tags_by_hand` those of
    people alone. `keeps_seconds`: the age at which the broker drops a message for good, None = never, or unknown.
    `gone_at`: epoch seconds since when the broker no longer shows it, None while it does.
    """

    id: int
    broker: int
    name: str
    kind: str
    dialect: str
    hidden: bool
    why_hidden: str
    tags: tuple[str, ...]
    dead_letter_queue_id: int | None = None
    dead_letter_of: tuple[int, ...] = ()
    tags_by_hand: tuple[str, ...] = ()
    gone_at: float | None = None
    holds_dead_letters: bool = False
    marked: bool | None = None
    keeps_seconds: float | None = None


@dataclass(slots=True, frozen=True)
class Known:
    """The queues of a broker by id, and those among them that are gone."""

    entries: dict[int, Entry]
    gone: list[Entry]


class Directory:
    """The queues of all brokers. Loaded a broker at a time, when the version of what is known of it moved."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._known: dict[int, tuple[Hashable, Known]] = {}

    def of(self, broker: int, version: Hashable) -> Known:
        """A broker's queues, read again when `version` is another than last time."""
        with self._lock:
            kept = self._known.get(broker)
            if kept is None or kept[0] != version:
                kept = self._known[broker] = (version, _load(broker))
            return kept[1]

    def forget(self, broker: int) -> None:
        with self._lock:
            self._known.pop(broker, None)


def tags_of_url(safe_url: str) -> tuple[str, ...]:
    """What `tags=` of a broker's URL gives to all of its queues."""
    try:
        return BrokerURL.parse(safe_url).get_all("tags")
    except CollectorError:  # of a kind that this version does not know: its page says so
        return ()


def dead_letter_pairs(broker: int) -> tuple[list[tuple[int, int]], dict[int, bool]]:
    """(queue, queue of its dead letters), the most important first, and what people said of queues by their ids.

    What people say goes first: a queue that they say holds none is in no pair as the second.
    """
    marks = dict(DeadLetterMark.objects.filter(queue__broker_id=broker).values_list("queue_id", "holds"))
    said = DeadLetterMark.sources.through.objects.filter(deadlettermark__queue__broker_id=broker).order_by("id")
    relations = Relation.objects.filter(source__broker_id=broker, kind="dead_letters").order_by("id")
    pairs = [*said.values_list("queue_id", "deadlettermark_id"), *relations.values_list("source_id", "target_id")]
    return [pair for pair in dict.fromkeys(pairs) if marks.get(pair[1], True)], marks


def _load(broker: int) -> Known:
    leads: dict[int, int] = {}
    of: dict[int, list[int]] = {}
    pairs, marks = dead_letter_pairs(broker)
    for source, target in pairs:
        leads.setdefault(source, target)
        of.setdefault(target, []).append(source)
    given = _Given(broker)
    there = Queue.objects.filter(broker_id=broker)
    rows = [
        *there.filter(gone_at=None).values(*_COLUMNS),
        *there.exclude(gone_at=None).order_by("-gone_at").values(*_COLUMNS)[:MOST_GONE],
    ]
    entries = {}
    for row in rows:
        id = row["id"]
        entry = _entry(broker, row, given.to(row["name"]), leads.get(id), of.get(id, ()))
        holds = marks.get(id, id in of or conventions.alone(row["name"]))
        if holds or id in marks:
            entry = replace(entry, holds_dead_letters=holds, marked=marks.get(id))
        entries[id] = entry
    return Known(entries, [entry for entry in entries.values() if entry.gone_at is not None])


_COLUMNS = (
    "id", "name", "kind", "dialect", "hidden", "why_hidden", "tags", "hidden_by_hand", "hidden_by", "tags_by_hand",
    "gone_at", "keeps_seconds",
)  # fmt: skip


class _Given:
    """Tags that queues have by their names: of the broker's URL, and of the rules of a file."""

    def __init__(self, broker: int) -> None:
        row = Broker.objects.filter(pk=broker).values("name", "safe_url").first() or {"name": "", "safe_url": ""}
        self._always = tags_of_url(row["safe_url"])
        self._rules = [rule for rule in TagRule.objects.order_by("id") if fnmatchcase(row["name"], rule.broker)]

    def to(self, name: str) -> tuple[str, ...]:
        if not self._rules:
            return self._always
        return (*self._always, *(tag for rule in self._rules if fnmatchcase(name, rule.queues) for tag in rule.tags))


def _entry(broker: int, row: dict[str, Any], given: tuple[str, ...], leads: int | None, of: Sequence[int]) -> Entry:
    by_hand = row["hidden_by_hand"]
    return Entry(
        id=row["id"],
        broker=broker,
        name=row["name"],
        kind=row["kind"],
        dialect=row["dialect"],
        hidden=row["hidden"] if by_hand is None else by_hand,
        why_hidden=row["why_hidden"] if by_hand is None else f"by {row['hidden_by']}" if by_hand else "",
        tags=tuple(dict.fromkeys((*row["tags"], *given, *row["tags_by_hand"]))),
        dead_letter_queue_id=leads,
        dead_letter_of=tuple(of),
        tags_by_hand=tuple(row["tags_by_hand"]),
        gone_at=row["gone_at"].timestamp() if row["gone_at"] else None,
        keeps_seconds=row["keeps_seconds"],
    )
