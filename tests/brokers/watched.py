"""Polls of real brokers while lines of traffic run: what Weir said of each, poll by poll."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from collectors import registry
from collectors.protocol import LagMethod, Sample, WatchesClosely
from tests.servers import rabbitmq as rabbit
from tests.servers import redis as redis_server
from tests.servers import sqs

from .lived import Line, ListLine, Phase, RabbitLine, SqsLine, StreamLine


@dataclass(slots=True)
class Watched:
    """One line and the samples of it, each with the moment of its poll."""

    broker: str
    line: Line
    polls: list[tuple[float, Sample]] = field(default_factory=list)

    def errors(self) -> dict[LagMethod, list[float]]:
        """By method, how far each lag was from the truth. Of queues that were empty, truly and said so, nothing."""
        found: dict[LagMethod, list[float]] = {}
        for at, sample in self.polls:
            if sample.lag_seconds is not None and sample.lag_method is not LagMethod.NONE:
                found.setdefault(sample.lag_method, []).append(abs(sample.lag_seconds - self.line.ledger.lag(at)))
        return found

    @property
    def untold(self) -> float:
        """The share of the polls that told no lag."""
        return sum(sample.lag_seconds is None for _, sample in self.polls) / max(len(self.polls), 1)


@contextmanager
def engines(rabbitmq: bool = True) -> Iterator[Mapping[str, object]]:
    """RabbitMQ, Valkey or Redis, and moto: those that are installed, by name."""
    with ExitStack() as stack:
        found: dict[str, object] = {}
        if rabbitmq and rabbit.rabbitmq_available():
            found["rabbitmq"] = stack.enter_context(rabbit.rabbitmq_nodes(settings=""))[0]
        engine = next((name for name in redis_server.ENGINES if redis_server.available(name)), None)
        if engine is not None:
            found["redis"] = stack.enter_context(redis_server.running(engine))
        found["sqs"] = stack.enter_context(sqs.moto())
        yield found


def watch(lines: Mapping[str, tuple[str, Sequence[Line]]], seconds: float, interval: float) -> list[Watched]:
    """Let lines run for some seconds and poll their brokers (name -> URL and lines) every `interval`."""
    watched = [Watched(name, line) for name, (_, some) in lines.items() for line in some]
    brokers = {name: registry.connect(registry.parse(url)) for name, (url, _) in lines.items()}
    try:
        for one in watched:
            one.line.start()
        until, due = time.monotonic() + seconds, time.monotonic() + 1
        with ThreadPoolExecutor(len(brokers)) as pool:
            while time.monotonic() < until:
                polls = dict(zip(brokers, pool.map(lambda broker: broker.poll(), brokers.values()), strict=True))
                for one in watched:
                    poll = polls[one.broker]
                    mine = next((s for s in poll.samples if s.name == one.line.name), None)
                    if mine is not None:
                        one.polls.append((poll.at, mine))
                for name, broker in brokers.items():
                    if isinstance(broker, WatchesClosely):
                        broker.watch([s.key for s in polls[name].samples if s.name.startswith("stamped")])
                due += interval
                time.sleep(max(0.0, due - time.monotonic()))
    finally:
        for one in watched:
            one.line.stop()
        for broker in brokers.values():
            broker.close()
    return watched


def lines_for(found: Mapping[str, object], phases: Sequence[Phase], few: Sequence[Phase]) -> dict:
    """The same phases on a queue of every sort; `few` is for SQS, whose stand-in is slow."""
    lines: dict[str, tuple[str, Sequence[Line]]] = {}
    node, server, peer = (found.get(name) for name in ("rabbitmq", "redis", "sqs"))
    if isinstance(node, rabbit.Node):
        lines["RabbitMQ"] = (
            node.url(),
            [
                RabbitLine(node, "/", "classic", phases, seed=1),
                RabbitLine(node, "/", "quorum", phases, kind="quorum", seed=2),
                RabbitLine(node, "/", "stamped", phases, stamped=True, seed=3),
            ],
        )
    if isinstance(server, redis_server.Server):
        lines["Redis"] = (
            server.url,
            [
                ListLine(server.client(), "plain", phases, seed=4),
                ListLine(server.client(), "jobs", phases, sidekiq=True, seed=5),
                StreamLine(server.client(), "events", phases, seed=6),
            ],
        )
    if isinstance(peer, sqs.Peer):
        lines["SQS"] = peer.url(), [SqsLine(peer.client(), "orders", few, seed=7)]
    return lines
