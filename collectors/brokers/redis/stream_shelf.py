"""Letters in a stream: its entries, or those that a group has pending and that were delivered again and again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ...errors import NotSupported
from . import names, relations
from .entries import EntryId
from .groups import POISON, pairs, raw, whole
from .items import Item, entry, ghost
from .keys import Where, checked
from .list_shelf import origin_of
from .meter import LARGEST_REPLY, TooLarge
from .powers import understood
from .shelves import Page, average, fitting
from .wire import AnyWire, pack

#: Pending entries that are gone through in one page, in steps of this.
PENDING, STEP = 10_000, 1000
#: Entries that are asked for by their ids at once.
BY_ID = 200


class StreamShelf:
    """The entries, the oldest first. A group's queue is what it has not read yet."""

    by_place = False

    def __init__(self, wire: AnyWire, where: Where) -> None:
        self._wire = wire
        self.where = where
        self._dead = relations.is_dead(where.key)
        self._origin = origin_of(wire, where.key) if self._dead else b""
        self._average = 0

    @property
    def refused(self) -> str:
        if self.where.group is None:
            return ""
        return "What a group has not read yet other groups may read too: letters can only be taken from the stream."

    def count(self) -> int | None:
        """Entries in the stream; how many of them a group has not read yet is not counted here."""
        total = int(checked(self._wire.one("XLEN", self.where.key), self._wire.url, "XLEN"))
        return total if self.where.group is None or not total else None

    def page(self, after: str, most: int) -> Page:
        if most <= 0:
            return Page([])
        length = int(checked(self._wire.one("XLEN", self.where.key), self._wire.url, "XLEN"))
        if not length:
            return Page([])
        self._average = self._average or average(self._wire, self.where.key, length)
        count = fitting(self._average, min(most, length))
        last = after and _id(after)
        if not last and self.where.group is not None:
            last = self._delivered()
        found, notes = self._range(f"({last}" if last else "-", count)
        with understood(self._wire.url, "XRANGE"):
            items = [self._item(one) for one in found]
        return Page(items, items[-1].id if len(found) >= count and items else "", notes)

    def _range(self, start: str, count: int) -> tuple[list[Any], list[str]]:
        """So many entries; where they are too large together, one by one, up to one that is so by itself."""
        try:
            reply = self._wire.one("XRANGE", self.where.key, start, "+", "COUNT", count)
            return checked(reply, self._wire.url, "XRANGE"), []
        except TooLarge:
            found: list[Any] = []
        try:
            while len(found) < count:
                reply = self._wire.one("XRANGE", self.where.key, start, "+", "COUNT", 1)
                if not checked(reply, self._wire.url, "XRANGE"):
                    break
                found += reply
                start = f"({raw(reply[0][0]).decode()}"
        except TooLarge:
            place = start.removeprefix("(") if start != "-" else "the beginning"
            return found, [f"The entry after {place} is larger than {LARGEST_REPLY >> 20} MB: this is read no further."]
        return found, []

    def find(self, ids: dict[str, int], until: Callable[[], bool]) -> Iterator[Item]:
        known = [id for id in ids if ids[id] > 0 and _is_id(id)]
        for start in range(0, len(known), BY_ID):
            if until():
                return
            for found in self.by_ids([id.encode() for id in known[start : start + BY_ID]]):
                if found:
                    yield self._item(found[0])

    def by_ids(self, ids: Sequence[bytes]) -> list[Any]:
        """What XRANGE answers to each id."""
        replies = self._wire.ask([pack("XRANGE", self.where.key, id, id) for id in ids])
        return [checked(reply, self._wire.url, "XRANGE") for reply in replies]

    def _item(self, found: Any) -> Item:
        return entry(raw(found[0]), [raw(part) for part in found[1] or ()], self._dead, self._origin)

    def _delivered(self) -> str:
        """The last entry that the group has read."""
        reply = checked(self._wire.one("XINFO", "GROUPS", self.where.key), self._wire.url, "XINFO")
        with understood(self._wire.url, "XINFO GROUPS"):
            for about in map(pairs, reply):
                if about[b"name"] == self.where.group:
                    return _id(about[b"last-delivered-id"].decode())
        return ""


class PoisonShelf(StreamShelf):
    """Entries that a group has pending and that were delivered `POISON` times or more, the oldest first.

    They are found by going through what is pending (XPENDING), which changes neither their owner nor their count.
    """

    def __init__(self, wire: AnyWire, where: Where) -> None:
        super().__init__(wire, where)
        self._origin = where.key

    refused = ""

    @property
    def group(self) -> bytes:
        return self.where.group or b""

    def count(self) -> int | None:
        found, last = self._poisoned("-", PENDING, PENDING)
        return None if last else len(found)

    def page(self, after: str, most: int) -> Page:
        if most <= 0:
            return Page([])
        found, last = self._poisoned(f"({_id(after)}" if after else "-", fitting(1, most), PENDING)
        return Page(self._items(found), last)

    def find(self, ids: dict[str, int], until: Callable[[], bool]) -> Iterator[Item]:
        known = [id for id in ids if ids[id] > 0 and _is_id(id)]
        for start in range(0, len(known), BY_ID):
            if until():
                return
            commands = [pack("XPENDING", self.where.key, self.group, id, id, 1) for id in known[start : start + BY_ID]]
            found = []
            for reply in self._wire.ask(commands):
                found += self._of(checked(reply, self._wire.url, "XPENDING"))
            yield from self._items([(id, count) for id, count in found if count >= POISON])

    def _poisoned(self, start: str, most: int, through: int) -> tuple[list[tuple[bytes, int]], str]:
        """Ids and deliveries, and where to go on ("" = nowhere, all was gone through)."""
        found: list[tuple[bytes, int]] = []
        for _ in range(through // STEP):
            reply = self._wire.one("XPENDING", self.where.key, self.group, start, "+", STEP)
            rows = self._of(checked(reply, self._wire.url, "XPENDING"))
            for i, (id, count) in enumerate(rows):
                if count >= POISON:
                    found.append((id, count))
                    if len(found) >= most and (i + 1 < len(rows) or len(rows) == STEP):
                        return found, id.decode()
            if len(rows) < STEP:
                return found, ""
            start = f"({rows[-1][0].decode()}"
        return found, start.removeprefix("(")

    def _of(self, reply: Any) -> list[tuple[bytes, int]]:
        with understood(self._wire.url, "XPENDING"):
            return [(raw(row[0]), whole(row[3])) for row in reply]

    def _items(self, found: Sequence[tuple[bytes, int]]) -> list[Item]:
        items = []
        for start in range(0, len(found), BY_ID):
            part = found[start : start + BY_ID]
            for (id, count), entries in zip(part, self.by_ids([id for id, _ in part]), strict=True):
                if entries:
                    flat = [raw(one) for one in entries[0][1] or ()]
                    items.append(entry(id, flat, False, self._origin, self.group, count))
                else:
                    items.append(ghost(id, count, self._origin, self.group))
        return items


def _is_id(text: str) -> bool:
    try:
        EntryId.of(text.encode())
    except ValueError:
        return False
    return text.isascii() and len(text) < 50


def _id(text: str) -> str:
    """An entry's id. Raises NotSupported for anything else."""
    if not _is_id(text):
        raise NotSupported(f"'{names.text(text.encode()[:60])}' is no place to go on from.")
    return text
