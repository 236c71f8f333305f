"""Where a message goes that is published to an exchange: exchanges and bindings, followed to the queues."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from .management import Row, key_of
from .prometheus import QueueKey

#: A message's routing key; None = it differs from message to message.
RoutingKey = str | None


class Routes:
    """The exchanges of a broker and what is bound to them."""

    def __init__(self, exchanges: Iterable[Row], bindings: Iterable[Row], queues: Iterable[QueueKey]) -> None:
        self._queues = frozenset(queues)
        self._kinds: dict[tuple[str, str], str] = {}
        self._alternates: dict[tuple[str, str], str] = {}
        for row in exchanges:
            self._kinds[key_of(row)] = str(row.get("type", ""))
            alternate = (row.get("arguments") or {}).get("alternate-exchange")
            if alternate:
                self._alternates[key_of(row)] = str(alternate)
        self._bindings: dict[tuple[str, str], list[Row]] = defaultdict(list)
        self.bound: dict[QueueKey, list[tuple[str, str]]] = defaultdict(list)  #: (exchange, key) pairs of a queue
        for row in bindings:
            self._add(row)

    def _add(self, row: Row) -> None:
        vhost, source, target = (str(row.get(field, "")) for field in ("vhost", "source", "destination"))
        if not source:
            return  # the default exchange reaches every queue by its name
        self._bindings[vhost, source].append(row)
        if row.get("destination_type") == "queue":
            self.bound[vhost, target].append((source, str(row.get("routing_key", ""))))

    def exists(self, vhost: str, exchange: str) -> bool:
        return not exchange or (vhost, exchange) in self._kinds

    def tells(self, vhost: str, exchange: str) -> bool:
        """Whether it is known where a message of an exchange goes: not where headers or a plug-in's rules decide."""
        seen: set[str] = set()
        ahead = [exchange]
        while ahead:
            here = ahead.pop()
            if here in seen or not here:
                continue
            seen.add(here)
            if self._kinds.get((vhost, here), "direct") not in ("direct", "topic", "fanout"):
                return False
            rows = self._bindings.get((vhost, here), ())
            ahead += [str(row.get("destination", "")) for row in rows if row.get("destination_type") == "exchange"]
            ahead.append(self._alternates.get((vhost, here), ""))
        return True

    def queues(self, vhost: str, exchange: str, routing_key: RoutingKey) -> frozenset[QueueKey]:
        """The queues that a message can reach; for an unknown key, and for headers, all that are possible.

        Through the default exchange an unknown key says nothing: the answer is empty.
        """
        return frozenset(self._follow(vhost, exchange, routing_key, set()))

    def _follow(self, vhost: str, exchange: str, routing_key: RoutingKey, seen: set[str]) -> set[QueueKey]:
        if not exchange:
            named = (vhost, routing_key or "")
            return {named} if named in self._queues else set()
        if exchange in seen:
            return set()
        seen.add(exchange)
        found: set[QueueKey] = set()
        kind = self._kinds.get((vhost, exchange), "")
        for row in self._bindings.get((vhost, exchange), ()):
            if not _takes(kind, str(row.get("routing_key", "")), routing_key):
                continue
            target = str(row.get("destination", ""))
            if row.get("destination_type") == "exchange":
                found |= self._follow(vhost, target, routing_key, seen)
            elif (vhost, target) in self._queues:
                found.add((vhost, target))
        alternate = self._alternates.get((vhost, exchange))
        if alternate and (not found or routing_key is None):
            found |= self._follow(vhost, alternate, routing_key, seen)
        return found


def _takes(kind: str, binding_key: str, routing_key: RoutingKey) -> bool:
    """Whether a binding takes a message. Exchanges that look at headers or hash may take any."""
    if routing_key is None or kind not in ("direct", "topic"):
        return True
    if kind == "direct":
        return binding_key == routing_key
    return _topic_takes(tuple(binding_key.split(".")), tuple(routing_key.split(".")))


def _topic_takes(pattern: tuple[str, ...], words: tuple[str, ...]) -> bool:
    """'*' stands for one word, '#' for any number of words, none included."""
    if not pattern:
        return not words
    if pattern[0] == "#":
        return any(_topic_takes(pattern[1:], words[skipped:]) for skipped in range(len(words) + 1))
    return bool(words) and pattern[0] in ("*", words[0]) and _topic_takes(pattern[1:], words[1:])
