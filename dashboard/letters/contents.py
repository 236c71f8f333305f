"""What is in the letters that are kept, as texts to be searched: decoded and masked, in this process's memory.

Preparing a letter takes a fraction of a millisecond; a search prepares for at most `PATIENCE` seconds what no
search before it did, the newest first, and says how many letters it read; the rest follows in a thread of its own.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from threading import Lock, Thread
from typing import Any

import numpy as np
import orjson
from django.db import connection

from collectors.decoding import Tree, tree

from ..ticks import Ints
from . import bodies
from .columns import Letters
from .masking import Masked, Masking
from .reading import read

PATIENCE = 1.5
#: Seconds after which those who watch a search are told that it found more.
TELL_EVERY = 3.0
#: Characters of a letter that are searched, and of all together that are held.
SEARCHED, HELD = 16 * 1024, 64 * 1024 * 1024
_AT_ONCE = 200


@dataclass(slots=True)
class Content:
    """One letter: its body and its headers as texts, all in lower case."""

    body: str
    headers: dict[str, str]

    def __len__(self) -> int:
        return len(self.body) + sum(len(name) + len(text) for name, text in self.headers.items())


@dataclass(slots=True)
class Contents:
    """`rows` of the index of which the contents are known, and these. `kept`: of how many they could be.

    `going_on`: more are being read just now.
    """

    rows: Ints
    contents: list[Content]
    kept: int = 0
    going_on: bool = False

    def bodies(self) -> list[str | None]:
        return [one.body for one in self.contents]

    def headers(self, name: str) -> list[str | None]:
        return [one.headers.get(name.lower(), "") for one in self.contents]


def body_text(masked: Masked) -> str:
    """What of a body is searched."""
    return as_text(masked.value)[:SEARCHED] if masked.structured else masked.text[:SEARCHED]


def header_text(headers: Mapping[str, Any], name: str) -> str:
    """A header's value as a text, whatever the case of its name; "" = there is none."""
    return next((_told(value) for key, value in headers.items() if key.lower() == name.lower()), "")


def as_text(value: Any) -> str:
    """A value as compact JSON, bounded."""
    grown: Tree = tree(value, characters=SEARCHED)
    return orjson.dumps(grown.value).decode()


def _told(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")[:SEARCHED]
    return value[:SEARCHED] if isinstance(value, str) else as_text(value)


class _Prepared:
    """Contents by letter, for one set of rules, as long as the letters are kept."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._key: object = None  # of the database, and of the rules
        self._held: dict[int, Content] = {}
        self._size = 0
        self._rest: Thread | None = None
        self.told = 0

    def of(self, index: Letters, masking: Masking, now: float) -> Contents:
        ids = np.array(bodies.kept_ids(now), np.int64)
        if not len(ids) or not len(index):
            return Contents(np.empty(0, np.int64), [])
        rows = np.searchsorted(index.ids, ids).clip(max=len(index) - 1)
        ids = ids[index.ids[rows] == ids]
        key = (index.token, masking.version)
        with self._lock:
            if self._key != key:
                self._key, self._size = key, 0
                self._held.clear()
            self._let_go(set(ids.tolist()))
            busy = self._rest is not None and self._rest.is_alive()
            left = self._prepare(ids.tolist(), masking, now, time.monotonic() + (0 if busy else PATIENCE))
            found = [(id, self._held[id]) for id in ids.tolist() if id in self._held]
        if left and not busy:
            self._rest = Thread(target=self._finish, args=(left, masking, now, key), name="letter-texts", daemon=True)
            self._rest.start()
        rows = np.searchsorted(index.ids, np.array([id for id, _ in found], np.int64))
        return Contents(rows, [content for _, content in found], len(ids), bool(left))

    def _let_go(self, wanted: set[int]) -> None:
        for id in self._held.keys() - wanted:
            self._size -= len(self._held.pop(id))

    def _prepare(self, ids: list[int], masking: Masking, now: float, end: float) -> list[int]:
        """Read letters until `end`; those that are left."""
        left = [id for id in ids if id not in self._held]
        while left and self._size < HELD and time.monotonic() < end:
            batch, left = left[:_AT_ONCE], left[_AT_ONCE:]
            for id, letter in bodies.find(batch, now).items():
                masked = read(letter, masking, "").masked
                headers = {name.lower(): _told(value).lower() for name, value in masked.headers.items()}
                content = self._held[id] = Content(body_text(masked).lower(), headers)
                self._size += len(content)
        return left if self._size < HELD else []

    def _finish(self, ids: list[int], masking: Masking, now: float, key: object) -> None:
        """The rest, a batch at a time, so that searches go on meanwhile."""
        told_at = time.monotonic()
        try:
            for at in range(0, len(ids), _AT_ONCE):
                with self._lock:
                    if self._key != key:
                        return
                    self._prepare(ids[at : at + _AT_ONCE], masking, now, time.monotonic() + 60)
                if time.monotonic() - told_at > TELL_EVERY:
                    self.told, told_at = self.told + 1, time.monotonic()
                time.sleep(0.02)
        finally:
            self.told += 1
            connection.close()


_prepared = _Prepared()


def progress() -> int:
    """Another number when a search finds more than it did, because the rest has been read meanwhile."""
    return _prepared.told


def of(index: Letters, masking: Masking, now: float) -> Contents:
    """What is in the letters that are kept, of as many as this process has prepared by now."""
    return _prepared.of(index, masking, now)
