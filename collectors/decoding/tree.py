"""A value as a bounded tree for display: so many nodes, so deep, so many characters, and a count of the rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .text import cut, visible

NODES, CHARACTERS, STRING, KEY = 5_000, 64 * 1024, 8 * 1024, 200

#: Digits of an integer that are shown as a number; JSON's own programs agree only up to 2**53.
DIGITS = 15


class Number(str):
    """A number as it was written, where a float or a short integer would show another one."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Tree:
    """value     dict, list, str, int, float, bool, None; keys are str
    left_out  a sentence on what is not in it, "" = nothing"""

    value: Any
    left_out: str = ""


def tree(value: Any, nodes: int = NODES, depth: int = 100, characters: int = CHARACTERS) -> Tree:
    """The part of `value` that a page can show. Texts are made visible; what was cut ends with "…"."""
    grower = _Grower(nodes, characters)
    grown = grower.grow(value, depth)
    if not grower.cut:
        return Tree(grown)
    return Tree(grown, f"Not all is shown: {grower.cut:,} {'part is' if grower.cut == 1 else 'parts are'} cut at “…”.")


class _Grower:
    def __init__(self, nodes: int, characters: int) -> None:
        self.nodes, self.characters, self.cut = nodes, characters, 0

    def grow(self, value: Any, depth: int) -> Any:
        self.nodes -= 1
        if isinstance(value, dict | list | tuple):
            if value and depth <= 0:
                self.cut += 1
                return "…"
            return self._dict(value, depth) if isinstance(value, dict) else self._list(value, depth)
        return self._leaf(value)

    def _dict(self, value: dict[Any, Any], depth: int) -> dict[str, Any]:
        grown: dict[str, Any] = {}
        for done, (key, item) in enumerate(value.items()):
            if self._spent():
                grown["…"] = self._more(len(value) - done)
                break
            name = self._text(key if isinstance(key, str) else str(self._leaf(key)), KEY)
            grown[name if name not in grown else f"{name} ({done})"] = self.grow(item, depth - 1)
        return grown

    def _list(self, value: list[Any] | tuple[Any, ...], depth: int) -> list[Any]:
        grown: list[Any] = []
        for done, item in enumerate(value):
            if self._spent():
                grown.append(self._more(len(value) - done))
                break
            grown.append(self.grow(item, depth - 1))
        return grown

    def _leaf(self, value: Any) -> Any:
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, float):
            return value if abs(value) < float("inf") else str(value)  # neither infinity nor NaN is JSON
        if isinstance(value, int):
            return value if value.bit_length() <= 53 else self._text(_digits(value), STRING)
        if isinstance(value, bytes):
            return self._text(f"{len(value):,} bytes: {value[:64].hex(' ')}{'…' if len(value) > 64 else ''}", STRING)
        return self._text(value if isinstance(value, str) else str(value), STRING)

    def _text(self, text: str, most: int) -> str:
        most = max(1, min(most, self.characters))
        shown = visible(text[: most + 1])
        if len(text) > most or len(shown) > 8 * most:
            self.cut += 1
            shown = cut(shown, most)
        self.characters -= len(shown)
        return shown

    def _spent(self) -> bool:
        return self.nodes <= 0 or self.characters <= 0

    def _more(self, count: int) -> str:
        self.cut += 1
        return f"… {count:,} more"


def _digits(value: int) -> str:
    """An integer in words: in hexadecimal beyond what Python turns into decimals without complaint."""
    return str(value) if value.bit_length() <= 4096 else hex(value)
