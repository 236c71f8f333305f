"""Looks into a memory world, and leases of its letters.

A queue with a `limit` behaves as a quorum queue does: what is given back more often than that is dropped.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from ...errors import BadAnswer, Expired, NotSupported
from ...letters import (
    REPLAY_COUNT,
    REPLAY_ID,
    REPLAYED_AT,
    REPLAYED_BY,
    STAMPS,
    Bounds,
    Letter,
    Look,
    Outcome,
    Parcel,
    Price,
    Receipt,
)
from .world import MemoryQueue, Message, World


def identity(message: Message) -> str:
    """A fingerprint of body, headers without stamps, and deaths: two equal letters have one."""
    told = repr(sorted((k, v) for k, v in message.headers.items() if k not in STAMPS)), repr(message.deaths)
    return hashlib.sha256(b"\x00".join([message.body, *(part.encode() for part in told)])).hexdigest()[:32]


def letter_of(message: Message, body_bytes: int | None = None) -> Letter:
    """A message as the protocol has it."""
    death = message.deaths[0] if message.deaths else None
    return Letter(
        id=identity(message),
        body=message.body[:body_bytes],
        size=len(message.body),
        headers=message.headers,
        properties=(("number", str(message.number)), ("message_id", str(message.headers.get("message-id", "")))),
        enqueued_at=message.at,
        died_at=(death.at or message.at) if death else None,
        attempts=death.count if death else None,
        deliveries=message.deliveries,
        deaths=message.deaths,
        origin=death.queue if death else "",
        replayed=int(message.headers.get(REPLAY_COUNT, 0)),
        replay_id=str(message.headers.get(REPLAY_ID, "")),
        place=f"message {message.number}",
    )


def price(world: World, key: str) -> Price:
    with world.still() as queues:
        limit = _queue(queues, key, world).limit
    if limit is None:
        return Price("Free: nothing in this world changes by looking.", free=True)
    return Price(
        f"Each look counts as a delivery; after {limit} a letter would be dropped.", limit=limit, beyond="it is dropped"
    )


def look(world: World, key: str, bounds: Bounds, after: str, stop: Callable[[], bool]) -> Look:
    with world.still("look") as queues:
        queue = _queue(queues, key, world)
        waiting = [m for m in queue.ready if m.number > int(after or 0)]
        seen: list[Message] = []
        room = bounds.bytes
        for message in waiting[: bounds.messages]:
            room -= min(len(message.body), bounds.body_bytes)
            if stop() or (room < 0 and seen):
                break
            seen.append(message)
        if queue.limit is not None:
            _count(queue, {m.number for m in seen})
        return Look(
            letters=[letter_of(m, bounds.body_bytes) for m in seen],
            at=world.clock(),
            of=len(queue.ready),
            deliveries=max((m.deliveries + 1 for m in seen), default=0) if queue.limit is not None else None,
            after=str(seen[-1].number) if queue.limit is None and len(seen) < len(waiting) and seen else "",
        )


def _count(queue: MemoryQueue, numbers: set[int]) -> None:
    """What was handed out is given back, a delivery older; beyond the limit it is dropped."""
    kept = [m._replace(deliveries=m.deliveries + 1) if m.number in numbers else m for m in queue.ready]
    queue.ready.clear()
    queue.ready.extend(m for m in kept if queue.limit is None or m.deliveries <= queue.limit)
    queue.dropped += len(kept) - len(queue.ready)


def _queue(queues: Mapping[str, MemoryQueue], key: str, world: World) -> MemoryQueue:
    if key not in queues:
        raise BadAnswer(f"There is no queue '{key}' in memory://{world.name}.")
    return queues[key]


@dataclass(frozen=True, slots=True)
class Held:
    """A letter in the hands of a lease (`collectors.letters.Taken`)."""

    message: Message
    room: int = len(STAMPS)
    handle: str = ""

    @property
    def tag(self) -> int:
        return self.message.number

    @property
    def id(self) -> str:
        return identity(self.message)

    @property
    def size(self) -> int:
        return len(self.message.body)

    @property
    def stamped(self) -> bool:
        return REPLAY_ID in self.message.headers

    @property
    def replay_id(self) -> str:
        return str(self.message.headers.get(REPLAY_ID, ""))

    @property
    def replayed(self) -> int:
        return int(self.message.headers.get(REPLAY_COUNT, 0))

    @property
    def origin(self) -> str:
        return self.message.deaths[0].queue if self.message.deaths else ""

    def letter(self) -> Letter:
        return letter_of(self.message)


class MemoryLease:
    """Letters of one queue of a world."""

    random, own_ids, atomic, keeps, most_held, lost_until = False, False, False, False, 10_000, 0.0

    def __init__(self, world: World, key: str, until: float) -> None:
        self.world, self.key, self.until = world, key, until
        self._held: dict[int, Message] = {}
        self._sent: list[Receipt] = []
        self._closed = False

    def take(self, most: int, seconds: float = 1.0) -> Sequence[Held]:
        end = time.monotonic() + seconds
        while True:
            with self.world.still("take") as queues:
                queue = _queue(queues, self.key, self.world)
                room = min(most, self.most_held - len(self._held), len(queue.ready))
                taken = [queue.ready.popleft() for _ in range(room)]
                queue.taken.extend(taken)
            if taken or time.monotonic() >= end:
                self._held.update((m.number, m) for m in taken)
                return [Held(m) for m in taken]
            time.sleep(0.01)

    def take_these(self, ids: Mapping[str, int]) -> Sequence[Held]:
        raise NotSupported("A queue of a memory world is read in order.")

    def send(self, parcels: Sequence[Parcel]) -> None:
        self._alive()
        for parcel in parcels:
            with self.world.still("send", [parcel.tag]) as queues:
                queue = queues.get(parcel.to.queue)
                if queue is None:
                    why = f"There is no queue '{parcel.to.queue}'."
                    self._sent.append(Receipt(parcel.tag, Outcome.REFUSED, why))
                    continue
                queue.ready.append(self._copy(parcel))
                queue.put_total += 1
                self._sent.append(Receipt(parcel.tag, Outcome.SENT))

    def _copy(self, parcel: Parcel) -> Message:
        message = self._held[parcel.tag]
        headers = {**message.headers, **(parcel.headers or {})}
        if parcel.stamp is not None:
            headers[REPLAY_COUNT] = int(message.headers.get(REPLAY_COUNT, 0)) + 1
            headers |= {REPLAY_ID: parcel.stamp.replay_id, REPLAYED_AT: parcel.stamp.at, REPLAYED_BY: parcel.stamp.by}
        return self.world.renumber(
            message,
            at=self.world.clock(),
            body=message.body if parcel.body is None else parcel.body,
            headers={name: value for name, value in headers.items() if value is not None},
            deaths=(),
            deliveries=0,
        )

    def settled(self, seconds: float = 1.0) -> Sequence[Receipt]:
        with self.world.still("confirm", [receipt.tag for receipt in self._sent]):
            receipts, self._sent = self._sent, []
            return receipts

    def remove(self, tags: Sequence[int], wait: bool = True) -> Sequence[Receipt]:
        if not tags:
            return []
        self._alive()
        with self.world.still("remove", tags) as queues:
            queue = _queue(queues, self.key, self.world)
            for tag in tags:
                queue.taken.remove(self._held.pop(tag))
                queue.acked_total += 1
        return [Receipt(tag, Outcome.REMOVED) for tag in tags]

    def give_back(self, tags: Sequence[int]) -> None:
        with self.world.still("give back", tags) as queues:
            queue = _queue(queues, self.key, self.world)
            for tag in sorted(tags, reverse=True):
                message = self._held.pop(tag)
                queue.taken.remove(message)
                queue.ready.appendleft(message)
            _count(queue, set(tags))

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            with suppress(BadAnswer):  # the queue is gone, and what was held with it
                self.give_back(list(self._held))

    def _alive(self) -> None:
        if self.world.clock() >= self.until:
            raise Expired(f"The lease on '{self.key}' has passed its time.")
