"""The state of every queue of a broker, judged from a window of ticks and with hysteresis.

How it is judged, in this order:

- **stalled**: messages wait, whether they move can be told, and nothing has moved for a while: half a minute
  without consumers, one minute else, two where consumers hold messages; always longer than three times
  the usual distance between completions of this queue. It ends when two polls within a minute saw movement.
- **growing**, **draining**: the changes of the backlog from poll to poll have a mean that is far from zero
  for their scatter (Student's t, one chance in 2,000), over the last minute or a longer time up to two hours, and
  add up to more than 5 messages and 2 % of the backlog; and where rates are known, to more than three times the
  scatter of that many messages arriving at random. Scatter is taken from changes and not from levels,
  because the depth of a busy queue wanders. It ends at a much lower bar. A rise that is over is told
  from a slow one by what is newer.
- **idle**: nothing waits and nothing flowed for a minute (five, after it was steady).
- **steady**: something moves, and none of the above.
- **unknown**: otherwise, with the reason.

Everything is derived from the ring and its last judgement, so that a restart changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..ticks import Bytes, Floats, Ints, Judgement, Levels, Ring, Tick, aligned
from .attention import attention
from .history import Bools, History, present, waiting
from .reasons import mean_known, reasons
from .sentences import ago, sentence
from .trends import Far, Trend, trending
from .vocabulary import Reason, State

__all__ = ["Judge", "Reason", "State", "ago", "attention", "sentence", "unjudged"]

#: The short window in seconds, and its least number of pairs of ticks.
SHORT, SHORT_PAIRS = 60.0, 3
#: Nothing waits and nothing flows for this long: a steady queue becomes idle.
IDLE_AFTER = 300.0
#: Nothing moves for this long: stalled. Without consumers; usually; while consumers hold messages.
QUIET_ALONE, QUIET, QUIET_HELD = 30.0, 60.0, 120.0
#: ... and for this many of the usual distances between completions, and of polls.
QUIET_GAPS, QUIET_POLLS = 4.5, 2.7
U8 = np.uint8


class Judge:
    """Judges the ticks of one broker, one after another."""

    def __init__(self) -> None:
        self.history = History()
        self.far = Far()
        self.latest: Tick | None = None
        self.before = Judgement(np.empty(0, U8), np.empty(0, U8), np.empty(0))

    @classmethod
    def resume(cls, ring: Ring) -> Judge:
        """A judge that has seen the ticks of a ring; their judgements are kept, not made again."""
        judge = cls()
        for tick in ring:
            judge._take(tick, tick.judgement)
        return judge

    def __call__(self, ring: Ring, tick: Tick, resting: Ints | None = None) -> Judgement:
        """The judgement of a tick that comes after all of the ring's.

        `resting` are the ids of dead-letter queues, where messages lie still for good reason.
        """
        if ring.latest is not self.latest:
            resumed = Judge.resume(ring)
            self.history, self.before, self.latest = resumed.history, resumed.before, resumed.latest
        before = self._take(tick, None)
        judged = _judge(self.history, self.far, ring.older, tick, before, resting)
        self.before = judged
        ids = self.history.ids
        return Judgement(*(aligned(c, ids, tick.ids) for c in _columns(judged)))

    def _take(self, tick: Tick, judgement: Judgement | None) -> Judgement:
        """Add a tick to the history; the judgement before it, over the history's queues now."""
        had = self.history.ids
        self.history.push(tick)
        ids, self.latest = self.history.ids, tick
        before = Judgement(*(aligned(c, had, ids) for c in _columns(self.before)))
        if judgement is not None:
            there = np.isin(ids, tick.ids)
            pairs = (
                (judgement.state, before.state),
                (judgement.reason, before.reason),
                (judgement.since, before.since),
            )
            before = Judgement(*(np.where(there, aligned(new, tick.ids, ids), old) for new, old in pairs))
        self.before = before
        return before


def _columns(judgement: Judgement) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    return judgement.state, judgement.reason, judgement.since


def unjudged(tick: Tick) -> Judgement:
    """Nothing is known yet of any queue of a tick."""
    n = len(tick)
    return Judgement(np.full(n, State.UNKNOWN, U8), np.full(n, Reason.TOO_YOUNG, U8), np.full(n, tick.at))


@dataclass(slots=True)
class _Now:
    """The newest level over the history's queues."""

    waiting: Floats
    in_flight: Floats
    consumers: Floats

    @classmethod
    def of(cls, tick: Tick, ids: Ints) -> _Now:
        columns = (waiting(tick), tick.column("in_flight"), tick.column("consumers"))
        return cls(*(aligned(column, tick.ids, ids) for column in columns))

    @property
    def backlog(self) -> Floats:
        return np.where(np.isnan(self.in_flight), self.waiting, self.waiting + self.in_flight)


