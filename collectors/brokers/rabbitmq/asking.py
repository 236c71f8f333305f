"""Asking single queues for what the cheap measurement cannot tell: their own counters, and their oldest message."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from collectors.errors import AccessRefused, CollectorError, NotSupported
from collectors.rates import Counters

from .management import Management, Row
from .prometheus import QueueKey
from .reading import Flow
from .totals import totals

#: At most so many queues are asked in one poll; each is one small request.
AT_ONCE = 20


@dataclass(slots=True)
class Own:
    """What a queue said of itself.

    flow     messages that moved over `seconds`, by counters that miss none; None = no interval, or no counters
    head_at  epoch seconds that the oldest message carries; None = it carries none
    """

    flow: Flow | None
    seconds: float | None
    head_at: float | None
    consumers: float | None


class Asking:
    """Asks queues one by one, and remembers their counters while they go on being asked."""

    def __init__(self) -> None:
        self._counters: dict[QueueKey, Counters[int]] = {}

    def ask(
        self, management: Management, at: float, watched: Iterable[QueueKey], doubted: Iterable[QueueKey]
    ) -> tuple[dict[QueueKey, Own], str]:
        """What the chosen queues say, and a sentence when the management API refused ("" = it did not)."""
        chosen = self._choose(list(watched), sorted(doubted))
        self._counters = {key: self._counters.get(key) or Counters() for key in chosen}
        found: dict[QueueKey, Own] = {}
        for key in chosen:
            try:
                found[key] = self._read(key, at, management.queue(key))
            except (NotSupported, AccessRefused):
                continue  # it is gone, or not this user's to see
            except CollectorError as error:
                return found, f"The counters of single queues could not be read: {error}"
        return found, ""

    def _choose(self, watched: list[QueueKey], doubted: list[QueueKey]) -> list[QueueKey]:
        """The watched ones first; of the doubted the same ones as long as there is room, so that they make rates."""
        chosen = list(dict.fromkeys([*watched, *(key for key in doubted if key in self._counters), *doubted]))
        return chosen[:AT_ONCE]

    def _read(self, key: QueueKey, at: float, row: Row) -> Own:
        counters = self._counters[key]
        increases = counters.update(at, totals(row))
        flow = None
        if counters.seconds is not None and increases and not counters.reset:
            flow = Flow()
            for counter, increase in increases.items():
                flow.add(counter, increase)
        head, consumers = row.get("head_message_timestamp"), row.get("consumers")
        return Own(
            flow=flow,
            seconds=counters.seconds,
            head_at=float(head) if isinstance(head, int | float) and head > 0 else None,
            consumers=float(consumers) if isinstance(consumers, int | float) else None,
        )
