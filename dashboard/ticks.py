"""A poll as columns, and the ring of recent ticks.

An adapter answers with samples, one object per queue; everything after it works on columns,
so that ten thousand queues cost milliseconds. `Tick.of` makes the turn, once.
Unknown is NaN in every float column, and never 0.
"""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from operator import attrgetter

import numpy as np
import orjson
from numpy.typing import NDArray

from collectors.protocol import METRICS, Poll, Quality, Sample

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bytes = NDArray[np.uint8]

#: Row of each metric in `Tick.values` and `Tick.quality`.
ROW = {metric: row for row, metric in enumerate(METRICS)}

_read_metrics = attrgetter(*METRICS)

#: A clock that went back by more seconds than this starts anew; by less, the late tick is left out.
CLOCK_WENT_BACK = 60.0

#: Seconds of a block of which a ring keeps the last level, and how many it keeps: two hours.
BLOCK, BLOCKS = 120.0, 60

#: Heads as numbers: what `Tick.head` holds when the head cannot be told, and when nothing waits.
HEAD_UNKNOWN, HEAD_EMPTY = 0, 1


@dataclass(slots=True)
class Judgement:
    """What `insight.states` says of a tick: a state with its reason and since when, per queue.

    state, reason   codes of insight.states.State and Reason, shape (n,)
    since           epoch seconds at which the state began, shape (n,)
    """

    state: Bytes
    reason: Bytes
    since: Floats


