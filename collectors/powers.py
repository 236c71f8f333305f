"""What some brokers can do with letters beside looking and leasing: each a small protocol, asked for by type."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from .letters import Destination, Letter


@runtime_checkable
class GivesBack(Protocol):
    """A broker that hides letters from others for a time, whatever becomes of the worker that has them."""

    def give_back(self, key: str, handles: Sequence[str]) -> float:
        """Let go of letters of a lease whose worker is dead, by `Taken.handle`: others see them at once. Handles that
        are not valid any more are passed over. The seconds for which what it was just taking, or what could not be let
        go of, may still be hidden."""


@runtime_checkable
class Verbatim(Protocol):
    """A letter in the hands of a lease (`letters.Taken`) of which there is more to keep than a `Letter` holds."""

    @property
    def wire(self) -> bytes:
        """Its headers and properties as the broker wrote them: with the types that values have on the wire."""


@runtime_checkable
class PutsBack(Protocol):
    """A broker that puts a letter that was taken away back as it was, where `Sends.send_new` would make a new one."""

    def put_back(self, to: Destination, letter: Letter, wire: bytes, once: str) -> None:
        """Send it and wait for the confirmation. `wire`: as `Verbatim` told, b"" = not known; `once`: a name for this
        letter, the same whenever it is put back again. Raises CollectorError as `Sends.send_new`."""


@runtime_checkable
class PassesOver(Protocol):
    """A lease that need not hold what it has taken to come to what lies behind it (`Lease.random`)."""

    def pass_over(self, tags: Sequence[int]) -> None:
        """These are not needed any more, and stay where they lie: they do not count as held, nor are offered again."""


class RenewalBook(Protocol):
    """Where is written down which letters are just being replaced by a copy in their own queue (`Price.renews`): who
    dies between the copy and the end of its original leaves them there twice."""

    def begin(self, key: str, ids: Sequence[str]) -> None:
        """Before the copies are sent; it is on the disk when this returns. What it raises keeps them from being sent:
        with a CollectorError the letters are given back as they are."""

    def end(self, key: str, ids: Sequence[str]) -> None:
        """Of these there is one again: the original is gone, or no copy was taken. The others stay written down."""


@runtime_checkable
class Renews(Protocol):
    """A broker on which looks and leases may have to replace letters by copies."""

    def note_renewals(self, book: RenewalBook) -> None:
        """From now on it is written down in this book."""


@runtime_checkable
class Replicates(Protocol):
    """A lease on a server whose replicas have what it does a moment later (`Receipt.unreplicated`)."""

    def caught_up(self) -> bool:
        """Whether a replica has by now all that this lease has done."""


@runtime_checkable
class TellsHolders(Protocol):
    """A broker that knows whether anybody has letters of a queue in his hands."""

    def held(self, key: str) -> bool:
        """Whether somebody may hold letters of this queue now, so that they are out of sight; false = nobody does."""


@runtime_checkable
class CountsHidden(Protocol):
    """A broker that counts the letters that are in somebody's hands."""

    def out_of_sight(self, key: str) -> int:
        """How many letters of this queue are hidden now, as far as the broker knows: its count may be old."""


@runtime_checkable
class HasExchanges(Protocol):
    """A broker on which a copy can also be sent wide: to an exchange, which gives it to all who listen there."""

    def exchanges(self, key: str) -> list[str]:
        """Names of the exchanges to which letters of this queue could be sent."""


@runtime_checkable
class MakesQueues(Protocol):
    """A broker on which a queue can be made beside another, for letters that are moved aside for a while.

    kept_as_is   options (of `HoldsLetters.options`) by which copies stay as much as can be what their originals were
    """

    @property
    def kept_as_is(self) -> frozenset[str]: ...

    def not_beside(self, key: str) -> str:
        """Why no queue can be made beside this one, a sentence; "" = it can."""

    def make_beside(self, key: str, mark: str) -> tuple[str, str]:
        """Make an empty queue of the same kind that keeps what is put into it, named after this one and `mark`.

        Its key and name. One that is there already by this name is as good. Raises CollectorError.
        """

    def remove_beside(self, key: str) -> str:
        """Remove such a queue, if it is empty and nobody reads it: the broker itself sees to both, in one step.

        Why it stays, a sentence; "" = it is gone. Raises CollectorError.
        """


@dataclass(slots=True, frozen=True)
class Bounded:
    """What a broker does beyond the bound of a queue.

    sentence  that, and what the bound is, for the plan
    lost      messages are thrown away; else they go elsewhere, or are refused
    room      how many fit there now; None = that cannot be told
    silent    whoever sends is not told
    """

    sentence: str
    lost: bool
    room: int | None
    silent: bool = False


@runtime_checkable
class TellsBounds(Protocol):
    """A broker whose queues may be bounded."""

    def bounded(self, key: str) -> Bounded | None:
        """None = this queue keeps what it takes, as far as is known."""


@dataclass(slots=True, frozen=True)
class MoveProgress:
    """How far a broker's own move is. `state`: "running", "done", "failed", "cancelled", "none": it was never begun."""

    state: str
    moved: int | None = None
    of: int | None = None
    why: str = ""


@runtime_checkable
class MovesByItself(Protocol):
    """A broker that moves all letters of a queue on its own (SQS's move task).

    move_terms     what such a move cannot do, and how it may be stopped: sentences for the plan
    fastest_move   messages a second at most
    """

    @property
    def move_terms(self) -> str: ...
    @property
    def fastest_move(self) -> int: ...

    def fits(self, key: str, to: Destination | None) -> str:
        """Why its own move cannot be used here, a sentence; "" = it can."""

    def mark_move(self, key: str) -> str:
        """A handle, before a move is begun, by which the next one is found: whoever begins it may die over it."""

    def start_move(self, key: str, to: Destination | None, rate: float | None) -> str:
        """Begin; `to` None = each letter to where it died. The handle of the move."""

    def move_progress(self, key: str, handle: str) -> MoveProgress: ...

    def cancel_move(self, key: str, handle: str) -> None:
        """Stop it; what was moved stays moved."""
