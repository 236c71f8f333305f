"""Short words for polls of SQS in tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from collectors import registry
from collectors.brokers.sqs import SQS
from collectors.protocol import Poll, Sample


@contextmanager
def polling(url: str) -> Iterator[SQS]:
    """The adapter for a URL, closed at the end."""
    broker = registry.connect(registry.parse(url))
    assert isinstance(broker, SQS)
    try:
        yield broker
    finally:
        broker.close()


def sample(poll: Poll, name: str) -> Sample:
    """The one sample of this name."""
    found = [s for s in poll.samples if s.name == name]
    assert len(found) == 1, f"{name!r} among {[s.name for s in poll.samples]}"
    return found[0]


def names(poll: Poll) -> list[str]:
    return sorted(s.name for s in poll.samples)


def fact(poll: Poll, name: str, label: str) -> str:
    """One fact of the queue of this name."""
    assert poll.facts is not None
    return dict(poll.facts[sample(poll, name).key].facts)[label]
