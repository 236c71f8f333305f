"""What nobody is shown: rules on paths of keys in bodies, and on names of headers.

One place for everything that leaves Weir: pages, API, filters, exports, live frames, logs, causes. A path is keys
with dots between them, each a glob: `card.*` is everything below any `card`, at whatever depth that lies, and `card`
itself where it is no object; `$.card` only at the top. Lists in between do not count. Case does not matter.
A header rule is a glob over names. What cannot be taken apart is shown only when no rule's word is in it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from collectors.decoding import Decoded

from ..models import MaskRule
from ..refused import DeedRefused

#: Rules, characters of a pattern, keys of a path.
MOST, LONGEST, DEEPEST = 200, 200, 20

Path = tuple[re.Pattern[str], ...]


def masked_text(rule: str) -> str:
    """What stands in place of a value."""
    return f"•••• masked by rule {rule}"


@dataclass(frozen=True, slots=True)
class Rule:
    """A path rule made ready: its text, its keys from the last to the first, and whether it begins at the top."""

    text: str
    keys: Path
    rooted: bool
    word: str  # what must stand in a text that may hold such a value

    @classmethod
    def of(cls, text: str) -> Rule:
        parts = text.lower().split(".")
        rooted = parts[0] == "$"
        parts = parts[1:] if rooted else parts
        words = [part for part in parts if "*" not in part and "?" not in part]
        return cls(text, tuple(_glob(part) for part in reversed(parts)), rooted, words[-1] if words else "")

    def hits(self, path: Sequence[str], leaf: bool) -> bool:
        """Whether the value at a path of keys is masked. `leaf`: it is no object and no list."""
        keys = self.keys
        if leaf and len(keys) > 1 and keys[0].pattern == _ANY and self._ends(path, keys[1:]):
            return True
        return self._ends(path, keys)

    def _ends(self, path: Sequence[str], keys: Path) -> bool:
        if len(path) < len(keys) or (self.rooted and len(path) != len(keys)):
            return False
        return all(key.fullmatch(name) for key, name in zip(keys, reversed(path), strict=False))


class Masking:
    """All rules at one time. `version` changes with them."""

    def __init__(self, paths: Sequence[str] = (), headers: Sequence[str] = ()) -> None:
        self.version = (tuple(paths), tuple(headers))
        self._rules = [Rule.of(text) for text in paths]
        self._headers = [(text, _glob(text.lower())) for text in headers]

    @classmethod
    def load(cls) -> Masking:
        """The rules as the database has them now."""
        rows = list(MaskRule.objects.values_list("kind", "pattern"))
        paths = tuple(pattern for kind, pattern in rows if kind == "path")
        return _made(paths, tuple(pattern for kind, pattern in rows if kind == "header"))

    def header_rule(self, name: str) -> str:
        """The rule that masks a header, "" = none."""
        low = name.lower()
        return next((text for text, glob in self._headers if glob.fullmatch(low)), "")

    def headers(self, headers: Mapping[str, Any]) -> dict[str, Any]:
        """Headers with the values of masked ones replaced; what is inside of others obeys the path rules."""
        out: dict[str, Any] = {}
        for name, value in headers.items():
            rule = self.header_rule(str(name))
            out[str(name)] = masked_text(rule) if rule else self._inside(value, (str(name).lower(),))
        return out

    def value(self, value: Any) -> Any:
        """A decoded value with everything replaced that a rule masks."""
        return self._inside(value, ()) if self._rules else value

    def decoded(self, decoded: Decoded, raw: bytes, whole: bool = True) -> Masked:
        """A decoded letter as it may be shown; `raw` is its body, `whole` whether that is all of it."""
        headers, before = self.headers(decoded.headers), decoded.headers
        value = self.value(decoded.value) if decoded.structured else decoded.value
        text, hidden = "" if decoded.structured else decoded.text, ""
        if not decoded.structured and self._rules and not whole:
            text, hidden = "", "Not shown: only a part of it is kept, and rules may mean what is in it."
        elif not decoded.structured and (rule := self._suspects(decoded.text, raw)):
            text, hidden = "", f"Not shown: it cannot be taken apart, and holds what rule {rule} masks."
        steps = [(step.name, step.detail, self.headers(step.fields)) for step in decoded.steps]
        fields = [step.fields for step in decoded.steps]
        touched = bool(hidden) or value != decoded.value or headers != before or [s[2] for s in steps] != fields
        return Masked(value, decoded.structured, text, hidden, headers, steps, touched or self._unseen(decoded, whole))

    def _unseen(self, decoded: Decoded, whole: bool) -> bool:
        """Whether only a part was read, so that the rest of the raw body may hold what is masked."""
        return bool(self._rules) and (not whole or any("the first" in note for note in decoded.notes))

    def _suspects(self, text: str, raw: bytes) -> str:
        if not self._rules:
            return ""
        low, bytes_ = text.lower(), raw.lower()
        return next((r.text for r in self._rules if r.word in low or r.word.encode() in bytes_), "")

    def _inside(self, value: Any, path: tuple[str, ...]) -> Any:
        if isinstance(value, dict):
            return {key: self._item(item, (*path, str(key).lower())) for key, item in value.items()}
        if isinstance(value, list):
            return [self._inside(item, path) for item in value]
        return tuple(self._inside(item, path) for item in value) if isinstance(value, tuple) else value

    def _item(self, value: Any, path: tuple[str, ...]) -> Any:
        leaf = not isinstance(value, dict | list | tuple)
        for rule in self._rules:
            if rule.hits(path, leaf):
                return masked_text(rule.text)
        return self._inside(value, path)


@dataclass(frozen=True, slots=True)
class Masked:
    """What of a decoded letter may be shown.

    value    only when `structured`; text: else
    hidden   why the text is not there, a sentence
    steps    (name, detail, fields) of each layer
    touched  something is masked: the raw body, which would tell it, may not be shown
    """

    value: Any
    structured: bool
    text: str
    hidden: str
    headers: dict[str, Any]
    steps: list[tuple[str, str, dict[str, Any]]]
    touched: bool


def checked_pattern(kind: str, text: str) -> str:
    """A pattern as it is kept. Raises DeedRefused."""
    text = text.strip()
    if not text or len(text) > LONGEST or not text.isprintable():
        raise DeedRefused("pattern", f"A pattern is a text of at most {LONGEST} printable characters.")
    if kind == "header":
        return text
    parts = text.removeprefix("$.").split(".")
    if len(parts) > DEEPEST or not all(parts):
        raise DeedRefused("pattern", f"A path is at most {DEEPEST} keys with dots between them, such as card.*")
    if all(set(part) <= set("*?") for part in parts):
        raise DeedRefused("pattern", "A path needs a key in it: this one would mask everything.")
    return text


_ANY = ".*"


def _glob(text: str) -> re.Pattern[str]:
    """A glob of * and ?; atomic, so that no name makes it slow."""
    if text == "*":
        return re.compile(_ANY, re.DOTALL)
    first, *rest = ("".join("." if c == "?" else re.escape(c) for c in part) for part in re.split(r"\*+", text))
    between = "".join(f"(?>.*?{part})" for part in rest[:-1])
    return re.compile(first + between + (f".*{rest[-1]}" if rest else ""), re.DOTALL)


@lru_cache(maxsize=8)
def _made(paths: tuple[str, ...], headers: tuple[str, ...]) -> Masking:
    return Masking(paths, headers)
