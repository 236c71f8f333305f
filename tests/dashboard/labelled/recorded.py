"""The recorded part of the labelled set: real queues that went through known phases (recordings/record_series.py)."""

from __future__ import annotations

import gzip
import json
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

from collectors.protocol import LagMethod, Quality
from dashboard.insight.states import Reason, State

from .told import ANY, BLIND, Fields, Series, States

FILE = Path(__file__).parents[2] / "recordings" / "series.json.gz"
#: How long a state must have lasted before it is asked for: see `world.settling`.
SETTLING = {State.STALLED: 150.0, State.IDLE: 60.0}
USUALLY = 120.0
_REASONS = {
    ("RabbitMQ", "outage"): {State.STALLED: frozenset({Reason.NO_CONSUMERS})},
    ("RabbitMQ", "hangs"): {State.STALLED: frozenset({Reason.UNACKNOWLEDGED})},
    ("RabbitMQ", "poison"): {State.STALLED: frozenset({Reason.POISON_LOOP})},
    ("RabbitMQ", "slow"): {State.GROWING: frozenset({Reason.COMPLETIONS_DOWN, Reason.PRODUCERS_OUTPACE})},
}


@cache
def recorded() -> tuple[Series, ...]:
    """All of them."""
    return tuple(_series(one) for one in json.loads(gzip.decompress(FILE.read_bytes())))


def _series(one: dict[str, Any]) -> Series:
    out = Series(
        f"{one['broker']} {one['name']}", "recorded", one["broker"], one["interval"], [], [], [], [],
        lag=one["lag"], reasons=_REASONS.get((one["broker"], one["name"]), {}),
    )  # fmt: skip
    for at, fields in zip(one["times"], one["samples"], strict=True):
        began, word = next((start, word) for start, word in reversed(one["changes"]) if start <= max(at, 0.0))
        out.times.append(at)
        out.samples.append(_fields(fields))
        out.began.append(began)
        out.expected.append(_expected(one["broker"], word, at - began, fields))
    assert all(a < b for a, b in pairwise(out.times))
    return out


def _fields(fields: dict[str, Any]) -> Fields:
    known = {metric: Quality(code) for metric, code in fields["quality"].items()}
    return fields | {"quality": known, "lag_method": LagMethod(fields["lag_method"])}


def _expected(broker: str, word: str, lasted: float, fields: dict[str, Any]) -> States:
    state = State[word.upper()] if word else None
    if state is None or lasted < SETTLING.get(state, USUALLY):
        return ANY
    if state is State.DRAINING and (fields.get("depth") or 0) < 200:
        return ANY  # nearly done
    if broker == "Redis" and state is State.STEADY:
        return frozenset({State.STEADY, State.IDLE})  # every poll may find a list empty
    if broker in BLIND and state is State.STALLED:
        return frozenset({State.STALLED, State.GROWING})
    return frozenset({state})
