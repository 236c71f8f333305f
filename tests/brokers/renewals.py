"""A book of renewals (`collectors.powers.RenewalBook`) for tests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from collectors.errors import Unreachable


class Book:
    """Notes what is begun and ended; `fails`: it cannot."""

    def __init__(self, fails: bool = False) -> None:
        self.open: Counter[str] = Counter()
        self.begun, self.fails = 0, fails

    def begin(self, key: str, ids: Sequence[str]) -> None:
        if self.fails:
            raise Unreachable("The book is away.")
        self.open.update(ids)
        self.begun += len(ids)

    def end(self, key: str, ids: Sequence[str]) -> None:
        self.open.subtract(ids)
