"""The one interface to samples. `tests/dashboard/store_contract.py` is the suite that every engine passes.

Calls take lists of queues, so that fifty sparklines are one call. Unknown is NaN; times are epoch seconds.
A metric that does not exist is a ValueError; everything that goes wrong with the data is a StoreError.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

from ..ticks import Bytes, Floats, Tick

if TYPE_CHECKING:
    from .rollups import Piece, Stats

Aggregate = Literal["avg", "min", "max", "last"]


class StoreError(Exception):
    """The samples cannot be read or written; the message is one sentence for a person."""


@dataclass(slots=True)
class Series:
    """Several metrics of several queues on one time axis of equal steps.

    times    start of each step, shape (t,)
    step     seconds between them
    queues   as asked for: row i of each array is queues[i]
    values   by metric, shape (len(queues), t); NaN where nothing is known: a gap is a gap
    quality  by metric, same shape: the worst Quality code of the values that made the step, UNKNOWN in a gap
    """

    times: Floats
    step: float
    queues: Sequence[int]
    values: dict[str, Floats]
    quality: dict[str, Bytes]


@dataclass(slots=True)
class Grid:
    """Averages of some queues of one broker in equal steps, those left out in which nothing is known of any.

    times    start of each step, shape (t,)
    step     seconds of a step
    values   by metric, shape (t, len(queues)); NaN where nothing is known
    """

    times: Floats
    step: float
    values: dict[str, Floats]


@dataclass(slots=True, frozen=True)
class Retention:
    """How long each way of keeping is kept, in seconds, and how many bytes all may take (None: as many as it takes).

    raw      samples as they came
    minute   one rollup a minute
    hour     one rollup an hour
    """

    raw: float
    minute: float
    hour: float
    disk: int | None = None


@dataclass(slots=True)
class Tidied:
    """What one round of tidying up did: seals made, rolled up, past their retention, over the disk budget.

    `bytes` is what the samples take now, free pages left out; `problems` are sentences on what could not be done.
    """

    sealed: int = 0
    rolled: int = 0
    expired: int = 0
    evicted: int = 0
    bytes: int = 0
    problems: list[str] = field(default_factory=list)


class Store(Protocol):
    """Where samples are kept. Safe to call from several threads; several processes may read while one writes."""

    uuid: str

    def append(self, tick: Tick) -> None:
        """Keep one tick, whole or not at all; when this returns, a killed process does not lose it.

        Ticks may come late. A second tick of the same broker and time replaces nothing and
        raises StoreError; so does a queue that already belongs to another broker.
        """

    def latest(self, broker: int) -> Tick | None:
        """The newest tick of a broker with its judgement, None before the first."""

    def recent(self, broker: int, ticks: int) -> list[Tick]:
        """The newest ticks of a broker with their judgements, oldest first, to refill a ring."""

    def extent(self, broker: int) -> tuple[int, float | None]:
        """How many ticks of a broker are kept, and the time of the oldest (None: there is none)."""

    def range(
        self,
        queues: Sequence[int],
        metrics: Sequence[str],
        start: float,
        end: float,
        points: int = 300,
        aggregate: Aggregate = "avg",
    ) -> Series:
        """Metrics of queues over start <= t < end, in at most `points` equal steps, never finer than the samples.

        Steps have a round length and begin at multiples of it. The aggregate is over known
        values only; a step in which a broker was not polled is NaN, unless its own interval
        explains it. An unknown queue is all gaps.
        Where rollups answer, the first and the last step take in the whole of the minutes or hours they touch.
        """

    def grid(
        self, broker: int, queues: Sequence[int], metrics: Sequence[str], start: float, end: float, step: int
    ) -> Grid:
        """Averages of some queues of a broker in steps of exactly `step` seconds (60 or 3600) over start <= t < end.

        In hours throughout where minutes are gone from some of it. For many queues over weeks: much quicker than
        `range`, which says qualities too.
        """

    def window(self, queues: Sequence[int], metric: str, seconds: float, aggregate: Aggregate = "avg") -> Floats:
        """One number per queue over known values of the last `seconds`, shape (len(queues),); NaN without any.

        Counted back from the newest tick of the queue's broker, which is part of it. Where rollups answer, it begins
        with a whole minute or hour, by which it is longer by a hundredth at most.
        """

    def top(self, metric: str, n: int, broker: int | None = None) -> list[tuple[int, float]]:
        """The n largest known values in the newest ticks of the brokers: (queue, value), largest first."""

    def tidy(self, now: float, retention: Retention, stopped: Callable[[], bool] = lambda: False) -> Tidied | None:
        """One round of making the past small and letting go of it: sealing, rolling up, dropping.

        Ticks can be appended meanwhile, and what is done stays done when it is interrupted: by a crash, or by
        `stopped`, which is asked every few tenths of a second. None: another process is at it.
        """

    def prune(self, before: float) -> int:
        """Drop samples older than `before` in short transactions; how many ticks went.

        Exact for newest samples, whole hours for those that are sealed, whole spans for rollups.
        """

    def forget(self, broker: int) -> None:
        """Drop all that is kept of a broker that was deleted, in short transactions; may be called again."""

    def forget_queues(self, queues: Sequence[int]) -> None:
        """Drop all that is kept of queues that were deleted, in short transactions; may be called again."""

    def history(self, broker: int, queues: Sequence[int], start: float, end: float, step: int = 0) -> Iterator[Piece]:
        """What is kept of some queues in start <= t < end, each time once, as finely as it is kept.

        `step`: 60 or 3600 for no finer rollups than these, where they are made. Pieces come hour by hour or day by
        day, oldest first.
        """

    def add_history(self, broker: int, step: int, given: Mapping[int, tuple[Floats, Stats]]) -> None:
        """Take in samples (step 0) or rollups (60, 3600) by queue: ascending times, and arrays (metrics, times).

        What is there already stays as it is.
        """

    def check(self) -> None:
        """Raise StoreError when the samples cannot be read and written."""

    def close(self) -> None:
        """Let go of files and connections. May be called twice."""
