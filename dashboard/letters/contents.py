"""What is in the letters that are kept, as texts to be searched: decoded and masked, in this process's memory.

Preparing a letter takes a fraction of a millisecond; a search prepares for at most `PATIENCE` seconds what no
search before it did, the newest first, and says how many letters it read.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np
import orjson

from collectors.decoding import Tree, tree

from ..ticks import Ints
from . import bodies
from .columns import Letters
from .masking import Masked, Masking
from .reading import read

PATIENCE = 1.5
#: Characters of a letter that are searched, and of all together that are held.
SEARCHED, HELD = 16 * 1024, 64 * 1024 * 1024
_AT_ONCE = 200


@dataclass(slots=True)
class Content:
    """One letter: its body and its headers (names in lower case) as texts."""

    body: str
    headers: dict[str, str]

    def __len__(self) -> int:
        return len(self.body) + sum(len(name) + len(text) for name, text in self.headers.items())


@dataclass(slots=True)
class Contents:
    """`rows` of the index of which the contents are known, and these."""

    rows: Ints
    contents: list[Content]

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
        self._version: object = None
        self._held: dict[tuple[str, int], Content] = {}
        self._size = 0

    def of(self, index: Letters, masking: Masking, now: float) -> Contents:
        ids = np.array(bodies.kept_ids(now), np.int64)
        if not len(ids) or not len(index):
            return Contents(np.empty(0, np.int64), [])
        rows = np.searchsorted(index.ids, ids).clip(max=len(index) - 1)
        ids = ids[index.ids[rows] == ids]
        with self._lock:
            if self._version != masking.version:
                self._version, self._size = masking.version, 0
                self._held.clear()
            self._let_go({(index.token, id) for id in ids.tolist()})
            self._prepare([id for id in ids.tolist() if (index.token, id) not in self._held], index.token, masking, now)
            found = [(id, self._held[index.token, id]) for id in ids.tolist() if (index.token, id) in self._held]
        rows = np.searchsorted(index.ids, np.array([id for id, _ in found], np.int64))
        return Contents(rows, [content for _, content in found])

    def _let_go(self, wanted: set[tuple[str, int]]) -> None:
        for key in self._held.keys() - wanted:
            self._size -= len(self._held.pop(key))

    def _prepare(self, ids: list[int], token: str, masking: Masking, now: float) -> None:
        end = time.monotonic() + PATIENCE
        for at in range(0, len(ids), _AT_ONCE):
            if time.monotonic() > end or self._size > HELD:
                return
            for id, letter in bodies.find(ids[at : at + _AT_ONCE], now).items():
                masked = read(letter, masking, "").masked
                headers = {name.lower(): _told(value) for name, value in masked.headers.items()}
                content = self._held[token, id] = Content(body_text(masked), headers)
                self._size += len(content)
                if time.monotonic() > end:
                    return


_prepared = _Prepared()


def of(index: Letters, masking: Masking, now: float) -> Contents:
    """What is in the letters that are kept, of as many as this process has prepared by now."""
    return _prepared.of(index, masking, now)
