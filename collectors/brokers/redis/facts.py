"""What rarely changes about a queue on Redis, for its page."""

from __future__ import annotations

from datetime import UTC, datetime

from ...dialects.layout import Place
from ...protocol import QueueFacts, Sample
from . import names
from .entries import EARLIEST, EntryId
from .groups import POISON, Group, Stream
from .server import size

#: Channels that belong to Celery (kombu): `/DB.EXCHANGE`.
CELERY_CHANNELS = ("celeryev", "celery.pidbox")

CHANNEL = (("Type", "Pub/Sub channel"), ("Kept", "nothing: Pub/Sub has no depth, no lag, and nothing to replay"))


def of_place(place: Place, sample: Sample) -> QueueFacts:
    kinds = {"list": "list", "scheduled set": "sorted set", "retry set": "sorted set", "dead set": "sorted set"}
    facts = [("Type", kinds.get(place.kind, place.kind))]
    if len(place.lists) > 1:
        facts.append(
            ("Lists", f"{len(place.lists)}, one for each priority: " + ", ".join(map(names.text, place.lists)))
        )
    elif sample.name != names.text(place.key):
        facts.append(("Key", names.text(place.key)))
    if place.lists:
        facts.append(("Retention", "until it is read; Redis counts nothing for a list"))
        facts.append(
            ("Flow", "estimated from where the newest message of the last poll is now; else only the net change")
        )
    if place.lists and place.dialect is None:
        facts.append(("Lag", "unknown: its messages carry no time that is known"))
    return QueueFacts(tuple(facts), hidden=bool(place.hidden), why_hidden=place.hidden)


def of_stream(stream: Stream, group: Group | None, consumers: str = "") -> QueueFacts:
    """`consumers` in words, where they were asked for."""
    facts = [("Type", "stream"), ("Length", f"{stream.length:,}, entries that were read included")]
    if group is None:
        facts.append(("Groups", "no consumer group reads it, so there is no depth"))
    else:
        facts.append(("Groups", f"{len(stream.groups)}"))
        facts.append(("Last delivered", _moment(group.delivered)))
        facts.append(("Depth", _how(group)))
        if consumers:
            facts.append(("Consumers", consumers))
    facts += [
        ("First entry", _moment(stream.first)),
        ("Last entry", _moment(stream.last)),
        ("Entry size", f"about {size(stream.size)}"),
        ("Retention", "unknown: Redis trims only when told to"),
    ]
    return QueueFacts(tuple(facts))


def of_poison() -> QueueFacts:
    return QueueFacts((
        ("Type", "pending entries of a consumer group"),
        ("Dead letters", f"entries that were delivered {POISON} times or more and that nobody has acknowledged"),
    ))  # fmt: skip


def of_channel(channel: bytes) -> QueueFacts:
    tail = channel.decode("utf-8", "replace").partition(".")[2]
    if channel.startswith(b"/") and tail.startswith(CELERY_CHANNELS):
        return QueueFacts(CHANNEL, hidden=True, why_hidden="events and remote control of Celery workers")
    return QueueFacts(CHANNEL)


def _how(group: Group) -> str:
    if group.lag is not None:
        return "as the server tells it (lag)"
    if group.depth is None:
        return "unknown: the server tells no lag"
    return "counted from the last delivered id, because the server tells no lag"


def _moment(entry: EntryId | None) -> str:
    if entry is None:
        return "none"
    written = f"{entry.milliseconds}-{entry.sequence}"
    seconds = entry.milliseconds / 1000
    if not EARLIEST < seconds < 4e9:
        return written
    return f"{written} ({datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC)"
