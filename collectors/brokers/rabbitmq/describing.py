"""When facts and relations are told: seldom, and at once for a queue that is new."""

from __future__ import annotations

import time
from collections.abc import Mapping

from collectors.errors import AccessRefused, CollectorError, NotSupported
from collectors.protocol import QueueFacts, Relation

from . import facts
from .hidden import why_hidden
from .inventory import QueueRow
from .management import Management
from .prometheus import QueueKey

#: How often facts and relations are read anew, in seconds; and the soonest, when the set of queues has changed.
EVERY, SOONEST = 300.0, 15.0

Told = tuple[dict[str, QueueFacts] | None, list[Relation] | None]


class Describing:
    """Tells facts and relations when they are due.

    Queues of single connections come and go all the time: they are described from the inventory, which costs
    no request, and are no reason to read policies and bindings again.
    """

    def __init__(self, management: Management) -> None:
        self._management = management
        self._read_at = float("-inf")
        self._keys: frozenset[QueueKey] = frozenset()
        self._changed = False

    def describe(self, rows: Mapping[QueueKey, QueueRow], problems: list[str]) -> Told:
        """Facts by sample key and all relations; None = nothing changed. What fails is added to `problems`."""
        keys = frozenset(rows)
        new, gone = keys - self._keys, self._keys - keys
        self._keys = keys
        self._changed = self._changed or bool(gone) or any(not why_hidden(rows[key]) for key in new)
        if time.monotonic() - self._read_at >= (SOONEST if self._changed else EVERY):
            return self._look_up(rows, problems)
        return (facts.without_routes({key: rows[key] for key in new}) if new else None), None

    def _look_up(self, rows: Mapping[QueueKey, QueueRow], problems: list[str]) -> Told:
        self._read_at, self._changed = time.monotonic(), False
        try:
            return facts.look_up(self._management, rows)
        except (AccessRefused, NotSupported) as error:
            problems.append(f"Policies and bindings cannot be read, so that dead-letter queues are unknown: {error}")
        except CollectorError as error:
            self._changed = True  # so that it is tried again soon, and not at every poll
            problems.append(f"Facts and relations could not be read: {error}")
        return facts.without_routes(rows), None
