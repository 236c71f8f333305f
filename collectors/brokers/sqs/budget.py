"""How many API calls may be made now, and how many were. Times are given, seconds of one monotonic clock."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from threading import Lock
from typing import Literal

#: What was not spent is kept for so many seconds: a burst is never larger than this many seconds' worth.
KEPT = 10.0
#: Calls are counted in slots of so many seconds, over a window of so many.
SLOT, WINDOW = 10.0, 300.0
#: AWS says it is too much: half of it from now on, and so much more, as a share, for each poll without such a word.
FEWER, MORE = 0.5, 1.15


@dataclass(slots=True)
class Calls:
    """Calls of one slot: to SQS about standard and FIFO queues, and to other services."""

    at: float
    standard: int = 0
    fifo: int = 0
    other: int = 0


class Budget:
    """A bucket that `calls` per second flow into. Spending more than is in it is possible, and paid back later.

    Over any time T no more than calls * (T + KEPT) are made by who spends only what `left` says.
    """

    def __init__(self, calls: float, now: float) -> None:
        self._full = self.rate = calls
        self._filled_at = self._began = now
        self._in = calls * KEPT
        self._lock = Lock()
        self._slots: deque[Calls] = deque()

    def left(self, now: float) -> int:
        """Calls that may be made at once."""
        with self._lock:
            self._fill(now)
            return max(0, int(self._in))

    def spent(self, now: float, kind: Literal["standard", "fifo", "other"] = "standard") -> None:
        """One call is being made, a retry included."""
        with self._lock:
            self._fill(now)
            self._in -= 1
            if not self._slots or now - self._slots[-1].at >= SLOT:
                self._slots.append(Calls(now))
            slot = self._slots[-1]
            setattr(slot, kind, getattr(slot, kind) + 1)

    def throttled(self) -> None:
        """AWS refused calls for being too many."""
        with self._lock:
            self.rate = max(self.rate * FEWER, self._full / 64)
            self._in = min(self._in, 0.0)

    def went_well(self) -> None:
        """A poll was not throttled."""
        with self._lock:
            self.rate = min(self.rate * MORE, self._full)

    def per_second(self, now: float) -> tuple[float, float, float]:
        """Standard, FIFO and other calls per second over the last WINDOW (or since the start)."""
        with self._lock:
            while self._slots and self._slots[0].at < now - WINDOW:
                self._slots.popleft()
            seconds = max(min(now - self._began, WINDOW), SLOT)
            sums = [sum(getattr(slot, kind) for slot in self._slots) for kind in ("standard", "fifo", "other")]
            return sums[0] / seconds, sums[1] / seconds, sums[2] / seconds

    def _fill(self, now: float) -> None:
        self._in = min(self._in + self.rate * max(now - self._filled_at, 0.0), self._full * KEPT)
        self._filled_at = now
