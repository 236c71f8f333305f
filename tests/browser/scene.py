"""A made-up fleet for the pages: every state, every way of knowing a figure, over three brokers; and many more."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field

from collectors.protocol import LagMethod, Poll, Quality, QueueFacts, Relation, Sample

NEAR = {"lag_seconds": Quality.ESTIMATED}
ROUGH = {"depth": Quality.APPROXIMATE, "in_flight": Quality.APPROXIMATE}


@dataclass
class Actor:
    """One queue that lives: messages arrive and are completed at a pace, and the rest waits."""

    name: str
    kind: str = "quorum"
    dialect: str | None = None
    depth: float = 0
    arrive: float = 0
    complete: float = 0
    consumers: float | None = 4
    in_flight: float | None = 0
    rates: bool = True
    lag: LagMethod = LagMethod.POSITION
    dead_letters: float | None = None
    quality: dict[str, Quality] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    dead_letters_to: str = ""
    facts: tuple[tuple[str, str], ...] = ()
    surge: float = 1  # what arrives is this much more
    calm: float = 0  # seconds before the surge begins
    waited: float = 0
    lived: float = 0

    def live(self, seconds: float, chance: random.Random) -> None:
        self.lived += seconds
        arriving = self.arrive * chance.uniform(0.9, 1.1) * (self.surge if self.lived > self.calm else 1)
        leaving = min(self.complete * chance.uniform(0.93, 1.07), arriving + self.depth / seconds)
        self.depth = max(0.0, self.depth + (arriving - leaving) * seconds)
        self.now = (arriving, leaving)
        if self.complete == 0 and self.depth > 0:
            self.waited += seconds
        else:
            self.waited = self.depth / leaving if leaving else 0

    def sample(self) -> Sample:
        arriving, leaving = self.now
        measured = self.lag is not LagMethod.NONE
        return Sample(
            key=self.name,
            name=self.name,
            kind=self.kind,
            dialect=self.dialect,
            depth=round(self.depth),
            in_flight=self.in_flight,
            in_rate=round(arriving, 2) if self.rates else None,
            out_rate=round(leaving, 2) if self.rates else None,
            net_rate=None if self.rates else round(arriving - leaving, 2),
            lag_seconds=round(self.waited, 1) if measured else None,
            lag_method=self.lag if measured else LagMethod.NONE,
            consumers=self.consumers,
            dead_letters=self.dead_letters,
            quality=self.quality or (NEAR if self.lag is LagMethod.POSITION else {}),
            head=None if self.rates else int(self.depth * 7),
        )


FACTS = (("Type", "quorum"), ("Durable", "yes"), ("Delivery limit", "5"), ("Dead letters go to", "emails.dlq"))


def shop() -> dict[str, list[Actor]]:
    """The fleet of the drawings, by broker: RabbitMQ, a Redis with Celery and streams, a Redis with Sidekiq."""
    return {"prod-rabbit": in_trouble() + at_work(), "cache-1": celery(), "cache-2": sidekiq()}


def in_trouble() -> list[Actor]:
    tags, to = ("team:growth", "tier:2"), "emails.dlq"
    emails = Actor("emails.outbound", depth=900, arrive=208, complete=210, consumers=42, in_flight=210, facts=FACTS)
    emails.calm, emails.surge, emails.dead_letters_to, emails.tags = 2200, 1.5, to, tags
    return [
        Actor("orders.fulfil", depth=100, arrive=3.5, complete=0, consumers=0, tags=("team:shop",)),
        emails,
        Actor("invoices.render", depth=400_000, arrive=12, complete=96, consumers=24, in_flight=120),
    ]


def at_work() -> list[Actor]:
    capture = Actor("payments.capture", depth=42, arrive=66, complete=66, consumers=16, in_flight=16)
    capture.dead_letters_to = "payments.capture.dlq"
    return [
        capture,
        Actor("inventory.sync", depth=38, arrive=51, complete=51, consumers=8, in_flight=8),
        Actor("reports.nightly", consumers=4),
        Actor("search.index", "classic", depth=120, arrive=22, complete=22, consumers=6, in_flight=6),
        Actor("emails.dlq", "classic", depth=3, consumers=0),
        Actor("payments.capture.dlq", "classic", depth=12, arrive=0.02, consumers=0),
        Actor("a queue <b>with</b> a long & unusual name that nobody would want to read in full", "classic"),
    ]


def celery() -> list[Actor]:
    blind = {"rates": False, "lag": LagMethod.NONE}
    group = {"kind": "stream group", "lag": LagMethod.ENTRY_ID}
    thumbnails = Actor("thumbnails", "list", "celery", depth=120, arrive=1, complete=1, calm=2600, surge=4, rates=False)
    thumbnails.consumers, thumbnails.in_flight = 16, 64
    return [
        thumbnails,
        Actor("clicks-v2 · analytics", depth=900, arrive=940, complete=938, consumers=12, in_flight=None, **group),
        Actor("audit · writer", depth=20, arrive=140, complete=140, in_flight=20, **group),
        Actor("gdpr-export", "list", consumers=None, in_flight=None, quality=ROUGH, **blind),
        Actor("low", "list", "celery", consumers=16, **blind),
    ]


def sidekiq() -> list[Actor]:
    mailers = Actor("mailers", "list", "sidekiq", depth=9000, arrive=1, complete=3, consumers=5, in_flight=25)
    mailers.rates, mailers.lag, mailers.dead_letters = False, LagMethod.MESSAGE_TIME, 184
    hooks = Actor("webhooks-out", "list", depth=11, arrive=2, complete=2, consumers=None, in_flight=9, quality=ROUGH)
    hooks.rates, hooks.lag = False, LagMethod.NONE
    return [mailers, hooks]


def many(queues: int) -> dict[str, list[Actor]]:
    """A large broker: mostly idle, some busy, a few in trouble; names sort as they are numbered."""
    chance = random.Random(5)

    def one(i: int) -> Actor:
        name = f"service-{i % 97:02}.task-{i:05}"
        if i % 2:
            return Actor(name, "classic", consumers=2)
        pace = chance.uniform(0.5, 60)
        growing = i % 500 == 0
        return Actor(name, depth=pace * 4, arrive=pace * (1.4 if growing else 1), complete=pace, in_flight=round(pace))

    return {"large": [one(i) for i in range(queues)]}


def poll(actors: list[Actor], at: float, told: bool) -> Poll:
    """The broker's answer at a moment; with facts and relations when `told`."""
    relations = [Relation(a.name, a.dead_letters_to, "dead_letters", "argument") for a in actors if a.dead_letters_to]
    facts = {a.name: QueueFacts(a.facts, tags=a.tags) for a in actors if a.facts or a.tags}
    return Poll(
        at=at,
        samples=[actor.sample() for actor in actors],
        facts=facts if told else None,
        relations=relations if told else None,
    )


def lives(actors: list[Actor], start: float, step: float, seed: int = 7) -> Iterator[Poll]:
    """One poll per step, for ever: the first at `start`. A gap of five minutes stands half an hour after it."""
    chance = random.Random(seed)
    at, first = start, True
    while True:
        for actor in actors:
            actor.live(step, chance)
        if not 1800 <= at - start < 2100:
            yield poll(actors, at, told=first)
            first = False
        at += step