def _judge(
    history: History, far: Far, older: Sequence[Levels], tick: Tick, before: Judgement, resting: Ints | None
) -> Judgement:
    now = _Now.of(tick, history.ids)
    rows = history.rows_within(SHORT, SHORT_PAIRS)
    windows = [*Trend.windows(history, rows), *far.trends(older, history, now.backlog)]
    flow = mean_known(history.last("in_rate", rows)) + mean_known(history.last("out_rate", rows))
    rising, rises_since = trending(now.backlog, flow, windows, before.state == State.GROWING, +1)
    falling, falls_since = trending(now.backlog, flow, windows, before.state == State.DRAINING, -1)
    state, reason = _flowing(history, now, rows, before)
    state[rising], state[falling & (now.waiting > 0)] = State.GROWING, State.DRAINING
    state[_stalled(history, now, rows, before.state == State.STALLED, tick.at)] = State.STALLED
    reasons(history, tick, rows, windows[0].sum, before, state, reason)
    if resting is not None:
        rest = (state == State.STALLED) | (reason == Reason.HEAD_UNKNOWN) | (reason == Reason.JUST_ARRIVED)
        rest &= np.isin(history.ids, resting)
        state[rest], reason[rest] = State.IDLE, Reason.DEAD_LETTERS_KEPT
    _hold(history, now, before, state, reason)
    trend_since = np.where(state == State.GROWING, rises_since, np.where(state == State.DRAINING, falls_since, tick.at))
    began = np.where(_judged(before), np.maximum(trend_since, before.since), trend_since)
    began = np.where(state == State.STALLED, history.quiet, began)
    since = np.where((state == before.state) & (before.since > 0), before.since, began)
    return _absent_as_before(history, tick, Judgement(state, reason, since), before)


def _judged(before: Judgement) -> Bools:
    """Queues of which more was known than that they are new."""
    judged: Bools = before.reason > Reason.TOO_YOUNG
    return judged


def _absent_as_before(history: History, tick: Tick, judged: Judgement, before: Judgement) -> Judgement:
    """Queues that a tick leaves out, or did not measure, stay as they were judged."""
    if tick.complete and tick.measured is None:
        return judged
    there = present(tick, history.ids) | ~(before.since > 0)  # what was never judged has NaN
    pairs = zip(_columns(judged), _columns(before), strict=True)
    return Judgement(*(np.where(there, new, old) for new, old in pairs))


def _stalled(history: History, now: _Now, rows: int, was: Bools, at: float) -> Bools:
    """Messages wait, and nothing moved for long enough."""
    told = history.last("told", rows).sum(axis=0)
    measured = rows - history.last("held", rows).sum(axis=0)
    can_tell = told * 2 >= np.maximum(measured, 2)
    moves = history.last("moved", history.size).sum(axis=0)
    waited = history.last("waited", history.size).sum(axis=0)
    each = (at - history.since) / max(history.size, 1)
    before = (waited * each - (at - history.quiet)).clip(0)  # while something waited, up to the last movement
    usual = np.where(moves > 0, before / np.maximum(moves, 1), 0.0)
    held = (now.in_flight > 0) & (now.consumers != 0)
    needed = np.maximum(np.where(held, QUIET_HELD, QUIET), QUIET_GAPS * usual)
    needed = np.where(now.consumers == 0, QUIET_ALONE, needed)
    poll = at - history.start_of(min(1, history.size))
    quiet = at - history.quiet >= np.maximum(needed, QUIET_POLLS * poll) - 0.5
    stays = was & (history.last("moved", rows).sum(axis=0) < 2)
    stalled: Bools = (now.waiting > 0) & can_tell & (quiet | stays)
    return stalled


def _flowing(history: History, now: _Now, rows: int, before: Judgement) -> tuple[Bytes, Bytes]:
    """State and reason of queues without a trend that are not stalled."""
    n = len(history.ids)
    reason = np.zeros(n, U8)
    longer = history.rows_within(IDLE_AFTER, SHORT_PAIRS)
    lately = history.last("active", longer).any(axis=0)
    just_now = history.last("active", rows).any(axis=0)
    moved = history.last("moved", longer).any(axis=0)
    can_tell = history.last("told", rows).any(axis=0)
    rated = ~(np.isnan(history.last("in_rate", rows)) & np.isnan(history.last("out_rate", rows))).all(axis=0)
    blind, waits = np.isnan(now.waiting), now.waiting > 0
    flows = np.where(before.state == State.STEADY, lately, just_now)
    state = np.where(flows, U8(State.STEADY), U8(State.IDLE))
    reason[~flows] = np.where(rated, U8(Reason.NOTHING_FLOWS), U8(Reason.NOTHING_WAITS))[~flows]
    reason[blind] = Reason.NO_DEPTH
    dark = blind & ~rated
    state[dark], reason[dark] = State.UNKNOWN, Reason.NOT_TOLD
    state[waits], reason[waits] = State.STEADY, Reason.NONE
    fresh = waits & ~moved & can_tell
    reason[fresh] = Reason.JUST_ARRIVED
    flat = waits & ~moved & ~can_tell
    state[flat], reason[flat] = State.UNKNOWN, Reason.HEAD_UNKNOWN
    return state.astype(U8), reason


def _hold(history: History, now: _Now, before: Judgement, state: Bytes, reason: Bytes) -> None:
    """Queues with too few samples: unknown when new; after a gap as before it, unless that cannot be any more."""
    young = history.seen < SHORT_PAIRS
    if not young.any():
        return
    known = young & _judged(before)
    state[known], reason[known] = before.state[known], before.reason[known]
    emptied = known & (now.waiting == 0) & ((state >= State.DRAINING) | (state == State.UNKNOWN))
    state[emptied], reason[emptied] = State.IDLE, Reason.NOTHING_WAITS
    filled = known & (now.waiting > 0) & (state == State.IDLE) & (reason != Reason.DEAD_LETTERS_KEPT)
    state[filled], reason[filled] = State.STEADY, Reason.JUST_ARRIVED
    new = young & ~known
    state[new], reason[new] = State.UNKNOWN, Reason.TOO_YOUNG
