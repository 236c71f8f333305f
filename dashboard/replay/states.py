"""What a journal says of messages: their states, how many are in each, and why it cannot be used."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

#: The rows from which counts are made.
COUNTED = "select state, count(*), sum(size), sum(came_back), sum(again > 0) from message group by state"


class State(IntEnum):
    """How far a message is. The numbers are stored: never renumber them."""

    PLANNED = 0  # chosen, still where it was
    LEASED = 1  # in our hands, nothing sent
    SENDING = 2  # a copy is being sent: after a crash it cannot be told whether it arrived
    SENT = 3  # the broker confirmed the copy; the original is to be removed
    REMOVED = 4  # the original is gone, the copy is there: done
    FAILED = 5  # not sent; the original stayed where it was, unless `why` says otherwise
    SKIPPED = 6  # left out, for the reason in `why`
    DOUBLED = (
        7  # none of the replay's own: a letter that was being replaced by a copy in its own queue, where both may lie
    )

    @property
    def word(self) -> str:
        return self.name.lower()


class JournalError(Exception):
    """A journal cannot be used; the message is one sentence for a person."""


class Fenced(JournalError):
    """Another worker has taken this replay over: nothing may be sent any more."""


@dataclass(slots=True)
class Counts:
    """How many messages are in which state; `sent` counts every confirmed copy; `unmarked`, `part_marked` those whose
    copies bear no mark, and only some; `unreplicated` those that no replica of their server knows to be moved;
    `doubled` letters of which two may lie in their queue."""

    total: int = 0
    sent: int = 0
    removed: int = 0
    came_back: int = 0
    failed: int = 0
    skipped: int = 0
    possibly_duplicated: int = 0
    bytes: int = 0
    unmarked: int = 0
    part_marked: int = 0
    unreplicated: int = 0
    doubled: int = 0


@dataclass(slots=True)
class Open:
    """Messages that are not over, and those that are but still lie in the queue: id -> their numbers, oldest first."""

    planned: dict[str, list[int]]
    sending: dict[str, list[int]]
    sent: dict[str, list[int]]
    stayed: dict[str, list[int]]

    @property
    def unresolved(self) -> int:
        """How many messages have begun and are not over."""
        return sum(map(len, self.sending.values())) + sum(map(len, self.sent.values()))


def counts_of(rows: Iterable[tuple[Any, ...]]) -> Counts:
    """The counts of a journal, from its rows as `COUNTED` asks for them."""
    counts = Counts()
    for state, count, size, came_back, again in rows:
        if state == State.DOUBLED:
            counts.possibly_duplicated += count
            counts.doubled = count
            continue
        counts.total += count
        counts.bytes += size or 0
        counts.came_back += came_back or 0
        counts.possibly_duplicated += again or 0
        if state in (State.SENT, State.REMOVED):
            counts.sent += count
        if state == State.REMOVED:
            counts.removed = count
        elif state == State.FAILED:
            counts.failed = count
        elif state == State.SKIPPED:
            counts.skipped = count
    return counts


def words(error: Exception) -> str:
    return f"{' '.join(str(error).split())[:200].rstrip('.')}."
