"""Chooses how a broker is measured, by asking it; the cheapest way that answers in full wins.

1. Prometheus, every node. 2. The management API's totals, which are cheap but tell neither rates nor consumers.
3. Its full list, where there are so few queues that it costs next to nothing, or where 2 is not understood.
The choice is made anew every ten minutes, and after a failure.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from collectors.errors import BadAnswer, CollectorError, Unreachable

from .endpoints import Endpoint, Endpoints, prometheus_at
from .http import Http
from .management import Management
from .reading import Reading
from .scrape import Scrape
from .seen import Seen
from .totals import Full, Totals

#: Seconds until the choice is made anew, and until then after a better way has failed.
EVERY, AFTER_FAILURE = 600.0, 60.0
#: With so few queues the full list is cheap enough (about 18 ms for 50 queues), and it tells rates.
FEW_QUEUES = 50


class Measure:
    """Reads a broker in the way that was chosen. `words` says which, and what it costs."""

    def __init__(self, http: Http, endpoints: Endpoints, management: Management) -> None:
        self._http = http
        self._endpoints = endpoints
        self._management = management
        self._scrape: Scrape | None = None
        self.way: Scrape | Totals | Full | None = None
        self._until = 0.0
        self._learned: object = None
        self.problem = ""

    @property
    def words(self) -> str:
        return self.way.words if self.way else ""

    def read(self, seen: Seen) -> Reading:
        """Measure once. Raises the CollectorError of the way that should have worked when none does."""
        if self.way is not None and time.monotonic() < self._until:
            try:
                return self._with_problem(self._read(self.way, seen))
            except CollectorError:
                self.way = None
        return self._with_problem(self._choose(seen))

    def _read(self, way: Scrape | Totals | Full, seen: Seen) -> Reading:
        if not isinstance(way, Scrape):
            return way.read()
        if self._learned is not seen.rows:
            way.names.learn(seen.rows)
            self._learned = seen.rows
        return way.read(seen.who_runs)

    def _choose(self, seen: Seen) -> Reading:
        self.problem = ""
        scrape = self._scrape_of(seen)
        try:
            reading = self._read(scrape, seen)
        except CollectorError as error:
            return self._by_management(seen, error)
        if not reading.complete and not self._endpoints.prometheus and seen.by_management:
            return self._by_management(seen, BadAnswer(reading.problems[0]))
        self._take(scrape, EVERY if reading.complete else AFTER_FAILURE)
        return reading

    def _by_management(self, seen: Seen, failure: CollectorError) -> Reading:
        """Measure through the management API, because Prometheus failed."""
        if not seen.by_management:
            if seen.failure is not None and not self._endpoints.prometheus:
                raise seen.failure
            if seen.failure is not None:
                raise Unreachable(f"Neither way of measuring works. {failure} {seen.failure}")
            raise failure
        if self._endpoints.prometheus:
            self.problem = f"The Prometheus endpoint cannot be used, so that measuring costs more: {failure}"
        counts = seen.overview.get("rates_mode") != "none" and not seen.overview.get("disable_stats")
        full = Full(self._management, counts=counts)
        way: Totals | Full = full if counts and len(seen.rows) <= FEW_QUEUES else Totals(self._management)
        reading = way.read()
        if isinstance(way, Totals) and reading.levels and all(level.ready is None for level in reading.levels.values()):
            way = full
            reading = way.read()
        self._take(way, AFTER_FAILURE if self._endpoints.prometheus else EVERY)
        return reading

    def _take(self, way: Scrape | Totals | Full, seconds: float) -> None:
        if type(way) is not type(self.way):
            self.way = way
        self._until = time.monotonic() + seconds

    def _with_problem(self, reading: Reading) -> Reading:
        if self.problem:
            reading.problems.append(self.problem)
        return reading

    def _scrape_of(self, seen: Seen) -> Scrape:
        """The scrape of the endpoints to try, its counters kept where the endpoints are the same."""
        found = self._endpoints.prometheus or tuple(dict.fromkeys(_derived(self._endpoints, seen)))
        if self._scrape is None or not set(self._scrape.endpoints) <= set(found):
            named = bool(self._endpoints.prometheus)
            self._scrape = Scrape(self._http, found, self._endpoints.vhost, named=named)
            self._learned = None
        return self._scrape


def _derived(endpoints: Endpoints, seen: Seen) -> Iterator[Endpoint]:
    """Addresses to try: the broker's own host, and the host in the name of every running node."""
    listeners = [row for row in seen.overview.get("listeners") or () if "prometheus" in str(row.get("protocol"))]
    nodes = seen.running or frozenset()
    if len(nodes) < 2:
        ports = {int(row["port"]): str(row["protocol"]) for row in listeners} or {0: ""}
        for port, protocol in ports.items():
            yield prometheus_at(endpoints.host, port or None, tls=protocol.startswith("https"))
        return
    yield prometheus_at(endpoints.host, tls=endpoints.tls)
    for node in sorted(nodes):
        host = node.partition("@")[2]
        own = [row for row in listeners if row.get("node") == node] or [{}]
        for row in own:
            tls = str(row.get("protocol", "")).startswith("https")
            yield prometheus_at(host, row.get("port"), tls=tls)
