"""What a message tells, as plain values: made once of incidents, and put into words in `texts.py`.

Names of queues come from brokers, which is to say from anybody: they are made one line, bounded, and without
characters that turn text around or hide it. Escaping for mark-up is the business of each way.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from django.conf import settings

from ...models import Incident, Telling
from ...snapshot import iso

LONGEST_NAME, LONGEST_TEXT = 120, 500
#: Incidents that a message spells out; the others are counted.
SPELLED_OUT = 20


@dataclass(frozen=True, slots=True)
class Item:
    """One incident in a message."""

    key: str
    id: int
    state: str
    severity: str
    rule: str
    queue: str
    broker: str
    reason: str
    changed: tuple[str, ...]
    opened_at: str | None
    closed_at: str | None
    closed_because: str
    link: str
    queue_link: str = ""
    lasted: float | None = None  # seconds, of one that is over

    @property
    def what(self) -> str:
        """The queue, or whatever it is about."""
        return self.queue or self.broker or self.rule


@dataclass(frozen=True, slots=True)
class Notice:
    """One message: `event` as in models.Telling, `key` by which a receiver drops a repetition."""

    key: str
    event: str
    severity: str
    items: Sequence[Item] = field(default_factory=tuple)

    @property
    def brokers(self) -> list[str]:
        return list(dict.fromkeys(item.broker for item in self.items if item.broker))


def one_line(text: str, longest: int) -> str:
    """A text from outside, fit for one line: controls and marks of direction out, its middle left out when long."""
    clean = "".join(c if unicodedata.category(c)[0] != "C" else " " for c in text.replace("\n", " "))
    clean = " ".join(clean.split())
    if len(clean) <= longest:
        return clean
    half = (longest - 3) // 2
    return f"{clean[:half]} … {clean[-half:]}"


def link(incident: int) -> str:
    """An address for a message; "" while Weir does not know how it is reached (WEIR_PUBLIC_URL)."""
    if not settings.WEIR_PUBLIC_URL:
        return ""
    return f"{settings.WEIR_PUBLIC_URL}/alerts/incidents/{incident}/"


def queue_link(incident: Incident) -> str:
    """The incident's queue at that time."""
    if not settings.WEIR_PUBLIC_URL or incident.queue_id is None:
        return ""
    start, end = incident.around
    return f"{settings.WEIR_PUBLIC_URL}/queues/{incident.queue_id}/?start={start}&end={end}"


def of(telling: Telling, incidents: Iterable[Incident]) -> Notice:
    """What a row of the outbox tells."""
    items = tuple(map(_item, incidents))
    ranks = ("info", "warning", "critical")
    worst = max((item.severity for item in items), key=ranks.index, default="info")
    return Notice(telling.key, telling.event, worst, items)


def _item(incident: Incident) -> Item:
    return Item(
        key=incident.key,
        id=incident.pk,
        state=incident.state,
        severity=incident.severity,
        rule=one_line(incident.rule_name, LONGEST_NAME),
        queue=one_line(incident.queue_name or _members(incident), LONGEST_NAME),
        broker=one_line(incident.broker_name, LONGEST_NAME),
        reason=one_line(incident.reason, LONGEST_TEXT),
        changed=tuple(one_line(str(text), LONGEST_TEXT) for text in incident.values.get("changed", ())),
        opened_at=iso(incident.opened_at.timestamp()),
        closed_at=iso(incident.closed_at.timestamp()) if incident.closed_at else None,
        closed_because=one_line(incident.closed_because, LONGEST_TEXT),
        link=link(incident.pk),
        queue_link=queue_link(incident),
        lasted=incident.lasted if incident.closed_at else None,
    )


def _members(incident: Incident) -> str:
    names = [str(name) for name in incident.members.values()]
    return names[0] if len(names) == 1 else f"{len(names)} queues" if names else ""
