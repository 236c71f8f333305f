"""Polls as columns, columns as bytes, and the ring."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.protocol import METRICS, LagMethod, Poll, Quality, Sample
from dashboard.ticks import HEAD_EMPTY, HEAD_UNKNOWN, ROW, Judgement, Ring, Tick, aligned

value = st.one_of(st.none(), st.just(0.0), st.floats(allow_nan=True, allow_infinity=True), st.integers(-5, 2**52))
head = st.one_of(st.none(), st.just(""), st.text(), st.integers(-(2**70), 2**70))
qualities = st.dictionaries(st.sampled_from(METRICS), st.sampled_from(Quality))


@st.composite
def polls(draw: st.DrawFn) -> tuple[Poll, np.ndarray]:
    samples = [
        Sample(str(i), str(i), "queue", lag_method=draw(st.sampled_from(LagMethod)), quality=draw(qualities),
               head=draw(head), **{m: draw(value) for m in METRICS})
        for i in range(draw(st.integers(0, 5)))
    ]  # fmt: skip
    ids = draw(st.lists(st.integers(1, 2**40), min_size=len(samples), max_size=len(samples), unique=True))
    return Poll(at=draw(st.floats(0, 4e9)), samples=samples, complete=draw(st.booleans())), np.array(ids, np.int64)


@settings(max_examples=100, deadline=None)
@given(polls())
def test_a_tick_holds_what_the_samples_said_sorted_by_id(made: tuple[Poll, np.ndarray]) -> None:
    poll, ids = made
    tick = Tick.of(poll, 7, ids)
    assert tick.ids.tolist() == sorted(ids.tolist())
    assert (tick.broker, tick.at, tick.complete, len(tick)) == (7, poll.at, poll.complete, len(ids))
    for sample, id in zip(poll.samples, ids.tolist(), strict=True):
        at = tick.ids.tolist().index(id)
        assert tick.lag_method[at] == sample.lag_method
        for metric in METRICS:
            said = getattr(sample, metric)
            if said is None or not math.isfinite(said):
                assert np.isnan(tick.column(metric)[at])
                assert tick.quality[ROW[metric], at] == Quality.UNKNOWN
            else:
                assert tick.column(metric)[at] == said
                assert tick.quality[ROW[metric], at] == sample.quality.get(metric, Quality.EXACT)


@settings(max_examples=100, deadline=None)
@given(polls(), st.booleans())
def test_decoding_undoes_encoding(made: tuple[Poll, np.ndarray], judged: bool) -> None:
    tick = Tick.of(made[0], 7, made[1])
    tick.inventory = 5
    if judged:
        n = len(tick)
        tick.judgement = Judgement(np.arange(n, dtype=np.uint8), np.arange(n, dtype=np.uint8), np.arange(n) / 3)
    again = Tick.decode(tick.encode())
    for name in ("ids", "values", "quality", "lag_method", "head"):
        np.testing.assert_array_equal(getattr(again, name), getattr(tick, name))
    assert (again.broker, again.at, again.complete, again.inventory) == (7, tick.at, tick.complete, 5)
    assert (again.judgement is None) == (not judged)
    if tick.judgement and again.judgement:
        for name in ("state", "reason", "since"):
            np.testing.assert_array_equal(getattr(again.judgement, name), getattr(tick.judgement, name))


@settings(max_examples=100, deadline=None)
@given(st.binary())
def test_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError):
        Tick.decode(data)


def test_a_torn_tick_is_refused() -> None:
    data = Tick.of(Poll(1.0, [Sample("a", "a", "queue", depth=1)]), 1, np.array([1])).encode()
    for end in range(0, len(data), 7):
        with pytest.raises(ValueError):
            Tick.decode(data[:end])


def heads(*said: str | int | None) -> list[int]:
    samples = [Sample(str(i), str(i), "queue", head=h) for i, h in enumerate(said)]
    return Tick.of(Poll(1.0, samples), 1, np.arange(1, len(said) + 1)).head.tolist()


def test_heads_are_told_apart() -> None:
    numbers = heads(None, "", "a", "b", 0, 1, 2**60, "1700000000000-0", "1700000000000-1")
    assert numbers[:2] == [HEAD_UNKNOWN, HEAD_EMPTY]
    assert len(set(numbers)) == len(numbers)
    assert heads("a", "b") == heads("a", "b")


def test_a_queue_that_comes_twice_is_refused() -> None:
    samples = [Sample("a", "a", "queue"), Sample("a", "a", "queue")]
    with pytest.raises(ValueError, match="distinct"):
        Tick.of(Poll(1.0, samples), 1, np.array([3, 3]))
    with pytest.raises(ValueError, match="distinct"):
        Tick.of(Poll(1.0, samples), 1, np.array([3]))


def depth_tick(at: float, **depths: float) -> Tick:
    samples = [Sample(key, key, "queue", depth=depth) for key, depth in depths.items()]
    return Tick.of(Poll(at, samples), 1, np.array([ord(key) for key in depths]))


def test_a_ring_keeps_the_newest_and_refuses_the_late() -> None:
    ring = Ring(3)
    assert ring.latest is None and ring.window("depth", np.array([1]), 60)[1].shape == (0, 1)
    for at in range(5):
        ring.push(depth_tick(at, a=at))
    assert [tick.at for tick in ring] == [2, 3, 4] and ring.latest is not None and ring.latest.at == 4
    with pytest.raises(ValueError, match="not newer"):
        ring.push(depth_tick(4, a=1))


def test_a_window_shows_gaps_where_a_queue_was_absent() -> None:
    ring = Ring()
    ring.push(depth_tick(0, a=1))
    ring.push(depth_tick(10, a=2, c=5))
    ring.push(depth_tick(20, c=6))
    times, values = ring.window("depth", np.array([ord("a"), ord("b"), ord("c")]), 10)
    assert times.tolist() == [10, 20]
    np.testing.assert_array_equal(values, [[2, np.nan, 5], [np.nan, np.nan, 6]])


def test_columns_are_brought_in_line() -> None:
    have, want = np.array([2, 5]), np.array([1, 2, 5, 9])
    np.testing.assert_array_equal(aligned(np.array([7.0, 8.0]), have, want), [np.nan, 7, 8, np.nan])
    np.testing.assert_array_equal(aligned(np.array([7, 8]), have, want), [0, 7, 8, 0])
    assert aligned(np.empty(0), np.empty(0, np.int64), want).shape == (4,)
