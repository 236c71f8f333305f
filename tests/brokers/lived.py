"""Real traffic on real brokers, of which it is known when every message was sent and when it was taken.

A `Line` is one queue with its own thread, which follows phases: so many messages a second sent, so many taken, by
consumers that work, hang, hand back what they take, or take nothing. What waited, and for how long, can then be told
of any moment, and held against what Weir said.
"""

from __future__ import annotations

import json
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pika
import redis

from tests.servers.rabbitmq import Node

TURN = 0.2  # seconds


@dataclass(frozen=True, slots=True)
class Phase:
    """`seconds` in which `sent` and `taken` messages a second move at random; `how` the consumers behave."""

    seconds: float
    sent: float
    taken: float
    how: str = "works"  # or "hangs", "hands back", "idles", "gone"
    state: str = ""  # in which the queue truly is


@dataclass(slots=True)
class Ledger:
    """When each message was sent, and when it was taken (inf = not yet), in the order of sending."""

    sent: list[float] = field(default_factory=list)
    taken: list[float] = field(default_factory=list)

    def send(self) -> int:
        """The number of the next message."""
        self.sent.append(time.time())
        self.taken.append(np.inf)
        return len(self.sent) - 1

    def take(self, number: int) -> None:
        self.taken[number] = min(self.taken[number], time.time())

    def lag(self, at: float) -> float:
        """How long the oldest message that waited at `at` had waited; 0 when none did."""
        sent, taken = np.array(self.sent), np.array(self.taken[: len(self.sent)])
        waits = (sent <= at) & (taken > at)
        return float(at - sent[waits].min()) if waits.any() else 0.0


class Line(ABC):
    """One queue and its traffic. `name` is the queue's in Weir."""

    def __init__(self, name: str, phases: Sequence[Phase], seed: int = 1) -> None:
        self.name, self.phases = name, phases
        self.ledger = Ledger()
        self.began = 0.0
        self.failed: Exception | None = None
        self._random = np.random.default_rng(seed)
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._done.set()
        self._thread.join(20)
        if self.failed is not None:
            raise self.failed

    def _run(self) -> None:
        try:
            self.open()
            self.began = last = time.time()
            while not self._done.is_set():
                now = time.time()
                phase = self.phase(now)
                self.behave(phase.how)
                self.send(int(self._random.poisson(phase.sent * (now - last))))
                self.take(int(self._random.poisson(phase.taken * (now - last))), phase.how)
                last = now
                self._done.wait(TURN)
            self.close()
        except Exception as error:
            self.failed = error

    def phase(self, at: float) -> Phase:
        """The phase of a moment; the last one lasts."""
        passed = at - self.began
        for phase in self.phases:
            if passed < phase.seconds:
                return phase
            passed -= phase.seconds
        return self.phases[-1]

    def changes(self) -> list[tuple[float, str]]:
        """(epoch seconds, true state) of each phase."""
        starts = np.cumsum([0.0, *(phase.seconds for phase in self.phases)])
        return [(self.began + float(start), phase.state) for start, phase in zip(starts, self.phases, strict=False)]

    def behave(self, how: str) -> None:  # noqa: B027
        """Consumers come and go; for brokers that know of them."""

    @abstractmethod
    def open(self) -> None: ...

    @abstractmethod
    def close(self) -> None: ...

    @abstractmethod
    def send(self, count: int) -> None: ...

    @abstractmethod
    def take(self, count: int, how: str) -> None: ...


