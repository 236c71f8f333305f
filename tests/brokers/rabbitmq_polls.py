"""Short words for polls of RabbitMQ in tests."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from collectors import registry
from collectors.brokers.rabbitmq import RabbitMQ
from collectors.protocol import Poll, Relation, Sample


@contextmanager
def polling(url: str) -> Iterator[RabbitMQ]:
    """The adapter for a URL, closed at the end."""
    broker = registry.connect(registry.parse(url))
    assert isinstance(broker, RabbitMQ)
    try:
        yield broker
    finally:
        broker.close()


def poll_until(broker: RabbitMQ, wanted: Callable[[Poll], bool], *, within: float = 60.0, every: float = 0.5) -> Poll:
    """Poll until a poll is as wanted; fails with the last one when none is."""
    deadline = time.monotonic() + within
    while True:
        poll = broker.poll()
        if wanted(poll):
            return poll
        assert time.monotonic() < deadline, f"{poll.samples} {poll.problems}"
        time.sleep(every)


def depths(poll: Poll) -> dict[str, float | None]:
    """Depth by the queue's own name, without its virtual host."""
    return {sample.key.partition("\x1f")[2]: sample.depth for sample in poll.samples}


def sample(poll: Poll, queue: str) -> Sample:
    """The one sample of the queue of this name, in whichever virtual host."""
    found = [s for s in poll.samples if s.key.partition("\x1f")[2] == queue]
    assert len(found) == 1, f"{queue!r} among {[s.name for s in poll.samples]}"
    return found[0]


def relations(poll: Poll) -> set[tuple[str, str, str]]:
    """(source, kind, target) by the queues' own names."""
    assert poll.relations is not None
    return {(_name(r.source), r.kind, _name(r.target)) for r in poll.relations}


def relation(poll: Poll, source: str, target: str) -> Relation:
    assert poll.relations is not None
    return next(r for r in poll.relations if (_name(r.source), _name(r.target)) == (source, target))


def fact(poll: Poll, queue: str, label: str) -> str:
    """One fact of the queue of this name."""
    assert poll.facts is not None
    return dict(poll.facts[sample(poll, queue).key].facts)[label]


def _name(key: str) -> str:
    return key.partition("\x1f")[2]
