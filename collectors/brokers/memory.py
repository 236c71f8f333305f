"""An in-process broker, for unit tests and for showing what failures look like. It measures nothing real.

`memory://name` is one shared world in this process: `world("name")` is where a test puts, takes and
acknowledges messages, and where it makes the broker fail, be slow or answer in part. A world exists as soon
as it is named, and is empty then. `memory://user:password@name` is refused unless the world has that password
(a world without one lets everybody in).

Exact: depth, in flight, consumers, lag (each message carries the time at which it was put),
and rates from the second poll of an adapter on. There are no parameters of its own.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

from ..errors import AccessRefused, Unreachable
from ..protocol import Cost, LagMethod, Poll, QueueFacts, Relation, Sample
from ..rates import Counters
from ..url import BrokerURL

Message = tuple[int, float]  # its number in the world, and the epoch seconds at which it was put


@dataclass
class MemoryQueue:
    """A queue of a world: messages waiting (oldest first), messages taken, and what was counted since it was made."""

    name: str
    consumers: int = 0
    hidden: str = ""  # why it is hidden; "" = it is not
    dead_letters_to: str = ""
    ready: deque[Message] = field(default_factory=deque)
    taken: deque[Message] = field(default_factory=deque)
    put_total: int = 0
    acked_total: int = 0
    told: dict[str, Any] = field(default_factory=dict)


class World:
    """What all adapters of one `memory://name` see. Every method may be called from any thread."""

    def __init__(self, name: str, clock: Callable[[], float] = time.time) -> None:
        self.name = name
        self.clock = clock
        self.password = ""
        self.polls = 0  # begun so far
        self.polling = 0  # in flight now
        self.most_at_once = 0
        self._queues: dict[str, MemoryQueue] = {}
        self._numbers = count(1)
        self._error: Exception | None = None
        self._seconds = 0.0
        self._silent: set[str] = set()
        self._lock = threading.RLock()
        self._released = threading.Event()
        self._released.set()

    # --- messages ------------------------------------------------------------------------------------------------
    def queue(self, name: str, consumers: int = 0, hidden: str = "", dead_letters_to: str = "") -> MemoryQueue:
        """Make a queue, or change what is said of it. `dead_letters_to` names the queue of its dead letters."""
        with self._lock:
            queue = self._made(name)
            queue.consumers, queue.hidden, queue.dead_letters_to = consumers, hidden, dead_letters_to
            return queue

    def put(self, name: str, messages: int = 1) -> None:
        """Put so many messages into a queue, which is made when it is not there."""
        with self._lock:
            queue, now = self._made(name), self.clock()
            queue.ready.extend((next(self._numbers), now) for _ in range(messages))
            queue.put_total += messages

    def take(self, name: str, messages: int = 1) -> int:
        """Hand the oldest messages to a consumer; how many there were to hand."""
        with self._lock:
            queue = self._made(name)
            handed = min(messages, len(queue.ready))
            queue.taken.extend(queue.ready.popleft() for _ in range(handed))
            return handed

    def ack(self, name: str, messages: int = 1) -> int:
        """Settle the oldest messages taken; how many there were to settle."""
        with self._lock:
            queue = self._made(name)
            settled = min(messages, len(queue.taken))
            for _ in range(settled):
                queue.taken.popleft()
            queue.acked_total += settled
            return settled

    def tell(self, name: str, **numbers: Any) -> None:
        """From now on say this of a queue, whatever is true: `tell("orders", depth=None)`; without numbers, the truth.

        Takes the fields of `Sample`.
        """
        with self._lock:
            self._made(name).told = numbers

    def delete(self, name: str) -> None:
        with self._lock:
            self._queues.pop(name, None)

    # --- failures ------------------------------------------------------------------------------------------------
    def fail(self, error: Exception | None) -> None:
        """Every poll raises this from now on; None = they answer again."""
        with self._lock:
            self._error = error

    def slow(self, seconds: float) -> None:
        """Every poll takes so long from now on; closing its adapter ends it early."""
        self._seconds = seconds

    def silence(self, *names: str) -> None:
        """Polls answer without these queues, and say that they are partial; without names, whole again."""
        with self._lock:
            self._silent = set(names)

    def hang(self) -> None:
        """Polls neither answer nor heed a close from now on, until `release`."""
        self._released.clear()

    def release(self) -> None:
        """Let hanging polls go on, and later ones answer."""
        self._released.set()

    # --- for the adapter -----------------------------------------------------------------------------------------
    @contextmanager
    def poll(self, closed: threading.Event) -> Iterator[tuple[list[MemoryQueue], set[str]]]:
        """One poll: waits and fails as told, then holds the world still; its queues, and the names that keep silent."""
        with self._lock:
            self.polls += 1
            self.polling += 1
            self.most_at_once = max(self.most_at_once, self.polling)
        try:
            self._released.wait()
            if closed.wait(self._seconds):
                raise Unreachable(f"The connection to memory://{self.name} was closed while it was being polled.")
            with self._lock:
                if self._error is not None:
                    raise self._error
                yield list(self._queues.values()), self._silent
        finally:
            with self._lock:
                self.polling -= 1

    def _made(self, name: str) -> MemoryQueue:
        return self._queues.setdefault(name, MemoryQueue(name))


_worlds: dict[str, World] = {}
_worlds_lock = threading.Lock()


def world(name: str) -> World:
    """The world of `memory://name`, made when it is first named."""
    with _worlds_lock:
        return _worlds.setdefault(name, World(name))


def forget_all() -> None:
    """Every `world(name)` is new and empty from now on; adapters that were already built keep the old one.

    Polls that hang in an old world are let go.
    """
    with _worlds_lock:
        old = list(_worlds.values())
        _worlds.clear()
    for gone in old:
        gone.release()


class Memory:
    """The adapter of `memory://name`."""

    PARAMETERS: tuple[str, ...] = ()

    def __init__(self, url: BrokerURL) -> None:
        self.url = url
        self.world = world(url.host)
        self._closed = threading.Event()
        self._puts: Counters[str] = Counters()
        self._acks: Counters[str] = Counters()

    def poll(self) -> Poll:
        """The world as it is. Raises what the world was told to fail with, AccessRefused for a wrong password."""
        if self._closed.is_set():
            raise Unreachable(f"The connection to memory://{self.url.host} is closed.")
        began = time.monotonic()
        with self.world.poll(self._closed) as (queues, silent):
            if self.world.password not in ("", self.url.password):
                raise AccessRefused(f"memory://{self.url.host} refuses the password of user '{self.url.user}'.")
            shown = [q for q in queues if q.name not in silent and self.url.wants(q.name)]
            poll = self._answer(shown, sorted(silent))
        poll.cost = Cost(requests=1, bytes=0, seconds=time.monotonic() - began)
        return poll

    def close(self) -> None:
        self._closed.set()

    def _answer(self, queues: list[MemoryQueue], silent: list[str]) -> Poll:
        now = self.world.clock()
        puts = self._puts.update(now, {q.name: q.put_total for q in queues})
        acks = self._acks.update(now, {q.name: q.acked_total for q in queues})
        names = {q.name for q in queues}
        return Poll(
            at=now,
            samples=[
                _sample(q, now, _rate(puts, q.name, self._puts.seconds), _rate(acks, q.name, self._acks.seconds))
                for q in queues
            ],
            problems=[f"'{name}' did not answer." for name in silent],
            complete=not silent,
            method="read from this process's own memory",
            version="Memory 1",
            facts={q.name: QueueFacts(hidden=bool(q.hidden), why_hidden=q.hidden) for q in queues},
            relations=[
                Relation(q.name, q.dead_letters_to, "dead_letters", "as the world was told")
                for q in queues
                if q.dead_letters_to in names
            ],
        )


def _rate(increases: Mapping[str, float], name: str, seconds: float | None) -> float | None:
    return increases[name] / seconds if seconds and name in increases else None


def _sample(queue: MemoryQueue, now: float, in_rate: float | None, out_rate: float | None) -> Sample:
    sample = Sample(
        key=queue.name,
        name=queue.name,
        kind="memory",
        depth=len(queue.ready),
        in_flight=len(queue.taken),
        in_rate=in_rate,
        out_rate=out_rate,
        consumers=queue.consumers,
        lag_seconds=max(0.0, now - queue.ready[0][1]) if queue.ready else 0.0,
        lag_method=LagMethod.MESSAGE_TIME,
        head=queue.ready[0][0] if queue.ready else "",
    )
    return replace(sample, **queue.told) if queue.told else sample
