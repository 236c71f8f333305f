"""What a runner is told, and whom it tells; and how it waits: always with an ear for orders."""

from __future__ import annotations

import time
from typing import Protocol

from . import clock
from .journal import Journal
from .states import Counts
from .tasks import Order

POLL = 0.2  # seconds between looks at orders while nothing is to be done
TELL = 0.5  # seconds between two words on how far it is


class Desk(Protocol):
    """What a runner is told, and whom it tells."""

    @property
    def rate(self) -> float | None:
        """Messages a second as ordered now; None = no limit."""

    def go_on(self) -> bool:
        """Whether the replay is still this worker's, and to go on. Cheap: asked before each batch."""

    def crowded(self, yielding: bool) -> str:
        """Why to hold back because of the destination, a sentence; "" = go on."""

    @property
    def followed(self) -> str:
        """Which one has begun on the same queue while this one watched it ("replay 8"); "" = none."""

    def tell(self, state: str, reason: str, counts: Counts, total: int | None, until: float | None = None) -> None:
        """How far it is. `state` is ignored when somebody ordered another one meanwhile. `until`: epoch seconds at
        which what it waits for, as `reason` says, is over at the latest."""

    def trouble(self, sentence: str) -> None:
        """What is in the way just now; "" = it is over."""


class Halted(Exception):
    """Somebody said so, or the replay is another worker's now."""


class Voice:
    """Speaks for one runner at its desk. `state` and `reason` are what was said last.

    bound  how many letters the replay is about where that is known before they are met; None = not
    """

    def __init__(self, desk: Desk, order: Order, journal: Journal) -> None:
        self.desk, self._order, self._journal = desk, order, journal
        self.state, self.reason = "running", ""
        self.bound: int | None = None
        self._until: float | None = None
        self._told, self._told_state = 0.0, ""

    def tell(self, state: str, reason: str, now: bool = False) -> None:
        """How far it is; now and then, or at once."""
        self.reason = reason
        if now or state != self._told_state or clock.now() - self._told > TELL:
            self._told, self._told_state = clock.now(), state
            bound = self.bound if self._order.planned is None and not self._order.holds else None
            over = state in ("done", "watching")
            total = self._journal.counts.total if bound is None or over else max(bound, self._journal.counts.total)
            self.desk.tell(state, reason, self._journal.counts, total, self._until)

    def last_word(self) -> None:
        """The counts of a replay that was halted; its state is for who halted it to say."""
        self.tell("", self.reason, now=True)

    def wait(self, until: float, reason: str, latest: float | None = None) -> None:
        """Until a moment (epoch seconds), or until another replay has to wait for this one. Raises Halted.

        `latest`: when what is waited for is over at the latest, where that is said.
        """
        self._until = latest
        try:
            while (left := until - time.time()) > 0 and not self.desk.followed:
                self.tell(self.state, reason, now=self.reason != reason)
                self.sleep(min(POLL, left))
        finally:
            self._until = None

    def sleep(self, seconds: float) -> None:
        """Raises Halted."""
        until = clock.now() + seconds
        while (left := until - clock.now()) > 0:
            if not self.desk.go_on():
                raise Halted
            time.sleep(min(POLL, left))
        if not self.desk.go_on():
            raise Halted
