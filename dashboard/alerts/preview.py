"""What a rule would have done on stored history.

Up to six hours it is judged on the samples, by the same engine as live ticks, and equals what would have been, tick
for tick. Longer times are judged on averages of minutes or hours, all moments at once: the same looks (`rules.Engine`),
and phases that are equal to those of `phases.Phases`. What lasts shorter than an average is hidden by it; it says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..directory import Entry
from ..store.base import Store
from ..ticks import Floats
from . import usual as usuals
from .conditions import Condition
from .frames import Stored
from .outbox import GROUPING
from .past import Asked, history, is_approximate
from .phases import Bools, Look, at_once
from .rules import Engine, Spec, Usual, advances, windows_of
from .spans import Span

#: Queues that are previewed, at most.
MOST_QUEUES = 1000
MINUTE, HOUR, LONGEST = 60.0, 3600.0, 30 * 86400.0
_POINTS = 400
NOTHING: Mapping[int, Entry] = {}


@dataclass(frozen=True, slots=True)
class Firing:
    """A queue would have fired from `opened` until `closed` (None: it still does)."""

    queue: int
    broker: int
    opened: float
    closed: float | None
    value: float


@dataclass(slots=True)
class Preview:
    """What would have been between `start` and `end`.

    step      seconds of what was judged: 0 = the samples themselves
    incidents, messages   how many, as the rule groups them; a message tells of a beginning or an end
    notes     what this preview cannot know, in sentences
    """

    start: float
    end: float
    step: float
    firings: list[Firing] = field(default_factory=list)
    incidents: int = 0
    messages: int = 0
    seconds: float = 0.0
    notes: list[str] = field(default_factory=list)
    times: Floats = field(default_factory=lambda: np.empty(0))
    values: Floats = field(default_factory=lambda: np.empty(0))
    shown: int | None = None


def preview(
    store: Store,
    condition: Condition,
    queues: Mapping[int, tuple[float, Sequence[int]]],
    start: float,
    end: float,
    per: str = "queue",
    entries: Mapping[int, Entry] = NOTHING,
) -> Preview:
    """Judge `queues` ({broker: (its interval, ids ascending)}) from `start` to `end`. Raises StoreError.

    `entries`: what is known of them beside their numbers.
    """
    found = Preview(start, end, 0.0)
    best: tuple[float, int] | None = None
    read: dict[int, Stored] = {}
    rough = False
    for broker, (interval, ids) in queues.items():
        asked = Asked(broker, interval, ids, entries)
        stored = history(store, condition, asked, start, end)
        firings = list(_firings(store, condition, stored, asked, start, end))
        found.step = max(found.step, stored.step if stored.step >= MINUTE else 0.0)
        found.firings += firings
        rough |= is_approximate(condition, stored)
        read |= dict.fromkeys(ids, stored)
        best = _worst(condition, stored, firings, best)
    _count(found, per)
    found.notes += _notes(found, condition, rough)
    if best is not None:
        _chart(found, condition, read[best[1]], best[1])
    return found


def _firings(
    store: Store, condition: Condition, stored: Stored, asked: Asked, start: float, end: float
) -> Iterator[Firing]:
    """What fires; what comes before `start` only fills the windows."""
    if stored.step < MINUTE:
        return _tick_by_tick(condition, stored, asked, usuals.usual_of(store, waits=True), start)
    return _in_bulk(condition, stored, asked, usuals.over(store, asked.broker, start - HOUR, end + HOUR), start)


def _in_bulk(condition: Condition, stored: Stored, asked: Asked, usual: Usual, since: float) -> Iterator[Firing]:
    """Rollups: every look of the rule at once, and from them what fires and closes."""
    whole = _Whole(stored)
    engine = Engine(max(asked.interval, stored.step), usual)
    engine.set_rules([Spec(0, condition)])
    engine.look_back_on({(m, seconds): Span(stored.ids, stored.times, stored.numbers(m), seconds)
                         for m, seconds in windows_of(condition)})  # fmt: skip
    look, first = engine.look(engine.specs[0], whole, None), int(np.searchsorted(stored.times, since))
    look = Look(look.over[first:], look.clear[first:], look.unknown[first:])
    times = stored.times[first:]
    values = engine.value(condition, whole)[first:]
    advance = advances(times, engine.interval)
    rows, opened, closed = at_once(times, advance, look, condition.for_seconds, condition.clear_seconds)
    for row, begin, end in zip(rows.tolist(), opened.tolist(), closed.tolist(), strict=True):
        ends = float(times[end]) if end >= 0 else None
        queue = int(stored.ids[row])
        yield Firing(queue, asked.broker, float(times[begin]), ends, float(values[begin, row]))


def _tick_by_tick(condition: Condition, stored: Stored, asked: Asked, usual: Usual, since: float) -> Iterator[Firing]:
    """Samples: one after another, as live ticks are."""
    open_: dict[int, tuple[float, float]] = {}
    engine = Engine(asked.interval, usual)
    engine.set_rules([Spec(0, condition)])
    for frame in stored.frames():
        if frame.at < since:
            engine.remember(frame)
            continue
        for change in engine.judge(frame, {}):
            open_ |= {queue: (change.at, value) for queue, value in change.opened}
            for queue, _ in change.closed:
                opened, value = open_.pop(queue)
                yield Firing(queue, asked.broker, opened, change.at, value)
    for queue, (opened, value) in open_.items():
        yield Firing(queue, asked.broker, opened, None, value)


class _Whole:
    """All moments as one frame: numbers of shape (t, n)."""

    held: Bools | None = None

    def __init__(self, stored: Stored) -> None:
        self.stored, self.ids = stored, stored.ids
        self.at: Any = stored.times

    def numbers(self, metric: str) -> Floats:
        return self.stored.numbers(metric)


def _count(found: Preview, per: str) -> None:
    """Incidents and messages, as the rule and the outbox group them."""
    found.firings.sort(key=lambda one: (one.opened, one.queue))
    ends = [one.closed if one.closed is not None else found.end for one in found.firings]
    found.seconds = float(sum(end - one.opened for end, one in zip(ends, found.firings, strict=True)))
    if per == "rule":
        spans = _joined([(one.opened, end) for one, end in zip(found.firings, ends, strict=True)])
        found.incidents = len(spans)
        found.messages = len(spans) + sum(1 for _, end in spans if end < found.end)
    else:
        found.incidents = len(found.firings)
        slot = GROUPING.total_seconds()
        begins = {(one.broker, one.opened // slot) for one in found.firings}
        over = {(one.broker, one.closed // slot) for one in found.firings if one.closed is not None}
        found.messages = len(begins) + len(over)


def _notes(found: Preview, condition: Condition, rough: bool) -> list[str]:
    """What this preview cannot know, in sentences."""
    notes = []
    if condition.metric == "retention_left_seconds":
        notes.append("By the retention of today; when dead letters were about to expire then is not kept.")
    if found.step:
        much = "minutes" if found.step < HOUR else "hours"
        short = condition.for_seconds < 2 * found.step
        notes.append(
            f"Judged on averages of {much}"
            + (f": a time under {found.step * 2 / 60:.0f} min is approximate." if short else ".")
        )
    if rough:
        notes.append("States are not stored: these are approximate, found again from the numbers.")
    return notes


def _joined(spans: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Spans that touch or overlap, as one."""
    whole: list[tuple[float, float]] = []
    for begins, ends in sorted(spans):
        if whole and begins <= whole[-1][1]:
            whole[-1] = (whole[-1][0], max(ends, whole[-1][1]))
        else:
            whole.append((begins, ends))
    return whole


