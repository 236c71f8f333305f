"""The benchmarks by name, and what each of them answers with.

A benchmark is a module of this folder with `bench(short: bool) -> list[Table]`: everything it compares is measured in
that one run, so that its ratios and curves hold on any machine. `short` is the form that the tests run: a few
seconds, smaller, every line of it used. What cannot be measured here is a `Missing` with one sentence.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field
from typing import Any


class Missing(Exception):
    """This benchmark cannot run on this machine; the message says what it needs."""


@dataclass(frozen=True, slots=True)
class Curve:
    """How a table is drawn: `ys` over `x`, one set of lines for each value of `by`; axes of powers where `log`."""

    x: str
    ys: tuple[str, ...]
    by: str = ""
    log: bool = False


@dataclass(frozen=True, slots=True)
class Target:
    """A figure that was aimed at: `value` is to be at most (or, with `at_least`, at least) `limit`."""

    words: str
    value: float
    limit: float
    at_least: bool = False

    @property
    def held(self) -> bool:
        return self.value >= self.limit if self.at_least else self.value <= self.limit


@dataclass(slots=True)
class Table:
    """Rows of one comparison, with the same names in each; the first names the row. None = not measured."""

    title: str
    rows: list[dict[str, Any]]
    note: str = ""
    curve: Curve | None = None
    targets: list[Target] = field(default_factory=list)


#: Name -> (what it answers, the seconds that its whole form may take on two cores that are free: as measured, rounded
#: up).
BENCHES = {
    "ingest": ("taking in a poll: cost by step, from 100 to 100,000 queues", 20),
    "store": ("keeping and reading samples, beside VictoriaMetrics and Prometheus", 65),
    "poll_redis": ("polling Redis: our processor time and the server's", 10),
    "poll_rabbitmq": ("polling RabbitMQ, beside Prometheus per object and its own management page", 110),
    "poll_sqs": ("polling SQS: calls, money and processor time", 65),
    "live": ("the live view: clients × rows, with some that stopped reading", 90),
    "page": ("pages and API with 10,000 queues: first paint, long tasks, milliseconds of an answer", 85),
    "lease_rabbitmq": ("moving letters through a bare lease, beside RabbitMQ's shovel", 120),
    "replay": ("replaying dead letters with a journal: RabbitMQ beside its shovel, Valkey, SQS", 110),
    "replay_sizes": ("replays by a worker, 100 letters to 100,000: seconds beside the shovel, memory", 120),
    "lease_redis": ("moving letters on Redis by a lease, beside LMOVE in pipelines", 60),
    "lease_sqs": ("replaying letters of SQS and looking at them, beside plain boto3", 120),
    "up": ("from `manage.py up` to ready", 35),
    "memory": ("memory while 10,000 queues are watched and an hour of them is sealed", 120),
    "rules": ("judging alert rules each tick, and previews of them on history", 35),
    "judgement": ("states against series whose answer is known", 70),
    "forecast": ("how often the band of a forecast held what came", 45),
    "lag": ("lag in seconds against the messages' own times, on real brokers", 140),
    "letters": ("the index of dead letters: groups and searches of a million, beside SQL", 150),
    "decode": ("reading letters", 5),
}

#: Asked for by name, or with --all: what goes deeper than the quarter of an hour that the others take together.
MORE = ("lag", "letters", "replay_sizes", "lease_rabbitmq", "lease_redis", "lease_sqs", "decode")


def run(name: str, short: bool) -> list[Table]:
    """The tables of one benchmark. Raises Missing where something that it needs is not there."""
    try:
        module = importlib.import_module(f"{__package__}.{name}")
    except ModuleNotFoundError as error:
        if error.name != f"{__package__}.{name}":
            raise
        raise Missing(f"{name} is not there yet") from None
    if not hasattr(module, "bench"):
        raise Missing(f"{name} runs by itself only: python -m {module.__name__}")
    tables: list[Table] = module.bench(short)
    return tables