@dataclass(slots=True)
class Tick:
    """One poll of one broker as columns over its n queues.

    broker      the broker's id
    at          epoch seconds
    ids         queue ids, ascending, shape (n,)
    values      metrics in the order of METRICS, NaN = unknown, shape (len(METRICS), n)
    quality     Quality codes, same shape
    lag_method  LagMethod codes, shape (n,)
    head        a number that stands for the head message, HEAD_UNKNOWN or HEAD_EMPTY, shape (n,)
    complete    False: queues may be missing from this tick without being gone
    inventory   rises when names, facts or relations of the broker's queues changed: readers load them again
    measured    epoch seconds at which each row was measured, 0 = not yet, shape (n,); None = all of them at `at`.
                Rows of an earlier time carry their last values on: they are shown and stored, and judge nothing
    judgement   set by the pipeline before the tick is stored or sent
    """

    broker: int
    at: float
    ids: Ints
    values: Floats
    quality: Bytes
    lag_method: Bytes
    head: Ints
    complete: bool = True
    inventory: int = 0
    measured: Floats | None = None
    judgement: Judgement | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def column(self, metric: str) -> Floats:
        """The values of one metric, shape (n,)."""
        column: Floats = self.values[ROW[metric]]
        return column

    @property
    def backlog(self) -> Floats:
        """Messages not completed yet, waiting and in flight, shape (n,); of a consumer group how far it is behind.

        Where in_flight is unknown (lists have none, some brokers keep it to themselves) it is what waits alone.
        """
        depth, in_flight = self.column("depth"), self.column("in_flight")
        waits = np.where(np.isnan(depth), self.column("lag_messages"), depth)
        return np.where(np.isnan(in_flight), waits, waits + in_flight)

    @property
    def fresh(self) -> NDArray[np.bool_]:
        """Which rows were measured in this poll, shape (n,)."""
        if self.measured is None:
            return np.ones(len(self), bool)
        fresh: NDArray[np.bool_] = self.measured >= self.at
        return fresh

    @classmethod
    def of(cls, poll: Poll, broker: int, ids: Ints) -> Tick:
        """A poll as columns; `ids[i]` is the queue of `poll.samples[i]`. Sorted by id.

        Raises ValueError unless there is one distinct id per sample.
        """
        samples = poll.samples
        n = len(samples)
        if len(ids) != n or len(np.unique(ids)) != n:
            raise ValueError(f"{n} samples need as many distinct queue ids, not {len(ids)} with repetitions or gaps")
        values = np.array([_read_metrics(s) for s in samples], dtype=np.float64).reshape(n, len(METRICS)).T
        values[~np.isfinite(values)] = np.nan
        order = np.argsort(ids, kind="stable")
        measured = _measured(samples, poll.at)
        return cls(
            broker=broker,
            at=poll.at,
            measured=None if measured is None else measured[order],
            ids=ids[order],
            values=np.ascontiguousarray(values[:, order]),
            quality=np.ascontiguousarray(_qualities(samples, values)[:, order]),
            lag_method=np.fromiter((s.lag_method for s in samples), np.uint8, n)[order],
            head=np.fromiter((_head_number(s.head) for s in samples), np.int64, n)[order],
            complete=poll.complete,
        )

    @classmethod
    def empty(cls, broker: int, at: float) -> Tick:
        k = len(METRICS)
        return cls(
            broker, at, np.empty(0, np.int64), np.empty((k, 0)), np.empty((k, 0), np.uint8),
            np.empty(0, np.uint8), np.empty(0, np.int64),
        )  # fmt: skip

    def joined(self, old: Tick, keep: NDArray[np.bool_]) -> tuple[Tick, Ints]:
        """This tick with the rows `keep` of an older one beside its own, and the order in which they were put."""
        ids = np.concatenate([self.ids, old.ids[keep]])
        order = np.argsort(ids, kind="stable")

        def both(mine: NDArray, theirs: NDArray) -> NDArray:  # type: ignore[type-arg]
            return np.concatenate([mine, theirs[..., keep]], axis=-1)[..., order]

        measured = None
        if self.measured is not None or old.measured is not None:
            measured = both(self._times(), old._times())
        judgement = None
        if self.judgement is not None and old.judgement is not None:
            a, b = self.judgement, old.judgement
            judgement = Judgement(both(a.state, b.state), both(a.reason, b.reason), both(a.since, b.since))
        tick = replace(
            self,
            ids=ids[order],
            values=both(self.values, old.values),
            quality=both(self.quality, old.quality),
            lag_method=both(self.lag_method, old.lag_method),
            head=both(self.head, old.head),
            measured=measured,
            judgement=judgement,
        )
        return tick, order

    def _times(self) -> Floats:
        return np.full(len(self), self.at) if self.measured is None else self.measured

    def encode(self) -> bytes:
        """For the bus between processes: a JSON head and the raw columns, compressed. `decode` is its inverse."""
        judged = self.judgement
        columns = [self.ids, self.values, self.quality, self.lag_method, self.head]
        if self.measured is not None:
            columns.append(self.measured)
        if judged is not None:
            columns += [judged.state, judged.reason, judged.since]
        head = orjson.dumps(
            {
                "broker": self.broker,
                "at": self.at,
                "n": len(self),
                "complete": self.complete,
                "inventory": self.inventory,
                "measured": self.measured is not None,
                "judged": judged is not None,
            }
        )
        body = b"".join(np.ascontiguousarray(c).tobytes() for c in columns)
        return len(head).to_bytes(4, "little") + head + zlib.compress(body, 1)

    @classmethod
    def decode(cls, data: bytes) -> Tick:
        """A tick from `encode`. Raises ValueError on anything else."""
        try:
            size = int.from_bytes(data[:4], "little")
            head = orjson.loads(data[4 : 4 + size])
            take = _Taker(zlib.decompress(data[4 + size :]))
            n, k = head["n"], len(METRICS)
            tick = cls(
                broker=head["broker"],
                at=head["at"],
                ids=take(np.int64, n),
                values=take(np.float64, k * n).reshape(k, n),
                quality=take(np.uint8, k * n).reshape(k, n),
                lag_method=take(np.uint8, n),
                head=take(np.int64, n),
                complete=head["complete"],
                inventory=head["inventory"],
            )
            if head.get("measured"):
                tick.measured = take(np.float64, n)
            if head["judged"]:
                tick.judgement = Judgement(take(np.uint8, n), take(np.uint8, n), take(np.float64, n))
        except (KeyError, TypeError, zlib.error) as error:
            raise ValueError(f"not an encoded tick: {error}") from error
        return tick


class _Taker:
    """Cuts typed columns off a buffer, one after another."""

    def __init__(self, buffer: bytes) -> None:
        self.buffer, self.position = buffer, 0

    def __call__(self, dtype: type, count: int) -> NDArray:  # type: ignore[type-arg]
        column: NDArray = np.frombuffer(self.buffer, dtype, count, self.position)  # type: ignore[type-arg]
        self.position += column.nbytes
        return column


def _qualities(samples: Sequence[Sample], values: Floats) -> Bytes:
    """Quality codes, shape (len(METRICS), n). Adapters share mappings, so each distinct one is read once."""
    columns: dict[int, Bytes] = {}
    quality = np.empty((len(METRICS), len(samples)), np.uint8)
    for i, sample in enumerate(samples):
        mapping = sample.quality
        column = columns.get(id(mapping))
        if column is None:
            column = columns[id(mapping)] = np.array([mapping.get(m, Quality.EXACT) for m in METRICS], np.uint8)
        quality[:, i] = column
    quality[np.isnan(values)] = Quality.UNKNOWN
    return quality


