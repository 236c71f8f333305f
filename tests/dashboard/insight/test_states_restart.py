"""A collector that starts again judges as one that never stopped: what it needs is in the store."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from collectors.protocol import METRICS
from dashboard.insight.states import Judge, State
from dashboard.pipeline import refilled
from dashboard.store import open_store
from dashboard.ticks import ROW, Ring, Tick

from ..traffic import START

QUEUES, POLLS = 400, 160


def fleet(seed: int) -> list[Tick]:
    """Queues of all sorts, whose rates change now and then; some tell no rates, some no head; polls are missing."""
    random = np.random.default_rng(seed)
    arrive, leave = random.choice([0, 0.02, 1, 20, 200], QUEUES), random.choice([0, 0.03, 1.1, 20, 240], QUEUES)
    depth, head = random.integers(0, 500, QUEUES).astype(float), np.arange(QUEUES) + 2
    rated, headed = random.random(QUEUES) < 0.6, random.random(QUEUES) < 0.7
    consumers = random.choice([np.nan, 0, 4], QUEUES)
    ticks = []
    for i in range(POLLS):
        change = random.random(QUEUES) < 0.02
        arrive, leave = np.where(change, leave, arrive), np.where(change, arrive, leave)
        came = random.poisson(arrive * 10)
        gone = np.minimum(depth + came, random.poisson(leave * 10))
        depth, head = depth + came - gone, head + gone.astype(np.int64)
        if i in (40, 41, 90) or 100 <= i < 120:
            continue
        values = np.full((len(METRICS), QUEUES), np.nan)
        values[ROW["depth"]], values[ROW["consumers"]] = depth, consumers
        values[ROW["in_rate"]] = np.where(rated, came / 10, np.nan)
        values[ROW["out_rate"]] = np.where(rated, gone / 10, np.nan)
        quality = np.where(np.isnan(values), 3, 1).astype(np.uint8)
        heads = np.where(headed, np.where(depth > 0, head, 1), 0)
        there = random.random(QUEUES) < 0.9 if i % 9 == 0 else np.ones(QUEUES, bool)
        ticks.append(Tick(1, START + 10 * i, np.arange(1, QUEUES + 1)[there], values[:, there], quality[:, there],
                          np.zeros(int(there.sum()), np.uint8), heads[there], bool(there.all())))  # fmt: skip
    return ticks


def test_a_restart_from_the_store_changes_no_state_reason_or_since(tmp_path: Path) -> None:
    store, ring, through, seen = open_store(tmp_path), Ring(), Judge(), set()
    for i, tick in enumerate(fleet(11)):
        if i % 5 == 4:
            again = refilled(store, 1)
            restarted = Judge.resume(again)(again, tick)
        tick.judgement = through(ring, tick)
        if i % 5 == 4:
            np.testing.assert_array_equal(restarted.state, tick.judgement.state)
            np.testing.assert_array_equal(restarted.reason, tick.judgement.reason)
            np.testing.assert_array_equal(restarted.since, tick.judgement.since)
        ring.push(tick)
        store.append(tick)
        seen |= set(tick.judgement.state.tolist())
    store.close()
    assert seen == set(State)
