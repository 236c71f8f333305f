"""What looks at a whole history at once says at every moment what live judging says one moment after another."""

from __future__ import annotations

import numpy as np
import pytest

from dashboard.alerts import usual
from dashboard.alerts.frames import Stored
from dashboard.alerts.phases import Look, Phases, at_once
from dashboard.alerts.restates import states
from dashboard.alerts.rules import Engine, advances
from dashboard.alerts.spans import Span
from dashboard.alerts.windows import Window
from dashboard.insight import flow
from dashboard.insight.states import Judge
from dashboard.insight.vocabulary import State
from dashboard.store import open_store
from dashboard.ticks import Ring
from tests.bench.rules import MEASURED, NOT_KNOWN, ROW, Stats

START, IDS = 1_700_000_000.0, np.arange(1, 6)


def irregular(random, ticks: int, step: float) -> np.ndarray:
    """Times with jitter, and a gap now and then."""
    spans = step + random.uniform(-0.3, 0.3, ticks) * (step < 60) + 20 * step * (random.random(ticks) < 0.02)
    return START + np.round(np.cumsum(spans), 3)


def wandering(random, ticks: int, unknown: float = 0.1) -> np.ndarray:
    """Whole numbers of five queues that go up and down, touch zero, and are unknown at times."""
    steps = random.integers(-20, 21, (ticks, 5)) + np.array([0, 3, -3, 0, 8])
    levels = np.maximum(0, 50 + np.cumsum(steps, axis=0)).astype(float)
    levels[:, 3] = 40.0
    levels[:, 4] = np.cumsum(random.integers(0, 9, ticks)) + 1.0
    levels[random.random(levels.shape) < unknown] = np.nan
    return levels


@pytest.mark.parametrize("seed", range(5))
def test_phases_are_those_of_one_step_after_another(seed):
    random = np.random.default_rng(seed)
    times = irregular(random, 400, 10.0)
    kinds = np.repeat(random.integers(0, 4, (80, 5)), 5, axis=0)  # beyond, clear, between, unknown
    look = Look(kinds == 0, kinds == 1, kinds == 3)
    for lasting, closing in ((0, 0), (0, 60), (45, 0), (60, 120)):
        engine, phases = Engine(10.0), Phases(lasting, closing)
        engine.phases[0] = phases
        phases.over_queues(IDS)
        wanted: list[list[float]] = []
        for i, at in enumerate(times.tolist()):
            now = Look(look.over[i], look.clear[i], look.unknown[i])
            opened, closed = phases.step(at, engine.span(at), now)
            wanted += [[row, i, -1] for row in opened.tolist()]
            for row in closed.tolist():
                next(one for one in reversed(wanted) if one[0] == row)[2] = i
        found = np.array(at_once(times, advances(times, 10.0), look, lasting, closing)).T.tolist()
        assert sorted(found) == sorted(wanted)


@pytest.mark.parametrize(("seconds", "step"), [(600, 60.0), (300, 10.0), (3600, 60.0), (100, 10.0), (7200, 60.0)])
def test_windows_are_those_of_one_tick_after_another(seconds, step):
    random = np.random.default_rng(int(seconds + step))
    times, values = irregular(random, 300, step), wandering(random, 300)
    rates = np.where(random.random(values.shape) < 0.5, 0.0, 2.0)
    rates[:, 2], rates[:, 3:] = np.nan, (0.0, 2.0)
    span, out = Span(IDS, times, values, seconds), Span(IDS, times, rates, seconds)
    live = {name: [] for name in ("lowest", "highest", "slope", "stopped", "behind")}
    window, completed, version = Window(seconds), Window(seconds), 0
    for at, level, rate in zip(times.tolist(), values, rates, strict=True):
        window.push(at, IDS, level)
        completed.push(at, IDS, rate)
        live["lowest"].append(window.lowest())
        live["highest"].append(window.highest())
        if window.version != version:  # these are worked out when a slot begins
            version = window.version
            kept = [window.slope(), *(window.verdict(completed, word)[0] for word in ("stopped", "behind"))]
        for name, column in zip(("slope", "stopped", "behind"), kept, strict=True):
            live[name].append(column)
    np.testing.assert_array_equal(span.lowest(), live["lowest"])
    np.testing.assert_array_equal(span.highest(), live["highest"])
    np.testing.assert_allclose(span.slope(), live["slope"], atol=1e-9)
    for word in ("stopped", "behind"):
        np.testing.assert_array_equal(span.verdict(out, word)[0], live[word])
        assert (np.array(live[word]) == 1).any(), "something has to be so"


