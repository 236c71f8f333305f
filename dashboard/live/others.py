"""Views of what `live` itself knows nothing about: dead letters, a replay. Their packages lie above this one and
register here (`register`, called once at the start), so that hub, rounds and frames stay what they are.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from ..access import Principal
from ..snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class OtherView:
    """What a client asks to see; equal for all who ask for the same and may see the same."""

    name: ClassVar[str] = ""

    def asked(self) -> dict[str, Any]:
        """The view as a frame repeats it."""
        return {"view": self.name, **asdict(self)}


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of view.

    deed      that a person or a token must be allowed
    read      a client's message, checked; runs in the event loop, without the database. Raises view.BadView
    version   as long as it is the same, nothing is new; asked in every round, in the hub's thread
    told      {"total", "summary", "rows", ...} of a frame, in the hub's thread
    """

    deed: str
    read: Callable[[Mapping[str, Any], Principal], OtherView]
    version: Callable[[Any, Snapshot, float], Hashable]
    told: Callable[[Any, Snapshot, float], Mapping[str, Any]]


KINDS: dict[str, Kind] = {}


def register(name: str, kind: Kind) -> None:
    """Take views of this name from now on."""
    KINDS[name] = kind
