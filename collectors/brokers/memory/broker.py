"""The adapter of `memory://name`: polls a world, looks into it and leases its letters."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from ...errors import AccessRefused, BadAnswer, NotSupported, Unreachable
from ...letters import Bounds, Destination, Look, Price
from ...protocol import Cost, LagMethod, Poll, QueueFacts, Relation, Sample
from ...rates import Counters
from ...url import BrokerURL
from . import letters
from .world import MemoryQueue, world


class Memory:
    """The adapter of `memory://name`."""

    PARAMETERS: tuple[str, ...] = ()
    options: Mapping[str, str] = {}
    most_headers: int | None = None

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

    # --- letters -------------------------------------------------------------------------------------------------
    def price(self, key: str) -> Price:
        """Free, unless the world gave the queue a limit."""
        return letters.price(self.world, key)

    def look(self, key: str, bounds: Bounds, after: str = "", stop: Callable[[], bool] = lambda: False) -> Look:
        return letters.look(self.world, key, bounds, after, stop)

    def lease(self, key: str, seconds: float) -> letters.MemoryLease:
        return letters.MemoryLease(self.world, key, self.world.clock() + seconds)

    def stamps(self, key: str, to: Destination) -> str:
        return ""

    def receivers(self, to: Destination, beside: str = "") -> list[str] | None:
        """A queue reaches itself; exchanges there are none."""
        with self.world.still() as queues:
            return [to.queue] if to.queue in queues else []

    def send_new(self, to: Destination, body: bytes, headers: Mapping[str, Any], properties: Mapping[str, str]) -> str:
        if properties:
            raise NotSupported(f"A message of a memory world has no '{min(properties)}'.")
        if not self.receivers(to):
            raise BadAnswer(f"There is no queue '{to.queue}' in memory://{self.url.host}.")
        self.world.put_letter(to.queue, body, **headers)
        return ""

    kept_as_is: frozenset[str] = frozenset()

    def not_beside(self, key: str) -> str:
        return ""

    def make_beside(self, key: str, mark: str) -> tuple[str, str]:
        name = f"{key}.{mark}"
        self.world.queue(name)
        return name, name

    def remove_beside(self, key: str) -> str:
        with self.world.still() as queues:
            if (there := queues.get(key)) is None:
                return ""
            if there.ready or there.consumers:
                return "it is not empty, or somebody reads it"
            del queues[key]
        return ""

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
        lag_seconds=max(0.0, now - queue.ready[0].at) if queue.ready else 0.0,
        lag_method=LagMethod.MESSAGE_TIME,
        head=queue.ready[0].number if queue.ready else "",
    )
    return replace(sample, **queue.told) if queue.told else sample
