"""The words that cross the wall when messages are looked at, sent again, moved or deleted.

A broker whose messages can be seen one by one implements `HoldsLetters`: it says what a look costs (`price`), looks
(`look`), and leases letters (`lease`). A lease is what a replay works on: it takes letters from a queue without losing
them, sends confirmed copies, and only then removes the originals, many at a time. `Sends` puts in one new message.
What only some brokers can do beside that is in `powers`.

Everything here is built from the acting URL where there is one, else from the polling one; each object belongs to one
thread at a time; every method may raise CollectorError. Keys are those of `Sample.key`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable

#: Headers by which a copy tells that it is one. Where a message has none to spare, it goes without.
REPLAY_ID, REPLAY_COUNT, REPLAYED_AT, REPLAYED_BY = "replay-id", "replay-count", "replayed-at", "replayed-by"
STAMPS = (REPLAY_ID, REPLAY_COUNT, REPLAYED_AT, REPLAYED_BY)

NO_HEADERS: Mapping[str, Any] = {}


@dataclass(slots=True, frozen=True)
class Death:
    """One time at which a letter was given up, the latest first in `Letter.deaths`.

    `queue`: the name of where it died; `reason` in the broker's own word; `count`: how often so, there;
    `at`: epoch seconds (of the first such death on RabbitMQ); `exchange`, `routing_keys`: how it had come there.
    `via`: by what it is known where the letter itself does not tell, in words; "" = it tells.
    """

    queue: str
    reason: str = ""
    count: int = 1
    at: float | None = None
    exchange: str = ""
    routing_keys: tuple[str, ...] = ()
    via: str = ""


@dataclass(slots=True, frozen=True)
class Letter:
    """One message as it lay in a queue. What the broker does not tell is None or "".

    id            the broker's own id where it stays the same (SQS, streams), else a fingerprint of what the producer
                  wrote and how it died: letters that are equal in that have one id, and are counted
    body          its bytes, verbatim; the first `Bounds.body_bytes` of them when it is larger: see `size`
    size          bytes of the whole body
    headers       the application's headers or attributes, by name, as the client library gave them
    properties    the broker's own, for people: ("message_id", "..."), ("priority", "5"), in the order to show
    enqueued_at   epoch seconds at which it was first sent, died_at at which it came to this place
    attempts      how often it was delivered before it died
    deliveries    how often it was delivered from this queue, looks of Weir's included
    deaths        how it came here, the latest first
    origin        key of the narrowest place to send it back to: the queue in which it died, on this broker
    replayed      how often a copy of it was replayed (its `replay-count`)
    replay_id     of the last replay that sent it
    expires_at    epoch seconds at which the broker will drop it
    place         where it lies inside the queue, for people ("entry 1732-0", "position 17")
    """

    id: str
    body: bytes
    size: int
    headers: Mapping[str, Any] = field(default_factory=lambda: NO_HEADERS)
    properties: tuple[tuple[str, str], ...] = ()
    content_type: str = ""
    content_encoding: str = ""
    enqueued_at: float | None = None
    died_at: float | None = None
    attempts: int | None = None
    deliveries: int | None = None
    deaths: tuple[Death, ...] = ()
    origin: str = ""
    replayed: int = 0
    replay_id: str = ""
    expires_at: float | None = None
    place: str = ""

    @property
    def whole(self) -> bool:
        """Whether `body` is all of it."""
        return len(self.body) == self.size


# --- looking ---------------------------------------------------------------------------------------------------------
@dataclass(slots=True, frozen=True)
class Price:
    """What looking into one queue costs, known before the look, without touching a message.

    sentence       all of it in words for a person
    free           nothing changes on the broker and no other reader notices: may be done all the time
    limit          how often a letter may be given back before the broker drops or moves it; None = no limit
    beyond         what happens then, in words
    renews         a letter found at its limit is not given back: a confirmed copy goes into the same queue, and the
                   original is then acknowledged. Looks never run out, but letters change places
    hidden_seconds for how long letters may be out of the sight of other readers
    refused        why it must not be looked at (a sentence); "" = it may
    """

    sentence: str
    free: bool = False
    limit: int | None = None
    beyond: str = ""
    renews: bool = False
    hidden_seconds: float = 0.0
    refused: str = ""


@dataclass(slots=True, frozen=True)
class Bounds:
    """How far one look goes: letters, bytes of bodies in all, bytes of one body, seconds.

    With `messages=0` nothing is taken and nothing is paid: the look tells how many there are (`Look.of`).
    """

    messages: int = 50
    bytes: int = 16 * 1024 * 1024
    body_bytes: int = 1024 * 1024
    seconds: float = 10.0


@dataclass(slots=True)
class Look:
    """What a look saw. Everything that it took was given back, in order, before this was returned.

    at            epoch seconds
    of            how many letters lay there, of which `letters` are some; None = cannot be told
    exact         whether `of` is exact
    deliveries    the highest count towards the broker's limit that a letter has after this look; None = not counted
    renewed       how many letters at their limit were replaced by confirmed copies
    after         where the next look goes on, for queues that can be read from any place; "" = this was the end,
                  or the queue has no such places
    notes         sentences on what was left out, and why
    """

    letters: list[Letter]
    at: float
    of: int | None = None
    exact: bool = True
    deliveries: int | None = None
    renewed: int = 0
    after: str = ""
    notes: list[str] = field(default_factory=list)


# --- leasing ---------------------------------------------------------------------------------------------------------
class Outcome(StrEnum):
    """What became of a copy, or of an original."""

    SENT = "sent"  # the broker confirmed the copy, and that it reached a queue
    REMOVED = "removed"  # the original is gone; from an atomic broker: the copy is there and the original gone
    REFUSED = "refused"  # the broker said no: no copy is anywhere, the original is untouched
    LATE = "late"  # it was not sent: the letter may be in other hands by now, or waits for one before it, or the broker
    #              takes nothing for now: the original is untouched, and is met again
    GONE = "gone"  # it was not sent: somebody else took the letter out of the queue meanwhile
    UNKNOWN = "unknown"  # it cannot be told (a connection that broke): a copy may be there or not


@dataclass(slots=True)  # not frozen: that would double what making one costs
class Receipt:
    """What became of one letter of a lease: `tag` is its number there, `why` a sentence when it did not go well.

    `unreplicated`: it is done, but no replica of the server had it in time: a fail-over now would undo it."""

    tag: int
    outcome: Outcome
    why: str = ""
    unreplicated: bool = False


class Taken(Protocol):
    """A letter in the hands of a lease. Cheap: what costs time to read is read when it is asked for.

    `tag` is its number within the lease; `id` as `Letter.id`; `stamped`: it bears the stamps of a replay;
    `origin` as `Letter.origin`; `replay_id` that of its last replay, "" = none;
    `room`: how many of STAMPS, the first ones, a copy of it can bear;
    `handle`: that by which another worker gives it back when this one dies (`GivesBack`), "" = it need not.
    """

    @property
    def tag(self) -> int: ...
    @property
    def id(self) -> str: ...
    @property
    def size(self) -> int: ...
    @property
    def stamped(self) -> bool: ...
    @property
    def replay_id(self) -> str: ...
    @property
    def replayed(self) -> int: ...
    @property
    def origin(self) -> str: ...
    @property
    def room(self) -> int: ...
    @property
    def handle(self) -> str: ...

    def letter(self) -> Letter:
        """All of it, with its whole body."""


@dataclass(slots=True)
class Stamp:
    """What a copy says of its replay; `replay-count` is one more than the original's."""

    replay_id: str
    at: str  # ISO 8601, UTC
    by: str


