"""Short words for polls of Redis in tests."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from collectors import registry
from collectors.brokers.redis import Redis
from collectors.errors import CollectorError
from collectors.protocol import Poll, Sample


@contextmanager
def polling(url: str) -> Iterator[Redis]:
    """The adapter for a URL, closed at the end."""
    broker = registry.connect(registry.parse(url))
    assert isinstance(broker, Redis)
    try:
        yield broker
    finally:
        broker.close()


def failure(url: str, kind: type[CollectorError]) -> str:
    """What a poll of this URL fails with."""
    with polling(url) as broker, pytest.raises(kind) as caught:
        broker.poll()
    return str(caught.value)


def sample(poll: Poll, name: str) -> Sample:
    """The one sample of this name."""
    found = [s for s in poll.samples if s.name == name]
    assert len(found) == 1, f"{name!r} among {[s.name for s in poll.samples]}"
    return found[0]


def per_second(broker: Redis, count: int, happens: Callable[[], object]) -> tuple[Poll, float, float]:
    """A poll before and one after `count` things happen: the later one, and the least and most they are per second."""
    began = time.monotonic()
    broker.poll()
    shortest = time.monotonic()
    happens()
    time.sleep(0.2)
    shortest = time.monotonic() - shortest
    poll = broker.poll()
    return poll, count / (time.monotonic() - began), count / shortest


def fact(poll: Poll, name: str, label: str) -> str:
    """One fact of the queue of this name."""
    assert poll.facts is not None
    return dict(poll.facts[sample(poll, name).key].facts)[label]
