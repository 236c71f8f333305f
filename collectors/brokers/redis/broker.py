"""The adapter: one poll of a Redis or Valkey database, put together from what the rooms beside this file measure."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import ClassVar

from ...dialects import ON_REDIS
from ...dialects.layout import Laid, Place
from ...protocol import Check, Cost, Poll, QueueFacts, Relation, Sample
from ...url import BrokerURL
from . import facts, names, relations, server
from .acting import check_acting
from .channels import Channels
from .groups import Group, Stream
from .holding import HoldsLetters
from .inventory import MOST_KEYS, Inventory
from .lists import LOOKS_BYTES, Lists
from .names import Wanted
from .powers import Powers, strange, tried
from .streams import Streams, consumers_in_words
from .wire import AnyWire, Wire

#: Seconds between two tellings of facts and relations, when no queue came or went.
FACTS_SECONDS = 60.0


class Redis(HoldsLetters):
    """Watches one database of one server. `keys` (globs of Redis) narrows what is searched for.

    `timeout` is that of each network operation, `ca_file` the certificates that rediss:// trusts.
    """

    PARAMETERS: ClassVar[tuple[str, ...]] = ("keys", "timeout", "ca_file")

    def __init__(self, url: BrokerURL) -> None:
        super().__init__()
        self._url = url
        self._wire = self._new_wire(url)
        self._wanted = Wanted(url)
        self._powers = Powers(url)
        self._inventory = Inventory(
            url, [key for layout in ON_REDIS for key in layout.registries], relations.is_dead_set
        )
        self._lists, self._streams, self._channels = Lists(), Streams(), Channels()
        self._subscribers = server.Subscribers()
        self._laid = Laid()
        self._laid_version = -1
        self._watched: frozenset[str] = frozenset()
        self._told: tuple[frozenset[str], float] = (frozenset(), 0.0)

    def poll(self) -> Poll:
        """Measure every queue once. Raises CollectorError."""
        began, at = time.time(), time.monotonic()
        wire, powers = self._wire, self._powers
        wire.begin()
        powers.begin()
        now = self._server_time(began)
        about = self._about()
        self._inventory.advance(wire, powers)
        self._lay()
        places = self._lists.read(
            wire, powers, self._inventory, self._laid.places, self._laid.ledgers, at, now, self._watched
        )
        streams = self._streams.read(wire, powers, self._inventory, self._wanted, relations.is_dead, at, now)
        channels = self._channels.read(wire, powers, self._wanted, about, at)
        samples = [s for _, s in places] + [s for *_, s in streams] + [s for _, s in channels]
        samples += [s for _, s in self._streams.poison]
        samples = list({s.key: s for s in samples}.values())  # a key may become another type while we look
        poll = Poll(began, samples, version=server.version(about))
        poll.details = [
            *wire.details,
            *server.details(about),
            *self._subscribers.details(wire, powers, about, at),
            *self._pubsub_details(),
        ]
        self._tell(poll, at, places, streams, channels)
        poll.complete = self._inventory.whole and not self._inventory.cut and not wire.problems
        poll.problems = [*wire.problems, *self._problems(about), *powers.problems()]
        poll.method = self._method(len(samples))
        poll.cost = Cost(wire.requests, wire.received, time.monotonic() - at)
        return poll

    def close(self) -> None:
        """Let go of the connections. May be called twice, from another thread too."""
        self._wire.close()
        self._close_letters()

    def watch(self, keys: Sequence[str]) -> None:
        """Look at the ends of these lists first, where the ends of all would be too much."""
        self._watched = frozenset(keys)

    def check(self) -> list[Check]:
        """Connect, try each command once, and say what is missing. The first line is about polling."""
        wire = self._new_wire(self._url)
        try:
            wire.begin()
            checks = tried(wire, self._url)
            about = server.info(wire, Powers(self._url))
        finally:
            wire.close()
        refused = [check.power for check in checks if "Nothing can be polled" in check.sentence]
        said = f"{server.version(about)} at {wire.url.host}:{wire.url.port(6379)}"
        if refused:
            first = Check("polling", False, f"{said} answers, but polling needs {', '.join(refused)}.")
        else:
            first = Check("polling", True, f"{said} answers and its queues can be polled.")
        return [first, *checks]

    def check_acting(self, keys: Sequence[str], replaying: bool) -> list[Check]:
        """Put each command that looking and replaying need into a transaction that is given up."""
        wire = self._new_wire(self._url)
        try:
            if not isinstance(wire, Wire):
                return [Check("looking", False, "Not tried: in a cluster only what polling needs can be tried.")]
            return check_acting(wire, self._url, keys, replaying)
        finally:
            wire.close()

    # --- what is watched -----------------------------------------------------------------------------------------
    def _lay(self) -> None:
        """Which places there are: those of the dialects, then every other list by itself."""
        inventory = self._inventory
        if self._laid_version == inventory.version:
            return
        self._laid_version, laid = inventory.version, Laid()
        claimed: set[bytes] = set()
        for layout in ON_REDIS:
            found = layout.lay(inventory.registries, inventory.lists)
            for place in found.places:
                keys = {*place.lists, *place.sets}
                if not keys & claimed:
                    claimed |= keys
                    laid.places.append(place)
            laid.ledgers += found.ledgers
            laid.links += found.links
        laid.places += relations.dead_sets(inventory.sets, claimed, laid.links)
        claimed.update(key for place in laid.places for key in place.lists)
        laid.places += [Place(key, key, lists=(key,)) for key in inventory.lists if key not in claimed]
        laid.places = [p for p in laid.places if self._wanted(names.text(p.name), names.text(p.key))]
        self._laid = laid

    def _new_wire(self, url: BrokerURL) -> AnyWire:
        """How the server is asked."""
        return Wire(url)

    def _about(self) -> dict[str, str]:
        """INFO of the server, empty where it may not be asked."""
        return server.info(self._wire, self._powers)

    def _server_time(self, ours: float) -> float:
        """The server's clock, by which it dates entries; ours where it may not be asked."""
        reply = self._wire.one("TIME")
        if not self._powers.note("TIME", reply):
            return ours
        try:
            return int(reply[0]) + int(reply[1]) / 1e6
        except (TypeError, ValueError, IndexError):
            raise strange(self._url, "TIME") from None

    # --- what is told --------------------------------------------------------------------------------------------
    def _tell(
        self,
        poll: Poll,
        at: float,
        places: list[tuple[Place, Sample]],
        streams: list[tuple[Stream, Group | None, Sample]],
        channels: list[tuple[bytes, Sample]],
    ) -> None:
        """Facts and relations: when queues came or went, and every FACTS_SECONDS."""
        keys = frozenset(sample.key for sample in poll.samples)
        if keys == self._told[0] and at - self._told[1] < FACTS_SECONDS:
            return
        self._told = (keys, at)
        told: dict[str, QueueFacts] = {s.key: facts.of_place(place, s) for place, s in places}
        idle = consumers_in_words(self._wire, self._powers, streams)
        told |= {s.key: facts.of_stream(stream, group, idle.get(s.key, "")) for stream, group, s in streams}
        told |= {s.key: facts.of_channel(channel) for channel, s in channels}
        told |= {s.key: facts.of_poison() for _, s in self._streams.poison}
        poll.facts = told
        shown: dict[bytes, list[str]] = {}
        for place, sample in places:
            shown.setdefault(place.key, []).append(sample.key)
        for stream, _, sample in streams:
            shown.setdefault(stream.key, []).append(sample.key)
        poisoned = [Relation(of, s.key, "dead_letters", relations.POISONED) for of, s in self._streams.poison]
        poll.relations = relations.together(self._links(shown), relations.by_name(shown), poisoned)

    def _links(self, shown: dict[bytes, list[str]]) -> list[Relation]:
        return [
            Relation(shown[link.source][0], shown[link.target][0], link.kind, link.via)
            for link in self._laid.links
            if link.source in shown and link.target in shown
        ]

    def _problems(self, about: dict[str, str]) -> list[str]:
        inventory = self._inventory
        problems = []
        if not inventory.whole:
            problems.append(
                f"The keys of the database are still being walked through, {inventory.pages:,} pages so far."
            )
        if inventory.cut:
            problems.append(
                f"There are more than {MOST_KEYS:,} lists and streams; only that many are watched: "
                "name those that matter with keys=, for example keys=orders:*."
            )
        return problems

    def _method(self, queues: int) -> str:
        unlooked = self._lists.unlooked
        looks = (
            f"; the ends of {unlooked:,} lists were left out, being more than {server.size(LOOKS_BYTES)}"
            if unlooked
            else ""
        )
        return (
            f"{queues:,} queues by {self._wire.requests:,} commands in pipelines, all of them reading "
            f"(SCAN, LLEN, LINDEX, LPOS, XINFO, XPENDING, PUBSUB){looks}"
        )

    def _pubsub_details(self) -> list[tuple[str, str]]:
        rows = []
        if self._channels.patterns is not None:
            rows.append(("Pub/Sub patterns", f"{self._channels.patterns:,} subscribed"))
        if self._channels.unshown:
            rows.append(("Pub/Sub channels not shown", f"{self._channels.unshown:,}"))
        if self._lists.untold:
            rows.append(("In flight in Celery", f"{self._lists.untold:,} tasks that cannot be told by queue"))
        return rows
