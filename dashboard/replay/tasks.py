"""What a replay is to do, what each of its passes, and why a pass ended."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from collectors.letters import Destination, Taken

from .guards import Limits

KEEPS = "This queue keeps its messages: none can be moved out of it, or deleted. Replay or copy them."


class End(StrEnum):
    """Why a pass ended."""

    OVER = "over"  # everything that was to be met was met
    LIMIT = "limit"  # as many were sent as this pass was to send
    ORDERS = "orders"  # somebody said so: pause, stop, yield
    TIME = "time"  # the lease is about to end
    SLOW = "slow"  # the next one may be sent in a while: nothing is held until then
    FULL = "full"  # as much is held as can be held
    REFUSED = "refused"  # the destination takes nothing
    BROKEN = "broken"  # of some copies it cannot be told whether they arrived


@dataclass(slots=True, frozen=True)
class Task:
    """What a pass does with the letters that it takes.

    own          id of this replay; copies bear it with their number, "own.n"
    to           where copies go; None = each to where it died
    by, at       who replays, since when: for the stamps
    wants        whether a letter is to be sent; not asked where the journal names them
    named        the journal names them (PLANNED): whatever else is met is held
    guard        letters that were replayed so often are left out; 0 = none is
    stamps       copies bear stamps
    keeps        originals stay (a copy)
    bound        how many letters lay there when the replay began; None = not known
    body         of an edited copy
    headers      changed headers of an edited copy
    options      those of the broker that were chosen
    fallback     where letters go that do not tell where they died
    """

    own: str
    to: Destination | None
    by: str
    at: str
    wants: Callable[[Taken], bool] = lambda taken: True
    named: bool = False
    guard: int = 0
    stamps: bool = True
    keeps: bool = False
    bound: int | None = None
    body: bytes | None = None
    headers: Mapping[str, Any] | None = None
    options: frozenset[str] = frozenset()
    fallback: Destination | None = None


@dataclass(slots=True, frozen=True)
class Order:
    """What is to be done with the letters of the queue `key`.

    planned   ids that were chosen, each so often; None = letters are judged when they are met (`task.wants`)
    oldest    at most so many, the oldest first; None = all
    holds     letters that are not chosen are met too, and held until a pass is over
    judges    whether moving letters back is to be judged by what comes back (a deletion is not)
    foreseen  how many letters lay in the queue by its plan: where fewer are counted, somebody may be holding the others
    doubles   ids of letters that may lie there twice, since a look was broken off
    """

    key: str
    task: Task
    trial: int = 0
    limits: Limits = field(default_factory=Limits)
    ramp: bool = False
    planned: dict[str, int] | None = None
    sizes: dict[str, int] = field(default_factory=dict)
    oldest: int | None = None
    holds: bool = False
    judges: bool = True
    foreseen: int = 0
    doubles: tuple[str, ...] = ()
    lease_seconds: float | None = None


def has_own_id(taken: Taken) -> bool:
    """Whether its producer gave the message an id, so that two that are equal are one message."""
    return any(name == "message_id" and value for name, value in taken.letter().properties)


def words_of(to: Destination | None) -> str:
    if to is None:
        return ""
    return to.queue if to.exchange is None else f"{to.exchange} {to.routing_key}".strip()