@dataclass(slots=True, frozen=True)
class Destination:
    """Where copies go: `queue`, by its key: the narrowest place; or wide: an exchange or topic with a routing key."""

    queue: str = ""
    exchange: str | None = None
    routing_key: str = ""


@dataclass(slots=True)
class Parcel:
    """A copy to be sent: of the letter `tag`, to a destination, byte for byte unless `body` gives another body.

    `stamp` None: no stamps. `options`: names out of `HoldsLetters.options` that were chosen.
    `headers`: changed application headers of an edited letter (None removes one); None = as they are.
    `keeps`: the original is to stay: nothing but a copy is made of it, also where `send` moves else.
    """

    tag: int
    to: Destination
    stamp: Stamp | None = None
    body: bytes | None = None
    headers: Mapping[str, Any] | None = None
    options: frozenset[str] = frozenset()
    keeps: bool = False


class Lease(Protocol):
    """Letters of one queue, held by one worker. Whatever happens to the process, none of them is lost.

    until      epoch seconds at which everything must be settled or given back: at most half of the broker's own limit
    random     letters can be taken by their ids; what is taken is not out of the sight of others
    own_ids    ids are the broker's own: no two letters of this queue ever share one
    atomic     `send` moves in one step that is either done or not (Redis): its receipts say REMOVED at once, but for
               parcels that keep their originals
    keeps      nothing can be removed: originals stay, in everybody's sight (streams); `remove` raises NotSupported
    most_held  how many letters may be held at once
    lost_until epoch seconds until which letters may be out of sight that nobody can give back: of a take whose answer
               was lost, or of a removal that did not go well; 0 = there are none
    """

    @property
    def until(self) -> float: ...
    @property
    def random(self) -> bool: ...
    @property
    def own_ids(self) -> bool: ...
    @property
    def atomic(self) -> bool: ...
    @property
    def keeps(self) -> bool: ...
    @property
    def most_held(self) -> int: ...
    @property
    def lost_until(self) -> float: ...

    def take(self, most: int, seconds: float = 1.0) -> Sequence[Taken]:
        """The next letters, oldest first, waiting for them at most so long; none = the queue has no more now."""

    def take_these(self, ids: Mapping[str, int]) -> Sequence[Taken]:
        """So many letters of each id, where they are still there. Only when `random`; else raises NotSupported."""

    def send(self, parcels: Sequence[Parcel]) -> None:
        """Start to send copies, without waiting for their confirmation. Keeps `until`: raises Expired after it.

        Raises Busy when the broker takes no messages for now. In both cases nothing was sent.
        """

    def settled(self, seconds: float = 1.0) -> Sequence[Receipt]:
        """What became of copies since the last call, waiting at most so long for the first: each parcel once."""

    def remove(self, tags: Sequence[int], wait: bool = True) -> Sequence[Receipt]:
        """Take originals out of the queue for good: REMOVED, or UNKNOWN with why: such a one comes back by itself.
        Only for what was sent, or is to be deleted.

        `wait` False: answers what is known by now, of earlier calls too; the rest is told by a later call, and all
        of it by `remove([])`, which waits for it.
        """

    def give_back(self, tags: Sequence[int]) -> None:
        """Let go of letters, in order, so that others see them again."""

    def close(self) -> None:
        """Give back what is still held, wait until the broker has it, and let go of the connection. Idempotent.

        Raises CollectorError when it cannot be told that the broker has it: then that is back by `until`, or when the
        broker notices that the connection is gone.
        """


