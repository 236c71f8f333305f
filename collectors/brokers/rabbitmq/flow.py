"""From what moved and what waits to rates and lag per queue, each with how it is known.

Counted flows are checked against the backlog (`collectors.rates.Balance`). Where the two disagree for a while,
the queue's own counters are asked for; and where even they do not explain the backlog, messages come or go in
ways that RabbitMQ counts nowhere: dead letters arriving, messages expiring. Those are told by the backlog.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from functools import lru_cache

from collectors.lag import PositionLag
from collectors.protocol import LagMethod, Quality
from collectors.rates import Balance

from .asking import Own
from .prometheus import QueueKey
from .reading import Flow, Level, Reading

_NOTHING = Flow()

#: Rates are means over at least so many seconds: RabbitMQ refreshes its counters every 5 s (by default), so that
#: the counts of a shorter time swing between nothing and twice as much.
MEAN_OVER = 15.0


@dataclass(slots=True)
class Rates:
    """Rates per second, and lag in seconds; None = not known."""

    in_rate: float | None = None
    out_rate: float | None = None
    redelivery_rate: float | None = None
    net_rate: float | None = None
    lag_seconds: float | None = None
    lag_method: LagMethod = LagMethod.NONE
    quality: Mapping[str, Quality] = field(default_factory=dict)


@dataclass(slots=True)
class _Memory:
    """What is remembered of a queue between two readings."""

    at: float
    level: Level
    balance: Balance | None = None
    own_balance: Balance | None = None  # the same for the queue's own counters, while it is asked for them
    arrivals: PositionLag | None = None
    arrived: float = 0.0
    quiet: float = 0.0  # seconds without any flow, up to now
    recent: deque[_Counted] = field(default_factory=deque)

    def mean(self, now: _Counted) -> _Counted:
        """What was counted over the last MEAN_OVER seconds, or over one interval where that is longer."""
        if not now.moved and not self.recent:
            self.quiet += now.seconds
            return now
        if now.uncounted and self.recent and not self.recent[-1].uncounted:
            self.recent.clear()  # the counts before were short as well, and nobody knows by how much
        elif not self.recent and self.quiet:
            self.recent.append(_Counted(min(self.quiet, MEAN_OVER)))
        self.recent.append(now)
        self.quiet = 0.0 if now.moved else self.quiet + now.seconds
        while len(self.recent) > 1 and sum(c.seconds for c in self.recent) - self.recent[0].seconds >= MEAN_OVER:
            self.recent.popleft()
        total = _Counted(
            seconds=sum(c.seconds for c in self.recent),
            published=sum(c.published for c in self.recent),
            completed=sum(c.completed for c in self.recent),
            redelivered=sum(c.redelivered for c in self.recent),
            uncounted=sum(c.uncounted for c in self.recent),
            exact=all(c.exact for c in self.recent),
        )
        if self.quiet >= MEAN_OVER:
            self.recent.clear()
        return total


@dataclass(slots=True, frozen=True)
class _Counted:
    """What was counted of a queue over some seconds, and what came (or, negative, went) uncounted."""

    seconds: float
    published: float = 0.0
    completed: float = 0.0
    redelivered: float = 0.0
    uncounted: float = 0.0
    exact: bool = True

    @property
    def moved(self) -> bool:
        return any((self.published, self.completed, self.redelivered, self.uncounted))


class Flows:
    """Turns readings into rates and lag. `doubted` are the queues whose counts did not explain their backlog."""

    def __init__(self) -> None:
        self._streams: Set[QueueKey] = frozenset()
        self._memory: dict[QueueKey, _Memory] = {}
        self.doubted: set[QueueKey] = set()

    def update(self, reading: Reading, own: Mapping[QueueKey, Own], streams: Set[QueueKey]) -> dict[QueueKey, Rates]:
        """Rates of every queue of a reading; `own` holds what some queues said themselves.

        `streams` are not checked against what they hold: they keep what was read.
        """
        self.doubted.clear()
        self._streams = streams
        rates = {key: self._rates(key, level, reading, own.get(key)) for key, level in reading.levels.items()}
        if reading.complete and len(self._memory) > len(rates):
            self._memory = {key: memory for key, memory in self._memory.items() if key in rates}
        return rates

    def _rates(self, key: QueueKey, level: Level, reading: Reading, own: Own | None) -> Rates:
        memory = self._memory.get(key)
        if memory is None:
            self._memory[key] = _Memory(reading.at, level)
            return _with_lag(Rates(), level, None, own, reading.at)
        now = self._now(key, memory, level, reading, own)
        if now is None:
            rates = Rates(net_rate=_change(memory, level, reading.at))
            rates.quality = _quality(None, None, LagMethod.NONE)
            memory.balance = memory.own_balance = None
            memory.recent.clear()
            memory.quiet = 0.0
        else:
            rates = self._counted(level, memory.mean(now))
            _observe(memory, reading.at, (now.published + max(0.0, now.uncounted)) / now.seconds)
        memory.at, memory.level = reading.at, level
        return _with_lag(rates, level, memory, own, reading.at)

    def _now(self, key: QueueKey, memory: _Memory, level: Level, reading: Reading, own: Own | None) -> _Counted | None:
        """What moved since the last reading; the queue's own counters win. None = nobody counted."""
        found = None
        if reading.flows is not None and reading.seconds and key not in reading.without_flow:
            flow = reading.flows.get(key, _NOTHING)
            missing = self._missing(key, memory, level, flow, reading.seconds)
            if missing:
                self.doubted.add(key)
            found = _moved(flow, reading.seconds, missing, reading.exact_flows)
        if own is not None and own.flow is not None and own.seconds:
            if memory.own_balance is None:
                memory.own_balance = Balance()
                memory.own_balance.update(own.seconds, 0.0, 0.0, _held(memory.level))
            counts = own.flow.published, own.flow.completed
            missing = 0.0 if key in self._streams else memory.own_balance.update(own.seconds, *counts, _held(level))
            if missing:
                self.doubted.add(key)
            return _moved(own.flow, own.seconds, missing, True)
        memory.own_balance = None
        return found

    def _counted(self, level: Level, mean: _Counted) -> Rates:
        how = Quality.EXACT if mean.exact else Quality.APPROXIMATE
        arrived, completed = mean.published / mean.seconds, mean.completed / mean.seconds
        missing = mean.uncounted / mean.seconds
        rates = Rates(arrived, completed, mean.redelivered / mean.seconds)
        in_quality = out_quality = how
        if missing:
            rates.net_rate = arrived - completed + missing
        if missing > 0:
            rates.in_rate, in_quality = arrived + missing, Quality.ESTIMATED
        elif missing < 0 and not level.consumers:
            # With consumers it may be rejections, which complete nothing; without, time or a limit takes them out.
            rates.out_rate, out_quality = completed - missing, Quality.ESTIMATED
        rates.quality = _quality(in_quality, out_quality, LagMethod.NONE)
        return rates

    def _missing(self, key: QueueKey, memory: _Memory, level: Level, flow: Flow, seconds: float) -> float:
        """Messages per second that nobody counted. A queue that never moved is not checked, to save time."""
        if key in self._streams:
            return 0.0
        if memory.balance is None:
            if flow is _NOTHING and _held(level) == _held(memory.level):
                return 0.0
            memory.balance = Balance()
            memory.balance.update(seconds, 0.0, 0.0, _held(memory.level))
        return memory.balance.update(seconds, flow.published, flow.completed, _held(level))


