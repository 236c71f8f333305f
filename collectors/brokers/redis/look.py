"""Looks into queues on Redis. They are free: every command in them only reads, and no other reader notices.

The keys' clocks of eviction are not touched either, from Redis 7.2 on (CLIENT NO-TOUCH).
"""

from __future__ import annotations

import time
from collections.abc import Callable

from ...letters import Bounds, Look, Price
from . import names
from .groups import POISON
from .keys import Where, where
from .list_shelf import ListShelf
from .powers import understood
from .relations import apart_of
from .set_shelf import ApartShelf, SetShelf
from .shelves import Shelf, missing
from .stream_shelf import PoisonShelf, StreamShelf
from .wire import AnyWire

FREE = "Free: reading changes nothing on the server, and no other reader notices."
SENTENCES = {
    "list": f"{FREE} It is read in pages from its end; in one of a million messages the middle takes a little longer.",
    "zset": f"{FREE} It is read in pages, by score.",
    "stream": f"{FREE} Entries are read by their ids: no group's position, owner or delivery count moves.",
}


def shelf_of(wire: AnyWire, identity: str) -> Shelf:
    """Where the letters of a queue lie. Raises CollectorError."""
    with understood(wire.url, "what lies under a key"):
        return opened(wire, where(wire, identity))


def opened(wire: AnyWire, place: Where) -> Shelf:
    if place.poison:
        return PoisonShelf(wire, place)
    if place.type == "stream":
        return StreamShelf(wire, place)
    apart = apart_of(place.key)
    if apart is not None and place.type in ("zset", "none"):
        return ApartShelf(wire, place, apart)
    if place.type == "zset":
        return SetShelf(wire, place)
    if place.type in ("list", "none"):  # Redis removes an emptied list
        return ListShelf(wire, place)
    raise missing(place)


def price(wire: AnyWire, identity: str) -> Price:
    """What a look costs: nothing. Raises CollectorError where nothing can be looked at."""
    place = where(wire, identity)
    opened(wire, place)
    sentence = SENTENCES.get(place.type, SENTENCES["list"])
    if place.poison:
        name = names.text(place.group or b"")
        sentence = f"{FREE} Shown is what '{name}' has pending and was delivered {POISON} times or more."
    return Price(sentence, free=True)


def look(wire: AnyWire, identity: str, bounds: Bounds, after: str, stop: Callable[[], bool]) -> Look:
    """Letters from the oldest on, or from `after`, page by page within the bounds."""
    until = time.monotonic() + bounds.seconds
    shelf = shelf_of(wire, identity)
    with understood(wire.url, "a look"):
        seen = Look([], at=time.time(), of=shelf.count())
    room, going = bounds.bytes, after
    while len(seen.letters) < bounds.messages and not stop() and time.monotonic() < until:
        with understood(wire.url, "a look"):
            page = shelf.page(going, bounds.messages - len(seen.letters))
        for note in page.notes:
            if note not in seen.notes:
                seen.notes.append(note)
        for i, item in enumerate(page.items):
            room -= min(item.size, bounds.body_bytes)
            if room < 0 and seen.letters:
                seen.after = (shelf.page(going, i).after if i else "") or going
                return seen
            seen.letters.append(item.letter(bounds.body_bytes))
        going = seen.after = page.after
        if not going:
            break
    return seen
