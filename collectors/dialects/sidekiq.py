"""Sidekiq's queues on Redis (sidekiq/lib/sidekiq/api.rb, 6 to 8).

The set `queues` names them and keeps the name of an empty one; `queue:NAME` is the list, LPUSHed and BRPOPed. The
sorted sets `schedule`, `retry` and `dead` are shared by all queues. A job is JSON with `enqueued_at`: seconds as a
float before 8.0, milliseconds as an integer since.
"""

from __future__ import annotations

from collections.abc import Collection

import orjson

from .layout import Laid, Link, Place, Registries

QUEUES, PROCESSES = b"queues", b"processes"
PREFIX = b"queue:"
SCHEDULE, RETRY, DEAD = b"schedule", b"retry", b"dead"

#: Above this a time is in milliseconds (1e11 seconds is the year 5138).
MILLISECONDS_FROM = 1e11


def enqueued_at(job: bytes) -> float | None:
    """When a job was put into its queue, in epoch seconds; None if it does not say."""
    try:
        fields = orjson.loads(job)
        at = fields.get("enqueued_at") or fields.get("created_at")
        return float(at) / (1000 if float(at) > MILLISECONDS_FROM else 1) if at else None
    except (ValueError, TypeError, AttributeError):
        return None


class Sidekiq:
    """Sidekiq without a namespace."""

    dialect = "sidekiq"
    registries = (QUEUES, PROCESSES)

    def lay(self, registries: Registries, lists: Collection[bytes]) -> Laid:
        names = sorted(registries.get(QUEUES, ()))
        laid = Laid()
        # A set called "queues" alone proves nothing: one of its lists, or a running process, does.
        if not (registries.get(PROCESSES) or any(PREFIX + name in lists for name in names)):
            return laid
        for name in names:
            laid.places.append(Place(PREFIX + name, name, "list", self.dialect, (PREFIX + name,), sent_at=enqueued_at))
            laid.links.append(Link(PREFIX + name, DEAD, "dead_letters", "Sidekiq moves dead jobs there"))
            laid.links.append(
                Link(PREFIX + name, RETRY, "retries", "Sidekiq keeps failed jobs there until the next try")
            )
        laid.places += [
            Place(SCHEDULE, SCHEDULE, "scheduled set", self.dialect, sets=(SCHEDULE,), counts_as="delayed"),
            Place(RETRY, RETRY, "retry set", self.dialect, sets=(RETRY,), counts_as="delayed"),
            Place(DEAD, DEAD, "dead set", self.dialect, sets=(DEAD,)),
        ]
        return laid
