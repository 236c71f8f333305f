"""Where things stand in a TOML file: tomllib says it of mistakes in the grammar only."""

from __future__ import annotations

import re
from collections import Counter

_HEADER = re.compile(r"\s*\[\[?\s*([A-Za-z0-9_-]+)\s*\]?\]")
_KEY = re.compile(r"\s*([A-Za-z0-9_-]+)\s*=")


class Lines:
    """Line numbers of sections, of their tables and of the keys in these, counted from 1."""

    def __init__(self, text: str) -> None:
        self._at: dict[tuple[str, int, str], int] = {}
        seen: Counter[str] = Counter()
        section, index = "", 0
        for number, line in enumerate(text.splitlines(), 1):
            if header := _HEADER.match(line):
                section, index = header[1], seen[header[1]]
                seen[section] += 1
                self._at.setdefault((section, index, ""), number)
            elif key := _KEY.match(line):
                self._at.setdefault((section, index, key[1]) if section else (key[1], 0, ""), number)

    def of(self, section: str, index: int = 0, key: str = "") -> int:
        """The line of a key, else of its table, else of its section (written in one line), else the first."""
        places = ((section, index, key), (section, index, ""), (section, 0, ""))
        return next((self._at[place] for place in places if place in self._at), 1)