class RabbitLine(Line):
    """A queue of RabbitMQ; `stamped` messages carry AMQP's timestamp, whole seconds."""

    def __init__(self, node: Node, vhost: str, name: str, phases: Sequence[Phase], *, kind: str = "classic",
                 stamped: bool = False, seed: int = 1) -> None:  # fmt: skip
        super().__init__(name, phases, seed)
        self.node, self.vhost, self.kind, self.stamped = node, vhost, kind, stamped
        self.key = f"{vhost}\x1f{name}"
        self._held: deque[tuple[int, int]] = deque()
        self._tag: str | None = None
        self._prefetch = 0

    def open(self) -> None:
        self._connection = self.node.connect(self.vhost)
        self._channel = self._connection.channel()
        self._channel.queue_declare(self.name, durable=True, arguments={"x-queue-type": self.kind})

    def close(self) -> None:
        self._connection.close()

    def behave(self, how: str) -> None:
        prefetch = {"gone": 0, "idles": 0, "hangs": 200}.get(how, 2)
        if self._tag and (how == "gone" or prefetch != self._prefetch):
            self._channel.basic_cancel(self._tag)
            if self._held and how != "hangs":
                self._channel.basic_nack(0, multiple=True, requeue=True)
            self._held.clear()
            self._tag = None
        if not self._tag and how != "gone" and prefetch:
            self._channel.basic_qos(prefetch_count=prefetch)
            self._tag = self._channel.basic_consume(self.name, self._delivered)
        self._prefetch = prefetch

    def _delivered(self, channel: Any, method: Any, properties: Any, body: bytes) -> None:
        self._held.append((method.delivery_tag, int(body)))

    def send(self, count: int) -> None:
        for _ in range(count):
            now = int(time.time()) if self.stamped else None
            self._channel.basic_publish("", self.name, b"%d" % self.ledger.send(), pika.BasicProperties(timestamp=now))
        self._connection.process_data_events(0)

    def take(self, count: int, how: str) -> None:
        while count > 0 and self._tag and how in ("works", "hands back"):
            if not self._held:
                self._connection.process_data_events(0.01)
            if not self._held:
                return
            tag, number = self._held.popleft()
            if how == "works":
                self._channel.basic_ack(tag)
                self.ledger.take(number)
            else:
                self._channel.basic_nack(tag, requeue=True)
            count -= 1


class ListLine(Line):
    """A list of Redis; in Sidekiq's layout each message carries when it was put in."""

    def __init__(self, client: redis.Redis, name: str, phases: Sequence[Phase], *, sidekiq: bool = False,
                 seed: int = 1) -> None:  # fmt: skip
        super().__init__(name, phases, seed)
        self.client, self.sidekiq = client, sidekiq
        self._list = f"queue:{name}" if sidekiq else name

    def open(self) -> None:
        if self.sidekiq:
            self.client.sadd("queues", self.name)

    def close(self) -> None:
        self.client.close()

    def send(self, count: int) -> None:
        for _ in range(count):
            number = self.ledger.send()
            job = {"class": "Mail", "args": [number], "jid": f"{number:024}", "queue": self.name, "number": number}
            job |= {"enqueued_at": self.ledger.sent[number]} if self.sidekiq else {}
            self.client.lpush(self._list, json.dumps(job))

    def take(self, count: int, how: str) -> None:
        for _ in range(count if how == "works" else 0):
            message = self.client.rpop(self._list)
            if message is None:
                return
            self.ledger.take(json.loads(message)["number"])  # type: ignore[arg-type]


class StreamLine(Line):
    """A stream of Redis with one consumer group."""

    def __init__(self, client: redis.Redis, stream: str, phases: Sequence[Phase], seed: int = 1) -> None:
        super().__init__(f"{stream} · readers", phases, seed)
        self.client, self.stream = client, stream

    def open(self) -> None:
        self.client.xgroup_create(self.stream, "readers", id="0", mkstream=True)

    def close(self) -> None:
        self.client.close()

    def send(self, count: int) -> None:
        for _ in range(count):
            self.client.xadd(self.stream, {"number": self.ledger.send()})

    def take(self, count: int, how: str) -> None:
        if how != "works" or not count:
            return
        answer: Any = self.client.xreadgroup("readers", "reader", {self.stream: ">"}, count=count)
        for _, entries in answer or ():
            for id, fields in entries:
                self.client.xack(self.stream, "readers", id)
                self.ledger.take(int(fields[b"number"]))


class SqsLine(Line):
    """A queue of SQS, ten messages a call."""

    def __init__(self, client: Any, name: str, phases: Sequence[Phase], seed: int = 1) -> None:
        super().__init__(name, phases, seed)
        self.client = client

    def open(self) -> None:
        self.url = self.client.create_queue(QueueName=self.name)["QueueUrl"]

    def close(self) -> None:
        self.client.close()

    def send(self, count: int) -> None:
        for _ in range(count):
            self.client.send_message(QueueUrl=self.url, MessageBody=str(self.ledger.send()))

    def take(self, count: int, how: str) -> None:
        while count > 0 and how == "works":
            answer = self.client.receive_message(QueueUrl=self.url, MaxNumberOfMessages=min(10, count))
            for message in answer.get("Messages", ()):
                self.client.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
                self.ledger.take(int(message["Body"]))
                count -= 1
            if not answer.get("Messages"):
                return
