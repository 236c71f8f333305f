"""How a dialect lays its queues on the keys of Redis, said in a way that the adapter can measure without knowing it.

A dialect is one file with one class that keeps `Layout`, and one line in the table of this package. It is pure:
from the registries (sets in which the library itself keeps the names of its queues) to `Place`s.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

#: The members of each registry that exists, by its key.
Registries = Mapping[bytes, Collection[bytes]]


@dataclass(frozen=True, slots=True)
class Place:
    """One queue, and the keys in which it lies.

    key      identifies it inside the database: the key of its first list or set
    name     what people call it
    lists    its waiting messages, oldest at the right end, in the order in which they are read
    sets     sorted sets of messages, counted as the metric `counts_as`
    sent_at  epoch seconds from a raw message, None when it cannot be told; absent when messages carry no time
    hidden   why it is out of the default view; such a place is shown only while it holds something
    """

    key: bytes
    name: bytes
    kind: str = "list"
    dialect: str | None = None
    lists: tuple[bytes, ...] = ()
    sets: tuple[bytes, ...] = ()
    counts_as: Literal["depth", "delayed"] = "depth"
    sent_at: Callable[[bytes], float | None] | None = None
    hidden: str = ""


@dataclass(frozen=True, slots=True)
class Ledger:
    """A hash of the messages in flight of several queues: one field for each message.

    owner    the key of the `Place` that a raw value belongs to, None when it cannot be told
    places   keys of all places whose messages are kept there
    """

    key: bytes
    owner: Callable[[bytes], bytes | None]
    places: frozenset[bytes]


@dataclass(frozen=True, slots=True)
class Link:
    """Two places that hang together, as a `Relation` of the protocol, by their keys."""

    source: bytes
    target: bytes
    kind: str
    via: str


@dataclass(slots=True)
class Laid:
    """What a dialect found in a database."""

    places: list[Place] = field(default_factory=list)
    ledgers: list[Ledger] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)


class Layout(Protocol):
    """A dialect on Redis."""

    @property
    def dialect(self) -> str:
        """Its word in `Sample.dialect`."""

    @property
    def registries(self) -> Sequence[bytes]:
        """The sets that name its queues: whole keys, or globs with a star."""

    def lay(self, registries: Registries, lists: Collection[bytes]) -> Laid:
        """Its queues. `registries` holds all that were found, those of other dialects too; `lists` all known lists."""
