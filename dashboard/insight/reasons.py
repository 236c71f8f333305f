"""Why a queue is in its state: the reasons worth telling apart, from a window of rates and the newest levels."""

from __future__ import annotations

import numpy as np

from ..ticks import HEAD_UNKNOWN, Bytes, Floats, Judgement, Tick, aligned
from .history import Bools, History, Singles, waiting
from .vocabulary import Reason, State

#: Deliveries again, as a share of completions, from which on a queue is said to loop; and the bar to stay so.
POISON, POISON_STAYS = 0.5, 0.3
POISON_LEAST = 0.05  # deliveries again per second
#: The share of a minute's rise that came with one poll, from which on it is called a burst.
BURST = 0.8
BURST_LEAST, BURST_SHARE = 10.0, 0.2
#: The share of the excess of arrivals that one side must have made to be named its cause, and its least own change.
CAUSE, CAUSE_LEAST = 0.6, 0.1
#: Reasons of a rise, which stay as long as it lasts; the first may still turn into another.
_OF_RISES = (Reason.PRODUCERS_OUTPACE, Reason.ARRIVALS_UP, Reason.COMPLETIONS_DOWN, Reason.FEWER_CONSUMERS)


def reasons(
    history: History, tick: Tick, rows: int, rise: Singles, before: Judgement, state: Bytes, reason: Bytes
) -> None:
    """Fill in, in place, the reasons of all states but unknown and those that were found with the state."""
    ids = history.ids
    wait = aligned(waiting(tick), tick.ids, ids)
    in_flight = aligned(tick.column("in_flight"), tick.ids, ids)
    consumers = aligned(tick.column("consumers"), tick.ids, ids)
    arrives, completes = mean_known(history.last("in_rate", rows)), mean_known(history.last("out_rate", rows))
    rated = ~np.isnan(arrives) & ~np.isnan(completes)
    undecided = (reason == Reason.NONE) | (state >= State.DRAINING)

    def say(which: Bools, word: Reason) -> None:
        reason[undecided & which] = word

    steady = state == State.STEADY
    say(steady, Reason.LEVEL)
    headed = aligned(tick.head, tick.ids, ids) != HEAD_UNKNOWN
    say(steady & ~rated & headed & (wait > 0), Reason.HEAD_MOVES)
    say(steady & rated, Reason.BALANCED)
    say(steady & (arrives == 0) & ~(completes > 0), Reason.NO_PRODUCERS)
    say(steady & _burst(history, rows, rise, wait, arrives + completes), Reason.BURST)
    draining, growing = state == State.DRAINING, state == State.GROWING
    say(draining, Reason.FALLING)
    say(draining & rated, Reason.CATCHING_UP)
    say(draining & (arrives == 0), Reason.NO_PRODUCERS)
    say(growing, Reason.RISING)
    say(growing & rated, Reason.PRODUCERS_OUTPACE)
    _say_what_changed(history, rows, before, arrives, completes, growing & rated & undecided, reason)
    stalled = state == State.STALLED
    say(stalled, Reason.NOTHING_COMPLETED)
    say(stalled & np.isnan(completes), Reason.HEAD_UNCHANGED)
    say(stalled & (consumers > 0), Reason.CONSUMERS_IDLE)
    say((stalled & (in_flight > 0)) | (growing & (completes == 0) & (in_flight > wait)), Reason.UNACKNOWLEDGED)
    say((stalled | growing) & (consumers == 0), Reason.NO_CONSUMERS)
    loops = _loops(history, rows, completes, before.reason == Reason.POISON_LOOP)
    reason[loops & (state >= State.STEADY)] = Reason.POISON_LOOP


def _say_what_changed(
    history: History, rows: int, before: Judgement, arrives: Floats, completes: Floats, rising: Bools, reason: Bytes
) -> None:
    """Whether a rise is of more arrivals, fewer completions, or fewer consumers, beside the oldest that is known."""
    for word in _OF_RISES[1:]:
        reason[rising & (before.reason == word)] = word
    asked = rising & (reason == Reason.PRODUCERS_OUTPACE)
    if not asked.any() or history.size < 3 * rows:
        return
    arrived, completed = mean_known(history.first("in_rate", rows)), mean_known(history.first("out_rate", rows))
    more, less = np.maximum(arrives - arrived, 0.0), np.maximum(completed - completes, 0.0)
    seconds = max(history.newest - history.start_of(rows), 1.0)

    def caused(change: Floats, other: Floats, one: Floats, two: Floats) -> Bools:
        matters = (change > CAUSE_LEAST * np.maximum(one, two)) & (change > 3 * np.sqrt((one + two) / seconds))
        made: Bools = asked & matters & (change > CAUSE * (change + other))
        return made

    reason[caused(more, less, arrives, arrived)] = Reason.ARRIVALS_UP
    fewer = caused(less, more, completes, completed)
    reason[fewer] = Reason.COMPLETIONS_DOWN
    readers, had = mean_known(history.last("consumers", 1)), mean_known(history.first("consumers", rows))
    reason[fewer & (readers < 0.9 * had)] = Reason.FEWER_CONSUMERS


def _loops(history: History, rows: int, completes: Floats, was: Bools) -> Bools:
    again = mean_known(history.last("redelivery_rate", rows))
    bar = np.where(was, POISON_STAYS, POISON) * np.nan_to_num(completes)
    loops: Bools = (again > bar) & (again > POISON_LEAST)
    return loops


def _burst(history: History, rows: int, rise: Singles, wait: Floats, flow: Floats) -> Bools:
    """Most of the window's rise came at once, was large for this queue, and more than chance brings in one poll."""
    step = history.last("step", rows)
    if not len(step):
        return np.zeros(len(wait), bool)
    largest = step.max(axis=0)
    by_chance = 5 * np.sqrt(np.nan_to_num(flow) * (history.newest - history.start_of(1)))
    least = np.maximum(BURST_LEAST, BURST_SHARE * np.nan_to_num(wait))
    burst: Bools = (largest > np.maximum(least, by_chance)) & (largest >= BURST * rise) & (wait > largest / 10)
    return burst


def mean_known(rates: Singles) -> Floats:
    """Mean of each column over its known values, NaN without any."""
    known = ~np.isnan(rates)
    number = known.sum(axis=0)
    total = np.add.reduce(rates, axis=0, where=known, dtype=np.float64)
    return np.where(number > 0, total / np.maximum(number, 1), np.nan)
