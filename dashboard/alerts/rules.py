"""Rules over columns: what a rule says of every queue of a broker at one moment. Pure.

`Engine` holds the rules of one broker and is told each moment once, as a `Frame`: live ticks by `watching.py`,
stored history by `preview.py`. So a preview is what would have been, tick for tick.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from ..insight.vocabulary import State
from ..ticks import Floats, Ints
from .conditions import NUMERIC, ON_TICKS, Condition
from .phases import Bools, Look, Phases
from .windows import Window

#: A distance between two ticks that is longer than this many intervals, and than this many seconds, is a gap.
GAP_INTERVALS, GAP_SECONDS = 3.0, 60.0


class Frame(Protocol):
    """One moment of some queues: `ids` ascending, and a number per queue and metric, NaN = unknown."""

    at: float
    ids: Ints
    held: Bools | None  # rows that only carry an earlier measurement on

    def numbers(self, metric: str) -> Floats:
        """A metric of conditions.METRICS, "state" as its code, or "waiting"."""


#: The usual of a metric at an hour: (ids, metric, epoch seconds) -> (centre, spread), NaN where too little is known.
Usual = Callable[[Ints, str, float], tuple[Floats, Floats]]


def no_usual(ids: Ints, metric: str, at: float) -> tuple[Floats, Floats]:
    """Nothing is known of past weeks."""
    unknown = np.full(len(ids), np.nan)
    return unknown, unknown


@dataclass(frozen=True, slots=True)
class Spec:
    """A rule as the engine needs it; conditions that are not judged on ticks stay out."""

    id: int
    condition: Condition


@dataclass(frozen=True, slots=True)
class Change:
    """Of a rule, at one moment: queues that began to fire and queues that closed, by id, with their values then.

    `gone`: queues that fired and are not there any more.
    """

    rule: int
    at: float
    opened: list[tuple[int, float]] = field(default_factory=list)
    closed: list[tuple[int, float]] = field(default_factory=list)
    gone: list[int] = field(default_factory=list)


class Back(Protocol):
    """What a condition with a window looks back on: a `Window` at one moment, or a `spans.Span` at all of them."""

    ids: Ints
    step: int
    version: int

    def push(self, at: float, ids: Ints, values: Floats) -> None: ...
    def lowest(self) -> Floats: ...
    def highest(self) -> Floats: ...
    def slope(self) -> Floats: ...
    def verdict(self, rates: Any, word: str) -> tuple[Floats, Floats]: ...


class Engine:
    """The rules of one broker, and where every queue stands with each of them."""

    def __init__(self, interval: float, usual: Usual = no_usual) -> None:
        self.interval, self.usual = interval, usual
        self.specs: dict[int, Spec] = {}
        self.phases: dict[int, Phases] = {}
        self.at: float | None = None
        self._windows: dict[tuple[str, float], Back] = {}
        self._cached: dict[int, tuple[int, tuple[Floats, Floats]]] = {}

    def set_rules(self, specs: Iterable[Spec]) -> None:
        """These are the rules now. One with another condition starts anew, save that what fires goes on firing until
        the new condition closes it."""
        wanted = {spec.id: spec for spec in specs if spec.condition.kind in ON_TICKS}
        for id, spec in wanted.items():
            if id not in self.phases or self.specs.get(id, spec) != spec:
                kept = self.phases.get(id)
                self.phases[id] = Phases(spec.condition.for_seconds, spec.condition.clear_seconds)
                if kept is not None:
                    self.phases[id].restore([row for row in kept.kept() if row[1] >= 2])
        self.phases = {id: self.phases[id] for id in wanted}
        self.specs = wanted
        self._cached = {}
        needed = {key for spec in wanted.values() for key in windows_of(spec.condition)}
        self._windows = {key: self._windows.get(key) or Window(key[1]) for key in needed}

    def restore(self, kept: Mapping[int, list[tuple[int, int, float]]], at: float | None) -> None:
        """Go on where another engine with these rules was at `at`."""
        for id, rows in kept.items():
            if id in self.phases:
                self.phases[id].restore(rows)
        self.at = at

    def kept(self) -> dict[int, list[tuple[int, int, float]]]:
        """What `restore` needs; rules with nothing under way are left out."""
        return {id: phases.kept() for id, phases in self.phases.items() if not phases.quiet}

    def remember(self, frame: Frame) -> None:
        """Only take in what windows look back on: after a restart, from the past."""
        for (metric, _), window in self._windows.items():
            window.push(frame.at, frame.ids, frame.numbers(metric))

    def look_back_on(self, windows: Mapping[tuple[str, float], Back]) -> None:
        """Other windows than those that are filled moment by moment."""
        self._windows = dict(windows)

    @property
    def stirred(self) -> int:
        """Another number whenever `kept` may be another."""
        return sum(phases.stirred for phases in self.phases.values())

    @property
    def ids(self) -> Ints | None:
        """The queues of the last moment; None before the first."""
        return next((phases.ids for phases in self.phases.values()), None)

    @property
    def metrics(self) -> list[str]:
        """What the windows look back on."""
        return list(dict.fromkeys(metric for metric, _ in self._windows))

    @property
    def slot(self) -> float:
        """The shortest slot of any window, 0 without windows."""
        return min((window.step for window in self._windows.values()), default=0.0)

    def judge(self, frame: Frame, scopes: Mapping[int, Bools | None]) -> list[Change]:
        """Take in one moment. `scopes`: which queues each rule is about, None = all of them."""
        span = self.span(frame.at)
        self.remember(frame)
        changes = []
        for id, spec in self.specs.items():
            phases = self.phases[id]
            gone = phases.over_queues(frame.ids)
            look = self.look(spec, frame, scopes.get(id))
            opened, closed = phases.step(frame.at, span, look)
            if len(opened) or len(closed) or len(gone):
                values = self.value(spec.condition, frame)
                changes.append(
                    Change(id, frame.at, _rows(frame, opened, values), _rows(frame, closed, values), gone.tolist())
                )
        return changes

    def span(self, at: float) -> float:
        """Seconds since the last tick; a gap between polls is taken out of every clock."""
        span = self.interval if self.at is None else at - self.at
        if span > max(GAP_SECONDS, GAP_INTERVALS * self.interval) or span <= 0:  # or the clock went back
            for phases in self.phases.values():
                phases.pause(span - self.interval)
            span = self.interval
        self.at = at
        return span

    def look(self, spec: Spec, frame: Frame, scope: Bools | None) -> Look:
        """What a rule's condition says of every queue of a frame."""
        condition = spec.condition
        if condition.kind in ("state", "stuck"):
            over, clear, unknown = self._words(spec, frame)
        else:
            over, clear, unknown = levels(condition, self._limits(spec, frame), frame.numbers(condition.metric))
        if condition.unknown == "fire":
            over, unknown = over | unknown, np.zeros_like(unknown)
        elif condition.unknown == "ok":
            clear, unknown = clear | unknown, np.zeros_like(unknown)
        if scope is not None:
            over, clear, unknown = over & scope, clear | ~scope, unknown & scope
        return Look(over, clear, unknown, frame.held)

    def value(self, condition: Condition, frame: Frame) -> Floats:
        """The number behind a condition, for people: the metric itself, or what waits."""
        return frame.numbers(condition.metric if condition.kind in NUMERIC else "waiting")

    def _limits(self, spec: Spec, frame: Frame) -> tuple[Floats | float, Floats | float]:
        """The metric's limit and its lower level, now: per queue where the condition is about a window."""
        condition = spec.condition
        if condition.kind == "threshold":
            return float(condition.value), condition.level_to_clear
        if condition.kind == "unusual":
            centre, spread = self.usual(frame.ids, condition.metric, frame.at)
            away = float(condition.value) * spread
            limit = centre + away if condition.op == ">" else centre - away
            return limit, limit
        window = self._windows[condition.metric, condition.window_seconds]
        if condition.kind == "forecast":
            rise = self._once(spec, window, lambda: (window.slope(), np.empty(0)))[0] * condition.horizon_seconds
            rise = np.where(np.isnan(rise), 0.0, np.maximum(rise, 0) if condition.op in _UP else np.minimum(rise, 0))
            limit = float(condition.value) - rise
            return limit, limit if condition.clear_value is None else condition.level_to_clear - rise
        extreme = window.lowest() if condition.op == ">" else window.highest()
        step = np.abs(extreme) * float(condition.value) / 100 if condition.percent else float(condition.value)
        limit = extreme + step if condition.op == ">" else extreme - step
        return limit, limit

    def _words(self, spec: Spec, frame: Frame) -> tuple[Bools, Bools, Bools]:
        """State and verdicts: is it so, is it not, cannot be said."""
        condition = spec.condition
        if condition.kind == "state":
            return _state(str(condition.value), frame.numbers("state"))
        waiting = self._windows["waiting", condition.window_seconds]
        if condition.value == "rewound":
            return rewound(waiting.lowest(), frame, condition.window_seconds)
        rates = self._windows["out_rate", condition.window_seconds]
        yes_no = self._once(spec, waiting, lambda: waiting.verdict(rates, str(condition.value)))
        return yes_no[0] == 1, yes_no[1] == 1, np.isnan(yes_no[0])

    def _once(self, spec: Spec, window: Back, make: Callable[[], tuple[Floats, Floats]]) -> tuple[Floats, Floats]:
        """What is worked out over a window, again only when a slot began or queues came and went."""
        kept = self._cached.get(spec.id)
        if kept is None or kept[0] != window.version or len(kept[1][0]) != len(window.ids):
            kept = self._cached[spec.id] = (window.version, make())
        return kept[1]


