"""The words that cross the wall between a broker and the rest of Weir.

An adapter implements `Broker`: `poll()` answers with a `Poll`, or raises a `CollectorError`.
Anything more that a broker can do is a small protocol of its own, asked for by type.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Protocol, runtime_checkable


class Quality(IntEnum):
    """How a value is known. The numbers are stored: never renumber them."""

    EXACT = 0
    APPROXIMATE = 1
    ESTIMATED = 2
    UNKNOWN = 3


class LagMethod(IntEnum):
    """How `lag_seconds` was found, best first. The numbers are stored: never renumber them."""

    NONE = 0
    MESSAGE_TIME = 1  # the oldest waiting message carries a time
    ENTRY_ID = 2  # the id of the oldest waiting entry is a time (Redis streams)
    POSITION = 3  # interpolated on the cumulative count of arrivals
    HEAD_WATCHED = 4  # the head has been the same since at least then: a lower bound
    MONITORED = 5  # the broker's own monitoring (CloudWatch) said it some minutes ago, carried on to now

    @property
    def words(self) -> str:
        return _LAG_WORDS[self]


_LAG_WORDS = {
    LagMethod.NONE: "",
    LagMethod.MESSAGE_TIME: "by the time in the oldest message",
    LagMethod.ENTRY_ID: "by the oldest entry's id",
    LagMethod.POSITION: "by position",
    LagMethod.HEAD_WATCHED: "at least: the head has not moved since",
    LagMethod.MONITORED: "by the broker's own monitoring, carried on from some minutes ago",
}

#: The measured numbers of a sample, in the order in which they are stored: only ever append.
METRICS = (
    "depth",  # messages ready, waiting for a consumer
    "in_flight",  # handed to a consumer, not yet settled
    "delayed",  # not yet due
    "in_rate",  # messages per second arriving
    "out_rate",  # messages per second completed
    "net_rate",  # change of depth per second, where in and out cannot be told apart
    "lag_seconds",  # how long the oldest waiting message has waited
    "lag_messages",  # how far a consumer group is behind
    "consumers",  # processes reading
    "dead_letters",  # messages in the queue's own dead-letter place, where the broker keeps one inside it
    "redelivery_rate",  # messages per second delivered again
)

NO_QUALITY: Mapping[str, Quality] = {}


@dataclass(slots=True)
class Sample:
    """One queue at one moment. A number is None when the broker cannot tell, 0 only when it said zero.

    `key` identifies the queue inside its broker and never changes while the queue lives;
    `name` is what people call it. `quality` names only the metrics that are not exact
    (an adapter shares one mapping between samples). `head` identifies the oldest waiting
    message where the broker shows it cheaply: any hashable value, None = cannot be told,
    "" = the queue is empty. It serves the judging of queues without rates.
    `measured_at`: epoch seconds at which these numbers were measured, where that was in an earlier poll
    (0 = not yet); None = in this one. A broker that is paid for by the call is not asked about every queue
    each time; such a sample carries the last values on, and nothing is judged by them.
    """

    key: str
    name: str
    kind: str
    dialect: str | None = None
    depth: float | None = None
    in_flight: float | None = None
    delayed: float | None = None
    in_rate: float | None = None
    out_rate: float | None = None
    net_rate: float | None = None
    lag_seconds: float | None = None
    lag_messages: float | None = None
    consumers: float | None = None
    dead_letters: float | None = None
    redelivery_rate: float | None = None
    lag_method: LagMethod = LagMethod.NONE
    quality: Mapping[str, Quality] = field(default_factory=lambda: NO_QUALITY)  # one shared mapping
    head: str | int | None = None
    measured_at: float | None = None


@dataclass(slots=True, frozen=True)
class Relation:
    """How two queues of one broker hang together, by their keys.

    `kind`: "dead_letters" (source's dead letters arrive in target), "retries" (source's
    messages wait in target and come back), "feeds" (an exchange or router in between).
    `via` says where that is known from, in words for the page.
    """

    source: str
    target: str
    kind: str
    via: str = ""


@dataclass(slots=True, frozen=True)
class QueueFacts:
    """What rarely changes about a queue: shown on its page, never judged.

    `facts` are (label, value) pairs in the order to show; `hidden` keeps technical queues
    (timers, exclusive, reply queues) out of the default view, with `why_hidden` in words;
    `keeps_seconds` is the age at which the broker drops a message for good, None when it does not or cannot tell.
    """

    facts: tuple[tuple[str, str], ...] = ()
    hidden: bool = False
    why_hidden: str = ""
    tags: tuple[str, ...] = ()
    keeps_seconds: float | None = None


@dataclass(slots=True)
class Cost:
    """What one poll took: requests sent, bytes received, seconds of wall time."""

    requests: int = 0
    bytes: int = 0
    seconds: float = 0.0


@dataclass(slots=True)
class Poll:
    """A broker's answer: one sample per queue, complete unless `problems` says otherwise.

    at           epoch seconds of the measurement
    samples      one per queue that could be measured
    problems     sentences on what is missing (a node that does not answer): the poll is partial
    complete     False when queues may be missing: absent ones are then stale, not gone
    method       how it was measured, in words for the broker's page
    version      the broker's product and version, "RabbitMQ 3.10.8"
    facts        by queue key; None = not asked this time, nothing changed
    relations    all of them; None = not asked this time, nothing changed
    details      (label, value) pairs on the broker itself, for its page (clients, memory, Pub/Sub buffers)
    """

    at: float
    samples: list[Sample]
    problems: list[str] = field(default_factory=list)
    complete: bool = True
    method: str = ""
    version: str = ""
    cost: Cost = field(default_factory=Cost)
    facts: Mapping[str, QueueFacts] | None = None
    relations: Sequence[Relation] | None = None
    details: Sequence[tuple[str, str]] = ()


@dataclass(slots=True, frozen=True)
class Check:
    """One line of `check_broker`: what was tried, whether it works, what to do if not."""

    power: str
    ok: bool
    sentence: str


@runtime_checkable
class Broker(Protocol):
    """The one thing every adapter does. Built from a `BrokerURL`; building never connects."""

    def poll(self) -> Poll:
        """Measure every queue once. Raises CollectorError; never a made-up number."""

    def close(self) -> None:
        """Let go of every connection. May be called twice, from another thread too."""


@runtime_checkable
class ExplainsItself(Protocol):
    """Can try each permission, and name the one that is missing."""

    def check(self) -> list[Check]:
        """Connect, try what each power needs, and say what was found. The first line is about polling."""


@runtime_checkable
class ExplainsActing(Protocol):
    """Can try what looking into messages and replaying them needs, which is more than polling needs."""

    def check_acting(self, keys: Sequence[str], replaying: bool) -> list[Check]:
        """One line per power, on queues (keys) where looks and replays happen; without `replaying`, looks alone.

        No message is taken, sent or changed. Raises CollectorError when the broker cannot be asked at all.
        """


@runtime_checkable
class WatchesClosely(Protocol):
    """Can spend more on a few queues that somebody is looking at (head timestamps, say)."""

    def watch(self, keys: Sequence[str]) -> None:
        """From the next poll on, look closely at exactly these queues (keys)."""
