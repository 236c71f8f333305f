"""The worlds behind `memory://name`: queues of messages, and what tests make happen to them."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any, NamedTuple

from ...errors import Unreachable
from ...letters import Death


class Message(NamedTuple):
    """A message: its number in the world, the epoch seconds at which it was put, and what is in it."""

    number: int
    at: float
    body: bytes = b""
    headers: Mapping[str, Any] = {}
    deaths: tuple[Death, ...] = ()
    deliveries: int = 0


@dataclass
class MemoryQueue:
    """A queue of a world: messages waiting (oldest first), messages taken, and what was counted since it was made."""

    name: str
    consumers: int = 0
    hidden: str = ""  # why it is hidden; "" = it is not
    dead_letters_to: str = ""
    limit: int | None = None  # how often a letter may be given back before it is dropped
    dropped: int = 0
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
        #: Called with the name of each step that touches letters ("take", "send", "confirm", "remove", "give back")
        #: and the numbers of the messages, before it is done: what it raises is what happens instead.
        self.interrupt: Callable[[str, Sequence[int]], None] | None = None

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
            queue.ready.extend(Message(next(self._numbers), now) for _ in range(messages))
            queue.put_total += messages

    def put_letter(self, name: str, body: bytes, deaths: Sequence[Death] = (), **headers: Any) -> None:
        """Put one message with a body and headers into a queue, which is made when it is not there."""
        with self._lock:
            queue = self._made(name)
            queue.ready.append(Message(next(self._numbers), self.clock(), body, headers, tuple(deaths)))
            queue.put_total += 1

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

    @contextmanager
    def still(self, step: str = "", numbers: Sequence[int] = ()) -> Iterator[dict[str, MemoryQueue]]:
        """The queues by name, for one step that touches letters; nobody else changes them meanwhile."""
        if self.interrupt is not None and step:
            self.interrupt(step, numbers)
        with self._lock:
            if self._error is not None:
                raise self._error
            yield self._queues

    def renumber(self, message: Message, **changes: Any) -> Message:
        """A copy of a message under a number of its own."""
        with self._lock:
            return message._replace(number=next(self._numbers), **changes)

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
