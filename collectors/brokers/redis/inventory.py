"""The keys that are worth watching in one database, found step by step and remembered.

Lists and streams, and of the sorted sets those in which dead letters lie by their names.

SCAN in bounded pages, one walk for each type and pattern, resumed at the next poll: a database of a hundred million
keys is walked through over many polls, a small one at every poll. Redis removes an emptied list, so a list that
is gone stays known for a day and shows 0; an emptied stream remains, so a stream that is gone was deleted.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ...url import BrokerURL
from .failures import Silent, refused
from .powers import Powers, strange
from .wire import AnyWire, Refusal, pack

#: Keys that SCAN looks at in one page.
PAGE = 1000
#: Pages of each walk in one poll, while the first walk lasts and afterwards.
FIRST_PAGES, LATER_PAGES = 200, 20
#: Seconds between walks that take more than one poll.
REST_SECONDS = 60.0
#: Seconds between two readings of the registries.
REGISTRY_SECONDS = 15.0
#: Lists and streams that are watched at most, and members of one registry that are read at most.
MOST_KEYS, MOST_MEMBERS = 20_000, 20_000
#: Seconds for which an empty list, which Redis cannot tell from one that never was, stays known.
REMEMBERED_SECONDS = 86_400.0


@dataclass(slots=True)
class _Walk:
    """One SCAN through the database, or through one node's part of it. `broken`: the node was silent."""

    node: str
    type: str
    pattern: bytes | None
    cursor: bytes = b"0"
    done: bool = False
    broken: bool = False

    def command(self) -> bytes:
        match = (b"MATCH", self.pattern) if self.pattern else ()
        return pack(b"SCAN", self.cursor, *match, b"COUNT", PAGE, b"TYPE", self.type)


class Inventory:
    """Known lists and streams, and the registries of the dialects.

    lists       by key, when it was last seen to hold something (monotonic seconds)
    sets        sorted sets that are wanted, likewise: an emptied one is gone, too
    streams     by key, in the order in which they were found
    registries  members of every registry that exists, by key
    version     changes whenever one of them does
    whole       False until the first walk has come to its end
    cut         whether there are more keys than are watched
    """

    def __init__(self, url: BrokerURL, registries: Sequence[bytes], wants_set: Callable[[bytes], bool]) -> None:
        self._url = url
        self._wants_set = wants_set
        self._patterns: list[bytes | None] = [pattern.encode() for pattern in url.get_all("keys")]
        self._exact = [key for key in registries if b"*" not in key]
        self._globs = [key for key in registries if b"*" in key]
        self._found_registries: set[bytes] = set()
        self._walks: list[_Walk] = []
        self._rounds = 0
        self._rest_until = 0.0
        self._registries_at = -REGISTRY_SECONDS
        self.lists: dict[bytes, float] = {}
        self.sets: dict[bytes, float] = {}
        self.streams: dict[bytes, None] = {}
        self.registries: dict[bytes, frozenset[bytes]] = {}
        self.version = 0
        self.whole = False
        self.cut = False
        self.pages = 0

    def advance(self, wire: AnyWire, powers: Powers) -> None:
        """Walk on by a bounded number of pages, and read the registries when it is time. Raises CollectorError."""
        now = time.monotonic()
        self._forget(now)
        self._walk_on(wire, now)
        if now - self._registries_at >= REGISTRY_SECONDS:
            self._registries_at = now
            self._read_registries(wire, powers)

    def drop(self, key: bytes) -> None:
        """Forget a key that is gone, or has become something else."""
        self.lists.pop(key, None)
        self.sets.pop(key, None)
        self.streams.pop(key, None)
        self.version += 1

    def _walk_on(self, wire: AnyWire, now: float) -> None:
        if not self._walks:
            if now < self._rest_until:
                return
            sought = [(kind, pattern) for kind in ("list", "stream", "zset") for pattern in self._patterns or [None]]
            sought += [("set", pattern) for pattern in self._globs]
            self._walks = [_Walk(node, kind, pattern) for node in wire.nodes for kind, pattern in sought]
            self._rounds = 0
        for _ in range(LATER_PAGES if self.whole else FIRST_PAGES):
            going = [walk for walk in self._walks if not walk.done]
            if not going:
                break
            self._rounds += 1
            replies = wire.ask_each([(walk.node, walk.command()) for walk in going])
            for walk, reply in zip(going, replies, strict=True):
                self._page(walk, reply, now)
        if all(walk.done for walk in self._walks):
            rest = self._rounds > LATER_PAGES and not any(walk.broken for walk in self._walks)
            self.whole, self._walks = True, []
            self._rest_until = now + (REST_SECONDS if rest else 0.0)

    def _page(self, walk: _Walk, reply: Any, now: float) -> None:
        if isinstance(reply, Silent):
            walk.done = walk.broken = True
            return
        if isinstance(reply, Refusal):
            raise refused(reply, self._url, "SCAN", "+scan")
        try:
            walk.cursor, keys = reply
        except (TypeError, ValueError):
            raise strange(self._url, "SCAN") from None
        if not isinstance(keys, list) or not all(isinstance(key, bytes) for key in [walk.cursor, *keys]):
            raise strange(self._url, "SCAN")
        walk.done = walk.cursor == b"0"
        self.pages += 1
        for key in keys:
            if walk.type == "set":
                if key not in self._found_registries:
                    self._found_registries.add(key)
                    self._registries_at = -REGISTRY_SECONDS
            elif walk.type != "zset" or self._wants_set(key):
                self._add(walk.type, key, now)

    def _add(self, kind: str, key: bytes, now: float) -> None:
        kept = {"list": self.lists.keys(), "zset": self.sets.keys(), "stream": self.streams.keys()}
        known = key in kept[kind]
        if not known and len(self.lists) + len(self.streams) + len(self.sets) >= MOST_KEYS:
            self.cut = True
            return
        if kind == "stream":
            self.streams[key] = None
        else:
            (self.lists if kind == "list" else self.sets)[key] = now
        self.version += not known

    def _forget(self, now: float) -> None:
        kept = [*self.lists.items(), *self.sets.items()]
        old = [key for key, seen in kept if now - seen > REMEMBERED_SECONDS]
        for key in old:
            self.drop(key)
        if len(self.lists) + len(self.streams) + len(self.sets) < MOST_KEYS:
            self.cut = False

    def _read_registries(self, wire: AnyWire, powers: Powers) -> None:
        keys = [*self._exact, *sorted(self._found_registries)]
        sizes = wire.ask([pack(b"SCARD", key) for key in keys])
        # A key of another type or one that may not be read is no registry of ours.
        readable = [
            key for key, size in zip(keys, sizes, strict=True) if isinstance(size, int) and size <= MOST_MEMBERS
        ]
        for reply in sizes:
            powers.note("SCARD", reply)
        members = wire.ask([pack(b"SMEMBERS", key) for key in readable])
        registries = {
            key: self.registries[key]
            for key, size in zip(keys, sizes, strict=True)
            if isinstance(size, Silent) and key in self.registries
        }
        for key, reply in zip(readable, members, strict=True):
            if powers.note("SMEMBERS", reply) and reply:
                registries[key] = frozenset(member for member in reply if isinstance(member, bytes))
        self._found_registries.intersection_update(registries)
        if registries != self.registries:
            self.registries = registries
            self.version += 1
