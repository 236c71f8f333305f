"""Where the letters of one queue lie in Redis, and how they are read there page by page, changing nothing.

Every kind of place is a `Shelf` with pages in order, the oldest letter first. What is fetched is bounded beforehand by
what MEMORY USAGE says of the key: a page is about `PAGE_BYTES`. A reply that is larger all the same is not read to its
end (`meter`); its letters are then read one by one, and one that is too large by itself is left out and said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from ...errors import BadAnswer, NotSupported
from . import names
from .items import Item
from .keys import Where, checked
from .meter import LARGEST_REPLY, TooLarge
from .server import size
from .wire import AnyWire, Refusal

#: About the bytes of one page, and the letters in it at most.
PAGE_BYTES, PAGE = 1 << 20, 500
#: Nodes of a list or stream whose memory is added up; a node holds many elements.
SAMPLES = 2000
#: How often a queue that others change is gone through again for what was not found.
MOST_LEGS = 6


@dataclass(slots=True)
class Page:
    """Letters in order. `after`: where the next page begins, "" = there is none; `notes`: what was left out, and
    `left_out` how many that are too large; `lost`: what was seen last is not there any more, so that letters that
    others moved may lie before this page."""

    items: list[Item]
    after: str = ""
    notes: list[str] = field(default_factory=list)
    left_out: int = 0
    lost: bool = False


class Shelf(Protocol):
    """Letters of one queue.

    where      the queue in Redis
    by_place   pages begin at a number of letters from the oldest: what is taken out moves the others up
    refused    why letters cannot be leased, a sentence; "" = they can
    """

    where: Where
    by_place: bool

    @property
    def refused(self) -> str: ...

    def count(self) -> int | None:
        """How many letters lie there; None = it cannot be told without reading them."""

    def page(self, after: str, most: int) -> Page:
        """At most so many letters from there on, the oldest first. Raises CollectorError."""

    def find(self, ids: dict[str, int], until: Callable[[], bool]) -> Iterator[Item]:
        """So many letters of each id, as they are found; `until` says when to give up."""


def average(wire: AnyWire, key: bytes, count: int) -> int:
    """About the bytes of one letter, 1 where they cannot be told. Raises BadAnswer when none could be read."""
    usage = wire.one("MEMORY", "USAGE", key, "SAMPLES", SAMPLES)
    if isinstance(usage, Refusal) or not isinstance(usage, int) or count <= 0:
        return 1
    each = usage // count
    if each > LARGEST_REPLY:
        raise TooLarge(
            f"The letters of '{names.text(key)}' have about {size(each)} each; more than {LARGEST_REPLY >> 20} MB "
            "is not read at once, so they cannot be shown."
        )
    return max(1, each)


def fitting(each: int, most: int) -> int:
    """How many letters of that size make a page."""
    return max(1, min(most, PAGE, PAGE_BYTES // each))


def ranged(
    wire: AnyWire, command: str, ask: Callable[[int, int], bytes], count: int, say: Callable[[int], str],
    backwards: bool = False, width: int = 1,
) -> tuple[list[Any], list[str]]:  # fmt: skip
    """What `ask(first, count)` answers, `width` things for each letter; where that is too large, letter by letter.

    What is too large by itself is None there, and `say(number)` names it. `backwards`: answers have the last one first.
    """
    try:
        reply = list(checked(wire.ask([ask(0, count)])[0], wire.url, command))
        return reply[::-1] if backwards else reply, []
    except TooLarge:
        found: list[Any] = []
        notes: list[str] = []
    for i in range(count):
        try:
            found += checked(wire.ask([ask(i, 1)])[0], wire.url, command)
        except TooLarge:
            found += [None] * width
            notes.append(f"{say(i)} is larger than {LARGEST_REPLY >> 20} MB: it was left out.")
    return found, notes


@dataclass(slots=True)
class Passage:
    """Seeks letters by their ids through a shelf whose places are numbers, and goes on where it ended.

    What was found is taken out afterwards, so that the others move up by as many.
    """

    page: Callable[[str, int], Page]
    place: int = 0
    found: int = 0

    def find(self, ids: dict[str, int], until: Callable[[], bool]) -> Iterator[Item]:
        begin = max(0, self.place - self.found)
        wanted = {id: count for id, count in ids.items() if count > 0}
        self.found = 0
        legs: list[tuple[int, int | None]] = [(begin, None), (0, begin)]
        for first, last in legs:
            place, after = first, f"{first}:"
            while wanted and not until() and (last is None or place < last):
                self.place = place
                page = self.page(after, PAGE)
                for item in page.items:
                    if item.id in wanted:
                        wanted[item.id] -= 1
                        if not wanted[item.id]:
                            del wanted[item.id]
                        self.found += 1
                        yield item
                if page.lost and len(legs) < MOST_LEGS:
                    legs.append((0, place))
                if not page.after:
                    break
                place, after = place + len(page.items) + page.left_out, page.after


def missing(where: Where) -> BadAnswer:
    return BadAnswer(f"'{names.text(where.key)}' is a {where.type} in Redis, in which no queue keeps its messages.")


def number(after: str) -> int:
    """The place that an `after` begins with. Raises NotSupported for one that is none."""
    head = after.partition(":")[0]
    if not (head.isascii() and head.isdigit() and len(head) < 16):
        raise NotSupported(f"'{after[:40]}' is no place to go on from.")
    return int(head)
