"""What came back: copies of a replay that lie in its queue again.

A copy that bears our stamp tells itself by its `replay-id`, "own.n". Where copies bear none (lists of Redis), equal
contents are counted: there are more of an id in the queue than were left there. Looking may have a price, so the
queue is counted first, which is free: as long as nothing arrived, nothing came back.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from collectors.letters import Bounds, HoldsLetters, Letter

from .journal import Journal
from .marks import Unmarked
from .tasks import Task

MOST_LOOKED_AT = 5000  # letters in one look for returns
SPARE = 5  # looks that a letter must have left before one is spent on finding returns


@dataclass(slots=True, frozen=True)
class Found:
    """`arrived`: letters more in the queue than were left there, None = not known; `sure`: all were looked at."""

    arrived: int | None
    sure: bool
    sentence: str = ""


def arrived(broker: HoldsLetters, key: str, journal: Journal, task: Task) -> int | None:
    """How many letters there are beyond those that the replay left there; None = that cannot be told."""
    look = broker.look(key, Bounds(messages=0))
    if look.of is None or task.bound is None or not look.exact:
        return None
    return max(0, look.of - (task.bound - journal.counts.removed))


def check(broker: HoldsLetters, key: str, journal: Journal, task: Task, thorough: bool = False) -> Found:
    """Count, and look where something arrived; what is found is journalled. No lease may be held meanwhile.

    `thorough`: look all the same where that can be done in one look: as many may have gone as arrived, taken by others
    or expired, which no count tells.
    """
    more = arrived(broker, key, journal, task)
    if more == 0 and not (thorough and 0 < (broker.look(key, Bounds(messages=0)).of or 0) <= MOST_LOOKED_AT):
        return Found(0, True)
    price = broker.price(key)
    if price.refused:
        return Found(more, False, price.refused)
    if not price.free and not price.renews and price.limit is not None and price.limit < SPARE:
        return Found(more, False, "What arrived is not looked at: letters could be lost by it.")
    try:
        sure = _free(broker, key, journal, task) if price.free else _priced(broker, key, journal, task)
    finally:
        journal.name_doubles()
    journal.commit()
    return Found(more, sure, "" if sure else "Not everything that lies there could be looked at.")


def _free(broker: HoldsLetters, key: str, journal: Journal, task: Task) -> bool:
    after, seen, unmarked = "", 0, Unmarked(journal)
    counts: Counter[str] = Counter()
    while True:
        look = broker.look(key, Bounds(messages=500, body_bytes=1 << 20, seconds=20.0), after)
        note(look.letters, journal, task, unmarked)
        counts.update(letter.id for letter in look.letters)
        seen, after = seen + len(look.letters), look.after
        if not after or not look.letters or seen >= MOST_LOOKED_AT:
            break
    complete = not after and (look.of is None or seen >= look.of)
    if not task.stamps and complete:
        by_contents(counts, journal)
    return complete


def _priced(broker: HoldsLetters, key: str, journal: Journal, task: Task) -> bool:
    unmarked = Unmarked(journal)
    body_bytes = 1 << 20 if unmarked else 1024
    look = broker.look(key, Bounds(messages=MOST_LOOKED_AT, bytes=256 << 20, body_bytes=body_bytes, seconds=30.0))
    note(look.letters, journal, task, unmarked)
    return look.of is not None and len(look.letters) >= look.of


def note(letters: list[Letter], journal: Journal, task: Task, unmarked: Unmarked) -> int:
    """Journal those that bear our stamp, and those that had no room for it and are known by their contents; how many
    of the former are news."""
    numbers = []
    for letter in letters:
        own, _, n = letter.replay_id.partition(".")
        if own == task.own and n.isdigit():
            numbers.append(int(n))
        elif unmarked:
            unmarked.meet(letter)
    return journal.came_back(numbers)


def by_contents(there: Counter[str], journal: Journal) -> int:
    """Journal as come back what lies there beyond what was there at the beginning and was not sent; how many news."""
    before = journal.before()
    if before is None:
        return 0
    found = 0
    for id, (gone, back) in journal.gone().items():
        more = there[id] - (before[id] - gone) - back
        if more > 0:
            found += journal.came_back(journal.numbers_of(id, more))
    return found


def note_before(broker: HoldsLetters, key: str, journal: Journal) -> bool:
    """What lies in the queue when the replay begins, where looking is free: only by that are returns without
    stamps found. Whether all of it could be noted."""
    if not broker.price(key).free:
        return False
    after, counts = "", Counter[str]()
    while True:
        look = broker.look(key, Bounds(messages=500, body_bytes=1 << 20, seconds=20.0), after)
        counts.update(letter.id for letter in look.letters)
        after = look.after
        if not after or not look.letters:
            break
        if sum(counts.values()) >= MOST_LOOKED_AT:
            return False
    journal.note_before(counts)
    return True