def _moved(flow: Flow, seconds: float, missing: float, exact: bool) -> _Counted:
    return _Counted(seconds, flow.published, flow.completed, flow.redelivered, missing * seconds, exact)


def _held(level: Level) -> float:
    return (level.ready or 0.0) + (level.unacked or 0.0)


def _change(memory: _Memory, level: Level, at: float) -> float | None:
    if level.ready is None or memory.level.ready is None or at <= memory.at:
        return None
    return (level.ready - memory.level.ready) / (at - memory.at)


def _observe(memory: _Memory, at: float, in_rate: float | None) -> None:
    """Remember the arrivals. A queue is followed from its first one on."""
    if not in_rate and memory.arrivals is None:
        return
    if memory.arrivals is None:
        memory.arrivals = PositionLag()
        memory.arrivals.observe(memory.at, 0.0)
    memory.arrived += (in_rate or 0.0) * (at - memory.at)
    memory.arrivals.observe(at, memory.arrived)


def _with_lag(rates: Rates, level: Level, memory: _Memory | None, own: Own | None, at: float) -> Rates:
    """Add the lag: none when nothing waits, by the oldest message's own time, or by position."""
    method = LagMethod.NONE
    if level.ready == 0:
        rates.lag_seconds = 0.0
    elif own is not None and own.head_at is not None:
        rates.lag_seconds, method = max(0.0, at - own.head_at), LagMethod.MESSAGE_TIME
    elif level.ready is not None and memory is not None and memory.arrivals is not None:
        rates.lag_seconds = memory.arrivals.lag(at, memory.arrived - level.ready)
        method = LagMethod.NONE if rates.lag_seconds is None else LagMethod.POSITION
    rates.lag_method = method
    if method is not LagMethod.NONE:
        quality = rates.quality
        rates.quality = _quality(quality.get("in_rate", Quality.EXACT), quality.get("out_rate", Quality.EXACT), method)
    return rates


@lru_cache(maxsize=64)
def _quality(in_rate: Quality | None, out_rate: Quality | None, method: LagMethod) -> Mapping[str, Quality]:
    """Shared mappings: one for each way in which the numbers of a queue can be known. None = rates are not known."""
    known = {
        "in_rate": Quality.UNKNOWN if in_rate is None else in_rate,
        "out_rate": Quality.UNKNOWN if out_rate is None else out_rate,
        "net_rate": Quality.APPROXIMATE,
        "redelivery_rate": Quality.UNKNOWN if in_rate is None else min(in_rate, Quality.APPROXIMATE),
    }
    if method is LagMethod.MESSAGE_TIME:
        known["lag_seconds"] = Quality.APPROXIMATE  # whole seconds, by the publisher's clock
    elif method is LagMethod.POSITION:
        known["lag_seconds"] = Quality.ESTIMATED
    return {metric: quality for metric, quality in known.items() if quality is not Quality.EXACT}
