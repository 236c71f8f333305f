"""Labelled series: made-up queues with the incidents that a person on call would want of each, and no other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dashboard.alerts.suggest import TEMPLATES
from dashboard.insight.vocabulary import State

from ..moments import NAN, played

RULES = {template.key: dict(template.condition) for template in TEMPLATES}
MINUTE, HOUR = 6, 360  # polls

#: Of each incident: the minutes between which it has to open, and between which to close (None: not before the end).
Wanted = list[tuple[tuple[float, float], tuple[float, float] | None]]


def noisy(level: Any, seed: int = 1, share: float = 0.05) -> np.ndarray:
    level = np.asarray(level, float)
    return np.maximum(0, level + np.random.default_rng(seed).normal(0, 1, len(level)) * share * np.maximum(level, 1))


def steps(*pieces: tuple[float, float]) -> np.ndarray:
    """(minutes, level) one after another."""
    return np.concatenate([np.full(int(minutes * MINUTE), level) for minutes, level in pieces])


def ramp(minutes: float, start: float, end: float) -> np.ndarray:
    return np.linspace(start, end, int(minutes * MINUTE))


SERIES: dict[str, tuple[str, Any, Wanted]] = {
    "calm": ("lag", noisy(steps((60, 20))), []),
    "a deploy of one minute": ("lag", steps((10, 5), (1, 600), (20, 5)), []),
    "an outage of twenty minutes": ("lag", noisy(steps((10, 5), (20, 900), (20, 5))), [((11.5, 13), (31.5, 33))]),
    "hovering about the limit": (
        "lag",
        noisy(steps((10, 5), (60, 305), (20, 5)), share=0.02),
        [((11.5, 30), (71, 74))],
    ),
    "two outages": (
        "lag",
        steps((5, 0), (10, 400), (30, 0), (10, 400), (30, 0)),
        [((6.5, 8), (16, 18)), ((46.5, 48), (56, 58))],
    ),
    "short dips within an outage": (
        "lag",
        steps((5, 0), (10, 400), (1, 100), (10, 400), (10, 0)),
        [((6.5, 8), (27, 29))],
    ),
    "unknown in the middle of an outage": (
        "lag",
        steps((5, 0), (10, 400), (15, NAN), (10, 400), (10, 0)),
        [((6.5, 8), (41, 43))],
    ),
    "unknown for ever": ("lag", steps((5, 0), (60, NAN)), []),
    "a slow leak towards the limit": ("forecast", noisy(ramp(90, 0, 290), share=0.01), [((30, 89), None)]),
    "a busy level far below the limit": ("forecast", noisy(steps((120, 100)), share=0.2), []),
    "a backlog that drains": ("forecast", ramp(60, 280, 0), []),
    "consumers restart": ("consumers", steps((10, 4), (0.5, 0), (10, 4)), []),
    "consumers gone": ("consumers", steps((10, 4), (30, 0)), [((10.9, 11.4), None)]),
    "dead letters trickle in, and are replayed": (
        "letters",
        steps((20, 0), (20, 1), (20, 3), (20, 0)),
        [((20, 20.4), (31, 34)), ((40, 40.4), (51, 54))],
    ),
    "dead letters that lie there": ("letters", steps((60, 250)), []),
    "a batch job fills and empties": (
        "depth",
        noisy(np.concatenate([ramp(4, 0, 20000), ramp(4, 20000, 0), steps((20, 0))])),
        [],
    ),
    "a backlog that stays": ("depth", noisy(steps((10, 100), (60, 15000), (10, 100))), [((14.5, 16.5), (71, 73))]),
    "nothing arrives at night": ("silence", steps((10, 5), (60, 0), (10, 5)), [((24.5, 26), (71, 73))]),
    "a producer that pauses": ("silence", steps(*[(5, 2), (10, 0)] * 4), []),
    "never clears": ("clears", steps((10, 60), (30, np.inf), (10, 60)), [((19.5, 21), (41, 43))]),
    "a poison loop": ("poison", steps((10, 0), (20, 4), (10, 0)), [((14.5, 16), (31, 33))]),
}


@pytest.mark.parametrize("name", SERIES)
def test_a_series_has_the_incidents_that_it_should(name):
    key, values, wanted = SERIES[name]
    found = played(RULES[key], values)
    opened = [at / 60 for what, at in found if what == "open"]
    closed = [at / 60 for what, at in found if what == "close"]
    assert len(opened) == len(wanted), f"opened at {opened} min"
    assert len(closed) == sum(until is not None for _, until in wanted), f"closed at {closed} min"
    for at, (between, _) in zip(opened, wanted, strict=True):
        assert between[0] <= at <= between[1], f"opened at {at} min"
    for at, (_, between) in zip(closed, wanted, strict=False):
        assert between is not None and between[0] <= at <= between[1], f"closed at {at} min"


def test_states_that_flicker_open_nothing():
    codes = [State.STALLED if i % 4 < 2 else State.STEADY for i in range(200)]
    assert played(RULES["stalled"], [float(code) for code in codes]) == []