@runtime_checkable
class HoldsLetters(Protocol):
    """A broker whose messages can be looked at and leased.

    options       what can be chosen for a replay: name -> a sentence for the form ("keep_deaths": "Keep x-death ...")
    most_headers  how many headers a message can have in all; None = there is no such limit
    """

    @property
    def most_headers(self) -> int | None: ...

    @property
    def options(self) -> Mapping[str, str]: ...

    def price(self, key: str) -> Price:
        """What a look into this queue costs. Asks the broker for the queue's arguments, touches no message."""

    def look(self, key: str, bounds: Bounds, after: str = "", stop: Callable[[], bool] = lambda: False) -> Look:
        """See letters, the oldest first where there is an order, and give all of them back in order before returning.

        `stop` is asked between steps: true = the person went away, give back and return what there is.
        """

    def lease(self, key: str, seconds: float) -> Lease:
        """Hold letters of this queue for at most so long (less when half of the broker's own limit is shorter)."""

    def stamps(self, key: str, to: Destination) -> str:
        """Why no copy can bear the stamps of a replay, a sentence; "" = those can that have room (`Taken.room`).
        Without, contents tell returns."""

    def receivers(self, to: Destination, beside: str = "") -> list[str] | None:
        """Names of the queues that a message sent there reaches now; none = unroutable; None = it is not known.

        `beside`: the queue from which it is sent, where brokers hold several worlds of names (virtual hosts)."""


@runtime_checkable
class Sends(Protocol):
    """Puts one new message into a queue."""

    def send_new(self, to: Destination, body: bytes, headers: Mapping[str, Any], properties: Mapping[str, str]) -> str:
        """Send, wait for the confirmation; the broker's id of it, "" = it gives none. Raises NotSupported for a
        property that this broker does not know, BadAnswer when it could not be routed."""
