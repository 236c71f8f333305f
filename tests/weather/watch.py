"""A poller with a broker in bad weather and one in fair weather, and what is heard of both."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable

import psutil

from collectors import registry
from collectors.errors import CollectorError
from collectors.poller import Poller
from collectors.protocol import Poll

#: Seconds in which everything here has to happen; most of it takes a fraction of one.
SOON = 40.0
TRIED, CALM = 1, 2


class Watch:
    """Polls the broker under test as TRIED, and a calm one as CALM, each five times a second."""

    def __init__(self) -> None:
        self.heard: list[tuple[int, Poll | CollectorError]] = []
        self._poller = Poller(self)
        self._poller.add(CALM, registry.parse("memory://calm"), 0.2)

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._poller.stop(SOON), "a poll was left behind"

    # --- the poller's sink ---------------------------------------------------------------------------------------
    def polled(self, id: int, poll: Poll) -> None:
        self.heard.append((id, poll))

    def failed(self, id: int, error: CollectorError, at: float) -> None:
        self.heard.append((id, error))

    # --- what tests ask ------------------------------------------------------------------------------------------
    def add(self, url: str) -> None:
        """Poll a broker from now on."""
        self._poller.add(TRIED, registry.parse(url), 0.2)

    def start(self, url: str) -> Poll:
        """Poll a broker; its first answer."""
        self.add(url)
        return self.answer()

    def answer(self, wanted: Callable[[Poll], object] = lambda poll: True) -> Poll:
        """The next answer that is as wanted; back-off is not waited for."""
        found = self._next(lambda what: isinstance(what, Poll) and wanted(what))
        assert isinstance(found, Poll)
        return found

    def failure(self) -> CollectorError:
        """The next failure. Its sentence is one, and the calm broker was polled meanwhile."""
        calm = self._count(CALM)
        error = self._next(lambda what: isinstance(what, CollectorError))
        assert isinstance(error, CollectorError)
        is_one_sentence(str(error))
        until(lambda: self._count(CALM) > calm)
        return error

    def trouble(self) -> str:
        """The next sentence on what is wrong: a failure, or the first problem of an answer in part."""
        what = self._next(lambda what: isinstance(what, CollectorError) or what.problems)
        sentence = str(what) if isinstance(what, CollectorError) else what.problems[0]
        is_one_sentence(sentence)
        return sentence

    def _next(self, wanted: Callable[[Poll | CollectorError], object]) -> Poll | CollectorError:
        start, deadline = len(self.heard), time.monotonic() + SOON
        self._poller.poll_now(TRIED)
        while time.monotonic() < deadline:
            for id, what in self.heard[start:]:
                if id == TRIED and wanted(what):
                    return what
            time.sleep(0.02)
            if self._poller.health(TRIED).in_flight_seconds is None:
                self._poller.poll_now(TRIED)
        raise AssertionError(f"in vain; heard {[what for id, what in self.heard[start:] if id == TRIED][-3:]}")

    def _count(self, id: int) -> int:
        return sum(one == id for one, _ in list(self.heard))


def is_one_sentence(text: str) -> None:
    """Something that a person can read: one line, not long, without the names of classes or a password."""
    assert "\n" not in text and 20 < len(text) < 400, text
    assert text[0].isupper() or text[0].isdigit() or text.startswith("http"), text
    assert text.endswith((".", "?")), text
    assert not re.search(r"\b(0x[0-9a-f]+|Errno|object at|Traceback|\w+Error\b|secret-word)", text), text


def until(true: Callable[[], object], seconds: float = SOON) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


class Memory:
    """The most resident memory of this process while the block lasts, in bytes above that at its beginning."""

    def __enter__(self) -> Memory:
        self._process = psutil.Process()
        self._before = self._most = self._process.memory_info().rss
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    @property
    def growth(self) -> int:
        return self._most - self._before

    def _look(self) -> None:
        while not self._over.wait(0.005):
            self._most = max(self._most, self._process.memory_info().rss)
