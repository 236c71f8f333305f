"""A letter's body after all its layers were peeled."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .piece import MISSING, Step
from .text import cut, visible
from .tree import Tree, tree

#: Characters of a body that a page shows at once.
SHOWN = 64 * 1024


@dataclass(frozen=True, slots=True)
class Decoded:
    """What a body says.

    size          bytes of the body as the broker has it
    steps         the layers that were peeled, outermost first
    value         what it means: dict, list, str, int, float, bool, None, bytes, Number;
                  MISSING when it has no structure. Whole within the limits, for searching and masking;
                  a page shows `tree()`
    text          the innermost text, a hex dump or a disassembly, as it is: a page shows `shown()`
    headers       the letter's, and those that an envelope had inside
    message_type  what kind of message it is, in the words of its library; "" = cannot be told
    notes         sentences on what was left out or is strange
    """

    size: int
    steps: tuple[Step, ...]
    value: Any = MISSING
    text: str = ""
    headers: Mapping[str, Any] = field(default_factory=dict)
    message_type: str = ""
    notes: tuple[str, ...] = ()

    @property
    def structured(self) -> bool:
        """Whether there is a value, not only text."""
        return self.value is not MISSING

    def tree(self) -> Tree:
        """The value for display: bounded, with nothing in it that could mislead or harm a page."""
        return tree(self.value if self.structured else self.text)

    def shown(self, characters: int = SHOWN) -> tuple[str, str]:
        """The text for display, at most so long, and a sentence on what was left out ("" = nothing)."""
        if self.structured:
            shown = tree(self.value, characters=characters)
            text, left_out = json.dumps(shown.value, indent=2, ensure_ascii=False), shown.left_out
        else:
            text, left_out = visible(self.text[: characters + 1]), ""
        if len(text) > characters:
            return cut(text, characters), f"Shown: the first {characters:,} characters."
        return text, left_out
