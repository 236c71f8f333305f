"""Consumers needed, against a simulated M/M/c queue: what is said to hold it holds it, and one fewer does not."""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import numpy as np
import pytest

from dashboard.insight.capacity import LATER, METRICS, SOON, Capacity, capacity, in_words

STEP = 30.0


@dataclass
class Polls:
    times: np.ndarray
    known: dict[str, np.ndarray]
    backlog: np.ndarray


def simulated(arriving: float, pace: float, consumers: int, seconds: float, backlog: int = 0, seed: int = 1) -> Polls:
    """An M/M/c queue, event by event: Poisson arrivals, c consumers that each take an exponential time."""
    random = np.random.default_rng(seed)
    comes, done = random.exponential(1 / arriving) if arriving else np.inf, []
    waits, arrived, completed = backlog, 0, 0
    rows = []
    for at in np.arange(STEP, seconds + 1, STEP):
        came, gone = arrived, completed
        while (now := min(comes, done[0] if done else np.inf)) <= at:
            if now == comes:
                waits, arrived = waits + 1, arrived + 1
                comes = now + random.exponential(1 / arriving)
            else:
                heapq.heappop(done)
                completed += 1
            while waits and len(done) < consumers:
                waits -= 1
                heapq.heappush(done, now + random.exponential(1 / pace))
        while waits and len(done) < consumers:
            waits -= 1
            heapq.heappush(done, at + random.exponential(1 / pace))
        rows.append((at, waits, len(done), (arrived - came) / STEP, (completed - gone) / STEP, consumers))
    times, *columns = np.array(rows, float).T
    known = dict(zip(METRICS, columns, strict=True))
    return Polls(times, known, columns[0] + columns[1])


def found(polls: Polls) -> Capacity:
    told = capacity(polls.times, polls.known)
    assert isinstance(told, Capacity), told
    return told


@pytest.mark.parametrize(("arriving", "pace", "consumers"), [(30.0, 2.0, 10), (8.0, 0.5, 12), (3.0, 5.0, 1)])
def test_the_pace_of_a_consumer_is_measured(arriving: float, pace: float, consumers: int) -> None:
    told = found(simulated(arriving, pace, consumers, 3600))
    assert told.pace == pytest.approx(pace, rel=0.1)
    assert told.by_flight is (arriving < pace * consumers * 0.7)


def test_idle_consumers_do_not_look_slow() -> None:
    told = found(simulated(6.0, 2.0, 40, 3600))
    assert told.pace == pytest.approx(2.0, rel=0.1)
    assert told.hold == pytest.approx(4, abs=1)


@pytest.mark.parametrize("seed", range(1, 6))
def test_what_holds_it_holds_it_and_fewer_do_not(seed: int) -> None:
    told = found(simulated(30.3, 2.0, 10, 3600, seed=seed))
    assert told.hold in (15, 16, 17)
    held = simulated(30.3, 2.0, told.hold + 1, 1800, backlog=500, seed=seed + 50).backlog
    lost = simulated(30.3, 2.0, told.hold - 2, 1800, backlog=500, seed=seed + 50).backlog
    assert held[-1] < held[0] and lost[-1] > lost[0] + 500


@pytest.mark.parametrize(("seconds", "name"), [(SOON, "soon"), (LATER, "later")])
@pytest.mark.parametrize("seed", range(1, 4))
def test_it_is_clear_by_the_time_that_was_said(seconds: float, name: str, seed: int) -> None:
    polls = simulated(30.0, 2.0, 12, 3600, seed=seed)
    told, backlog = found(polls), int(polls.backlog[-1])
    assert backlog > 15_000
    enough = simulated(30.0, 2.0, getattr(told, name), 1.1 * seconds, backlog=backlog, seed=seed + 9).backlog
    fewer = simulated(30.0, 2.0, round(0.85 * getattr(told, name)), seconds, backlog=backlog, seed=seed + 9).backlog
    assert enough.min() < 0.02 * backlog
    assert fewer[-1] > 0.1 * backlog


def test_without_producers_it_is_empty_when_said() -> None:
    polls = simulated(30.0, 2.0, 12, 3600)
    told = found(polls)
    after = simulated(0.0, 2.0, 12, 1.2 * told.alone, backlog=int(polls.backlog[-1])).backlog
    empty = STEP * (1 + int(np.argmax(after < 12)))
    assert empty == pytest.approx(told.alone, rel=0.1)


def test_nothing_is_said_of_what_is_not_known() -> None:
    polls = simulated(30.0, 2.0, 12, 1800)
    for missing, words in (("consumers", "how many consumers"), ("in_rate", "arrive"), ("out_rate", "completed")):
        told = capacity(polls.times, polls.known | {missing: np.full(len(polls.times), np.nan)})
        assert isinstance(told, str) and words in told
    told = capacity(polls.times, polls.known | {"consumers": np.zeros(len(polls.times))})
    assert isinstance(told, str) and "not seen at work" in told


def test_of_a_queue_without_a_past_nothing_is_said() -> None:
    told = capacity(np.empty(0), {metric: np.empty(0) for metric in METRICS})
    assert isinstance(told, str)


def test_a_long_prefetch_hides_who_is_busy() -> None:
    polls = simulated(6.0, 2.0, 4, 3600)
    told = capacity(polls.times, polls.known | {"depth": np.zeros(120), "in_flight": np.full(120, 200.0)})
    assert isinstance(told, str) and "not seen at work" in told


@pytest.mark.parametrize(
    ("consumers", "arriving", "backlog", "words"),
    [
        (42, 320.0, 66_000, "23 more consumers at 5/s each would hold it; 37 more would clear it in 15 min."),
        (63, 320.0, 10, "2 more consumers at 5/s each would hold it, and clear it in 15 min."),
        (64, 320.0, 0, "64 consumers at 5/s each just hold it, with nothing to spare."),
        (80, 320.0, 90_000, "80 consumers at 5/s each hold it; 4 more consumers would clear it in 15 min."),
        (80, 320.0, 0, "80 consumers at 5/s each hold it, with 20% to spare."),
    ],
)
def test_it_reads_as_a_sentence(consumers: int, arriving: float, backlog: int, words: str) -> None:
    n = 200
    times = STEP * np.arange(n)
    columns = np.full(n, 100_000.0), np.zeros(n), np.full(n, arriving), np.full(n, 5.0 * consumers)
    known = dict(zip(METRICS, [*columns, np.full(n, float(consumers))], strict=True))
    known["depth"][-1] = backlog
    told = capacity(times, known)
    assert isinstance(told, Capacity)
    assert in_words(told) == words
