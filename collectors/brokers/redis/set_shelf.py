"""Letters in a sorted set: its members (dead jobs of Sidekiq), or messages that lie apart from their ids (`Apart`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ...dialects.keeping import Apart, seconds
from .groups import raw, whole
from .items import Item, element, job
from .keys import Where, checked
from .list_shelf import origin_of
from .powers import understood
from .shelves import Page, Passage, average, fitting, ranged
from .shelves import number as place_of
from .wire import AnyWire, pack

#: Bytes of a body that lies apart up to which it is fetched, and of all that are fetched at once.
BODY, BODIES = 10 << 20, 16 << 20


class SetShelf:
    """The members, the lowest score first."""

    by_place = True
    refused = ""

    def __init__(self, wire: AnyWire, where: Where) -> None:
        self._wire = wire
        self.where = where
        self._origin = origin_of(wire, where.key)
        self._passage = Passage(self.page)
        self._average = 0

    def count(self) -> int:
        return int(checked(self._wire.one("ZCARD", self.where.key), self._wire.url, "ZCARD"))

    def page(self, after: str, most: int) -> Page:
        """`after`: how many letters from the lowest score; or a score, and how many of that score were seen."""
        total = self.count()
        if not total or most <= 0:
            return Page([])
        self._average = self._average or average(self._wire, self.where.key, total)
        count = fitting(self._average, min(most, total))
        score, _, same = after.partition("/")
        start = 0 if same else place_of(after) if after else 0
        skip = place_of(same) if same else 0

        def ask(first: int, n: int) -> bytes:
            if same:
                span: tuple[bytes | str | int, ...] = (score, "+inf", "BYSCORE", "LIMIT", skip + first, n)
            else:
                span = (start + first, start + first + n - 1)
            return pack("ZRANGE", self.where.key, *span, "WITHSCORES")

        found, notes = ranged(self._wire, "ZRANGE", ask, count, lambda i: f"Letter {start + i + 1:,}", width=2)
        with understood(self._wire.url, "ZRANGE"):
            pairs = zip(found[::2], found[1::2], strict=True)
            members = [(raw(member), float(score)) for member, score in pairs if member is not None]
        items = self._items(members)
        more = len(found) >= 2 * count or len(items) < len(members)
        after = self._next(members[: len(items)], score, skip, bool(same)) if more else ""
        return Page(items, after, notes, found[::2].count(None))

    def find(self, ids: dict[str, int], until: Callable[[], bool]) -> Iterator[Item]:
        return self._passage.find(ids, until)

    @staticmethod
    def _next(members: Sequence[tuple[bytes, float]], score: str, skip: int, same: bool) -> str:
        """Where the next page begins: after the members of the last score that were seen."""
        if not members:
            return ""
        last = members[-1][1]
        ties = sum(s == last for _, s in members)
        if same and float(score) == last:
            ties += skip
        return f"{last!r}/{ties}"

    def _items(self, members: Sequence[tuple[bytes, float]]) -> list[Item]:
        items = []
        for member, score in members:
            place = f"score {score:.15g}"
            items.append(element(member, self.where.key, place, self._origin, died_at=_moment(score)))
        return items


class ApartShelf(SetShelf):
    """The ids in a sorted set, each with its message out of a hash."""

    def __init__(self, wire: AnyWire, where: Where, apart: Apart) -> None:
        super().__init__(wire, where)
        self.apart = apart

    @property
    def refused(self) -> str:  # type: ignore[override]
        return self.apart.refused

    def _items(self, members: Sequence[tuple[bytes, float]]) -> list[Item]:
        """As many of them, from the first on, as have bodies that may be fetched at once."""
        apart, wire = self.apart, self._wire
        hashes = [apart.hash_of(id) for id, _ in members]
        named = [apart.body or id for id, _ in members]
        replies = wire.ask([pack("HSTRLEN", key, name) for key, name in zip(hashes, named, strict=True)])
        lengths = [whole(checked(reply, wire.url, "HSTRLEN")) for reply in replies]
        total = count = 0
        for count, length in enumerate(lengths):
            total += length if length <= BODY else 0
            if total > BODIES and count:
                break
        else:
            count = len(lengths)
        bodies = self._bodies(hashes[:count], named[:count], lengths[:count])
        further = self._further(hashes[:count], [id for id, _ in members[:count]])
        return [
            job(id, score, body, length, fields, apart)
            for (id, score), body, length, fields in zip(members, bodies, lengths, further, strict=False)
        ]

    def _bodies(self, hashes: Sequence[bytes], named: Sequence[bytes], lengths: Sequence[int]) -> list[bytes | None]:
        """The bodies that are there and not too large."""
        asked = [i for i, length in enumerate(lengths) if 0 < length <= BODY]
        bodies: list[bytes | None] = [None] * len(hashes)
        for i, reply in zip(asked, self._wire.ask([pack("HGET", hashes[i], named[i]) for i in asked]), strict=True):
            bodies[i] = checked(reply, self._wire.url, "HGET")
        return bodies

    def _further(self, hashes: Sequence[bytes], ids: Sequence[bytes]) -> list[dict[bytes, bytes]]:
        """The fields beside the bodies, and those of the latest result."""
        apart, wire = self.apart, self._wire
        if not apart.body:
            return [{} for _ in ids]
        found: list[dict[bytes, bytes]] = []
        for keys in wire.ask([pack("HKEYS", key) for key in hashes]):
            names_ = [k for k in checked(keys, wire.url, "HKEYS") if k != apart.body][:100]
            found.append(dict.fromkeys(names_, b""))
        asked = [i for i, fields in enumerate(found) if fields]
        for i, values in zip(asked, wire.ask([pack("HMGET", hashes[i], *found[i]) for i in asked]), strict=True):
            told = checked(values, wire.url, "HMGET")
            found[i] = {k: v for k, v in zip(found[i], told, strict=True) if isinstance(v, bytes)}
        if apart.results is not None:
            commands = [pack("XREVRANGE", apart.results(id), "+", "-", "COUNT", 1) for id in ids]
            for fields, reply in zip(found, wire.ask(commands), strict=True):
                _add_result(fields, checked(reply, wire.url, "XREVRANGE"))
        return found


def _add_result(fields: dict[bytes, bytes], reply: Any) -> None:
    if reply and reply[0][1]:
        flat = reply[0][1]
        fields |= dict(zip(flat[::2], flat[1::2], strict=True))


def _moment(score: float) -> float | None:
    """When a member was put there, where its score is a time."""
    at = seconds(score)
    return at if at is not None and 1e9 < at < 4e9 else None