def _worst(
    condition: Condition, stored: Stored, firings: Sequence[Firing], best: tuple[float, int] | None
) -> tuple[float, int] | None:
    """The queue to show: the one that fires longest, else the one that comes nearest to the limit."""
    if not len(stored.ids) or not len(stored.times):
        return best
    lasted = dict.fromkeys(stored.ids.tolist(), 0.0)
    for one in firings:
        lasted[one.queue] += (one.closed or float(stored.times[-1])) - one.opened + 1e6
    numbers = stored.numbers(condition.metric if condition.kind != "state" and condition.metric else "waiting")
    with np.errstate(invalid="ignore"):
        extreme = np.nan_to_num(np.nanmax(np.where(np.isfinite(numbers), numbers, -1.0), axis=0), nan=-1.0)
    near = extreme / (1.0 + np.abs(extreme).max()) if condition.op not in ("<", "<=") else -extreme
    for row, queue in enumerate(stored.ids.tolist()):
        score = lasted[queue] + float(near[row])
        if best is None or score > best[0]:
            best = (score, queue)
    return best


def _chart(found: Preview, condition: Condition, stored: Stored, queue: int) -> None:
    """The numbers of one queue, thinned: of each stretch the value nearest to the limit."""
    numbers = stored.numbers(condition.metric if condition.kind != "state" and condition.metric else "waiting")
    column = numbers[:, int(np.searchsorted(stored.ids, queue))]
    inside = stored.times >= found.start
    times, column = stored.times[inside], column[inside]
    size = max(1, -(-len(times) // _POINTS))
    parts = [slice(i, i + size) for i in range(0, len(times), size)]
    pick = np.fmin.reduce if condition.op in ("<", "<=") else np.fmax.reduce
    found.times = np.array([times[part][0] for part in parts])
    found.values = np.array([pick(column[part]) for part in parts])
    found.shown = queue
