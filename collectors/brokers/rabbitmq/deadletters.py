"""Where the dead letters of a queue go: its effective dead-letter exchange, followed to the queues."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .inventory import QueueRow, sample_name
from .policies import Settings
from .prometheus import QueueKey
from .routes import Routes


@dataclass(slots=True, frozen=True)
class DeadLetters:
    """Where dead letters go.

    targets   the queues that they can reach
    lost      they reach none: the exchange does not exist, or nothing is bound that takes them
    varies    each message's own routing key decides, so that the targets are what is possible, or not known
    via       where that is known from, in words
    """

    exchange: str
    targets: frozenset[QueueKey]
    lost: bool
    varies: bool
    via: str


def dead_letters_of(row: QueueRow, settings: Settings, routes: Routes) -> DeadLetters | None:
    """None when the queue has no dead-letter exchange: what dies in it is dropped."""
    exchange = settings.get("dead-letter-exchange")
    if exchange is None:
        return None
    exchange = str(exchange)
    fixed = settings.get("dead-letter-routing-key")
    key = None if fixed is None else str(fixed)
    targets = routes.queues(row.vhost, exchange, key)
    by_own_key = not exchange and key is None
    return DeadLetters(
        exchange=exchange,
        targets=targets,
        lost=not targets and not by_own_key,
        varies=key is None,
        via=_via(exchange, settings),
    )


def words(found: DeadLetters | None, row: QueueRow, routes: Routes) -> str:
    """The fact for the queue's page."""
    if found is None:
        return "nowhere: it has no dead-letter exchange, what dies here is dropped"
    exchange = f"the exchange '{found.exchange}'" if found.exchange else "the default exchange"
    if found.lost:
        why = "has no binding that takes them" if routes.exists(row.vhost, found.exchange) else "does not exist"
        if not found.exchange:
            why = "has no queue of that name"
        return f"nowhere (lost): {exchange} {why}"
    if not found.targets:
        return f"{exchange}, by each message's own routing key"
    names = sorted(sample_name(*key) for key in found.targets)
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    maybe = ", by each message's own routing key" if found.varies and len(names) > 1 else ""
    return f"{', '.join(names[:5])}{more}, through {exchange}{maybe}"


def comes_back(target: QueueKey, source: QueueKey, found: Mapping[QueueKey, DeadLetters | None]) -> bool:
    """Whether what expires in `target` reaches `source` again, at once or over further queues."""
    seen: set[QueueKey] = set()
    ahead = [target]
    while ahead:
        here = ahead.pop()
        if here in seen:
            continue
        seen.add(here)
        letters = found.get(here)
        if letters is None:
            continue
        if source in letters.targets:
            return True
        ahead.extend(letters.targets)
    return False


def _via(exchange: str, settings: Settings) -> str:
    name = f"the dead-letter exchange '{exchange}'" if exchange else "the default exchange"
    return f"{name}, {settings.source('dead-letter-exchange')}"
