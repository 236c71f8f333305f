"""The states of a queue and the reasons for them, as numbers that are stored."""

from __future__ import annotations

from enum import IntEnum


class State(IntEnum):
    """What a queue does. The numbers are stored: never renumber them."""

    UNKNOWN = 0  # the broker is silent or cannot tell
    IDLE = 1  # nothing waits, nothing flows
    STEADY = 2
    DRAINING = 3
    GROWING = 4  # arrivals beat completions by more than the noise, long enough to matter
    STALLED = 5  # messages wait and nothing is completed


class Reason(IntEnum):
    """Why a queue is in its state. The numbers are stored: never renumber them."""

    NONE = 0
    TOO_YOUNG = 1  # fewer than three samples
    NOT_TOLD = 2  # the broker tells neither what waits nor what flows
    HEAD_UNKNOWN = 3  # messages wait, their number stands still, and nothing tells whether they move
    SILENT = 4  # the broker does not answer
    NO_DEPTH = 5  # judged by rates alone: the broker does not tell what waits
    NOTHING_FLOWS = 6
    NOTHING_WAITS = 7  # and the broker does not tell rates
    DEAD_LETTERS_KEPT = 8  # a dead-letter queue: nothing is meant to read it
    BALANCED = 9  # arrivals and completions are alike
    HEAD_MOVES = 10  # no rates, but the oldest message changes
    LEVEL = 11  # no rates, but messages were seen to leave
    NO_PRODUCERS = 12  # nothing arrives any more
    BURST = 13  # many came at once
    JUST_ARRIVED = 14  # messages wait, and nothing was completed yet
    CATCHING_UP = 15  # completions beat arrivals
    FALLING = 16  # no rates
    PRODUCERS_OUTPACE = 17
    RISING = 18  # no rates
    NO_CONSUMERS = 19
    CONSUMERS_IDLE = 20  # connected, but they take nothing
    UNACKNOWLEDGED = 21  # handed out, and not completed
    POISON_LOOP = 22  # delivered again and again
    HEAD_UNCHANGED = 23
    NOTHING_COMPLETED = 24
    ARRIVALS_UP = 25  # growing since more arrives than before
    COMPLETIONS_DOWN = 26  # growing since less is completed than before, by as many consumers
    FEWER_CONSUMERS = 27  # growing since consumers went