def advances(times: Floats, interval: float) -> Floats:
    """By how much the clocks go on at each of some times: what `Engine.span` says, one after another."""
    spans = np.diff(times, prepend=times[:1] - interval)
    return np.where(spans > max(GAP_SECONDS, GAP_INTERVALS * interval), interval, spans)


_UP = (">", ">=")
_COMPARE: Mapping[str, Callable[[Floats, Floats | float], Bools]] = {
    ">": np.greater,
    ">=": np.greater_equal,
    "<": np.less,
    "<=": np.less_equal,
    "==": np.equal,
    "!=": np.not_equal,
}


def levels(
    condition: Condition, limits: tuple[Floats | float, Floats | float], values: Floats
) -> tuple[Bools, Bools, Bools]:
    """Numbers against a limit and a lower level: beyond the limit, beyond neither, unknown. Any shape."""
    limit, level = limits
    compare = _COMPARE[condition.op]
    unknown = np.isnan(values) if isinstance(limit, float) else np.isnan(values) | np.isnan(limit)
    over = compare(values, limit)
    if condition.op == "!=":
        over &= ~unknown
    same = level is limit or (isinstance(level, float) and level == limit)
    clear = ~over if same else ~(over | compare(values, level))
    return over, clear & ~unknown, unknown


def _state(word: str, codes: Floats) -> tuple[Bools, Bools, Bools]:
    wanted = State[word.upper()]
    yes = codes == wanted
    blind = codes == State.UNKNOWN if wanted != State.UNKNOWN else np.zeros(codes.shape, bool)
    blind = blind | np.isnan(codes)
    return yes, ~(yes | blind), blind


def rewound(lowest_behind: Floats, frame: Frame, seconds: float) -> tuple[Bools, Bools, Bools]:
    """A consumer group is further behind than what arrived in the window explains: somebody set it back."""
    behind, arrives = frame.numbers("lag_messages"), frame.numbers("in_rate")
    yes = behind - lowest_behind > 2 * arrives * seconds + 100
    blind = np.isnan(behind) | np.isnan(arrives)
    return yes & ~blind, ~(yes | blind), blind


def windows_of(condition: Condition) -> list[tuple[str, float]]:
    """What a condition looks back on: (metric, seconds)."""
    if condition.kind in ("change", "forecast"):
        return [(condition.metric, condition.window_seconds)]
    if condition.kind == "stuck":
        return [("waiting", condition.window_seconds), ("out_rate", condition.window_seconds)]
    return []


def _rows(frame: Frame, rows: Ints, values: Floats) -> list[tuple[int, float]]:
    return list(zip(frame.ids[rows].tolist(), values[rows].tolist(), strict=True))


def longest_window(specs: Sequence[Spec]) -> float:
    """How far back the rules look, in seconds."""
    return max((key[1] for spec in specs for key in windows_of(spec.condition)), default=0.0)