def test_the_time_to_clear_is_that_of_one_tick_after_another():
    random = np.random.default_rng(3)
    times, wait = irregular(random, 200, 10.0), wandering(random, 200)
    out = random.integers(0, 3, wait.shape).astype(float)
    stored = Stored(IDS, times, {"depth": wait, "out_rate": out, "lag_messages": np.full(wait.shape, np.nan)}, 0.0)
    ring, live = Ring(), []
    for tick in stored.ticks(("depth", "lag_messages", "out_rate")):
        live.append(flow.clears_in_seconds(ring, tick))
        ring.push(tick)
    np.testing.assert_array_equal(flow.clears_throughout(times, wait, out), live)


def test_the_usual_of_many_hours_is_that_of_each(tmp_path):
    store = open_store(tmp_path)
    random, end = np.random.default_rng(4), START // 604800 * 604800
    times = np.arange(end - 40 * 86400, end, 3600.0)
    given = {}
    for id in (1, 2):
        values = np.full((len(MEASURED), len(times)), np.nan)
        values[ROW["depth"]] = np.where(random.random(len(times)) < 0.2, np.nan, random.integers(0, 900, len(times)))
        given[id] = (times, Stats.of(values, np.where(np.isnan(values), NOT_KNOWN, 0).astype(np.uint8)))
    store.add_history(1, 3600, given)
    ids, at = np.array([1, 2]), np.array([end - 5 * 86400 + 17.0, end - 9000, end - 8950])
    centre, spread = usual.over(store, 1, end - 7 * 86400, end)(ids, "depth", at)
    for i, moment in enumerate(at.tolist()):
        one = usual.read(store, ids, "depth", moment)
        np.testing.assert_allclose((centre[i], spread[i]), one)
    assert np.isfinite(centre).any()
    store.close()


def shop(random, minutes: int) -> dict[str, np.ndarray]:
    """Ten-second numbers of queues that are steady, stall, grow slowly and fast, drain, and are idle."""
    ticks = minutes * 6
    stage = np.arange(ticks) // (ticks // 6)
    arrives = np.full((ticks, 5), 20.0)
    arrives[:, 1] = np.where(stage == 2, 26.0, 20.0)
    arrives[:, 2] = np.where(stage == 2, 20.6, 20.0)
    arrives[:, 4] = np.where(stage % 2 == 0, 0.0, 20.0)
    can = np.full((ticks, 5), 22.0)
    can[stage == 2, 0] = 0.0
    can[:, 1:3] = np.where((stage == 3)[:, None], 25.0, 20.0)
    comes = random.poisson(arrives * 10)
    depth, out = np.zeros((ticks, 5)), np.zeros((ticks, 5))
    level = np.array([40.0, 200, 200, 40, 0])
    for i in range(ticks):
        done = np.minimum(level + comes[i], random.poisson(can[i] * 10))
        level = level + comes[i] - done
        depth[i], out[i] = level, done / 10
    return {"depth": depth, "in_rate": comes / 10, "out_rate": out, "consumers": np.full((ticks, 5), 2.0)}


def test_states_found_again_from_minutes_are_nearly_those_that_were():
    numbers = shop(np.random.default_rng(5), 360)
    times = START // 60 * 60 + 10.0 * np.arange(len(numbers["depth"]))
    stored = Stored(IDS, times, dict(numbers), 0.0)
    for name in ("in_flight", "lag_messages", "redelivery_rate", "net_rate"):
        stored.put(name, np.full(numbers["depth"].shape, np.nan))
    judge, ring, live = Judge(), Ring(), []
    for tick in stored.ticks(("depth", "in_rate", "out_rate", "lag_messages", "consumers")):
        tick.judgement = judge(ring, tick)
        ring.push(tick)
        live.append(tick.judgement.state)
    minutes = {name: column.reshape(-1, 6, 5).mean(axis=1) for name, column in numbers.items()}
    rolled = Stored(IDS, times[5::6], minutes, 60.0)
    for name in ("in_flight", "lag_messages"):
        rolled.put(name, np.full((len(rolled.times), 5), np.nan))
    was, found = np.array(live)[5::6].astype(float), states(rolled, np.empty(0, np.int64))
    share = (was == found)[10:].mean(axis=0)
    assert share.min() > 0.8 and share.mean() > 0.9, share
    for queue, word in ((0, State.STALLED), (1, State.GROWING), (2, State.GROWING), (1, State.DRAINING)):
        both, either = ((was == word) & (found == word))[:, queue].sum(), (was == word)[:, queue].sum()
        assert either > 20 and both / either > 0.75, f"{word.name} of queue {queue}: {both} of {either} minutes"
    np.testing.assert_array_equal(states(rolled, np.empty(0), State.STALLED) == State.STALLED, found == State.STALLED)
