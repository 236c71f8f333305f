"""Whether copies will have room for marks (`marks`), as far as that can be told before letters are taken."""

from __future__ import annotations

import time
from collections.abc import Iterable

from collectors.letters import STAMPS, Destination, HoldsLetters

from ..letters import bodies
from ..models import Letter, Queue
from .marks import sentence

MOST_PLACES = 20  # destinations that are asked for their room
MOST_KNOWN = 1000  # letters that are counted


def refused(broker: HoldsLetters, queue: Queue, to: Destination | None, homes: Iterable[str]) -> str:
    """Why no copy is marked, a sentence; "" = they are. Where one of the places has no room, none is: all are known by
    their contents then. `homes`: keys of where letters go back to; without any, the queue itself stands for them."""
    keys = list(homes)[:MOST_PLACES] or [queue.key]
    places = [to] if to is not None else [Destination(key) for key in keys]
    return next((why for place in places if (why := broker.stamps(queue.key, place))), "")


def foreseen(queue: Queue, most: int | None) -> str:
    """How many of the letters that Weir knows have no room for all marks, a sentence; "" = all of these have. Where it
    knows none, what that would mean."""
    if most is None:
        return ""
    counts = dict(Letter.objects.filter(queue=queue, gone_at=None).values_list("pk", "count")[:MOST_KNOWN])
    room = {
        pk: most - sum(name not in STAMPS for name in letter.headers)
        for pk, letter in bodies.find(list(counts), time.time()).items()
    }
    if not room:
        return f"A letter with {most} attributes of its own has no room for marks, and is recognised by its contents."
    none = sum(counts[pk] for pk, left in room.items() if left <= 0)
    some = sum(counts[pk] for pk, left in room.items() if 0 < left < len(STAMPS))
    return sentence(none, some, f"Of {sum(counts[pk] for pk in room):,} letters that Weir has looked at")
