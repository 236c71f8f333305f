"""Live views whose rows are not queues: whoever makes them registers a teller, by the name of the view.

The hub asks for the version of each such view in every round, and for its rows when that has changed. A teller is
called in the thread of the rounds, and may query the database.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

#: Notes on the bus after which a round is made at once.
WAKE = ("replay_told", "replays_changed", "letters_changed")


@dataclass(frozen=True, slots=True)
class ToldView:
    """A view by its name and what was asked of it, as sorted pairs."""

    name: str
    asked: tuple[tuple[str, Any], ...] = ()

    def __getitem__(self, field: str) -> Any:
        return dict(self.asked).get(field)


class Teller(Protocol):
    """What a registered view can do. `deed`: of dashboard.access.DEEDS."""

    deed: str

    def read(self, message: Mapping[str, Any]) -> ToldView:
        """The view of a client's message. Raises view.BadView."""

    def version(self, view: ToldView) -> Hashable:
        """Another value whenever there is something new. Cheap."""

    def body(self, view: ToldView) -> Mapping[str, Any]:
        """What a frame has beside its head: "total", "rows", and more."""


_tellers: dict[str, Teller] = {}


def register(name: str, teller: Teller) -> None:
    """From now on this teller answers for the view of that name."""
    _tellers[name] = teller


def teller(name: object) -> Teller | None:
    """Who answers for a view; None = nobody."""
    return _tellers.get(name) if isinstance(name, str) else None