def _measured(samples: Sequence[Sample], at: float) -> Floats | None:
    """When each sample was measured; None when all were in this poll."""
    times = [s.measured_at for s in samples]
    if not any(time is not None for time in times):
        return None
    return np.array([at if time is None else min(time, at) for time in times], np.float64)


def _head_number(head: str | int | None) -> int:
    if head is None:
        return HEAD_UNKNOWN
    if head == "":
        return HEAD_EMPTY
    number = zlib.crc32(head.encode("utf-8", "surrogateescape")) if isinstance(head, str) else hash(head)
    return (number & 0x7FFF_FFFF_FFFF_FFFF) + 2 if number >= 0 else -number + 2


@dataclass(slots=True)
class Levels:
    """The last known backlog of each queue in one block of time that ended at `at`."""

    at: float
    ids: Ints
    backlog: Floats

    @classmethod
    def of(cls, tick: Tick) -> Levels:
        return cls((tick.at // BLOCK + 1) * BLOCK, tick.ids, tick.backlog)

    def followed_by(self, later: Levels) -> Levels:
        """The same block after a later tick: what that left out, or did not know, stays."""
        ids = later.ids if np.array_equal(self.ids, later.ids) else np.union1d(self.ids, later.ids)
        new, old = (aligned(one.backlog, one.ids, ids) for one in (later, self))
        return Levels(self.at, ids, np.where(np.isnan(new), old, new))


@dataclass(slots=True)
class Ring:
    """The recent ticks of one broker, oldest first. All columns of the newest `size`.

    older   levels of the blocks of time that are over, the newest `blocks`: two hours in five megabytes for ten
            thousand queues. They tell a slow rise from none, for which the ticks do not reach far enough back
    """

    size: int = 60
    blocks: int = BLOCKS
    ticks: deque[Tick] = field(default_factory=deque)
    older: deque[Levels] = field(default_factory=deque)
    _block: Levels | None = None

    def push(self, tick: Tick) -> None:
        """Add the newest tick; one that is not newer than the last is refused (a late tick changes no judgement)."""
        if self.ticks and tick.at <= self.ticks[-1].at:
            raise ValueError(f"a tick at {tick.at} is not newer than the last, at {self.ticks[-1].at}")
        self.ticks.append(tick)
        while len(self.ticks) > self.size:
            self.ticks.popleft()
        if self.blocks:
            self._push_level(Levels.of(tick))

    def _push_level(self, level: Levels) -> None:
        block = self._block
        if block is not None and block.at == level.at:
            self._block = block.followed_by(level)
            return
        if block is not None:
            self.older.append(block)
            while len(self.older) > self.blocks:
                self.older.popleft()
        self._block = level

    @property
    def latest(self) -> Tick | None:
        return self.ticks[-1] if self.ticks else None

    def __iter__(self) -> Iterator[Tick]:
        return iter(self.ticks)

    def __len__(self) -> int:
        return len(self.ticks)

    def window(self, metric: str, ids: Ints, seconds: float) -> tuple[Floats, Floats]:
        """One metric over the last `seconds`: times, shape (t,), and values, shape (t, len(ids)).

        NaN where absent, and where a value was only carried on. `ids` ascending. Cheap when the set of queues did not
        change between ticks.
        """
        if not self.ticks:
            return np.empty(0), np.empty((0, len(ids)))
        start = self.ticks[-1].at - seconds
        recent = [tick for tick in self.ticks if tick.at >= start]
        times = np.array([tick.at for tick in recent])
        return times, np.vstack([aligned(_said(tick, metric), tick.ids, ids) for tick in recent])


def _said(tick: Tick, metric: str) -> Floats:
    """A column of a tick without the values that were carried on."""
    column = tick.column(metric)
    return column if tick.measured is None else np.where(tick.fresh, column, np.nan)


def aligned(column: NDArray, have: Ints, want: Ints) -> NDArray:  # type: ignore[type-arg]
    """A column over `have` (ascending ids) as a column over `want`: NaN (or 0 for integers) where absent."""
    if have is want or np.array_equal(have, want):
        return column
    fill = np.nan if column.dtype.kind == "f" else 0
    out = np.full(len(want), fill, column.dtype)
    if len(have):
        at = np.searchsorted(have, want).clip(max=len(have) - 1)
        found = have[at] == want
        out[found] = column[at[found]]
    return out
