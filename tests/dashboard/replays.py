"""Replays in tests: a desk that needs no database, and a world of letters whose every fate is checked."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

from collectors import registry
from collectors.brokers.memory import World, world
from collectors.letters import Death, Destination
from dashboard.replay.guards import Limits
from dashboard.replay.journal import Journal
from dashboard.replay.report import Reading
from dashboard.replay.runner import Runner
from dashboard.replay.states import Counts
from dashboard.replay.tasks import Order, Task

QUICK = Limits(lag=None, watch=0.0, trial_wait=0.0)


class Desk:
    """Says go on until it is told otherwise; keeps what it was told."""

    def __init__(self) -> None:
        self.rate: float | None = None
        self.going = True
        self.full = self.followed = ""
        self.until: float | None = None
        self.state, self.reason, self.total = "", "", None
        self.states: list[str] = []
        self.reasons: list[str] = []
        self.troubles: list[str] = []
        self.counts = Counts()

    def go_on(self) -> bool:
        return self.going

    def crowded(self, yielding: bool) -> str:
        return self.full

    def tell(self, state: str, reason: str, counts: Counts, total: int | None, until: float | None = None) -> None:
        self.until = until or self.until
        self.reasons += [reason] if self.reasons[-1:] != [reason] else []
        self.state, self.reason, self.counts, self.total = state or self.state, reason, counts, total
        if state and self.states[-1:] != [state]:
            self.states.append(state)

    def trouble(self, sentence: str) -> None:
        if sentence:
            self.troubles.append(sentence)


def fill(
    shop: World, count: int, queue: str = "orders.dead", origin: str = "orders", equal: int = 1, ids: bool = False
) -> list[bytes]:
    """Dead letters, each body `equal` times, with ids of their producer or without; all bodies, in order."""
    bodies = [b"letter %d" % (n // equal) for n in range(count)]
    shop.queue(origin)
    for n, body in enumerate(bodies):
        headers = {"message-id": f"m{n}"} if ids else {}
        shop.put_letter(queue, body, [Death(origin, "rejected", 1, 1000.0)], **headers)
    return bodies


def in_queue(shop: World, queue: str) -> list[bytes]:
    with shop.still() as queues:
        return [message.body for message in queues[queue].ready] if queue in queues else []


def order(key: str = "orders.dead", to: str | None = None, limits: Limits = QUICK, **more) -> Order:
    """What is to be done; names of Task go to the task."""
    task = {name: more.pop(name) for name in list(more) if name in Task.__dataclass_fields__}
    made = Task("own", Destination(to) if to else None, "ana", "2026-11-25T12:00:00Z", **task)
    return Order(key, made, limits=limits, lease_seconds=more.pop("lease_seconds", 30.0), **more)


class Crash(BaseException):
    """The process was killed here."""


class FailingJournal(Journal):
    """Dies at the commit that comes so many from now (0 = never), right before or right after it is on the disk."""

    def __init__(self, path: Path, left: int, after: bool) -> None:
        self.left, self.after = left, after
        super().__init__(path, "me")

    def commit(self) -> None:
        self.left -= 1
        if self.left == 0 and not self.after:
            raise Crash("before a commit")
        super().commit()
        if self.left == 0:
            raise Crash("after a commit")


def failing(path: Path, chance: random.Random) -> FailingJournal:
    """A journal that dies soon, before a commit or after it."""
    return FailingJournal(path, chance.randint(1, 12), chance.random() < 0.5)


def runner(
    path: Path, what: Order, desk: Desk | None = None, url: str = "memory://shop", journal: Journal | None = None
) -> Runner:
    def connect():
        return registry.connect(registry.parse(url))

    return Runner(desk or Desk(), connect, what, journal or Journal(path, "me"))


def run(path: Path, what: Order, desk: Desk | None = None, url: str = "memory://shop") -> Desk:
    """One replay, until it is over or halted."""
    desk = desk or Desk()
    one = runner(path, what, desk, url)
    try:
        one.run()
    finally:
        one.journal.close()
    return desk


def check_nothing_lost(path: Path, bodies: list[bytes], left: list[bytes], arrived: list[bytes]) -> Counter[bytes]:
    """Every message is exactly where the journal says; returns what arrived more than once, which was named."""
    lost = Counter(bodies) - Counter(left) - Counter(arrived)
    assert not lost, f"lost: {lost}"
    with Reading(path) as journal:
        counts = journal.counts()
        rows = journal.messages(most=10**6)
    double = (Counter(left) + Counter(arrived)) - Counter(bodies)
    again = sum(row.again for row in rows)
    assert sum(double.values()) <= again, (double, counts)
    assert counts.possibly_duplicated == sum(row.again > 0 for row in rows)
    gone = sum(row.state.word == "removed" for row in rows)
    # of equal ones, one may have gone under the number of another that was underway when a worker died
    twins = max(again, 20) if len(set(bodies)) < len(bodies) else 0
    most = len(bodies) - gone + counts.doubled
    assert len(bodies) - gone - twins <= len(left) <= most, (len(left), len(bodies), gone, counts)
    assert counts.sent <= len(arrived) <= counts.sent + again + twins, (counts, len(arrived))
    return double


def crash_at(shop: World, steps: int, chance: random.Random) -> None:
    """The world raises Crash at the step that comes so many steps from now; then it is quiet again."""
    left = [steps]

    def interrupt(step: str, numbers) -> None:
        left[0] -= 1
        if left[0] == 0:
            shop.interrupt = None
            raise Crash(step)

    shop.interrupt = interrupt


def shop() -> World:
    return world("shop")
