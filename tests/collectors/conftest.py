"""A poller with somebody who listens, and a shop that it may poll."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from collectors.brokers.memory import World, world
from collectors.poller import Poller

from .ears import Ears


@pytest.fixture
def ears() -> Ears:
    return Ears()


@pytest.fixture
def poller(ears: Ears) -> Iterator[Poller]:
    with Poller(ears) as poller:
        yield poller


@pytest.fixture
def shop() -> World:
    world("shop").put("orders", 2)
    return world("shop")
