"""Letters in a list, or in the lists of a queue of Celery, one for each priority.

Which end is the oldest, a list does not say. Producers mostly push at the left and consumers pop at the right, and a
letter that was moved with LMOVE or RPOPLPUSH arrives at the left, so the oldest is taken to be at the right, unless the
times in the payloads at both ends say otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ...conventions import candidates
from ...dialects.celery import SEPARATOR, STEPS
from .groups import raw as bytes_of
from .items import Item, element
from .keys import Where, checked, type_of
from .powers import understood
from .shelves import Page, Passage, average, fitting, number, ranged
from .wire import AnyWire, pack

#: How far around a place is sought again by the letter that was seen there last, when others were taken out meanwhile.
BACK = 50
CHANGED = "The list changed while it was read: some letters may be missing here, others be here twice."
#: Bytes of a letter above which the ends of its list are not looked at.
LARGE = 1 << 16


class ListShelf:
    """`where.key` first, then the further lists of its priorities that hold something."""

    by_place = True
    refused = ""

    def __init__(self, wire: AnyWire, where: Where) -> None:
        self._wire = wire
        self.where = where
        self._keys = [where.key]
        if SEPARATOR not in where.key:
            self._keys += [where.key + SEPARATOR + b"%d" % step for step in STEPS]
        self._origin = origin_of(wire, where.key)
        self._passage = Passage(self.page)
        self._averages: dict[bytes, int] = {}
        self._right: dict[bytes, bool] = {}

    def count(self) -> int:
        return sum(length for _, length in self.lists())

    def lists(self) -> list[tuple[bytes, int]]:
        """The lists that hold something, and how many."""
        replies = self._wire.ask([pack("LLEN", key) for key in self._keys])
        found = []
        for key, reply in zip(self._keys, replies, strict=True):
            if key == self.where.key or isinstance(reply, int):
                length = checked(reply, self._wire.url, "LLEN")
                if length:
                    found.append((key, length))
        return found

    def oldest_right(self, key: bytes) -> bool:
        """Whether the oldest element is at the right end."""
        if key not in self._right:
            self._right[key] = oldest_right(self._wire, key, self._averages.get(key, 1) <= LARGE)
        return self._right[key]

    def page(self, after: str, most: int) -> Page:
        """`after`: how many letters from the oldest, and the id of the last of them."""
        place, seen = number(after) if after else 0, after.partition(":")[2]
        lists, before, page = self.lists(), 0, Page([])
        for key, length in lists:
            if place >= before + length or most <= 0:
                before += length
                continue
            start = place - before
            count = fitting(self._size(key, length), min(most, length - start))
            back = min(BACK, start) if seen else 0
            found = self._read(key, start - back, count + back, before, page)
            begin = self._after(found, back, seen)
            if begin is None:  # others came in front of it, or took it away
                found += self._read(key, start + count, min(BACK, length - start - count), before, page)
                begin = self._after(found, len(found), seen)
            if begin is None:
                page.notes.append(CHANGED)
                page.lost = True
                begin = back
            kept = found[begin : begin + count]
            page.items = [item for item in kept if item is not None]
            page.left_out = kept.count(None)
            reached = before + start - back + begin + len(kept)
            if reached < sum(n for _, n in lists):
                page.after = f"{reached}:{page.items[-1].id if page.items else seen}"
            break
        return page

    def find(self, ids: dict[str, int], until: Callable[[], bool]) -> Iterator[Item]:
        return self._passage.find(ids, until)

    @staticmethod
    def _after(found: list[Item | None], most: int, seen: str) -> int | None:
        """Where what follows the letter begins that was seen last, sought among the first of these; None = nowhere."""
        if not seen or not most:
            return 0
        for i in range(min(most, len(found)) - 1, -1, -1):
            one = found[i]
            if one is not None and one.id == seen:
                return i + 1
        return None

    def _read(self, key: bytes, start: int, count: int, before: int, page: Page) -> list[Item | None]:
        if count <= 0:
            return []
        right = self.oldest_right(key)

        def ask(first: int, n: int) -> bytes:
            begin = start + first
            return pack("LRANGE", key, *((-begin - n, -begin - 1) if right else (begin, begin + n - 1)))

        def say(i: int) -> str:
            return f"Letter {before + start + i + 1:,}"

        found, notes = ranged(self._wire, "LRANGE", ask, count, say, backwards=right)
        page.notes += notes
        with understood(self._wire.url, "LRANGE"):
            return [
                None if raw is None else self._item(key, raw, start + i, before, right) for i, raw in enumerate(found)
            ]

    def _item(self, key: bytes, raw: bytes, at: int, before: int, right: bool) -> Item:
        item = element(raw, self.where.key, f"letter {before + at + 1:,} from the oldest", self._origin)
        item.lies_in, item.from_right, item.at = key, right, at
        return item

    def _size(self, key: bytes, length: int) -> int:
        if key not in self._averages:
            self._averages[key] = average(self._wire, key, length)
        return self._averages[key]


def oldest_right(wire: AnyWire, key: bytes, small: bool) -> bool:
    """By the times in the payloads at the two ends, where both have one and are small enough to be looked at."""
    if not small:
        return True
    ends = wire.ask([pack("LRANGE", key, 0, 0), pack("LRANGE", key, -1, -1)])
    found = [checked(reply, wire.url, "LRANGE") for reply in ends]
    with understood(wire.url, "LRANGE"):
        letters = [element(bytes_of(reply[0]), key, "").letter() if reply else None for reply in found]
    left, right = ((one.died_at or one.enqueued_at) if one else None for one in letters)
    return left is None or right is None or right <= left


def origin_of(wire: AnyWire, key: bytes) -> bytes:
    """The queue whose dead letters lie under a key, by its name: the first of its candidates that is there."""
    found = [name.encode("latin-1") for name in candidates(key.decode("latin-1"))]
    there = next((name for name in found if type_of(wire, name) in ("list", "stream")), None)
    return there or (found[0] if found else b"")
