"""What dialects know of a single message on Redis: what it tells of itself, and what it is when it goes back.

A message is recognised by what is in it, so that it is understood wherever somebody put it. Everything here is pure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Told:
    """What a message tells of itself; None and "" where it does not.

    identity    what stays the same of it however often it dies: two messages that are equal in it are the same one
    origin      key of the queue that it came from
    properties  for people, in the order to show
    """

    identity: bytes
    origin: bytes = b""
    enqueued_at: float | None = None
    died_at: float | None = None
    expires_at: float | None = None
    attempts: int | None = None
    properties: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Entrance:
    """How a message enters a queue: the list, and a member that a set must have so that the queue is known."""

    key: bytes
    registry: bytes = b""
    member: bytes = b""


class Returning(Protocol):
    """A dialect whose messages lie whole in lists and sorted sets.

    options  what a person can choose for messages that go back: name -> a sentence
    """

    @property
    def dialect(self) -> str: ...
    @property
    def options(self) -> Mapping[str, str]: ...

    def told(self, raw: bytes, key: bytes) -> Told | None:
        """What a message says that lies under `key`; None = it is none of ours."""

    def again(self, raw: bytes, to: bytes, now: float, options: frozenset[str]) -> bytes:
        """The message as the library itself would put it into `to`; as it is where that is no queue of the library.

        Raises ValueError for one that is none of ours.
        """

    def entrance(self, raw: bytes, queue: bytes, steps: frozenset[bytes]) -> Entrance:
        """Where it enters `queue`; `steps`: further lists of that queue that hold something now."""


@dataclass(frozen=True, slots=True)
class Way:
    """How a message that lies apart goes back: a script of Redis with its keys and arguments.

    The script answers 1 = done, 0 = it was not there any more, text = what the server refused.
    """

    script: str
    keys: tuple[bytes, ...]
    arguments: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Apart:
    """A sorted set that holds ids of dead messages; the messages themselves lie apart, in hashes.

    queue     key of the queue that they came from
    hash_of   the key of the hash, from an id
    body      the field of that hash that is the body, the others being headers; b"" = one hash has all messages,
              each in the field named by its id
    results   the key of a stream whose latest entry tells more of it, from an id; None = there is none
    told      what the fields (the body's under b"") and the score tell of an id
    score     that of a message that is put among the dead at a time
    back      the way to a queue, from id, body, queue and now; None = `refused` says why not
    """

    dialect: str
    queue: bytes
    hash_of: Callable[[bytes], bytes]
    told: Callable[[bytes, Mapping[bytes, bytes], float], Told]
    body: bytes = b""
    results: Callable[[bytes], bytes] | None = None
    back: Callable[[bytes, bytes, bytes, float], Way] | None = None
    score: Callable[[float], float] | None = None
    refused: str = ""


#: From the key of a sorted set to how its messages lie apart; None = not ours.
FindsApart = Callable[[bytes], Apart | None]


def number(value: object) -> float | None:
    """A number that may be text; None for anything else."""
    if isinstance(value, int | float):
        return value if abs(value) < 1e18 else None
    if not isinstance(value, str | bytes) or len(value) > 40:
        return None
    try:
        return number(float(value))
    except ValueError:
        return None


def seconds(value: object) -> float | None:
    """Epoch seconds from a number of seconds or milliseconds, told apart by size."""
    found = number(value)
    if found is None or found <= 0:
        return None
    return found / 1000 if found > 1e11 else found  # 1e11 seconds is the year 5138


def moment(value: object) -> float | None:
    """Epoch seconds from a time in ISO 8601; None for anything else."""
    text = value.decode("ascii", "replace") if isinstance(value, bytes) else value
    if not isinstance(text, str) or len(text) > 40:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
