"""A sink for tests of the poller, and what they need beside it."""

from __future__ import annotations

import time
from collections.abc import Callable

from collectors import registry
from collectors.errors import CollectorError
from collectors.protocol import Poll
from collectors.url import BrokerURL

SOON = 60.0  # a generous bound: what is waited for takes milliseconds


class Ears:
    """A sink that remembers what it heard, and can be told to break."""

    def __init__(self) -> None:
        self.heard: list[tuple[int, Poll | CollectorError, float]] = []
        self.breaks: Exception | None = None

    def polled(self, id: int, poll: Poll) -> None:
        self.heard.append((id, poll, time.monotonic()))
        self._break()

    def failed(self, id: int, error: CollectorError, at: float) -> None:
        assert abs(at - time.time()) < SOON
        self.heard.append((id, error, time.monotonic()))
        self._break()

    def _break(self) -> None:
        if (error := self.breaks) is not None:  # read once: the test may mend it at any moment
            raise error

    def of(self, id: int, kind: type = object) -> list[Poll | CollectorError]:
        return [what for who, what, _ in list(self.heard) if who == id and isinstance(what, kind)]

    def times(self, id: int) -> list[float]:
        return [when for who, _, when in list(self.heard) if who == id]


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + SOON
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)


def url_of(name: str) -> BrokerURL:
    return registry.parse(f"memory://{name}")
