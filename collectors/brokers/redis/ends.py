"""The two ends of one list, remembered from poll to poll: which way it runs, what arrived, what is at its head.

Redis counts nothing for a list. What arrived is told by the newest element of the last poll: its distance from
the newest end now, searched in a bounded stretch (LPOS ... COUNT 2 MAXLEN n), is the number of arrivals. That holds as
long as the element is still there and no other is equal to it; otherwise only the change of length is known.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

from .wire import pack

#: Elements searched for the newest one of the last poll, at most; about 35 ns of the server for each.
FARTHEST = 20_000
#: Longest element that is remembered to be searched for, in bytes.
REMEMBERED = 4096
#: Longest element that is looked at, in bytes.
LOOKED_AT = 65536
#: Evidence kept about which end is the newest.
SURE = 3


class Ends:
    """One list. `depth` and `before` are its lengths at this and the last poll, None when unknown.

    arrivals   messages that arrived between the two polls, None when it cannot be told
    head       stands for the oldest element, "" for an empty list, None when it cannot be told
    oldest     the oldest element itself, None when it was not looked at
    size       about the bytes of one element, None before it is known
    """

    __slots__ = (
        "_fixed",
        "_last",
        "_left",
        "_newest",
        "_right",
        "_score",
        "arrivals",
        "before",
        "count",
        "depth",
        "head",
        "key",
        "left",
        "oldest",
        "right",
        "size",
        "usage",
        "used",
    )  # fmt: skip

    def __init__(self, key: bytes, *, fixed: bool) -> None:
        self.key = key
        self.count = pack(b"LLEN", key)
        self.usage = pack(b"MEMORY", b"USAGE", key, b"SAMPLES", 5)
        self.left, self.right = pack(b"LINDEX", key, 0), pack(b"LINDEX", key, -1)
        self._fixed = fixed  # a dialect knows: newest on the left
        self._score = 1  # above 0: the newest is on the left
        self._left = self._right = 0  # digests of the ends at the last poll
        self._newest: bytes | None = None
        self._last = 0  # arrivals of late, the most of them, fading
        self.depth: int | None = None
        self.before: int | None = None
        self.arrivals: int | None = None
        self.head: str | int | None = None
        self.oldest: bytes | None = None
        self.size: float | None = None
        self.used = False  # whether it ever held something

    def counted(self, depth: int | None) -> None:
        """A new poll begins with this length."""
        self.before, self.depth = self.depth, depth
        self.arrivals = None
        self.oldest = None
        self.head = "" if depth == 0 else None
        if depth:
            self.used = True
        elif depth == 0:
            self.size = None
            self._newest = None
            self._left = self._right = 0
            if self.before == 0 and not self.used:
                self.arrivals = 0

    @property
    def wanted(self) -> bool:
        """Whether the ends are to be looked at: there is something, and it is small enough."""
        return bool(self.depth) and (self.size is None or self.size <= LOOKED_AT)

    def skipped(self) -> None:
        """The ends were not looked at in this poll: then nothing is known of them at the next."""
        self._newest = None
        self._left = self._right = 0

    def questions(self, nearest: int, farthest: int) -> list[bytes]:
        """The commands whose replies `answered` takes; the search goes over so many elements, 0 = none."""
        if not farthest or self._newest is None:
            return [self.left, self.right]
        grown = (self.depth or 0) - (self.before or 0)
        sought = min(farthest, max(nearest, 4 * self._last, 2 * grown))
        rank = 1 if self._score > 0 else -1
        parts = (b"LPOS", self.key, self._newest, b"RANK", rank, b"COUNT", 2, b"MAXLEN", sought)
        return [pack(*parts), self.left, self.right]

    def answered(self, replies: list[Any]) -> None:
        """Understand the replies to `questions`; one that is no element (gone meanwhile, refused) tells nothing."""
        left, right = replies[-2], replies[-1]
        if not (isinstance(left, bytes) and isinstance(right, bytes)):
            self.skipped()
            return
        found = replies[0] if len(replies) == 3 else None
        self.arrivals = self._distance(found) if isinstance(found, list) else None
        repeats = bool(self.depth and self.depth > 1 and left == right) or (isinstance(found, list) and len(found) > 1)
        before = self._score > 0
        self._learn(hash(left), hash(right))
        left_is_newest = self._score > 0
        self.oldest = right if left_is_newest else left
        newest = left if left_is_newest else right
        self.head = None if repeats else _digest(self.oldest)
        self.size = max(len(left), len(right))
        self._newest = newest if len(newest) <= REMEMBERED and not repeats else None
        if before != left_is_newest:
            self.arrivals = None

    def _distance(self, found: list[Any]) -> int | None:
        if len(found) != 1 or self.depth is None:
            self._last = FARTHEST if not found else self._last
            return None
        position = int(found[0])
        arrived = position if self._score > 0 else max(0, self.depth - 1 - position)
        self._last = max(arrived, self._last // 2)
        return arrived

    def _learn(self, left: int, right: int) -> None:
        """Which end is the newest, from movement at one end alone: it grows at the newest, it shrinks at the oldest."""
        left_moved, right_moved = left != self._left, right != self._right
        known = self._left and self._right and self.before and self.depth
        if known and not self._fixed and left_moved != right_moved and self.depth != self.before:
            grew = (self.depth or 0) > (self.before or 0)
            self._score += 1 if grew == left_moved else -1
            self._score = max(-SURE, min(SURE, self._score)) or (1 if grew == left_moved else -1)
        self._left, self._right = left, right


def _digest(element: bytes) -> int:
    return int.from_bytes(blake2b(element, digest_size=7).digest(), "big")
