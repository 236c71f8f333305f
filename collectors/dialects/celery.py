"""Celery's queues on Redis, as kombu lays them (kombu/transport/redis.py and virtual/base.py, 5.x).

`_kombu.binding.EXCHANGE` is a set with one member for each binding: routing key, pattern and queue, joined by the
bytes 06 16. A queue is a list under its own name for priority 0, and one more for each further priority step, the step
joined to the name by the same bytes; producers LPUSH and workers BRPOP, 0 first. What workers hold lies in the hash
`unacked`, for all queues of the database, each value being JSON of `[message, exchange, routing key]`. With
`global_keyprefix` all keys begin with that prefix.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

import orjson

from .layout import Laid, Ledger, Place, Registries

SEPARATOR = b"\x06\x16"
BINDING = b"_kombu.binding."
UNACKED = b"unacked"
STEPS = (3, 6, 9)

#: Exchanges of Celery itself, and what their queues are for.
INTERNAL = {b"celeryev": "events of Celery workers", b"pidbox": "remote control of Celery workers"}


@dataclass(frozen=True, slots=True)
class Binding:
    """One member of a binding set: messages for (exchange, routing key) go to queue. All without the prefix."""

    prefix: bytes
    exchange: bytes
    routing_key: bytes
    queue: bytes


def bindings(registries: Registries) -> Iterator[Binding]:
    """Every binding of the registries that are kombu's; a member of another shape is passed over."""
    for key in sorted(registries):
        prefix, found, exchange = key.partition(BINDING)
        if not found:
            continue
        for member in sorted(registries[key]):
            parts = member.split(SEPARATOR)
            if len(parts) == 3 and parts[2]:
                yield Binding(prefix, exchange, parts[0], parts[2])


class CeleryOnRedis:
    """Celery and whatever else uses kombu on Redis."""

    dialect = "celery"
    registries = (b"*" + BINDING + b"*",)

    def lay(self, registries: Registries, lists: Collection[bytes]) -> Laid:
        steps = _steps(lists)
        laid, seen = Laid(), set()
        by_prefix: dict[bytes, list[Binding]] = defaultdict(list)
        for binding in bindings(registries):
            key = binding.prefix + binding.queue
            by_prefix[binding.prefix].append(binding)
            if key not in seen:
                seen.add(key)
                laid.places.append(self._place(key, binding, steps.get(key, ())))
        laid.ledgers = [
            Ledger(prefix + UNACKED, _owner(prefix, bound), frozenset(prefix + b.queue for b in bound))
            for prefix, bound in by_prefix.items()
        ]
        return laid

    def _place(self, key: bytes, binding: Binding, found: Collection[bytes]) -> Place:
        usual = [key + SEPARATOR + b"%d" % step for step in STEPS]
        further = sorted(set(found) - set(usual))
        return Place(
            key=key,
            name=binding.queue,
            dialect=self.dialect,
            lists=(key, *usual, *further),
            hidden=INTERNAL.get(binding.exchange.rpartition(b".")[2], ""),
        )


def _steps(lists: Collection[bytes]) -> dict[bytes, list[bytes]]:
    """The known lists of priority steps, by the queue's key: the steps can be configured."""
    found: dict[bytes, list[bytes]] = defaultdict(list)
    for key in lists:
        queue, separator, step = key.rpartition(SEPARATOR)
        if separator and step.isdigit():
            found[queue].append(key)
    return found


def _owner(prefix: bytes, bound: list[Binding]) -> Callable[[bytes], bytes | None]:
    """From a value of `unacked` to its queue's key; None where the routing key leads to several queues, or to none."""
    queues: dict[tuple[str, str], set[bytes]] = defaultdict(set)
    for b in bound:
        queues[_text(b.exchange), _text(b.routing_key)].add(b.queue)
    names = {_text(b.queue): b.queue for b in bound}

    def owner(value: bytes) -> bytes | None:
        try:
            _, exchange, routing_key, *_ = orjson.loads(value)
        except (ValueError, TypeError):
            return None
        if not isinstance(routing_key, str) or not isinstance(exchange, str | None):
            return None
        named = {names[routing_key]} if routing_key in names else set()
        candidates = queues.get((exchange or "", routing_key), named)
        return prefix + next(iter(candidates)) if len(candidates) == 1 else None

    return owner


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")
