"""The adapter of RabbitMQ: chooses how to measure, and puts what was found together into a poll."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from collectors.errors import BadURL
from collectors.letters import Bounds, Destination, Letter, Look, Price
from collectors.powers import Bounded, RenewalBook
from collectors.protocol import Check, Cost, Poll
from collectors.url import BrokerURL

from .acting import check_acting
from .asking import Asking, Own
from .check import check
from .describing import Describing
from .endpoints import Endpoints
from .flow import Flows
from .handling import Letters
from .http import TIMEOUT, Http
from .inventory import QueueRow, queue_key, sample_name
from .lease import RabbitLease
from .management import Management
from .measure import Measure
from .prometheus import QueueKey
from .reading import Reading
from .samples import samples_of
from .seen import Seen


class RabbitMQ:
    """One RabbitMQ, a single node or a cluster. Polls by `Measure`, knows its queues by `Seen`."""

    PARAMETERS = ("management", "prometheus", "ca_file", "verify", "timeout")

    def __init__(self, url: BrokerURL) -> None:
        self._url = url
        self._http = _http(url)
        self._endpoints = Endpoints.of(url)
        self._management = Management(self._http, self._endpoints.management, self._endpoints.vhost)
        self._measure = Measure(self._http, self._endpoints, self._management)
        self._seen = Seen(self._management)
        self._flows = Flows()
        self._asking = Asking()
        self._watched: tuple[QueueKey, ...] = ()
        self._describing = Describing(self._management)
        self._letters = Letters(url, self._management)
        self._chooses = bool(url.get_all("include") or url.get_all("exclude"))

    def poll(self) -> Poll:
        """Measure every queue once.

        The first poll has no rates. Raises AccessRefused for a wrong password even where the measurement
        itself needs none, so that a mistake in the URL does not stay unseen.
        """
        started = time.monotonic()
        self._http.requests = self._http.bytes = 0
        self._seen.keep_fresh()
        reading = self._measure.read(self._seen)
        self._seen.compare(reading)
        self._only_wanted(reading)
        own: dict[QueueKey, Own] = {}
        problem = ""
        if self._seen.by_management:
            own, problem = self._asking.ask(self._management, reading.at, self._watched, self._flows.doubted)
        rates = self._flows.update(reading, own, self._streams(reading))
        samples = samples_of(reading, rates, own, self._seen.rows)
        problems = [p for p in (self._seen.partition, *self._seen.problems, *reading.problems, problem) if p]
        known = self._seen.by_management
        found, relations = self._describing.describe(self._wanted_rows(), problems) if known else (None, None)
        return Poll(
            at=reading.at,
            samples=samples,
            problems=problems,
            complete=reading.complete,
            method=self._measure.words,
            version=f"RabbitMQ {reading.version or self._seen.version}".strip(),
            facts=found,
            relations=relations,
            details=self._details(),
            cost=Cost(self._http.requests, self._http.bytes, time.monotonic() - started),
        )

    def watch(self, keys: Sequence[str]) -> None:
        """Ask these queues themselves at every poll: exact rates, and the time in their oldest message."""
        self._watched = tuple(key for key in map(queue_key, keys) if key is not None)

    def check(self) -> list[Check]:
        """Try what each power needs, and say what is missing."""
        return check(self._management, self._endpoints, self._http, self.poll)

    def check_acting(self, keys: Sequence[str], replaying: bool) -> list[Check]:
        """Try over AMQP what looking and replaying need."""
        return [*check_acting(self._url, keys, replaying), *self._letters.check()]

    # --- letters -------------------------------------------------------------------------------------------------
    most_headers: int | None = None

    @property
    def options(self) -> Mapping[str, str]:
        return self._letters.options

    def price(self, key: str) -> Price:
        """By the queue's kind and settings and RabbitMQ's version, out of the management API."""
        return self._letters.price(key)

    def look(self, key: str, bounds: Bounds, after: str = "", stop: Callable[[], bool] = lambda: False) -> Look:
        """Streams are read from any offset (`after`), or their latest letters with `after="recent"`."""
        return self._letters.look(key, bounds, after, stop)

    def lease(self, key: str, seconds: float) -> RabbitLease:
        """At most half of the queue's consumer timeout. Originals stay in a stream."""
        return self._letters.lease(key, seconds)

    def send_new(self, to: Destination, body: bytes, headers: Mapping[str, Any], properties: Mapping[str, str]) -> str:
        return self._letters.send_new(to, body, headers, properties)

    def put_back(self, to: Destination, letter: Letter, wire: bytes, once: str) -> None:
        self._letters.put_back(to, letter, wire, once)

    def stamps(self, key: str, to: Destination) -> str:
        return self._letters.stamps(key, to)

    def receivers(self, to: Destination, beside: str = "") -> list[str] | None:
        return self._letters.receivers(to, beside)

    def bounded(self, key: str) -> Bounded | None:
        """Out of the management API, at most a minute old."""
        return self._letters.bounded(key)

    def exchanges(self, key: str) -> list[str]:
        return self._letters.exchanges(key)

    @property
    def kept_as_is(self) -> frozenset[str]:
        return self._letters.kept_as_is

    def not_beside(self, key: str) -> str:
        return self._letters.not_beside(key)

    def make_beside(self, key: str, mark: str) -> tuple[str, str]:
        """A durable queue, quorum beside quorum. Needs the permission to configure it."""
        return self._letters.make_beside(key, mark)

    def remove_beside(self, key: str) -> str:
        """Classic queues. Needs the permission to configure it."""
        return self._letters.remove_beside(key)

    def held(self, key: str) -> bool:
        return self._letters.held(key)

    def note_renewals(self, book: RenewalBook) -> None:
        """Quorum queues that count deliveries."""
        self._letters.book = book

    def close(self) -> None:
        self._letters.close()
        self._http.close()

    def _streams(self, reading: Reading) -> set[QueueKey]:
        told = {key for key, row in self._seen.rows.items() if row.kind == "stream"}
        return told or {key for key, kind in reading.kinds.items() if kind == "stream"}

    def _wanted_rows(self) -> dict[QueueKey, QueueRow]:
        rows = self._seen.rows
        return {key: row for key, row in rows.items() if self._url.wants(row.name)} if self._chooses else rows

    def _only_wanted(self, reading: Reading) -> None:
        if self._chooses:
            for key in [key for key in reading.levels if not self._url.wants(sample_name(*key))]:
                del reading.levels[key]

    def _details(self) -> list[tuple[str, str]]:
        details = [("Virtual host", self._endpoints.vhost or "all that the user may see")]
        if self._seen.running is not None:
            details.append(("Running nodes", ", ".join(sorted(self._seen.running))))
        elif self._seen.nodes_refused:
            details.append(("Running nodes", f"taken from the list of queues: {self._seen.nodes_refused}"))
        elif not self._seen.rows:
            words = "not known without the management API; before RabbitMQ 4.1 a stream shows what it keeps as depth"
            details.append(("Types of queues", words))
        if self._seen.foreign:
            hosts = sorted({vhost for vhost, _ in self._seen.foreign})
            details.append(("Not shown", f"queues in {', '.join(hosts)}, where the user has no permission"))
        return details


def _http(url: BrokerURL) -> Http:
    timeout = url.get_seconds("timeout", TIMEOUT)
    if not timeout > 0:
        raise BadURL("timeout= must be more than 0.")
    return Http(timeout=timeout, ca_file=url.get("ca_file"), verify=url.get("verify") == "" or url.get_bool("verify"))
