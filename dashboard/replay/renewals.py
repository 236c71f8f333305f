"""The book of a replay, of letters that are just being replaced by a copy in their own queue: its journal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from collectors.powers import Renews

from .journal import Journal

#: Of letters that a look had left so when the replay began.
LOOKED_AT = "It was being replaced by a copy in its own queue when a look was broken off: both may have lain here."


class InJournal:
    """`collectors.powers.RenewalBook`."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def begin(self, key: str, ids: Sequence[str]) -> None:
        """Raises Fenced, JournalError: who was taken over replaces nothing any more."""
        self._journal.renewing(ids)

    def end(self, key: str, ids: Sequence[str]) -> None:
        self._journal.renewed(ids)


def noted(broker: Any, journal: Journal) -> Any:
    """The same adapter, with this book where it may need one."""
    if isinstance(broker, Renews):
        broker.note_renewals(InJournal(journal))
    return broker


def sentence(doubled: int) -> str:
    """What is said of a replay at its end; "" = nothing."""
    if not doubled:
        return ""
    which = "A letter" if doubled == 1 else f"{doubled:,} letters"
    return f"{which} near the delivery limit may lie there twice: the report says which."
