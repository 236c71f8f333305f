"""Measuring through Prometheus: every node is asked, for each tells only of its own queues and channels.

A queue is told of by the node of its leader, what channels counted by the node of their connection. Fewer
answers than running nodes make a partial reading, in which flows are unknown: what one node did not tell
may be the other half of a queue's traffic.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from urllib.parse import quote

from collectors.errors import BadAnswer, CollectorError
from collectors.rates import Counters

from .endpoints import Endpoint
from .http import Http
from .inventory import kind_of
from .prometheus import Metrics, QueueKey, QueueNames, parse, split_labels
from .reading import COMPLETED, PUBLISHED, REDELIVERED, Flow, Level, Reading

_LEVELS = ("queue_coarse_metrics", "queue_consumer_count", "stream_consumer_metrics")
_PER_CHANNEL = ("channel_queue_metrics", "channel_queue_exchange_metrics")
_PER_QUEUE = ("queue_delivery_metrics", "queue_exchange_metrics")

#: Metrics that are summed into each counter, as channels count (before 4.0) ...
_CHANNEL_COUNTERS = {
    "queue_messages_published_total": PUBLISHED,
    "channel_messages_acked_total": COMPLETED,
    "channel_messages_delivered_total": COMPLETED,
    "channel_get_total": COMPLETED,
    "channel_messages_redelivered_total": REDELIVERED,
}
#: ... and as queues count, since 4.0.
_QUEUE_COUNTERS = {
    "queue_exchange_messages_published_total": PUBLISHED,
    "queue_messages_acked_total": COMPLETED,
    "queue_messages_delivered_total": COMPLETED,
    "queue_get_total": COMPLETED,
    "queue_messages_redelivered_total": REDELIVERED,
}

_Series = tuple[str, str]  # metric, labels


@dataclass(slots=True)
class NodeAnswer:
    """What one node told, and when."""

    at: float
    endpoint: Endpoint
    node: str
    version: str
    metrics: Metrics


class Scrape:
    """Asks the Prometheus endpoint of every node. Remembers the counters of each, to make flows of them."""

    words = (
        "by the Prometheus endpoint of every node (/metrics/detailed), the cheapest way: "
        "about 16 ms of the broker's processor time for 1,000 queues"
    )

    def __init__(self, http: Http, endpoints: Sequence[Endpoint], vhost: str | None, *, named: bool) -> None:
        """`named`: the broker URL names the endpoints, so that each of them is asked every time."""
        self._named = named
        self.endpoints = tuple(endpoints)
        self.names = QueueNames()
        self._http = http
        self._vhost = vhost
        self._families: tuple[str, ...] = _LEVELS + _PER_CHANNEL + _PER_QUEUE
        self._counts_per_queue = False
        self._counters: dict[str, Counters[_Series]] = {}  # by node

    def read(self, running: Callable[[bool], frozenset[str] | None]) -> Reading:
        """Ask every node.

        `running` tells the nodes that should answer, asked anew when called with True; None = nobody knows.
        Raises the first node's CollectorError when none answers.
        """
        answers, errors = self._ask_all()
        if not answers:
            raise errors[0]
        self._choose_families(answers)
        silent = _silent(answers, errors, running(False)) and _silent(answers, errors, running(True))
        if not silent:
            self._drop_spare(answers)
        levels = _levels(answers, self.names, self._vhost)
        reading = Reading(
            at=min(answer.at for answer in answers),
            levels=levels,
            exact_flows=self._counts_per_queue,
            stream_lags=_stream_lags(answers, self.names),
            kinds=_kinds(answers, self.names) if running(False) is None else {},
            problems=silent,
            complete=not silent,
            version=next((answer.version for answer in answers if answer.version), ""),
        )
        self._count(answers, reading)
        return reading

    def _drop_spare(self, answers: list[NodeAnswer]) -> None:
        """Ask each node once from now on, where several addresses were tried and all nodes have answered."""
        if not self._named:
            self.endpoints = tuple(answer.endpoint for answer in answers)

    def _ask_all(self) -> tuple[list[NodeAnswer], list[CollectorError]]:
        with ThreadPoolExecutor(min(8, len(self.endpoints)), thread_name_prefix="rabbitmq-node") as threads:
            results = list(threads.map(self._ask, self.endpoints))
        answers: dict[str, NodeAnswer] = {}
        for result in results:
            if isinstance(result, NodeAnswer):
                answers.setdefault(result.node, result)  # two addresses of one node count once
        return list(answers.values()), [result for result in results if isinstance(result, CollectorError)]

    def _ask(self, endpoint: Endpoint) -> NodeAnswer | CollectorError:
        query = "&".join(f"family={family}" for family in self._families)
        if self._vhost is not None:
            query += f"&vhost={quote(self._vhost, safe='')}"
        try:
            body = self._http.get(endpoint, f"/metrics/detailed?{query}")
            metrics, info = parse(_text(body, endpoint), endpoint.address)
        except CollectorError as error:
            return error
        return NodeAnswer(
            at=time.time(),
            endpoint=endpoint,
            node=info.get("rabbitmq_node", endpoint.address),
            version=info.get("rabbitmq_version", ""),
            metrics=metrics,
        )

    def _choose_families(self, answers: list[NodeAnswer]) -> None:
        """Ask only for the counters that the broker keeps: per queue when every node does, else per channel."""
        per_queue = all("queue_messages_acked_total" in answer.metrics for answer in answers)
        if per_queue != self._counts_per_queue:
            self._counters.clear()
        self._counts_per_queue = per_queue
        # What a node does not know costs nothing to ask for, so that a mixed cluster is found out.
        self._families = _LEVELS + (_PER_QUEUE if per_queue else _PER_CHANNEL + _PER_QUEUE)

    def _count(self, answers: list[NodeAnswer], reading: Reading) -> None:
        """Turn the counters into flows. A node that has not answered twice leaves them unknown."""
        wanted = _QUEUE_COUNTERS if self._counts_per_queue else _CHANNEL_COUNTERS
        flows: dict[QueueKey, Flow] = {}
        seconds: list[float] = []
        counters: dict[str, Counters[_Series]] = {}
        for answer in answers:
            counted = counters[answer.node] = self._counters.get(answer.node) or Counters(born_at_zero=True)
            increases = counted.update(answer.at, _series(answer.metrics, wanted))
            if counted.seconds is not None:
                seconds.append(counted.seconds)
            for (metric, labels), increase in increases.items():
                if increase:
                    key = self.names.of(labels)
                    flow = flows.get(key)
                    if flow is None:
                        flow = flows[key] = Flow()
                    flow.add(wanted[metric], increase)
        self._counters = counters  # a node that is silent starts anew: its channels may be others by then
        if reading.complete and len(seconds) == len(answers):
            reading.seconds = sum(seconds) / len(seconds)
            reading.flows = flows


def _text(body: bytes, endpoint: Endpoint) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise BadAnswer(f"{endpoint.address} answered with something that is not text.") from None


def _series(metrics: Metrics, wanted: dict[str, int]) -> dict[_Series, float]:
    return {(metric, labels): value for metric in wanted for labels, value in metrics.get(metric, {}).items()}


def _levels(answers: list[NodeAnswer], names: QueueNames, vhost: str | None) -> dict[QueueKey, Level]:
    levels: dict[QueueKey, Level] = {}
    for answer in answers:
        unacked = answer.metrics.get("queue_messages_unacked", {})
        consumers = answer.metrics.get("queue_consumers", {})
        for labels, ready in answer.metrics["queue_messages_ready"].items():
            key = names.of(labels)
            if vhost is None or key[0] == vhost:
                levels[key] = Level(_known(ready), _known(unacked.get(labels)), _known(consumers.get(labels)))
    return levels


def _known(value: float | None) -> float | None:
    """NaN is how Prometheus says that it does not know."""
    return value if value == value else None


def _stream_lags(answers: list[NodeAnswer], names: QueueNames) -> dict[QueueKey, float]:
    lags: dict[QueueKey, float] = {}
    for answer in answers:
        for labels, lag in answer.metrics.get("stream_consumer_max_offset_lag", {}).items():
            key = names.of(labels)
            lags[key] = max(lag, lags.get(key, 0.0))
    return lags


def _kinds(answers: list[NodeAnswer], names: QueueNames) -> dict[QueueKey, str]:
    """Types of queues, which RabbitMQ tells here since 4.1."""
    kinds: dict[QueueKey, str] = {}
    for answer in answers:
        for labels in answer.metrics.get("queue_info", {}):
            kinds[names.of(labels)] = kind_of(split_labels(labels).get("queue_type", ""))
    return kinds


def _silent(answers: list[NodeAnswer], errors: list[CollectorError], running: frozenset[str] | None) -> list[str]:
    """What to say of running nodes that did not answer; of every address, when nobody knows which nodes run."""
    if running is None:
        return [f"A node did not answer: {error}" for error in errors]
    missing = sorted(running - {answer.node for answer in answers})
    if not missing:
        return []
    why = f": {errors[0]}" if errors else "; name the Prometheus endpoint of every node in the URL (prometheus=...)."
    names = ", ".join(missing)
    verb = "runs but was" if len(missing) == 1 else "run but were"
    return [f"{names} {verb} not measured ({len(answers)} of {len(running)} nodes answered){why}"]
