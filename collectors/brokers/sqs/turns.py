"""Whose turn it is to be asked. Pure: times are seconds of one monotonic clock, given by the caller.

A queue is wanted as often as it moves: every `moving_every` seconds while it changed lately, ever more rarely while
it stands still, and at least every `quiet_every`. When there are not calls enough for all, those go first that have
waited longest for their own pace, so that each is slowed by the same factor and none is forgotten.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import dataclass

#: A queue that had not changed for some time when it was asked is asked again after a SHARE-th of that time.
SHARE = 6.0
#: Those that somebody looks at take at most this part of a poll's calls.
WATCHED_PART = 0.5


@dataclass(slots=True)
class _Turn:
    asked_at: float | None = None
    changed_at: float = 0.0


class Turns:
    """The queues of a broker, by key."""

    def __init__(self, moving_every: float, quiet_every: float) -> None:
        self._moving, self._quiet = moving_every, quiet_every
        self._turns: dict[str, _Turn] = {}
        self.watched: frozenset[str] = frozenset()

    def keep(self, keys: Iterable[str]) -> None:
        """Exactly these queues exist."""
        self._turns = {key: self._turns.get(key) or _Turn() for key in keys}

    def next(self, now: float, most: int) -> list[str]:
        """At most so many queues that are due, the most urgent first; at least one where there is any and most > 0."""
        if not self._turns or most <= 0:
            return []
        urgency = {key: self._urgency(turn, now) for key, turn in self._turns.items()}
        looked_at = (key for key in self.watched if key in urgency)
        first = heapq.nlargest(max(1, int(most * WATCHED_PART)), looked_at, key=urgency.__getitem__)
        taken = frozenset(first)
        due = (key for key, waited in urgency.items() if waited >= 1.0 and key not in taken)
        chosen = first + heapq.nlargest(most - len(first), due, key=urgency.__getitem__)
        return chosen or [max(urgency, key=urgency.__getitem__)]  # one call a poll tells that the broker is there

    def asked(self, key: str, now: float, changed: bool) -> None:
        """A queue was asked; whether it differs from the time before (the first time counts as a change)."""
        turn = self._turns.get(key)
        if turn is None:
            return
        if changed or turn.asked_at is None:
            turn.changed_at = now
        turn.asked_at = now

    def _urgency(self, turn: _Turn, now: float) -> float:
        """How many of its paces a queue has waited; polls come a little early at times, which is near enough."""
        if turn.asked_at is None:
            return float("inf")
        # by what was known when it was last asked: else a queue that is kept waiting seems ever less urgent
        still = turn.asked_at - turn.changed_at
        pace = min(max(still / SHARE, self._moving), self._quiet)
        early = min(0.5, pace / 10)
        return (now - turn.asked_at + early) / max(pace, 1e-3)
