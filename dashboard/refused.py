"""A deed that cannot be done as it was asked for, in a sentence for who asked."""

from __future__ import annotations


class DeedRefused(ValueError):
    """`field` names what is wrong ("" = nothing in particular); `conflict`: something is in the way."""

    def __init__(self, field: str, sentence: str, conflict: bool = False) -> None:
        super().__init__(sentence)
        self.field, self.conflict = field, conflict
