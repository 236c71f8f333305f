"""By what copies are known when they come back: by the marks that they bear, else by their contents.

A message of SQS has ten attributes at most, so that one with seven of its own or more has room for some of the four
marks only, and one with ten for none. Such a copy is known by body and attributes, with multiplicity: of equal ones no
more come back than were sent, and each letter in the queue stands for one of them. What lay in the queue before the
replay began is none of them, nor is what the journal knows by its id.
"""

from __future__ import annotations

import hashlib

from collectors.letters import STAMPS, Letter, Taken

from .journal import Journal
from .tasks import Task


def contents_of(letter: Letter, task: Task | None = None) -> str:
    """A fingerprint of a letter without its marks; with `task`, of the copy that is made of it."""
    headers, body = dict(letter.headers), letter.body
    if task is not None:
        headers |= task.headers or {}
        body = body if task.body is None else task.body
    told = sorted((name, repr(value)) for name, value in headers.items() if name not in STAMPS and value is not None)
    return hashlib.sha256(repr(told).encode() + b"\x00" + body).hexdigest()[:32]


def sentence(none: int, some: int, of: str = "Of the copies") -> str:
    """What is to be known where not all copies bear all marks; "" = all do."""
    if not none and not some:
        return ""
    parts = [f"{some:,} have room for only some of the marks"] if some else []
    parts += [f"{none:,} for none, and are recognised by their contents when they come back"] if none else []
    return f"{of} {'; '.join(parts)}."


def room_of(taken: Taken, task: Task) -> int:
    """How many marks the copy bears; of an edited one those count that it has then."""
    if not task.headers:
        return taken.room
    there = taken.letter().headers
    own = {name: 1 for name in there if name not in STAMPS} | {
        name: int(value is not None) for name, value in task.headers.items()
    }
    more = sum(own.values()) - sum(name not in STAMPS for name in there)
    return max(0, min(len(STAMPS), taken.room - max(0, more)))


class Unmarked:
    """Copies of a replay that bear no mark, as far as they have not come back."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._prints = journal.unmarked()
        self._known = journal.came_as() if self._prints else set[str]()
        self._began = float(journal.said("began", "0"))

    def __bool__(self) -> bool:
        return bool(self._prints)

    def meet(self, letter: Letter) -> bool:
        """Whether a letter in the queue is one of them; then that is journalled."""
        if letter.id in self._known:
            return True
        if letter.replay_id or not letter.whole or (letter.enqueued_at or 0.0) < self._began:
            return False
        numbers = self._prints.get(contents_of(letter))
        if not numbers or self._journal.knows(letter.id):
            return False
        self._known.add(letter.id)
        self._journal.came_back_as(numbers.pop(0), letter.id)
        return True
