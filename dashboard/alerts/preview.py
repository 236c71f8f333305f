"""What a rule would have done: stored history through the same engine as live ticks.

Up to six hours it is judged on the samples themselves, and equals what would have been, tick for tick. Longer times
are judged on minutes (hours, where minutes are gone), whose averages hide what lasts shorter: it says so.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock

import numpy as np

from ..directory import Entry
from ..insight.states import Judge
from ..store.base import Store
from ..ticks import Floats, Ring
from .conditions import Condition
from .frames import NEEDS, Stored, keeps_of, rolled, samples
from .outbox import GROUPING
from .phases import Bools, Look
from .rules import Change, Engine, Spec, Usual, windows_of
from .usual import usual_of

#: Queues that are previewed, at most; and up to so many seconds the samples themselves are read.
MOST_QUEUES, RAW_SECONDS = 1000, 6 * 3600.0
#: States cannot be read: they are judged again, which takes long. So far back, and on samples only if so few.
STATES_BACK, MOST_JUDGED = 6 * 3600.0, 450
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
    for broker, (interval, ids) in queues.items():
        stored = _history(store, condition, broker, ids, start, end)
        stored.keeps = keeps_of(entries.get(id) for id in ids)
        found.step = max(found.step, stored.step if stored.step >= MINUTE else 0.0)
        firings = list(
            firings_of(condition, stored, broker, max(interval, stored.step), usual_of(store, waits=True), start)
        )
        found.firings += firings
        read |= dict.fromkeys(ids, stored)
        best = _worst(condition, stored, firings, best)
    if condition.kind == "state" and end - start > STATES_BACK:
        found.notes.append("States are not stored: they were judged again for the last 6 hours only.")
    if condition.metric == "retention_left_seconds":
        found.notes.append("By the retention of today; when dead letters were about to expire then is not kept.")
    _count(found, condition, per)
    if best is not None:
        _chart(found, condition, read[best[1]], best[1])
    return found


def _history(store: Store, condition: Condition, broker: int, ids: Sequence[int], start: float, end: float) -> Stored:
    metrics = [condition.metric] if condition.metric else ["waiting"]
    metrics += [metric for metric, _ in windows_of(condition)]
    if condition.kind == "stuck":
        metrics += ["lag_messages", "in_rate"]
    begin = start - max((seconds for _, seconds in windows_of(condition)), default=0.0)
    if condition.kind == "state":
        begin = max(begin, end - STATES_BACK)
        return _read.of(
            (store.uuid, broker, tuple(ids), "state", begin, end), lambda: _judged(store, broker, ids, begin, end)
        )
    return _read.of(
        (store.uuid, broker, tuple(ids), tuple(metrics), begin, end),
        lambda: _stored(store, broker, ids, metrics, begin, end),
    )


def _judged(store: Store, broker: int, ids: Sequence[int], begin: float, end: float) -> Stored:
    """States, judged again; from samples while they are few enough for somebody who waits."""
    stored = samples(store, broker, ids, ["state"], begin, end) if end - begin <= 2 * HOUR else None
    if stored is None or len(stored.times) > MOST_JUDGED:
        stored = rolled(store, ids, ["state"], begin, end, MINUTE)
        stored.times = stored.times + stored.step
    stored.put("state", _states(stored))
    return stored


def _stored(store: Store, broker: int, ids: Sequence[int], metrics: Sequence[str], begin: float, end: float) -> Stored:
    if end - begin <= RAW_SECONDS + HOUR:
        return samples(store, broker, ids, metrics, begin, end)
    stored = rolled(store, ids, metrics, begin, end, MINUTE)
    stored.times = stored.times + stored.step
    return stored


class _Read:
    """The last histories that were read: a form that changes asks for the same again and again."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._kept: OrderedDict[Hashable, tuple[float, Stored]] = OrderedDict()

    def of(self, key: Hashable, make: Callable[[], Stored]) -> Stored:
        with self._lock:
            kept = self._kept.get(key)
        if kept is not None and time.monotonic() - kept[0] < _FRESH:
            return kept[1]
        made = make()
        with self._lock:
            self._kept[key] = (time.monotonic(), made)
            self._kept.move_to_end(key)
            while len(self._kept) > _READS:
                self._kept.popitem(last=False)
        return made


_FRESH, _READS = 120.0, 4
_read = _Read()


def _states(stored: Stored) -> Floats:
    """States are not stored for long: they are judged again, from the numbers that are."""
    judge, ring, rows = Judge(), Ring(), []
    for tick in stored.ticks(NEEDS["state"]):
        tick.judgement = judge(ring, tick)
        ring.push(tick)
        rows.append(tick.judgement.state.astype(np.float64))
    return np.vstack(rows) if rows else np.empty((0, len(stored.ids)))


def firings_of(
    condition: Condition, stored: Stored, broker: int, interval: float, usual: Usual, since: float
) -> Iterator[Firing]:
    """What fires in a stretch of history; what comes before `since` only fills the windows."""
    open_: dict[int, tuple[float, float]] = {}
    engine = Engine(interval, usual)
    engine.set_rules([Spec(0, condition)])
    for change in _changes(engine, condition, stored, since):
        for queue, value in change.opened:
            open_[queue] = (change.at, value)
        for queue, _ in change.closed:
            opened, value = open_.pop(queue)
            yield Firing(queue, broker, opened, change.at, value)
    for queue, (opened, value) in open_.items():
        yield Firing(queue, broker, opened, None, value)


def _changes(engine: Engine, condition: Condition, stored: Stored, since: float) -> Iterator[Change]:
    if condition.kind not in ("threshold", "state"):
        for frame in stored.frames():
            if frame.at < since:
                engine.remember(frame)
            else:
                yield from engine.judge(frame, {})
        return
    yield from _at_once(engine, stored)


def _at_once(engine: Engine, stored: Stored) -> Iterator[Change]:
    """Without windows all looks are made at once, and moments in which nothing is beyond and nothing open are skipped.

    A quiet rule that sees nothing beyond its limit does nothing: skipping it changes nothing.
    """
    spec, phases = engine.specs[0], engine.phases[0]
    whole = engine.look(spec, _Whole(stored), None)
    phases.over_queues(stored.ids)
    beyond = np.flatnonzero(whole.over.any(axis=1))
    values = stored.numbers(spec.condition.metric)
    times, i = stored.times, 0
    while i < len(times):
        if phases.quiet:
            following = int(np.searchsorted(beyond, i))
            if following >= len(beyond):
                return
            if beyond[following] > i:
                i = int(beyond[following])
                engine.at = float(times[i - 1])
        at = float(times[i])
        span = engine.span(at)
        opened, closed = phases.step(at, span, Look(whole.over[i], whole.clear[i], whole.unknown[i]))
        if len(opened) or len(closed):
            row = values[i]
            said = [list(zip(stored.ids[r].tolist(), row[r].tolist(), strict=True)) for r in (opened, closed)]
            yield Change(spec.id, at, said[0], said[1])
        i += 1


class _Whole:
    """All moments as one frame: numbers of shape (t, n)."""

    held: Bools | None = None

    def __init__(self, stored: Stored) -> None:
        self.stored, self.ids, self.at = stored, stored.ids, 0.0

    def numbers(self, metric: str) -> Floats:
        return self.stored.numbers(metric)


def _count(found: Preview, condition: Condition, per: str) -> None:
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
    if found.step:
        much = "minutes" if found.step < HOUR else "hours"
        short = condition.for_seconds < 2 * found.step
        found.notes.append(
            f"Judged on averages of {much}"
            + (f": a time under {found.step * 2 / 60:.0f} min is approximate." if short else ".")
        )


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
