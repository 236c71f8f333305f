"""The adapter of RabbitMQ: chooses how to measure, and puts what was found together into a poll."""

from __future__ import annotations

import time
from collections.abc import Sequence

from collectors.errors import AccessRefused, BadURL, CollectorError, NotSupported
from collectors.protocol import Check, Cost, Poll, QueueFacts, Relation
from collectors.url import BrokerURL

from . import facts
from .asking import Asking, Own
from .check import check
from .endpoints import Endpoints
from .flow import Flows
from .http import TIMEOUT, Http
from .inventory import queue_key, sample_name
from .management import Management
from .measure import Measure
from .prometheus import QueueKey
from .reading import Reading
from .samples import samples_of
from .seen import Seen

#: How often facts and relations are read anew, in seconds; and the soonest, when the set of queues has changed.
FACTS_EVERY, FACTS_SOONEST = 300.0, 15.0


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
        self._described: frozenset[QueueKey] = frozenset()
        self._described_at = float("-inf")

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
        rates = self._flows.update(reading, own)
        samples = samples_of(reading, rates, own, self._seen.rows)
        problems = [*self._seen.problems, *reading.problems, *([problem] if problem else [])]
        found, relations = self._describe(problems)
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

    def close(self) -> None:
        self._http.close()

    def _only_wanted(self, reading: Reading) -> None:
        unwanted = [key for key in reading.levels if not self._url.wants(sample_name(*key))]
        for key in unwanted:
            del reading.levels[key]

    def _describe(self, problems: list[str]) -> tuple[dict[str, QueueFacts] | None, list[Relation] | None]:
        """Facts and relations when they are due, else None twice: nothing changed."""
        rows = {key: row for key, row in self._seen.rows.items() if self._url.wants(row.name)}
        keys = frozenset(rows)
        now = time.monotonic()
        every = FACTS_EVERY if keys == self._described else FACTS_SOONEST
        if not self._seen.by_management or now - self._described_at < every:
            return None, None
        self._described, self._described_at = keys, now
        try:
            return facts.look_up(self._management, rows)
        except (AccessRefused, NotSupported) as error:
            problems.append(f"Policies and bindings cannot be read, so that dead-letter queues are unknown: {error}")
            return facts.without_routes(rows), None
        except CollectorError as error:
            self._described_at = float("-inf")
            problems.append(f"Facts and relations could not be read: {error}")
            return None, None

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
