"""Sealed samples and rollups as bytes: without loss, whatever they hold, and damage is noticed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dashboard.store import StoreError, chunks, rollups
from dashboard.store.levels import pack_times, unpack_times
from dashboard.store.packing import Packed, pack
from dashboard.store.rollups import Stats

whole = st.integers(-(2**63), 2**63 - 1)
number = st.one_of(
    st.just(float("nan")),
    st.floats(allow_infinity=False, allow_nan=False),
    st.integers(-5, 10**12).map(float),
    st.integers(0, 10**6).map(lambda n: n / 10),
    st.integers(0, 10**6).map(lambda n: n / 1000),
)


@settings(deadline=None)
@given(rows=st.tuples(st.integers(1, 4), st.integers(1, 3), st.integers(1, 40)).flatmap(
    lambda shape: arrays(np.int64, shape, elements=whole)
), present=st.integers(0, 2**12 - 1))  # fmt: skip
def test_whole_numbers_come_back(rows: np.ndarray, present: int) -> None:
    count, owners, length = rows.shape
    there = (present >> np.arange(count * owners) & 1).astype(bool).reshape(count, owners)
    tags = (np.arange(count * owners) % 16).astype(np.uint8).reshape(count, owners)
    for owner, data in enumerate(pack(rows, there, tags)):
        packed = Packed(data, length)
        for row in range(count):
            assert packed.has(row) == there[row, owner]
            if there[row, owner]:
                np.testing.assert_array_equal(packed.row(row), rows[row, owner])
                assert packed.tag(row) == tags[row, owner]


@settings(deadline=None)
@given(values=st.tuples(st.just(3), st.integers(1, 3), st.integers(1, 30)).flatmap(
    lambda shape: arrays(np.float64, shape, elements=number)
), seed=st.integers(0, 9))  # fmt: skip
def test_samples_come_back_with_their_quality(values: np.ndarray, seed: int) -> None:
    quality = np.random.default_rng(seed).integers(0, 4, values.shape).astype(np.uint8)
    status = chunks.status_of(values, quality)
    for owner, data in enumerate(chunks.encode(values, status)):
        found, known = chunks.decode(data, [2, 0, 1, 7], values.shape[2])
        np.testing.assert_array_equal(found[:3], values[[2, 0, 1], owner])
        np.testing.assert_array_equal(known[:3], status[[2, 0, 1], owner])
        assert np.isnan(found[3]).all() and (known[3] == chunks.NOT_KNOWN).all()


@pytest.mark.parametrize("digits", [0, 1, 3, None])
def test_rollups_come_back(digits: int | None) -> None:
    random = np.random.default_rng(6)
    values = random.uniform(-50, 5000, (2, 3, 600))
    if digits is not None:
        values = np.round(values, digits)
    values[random.random(values.shape) < 0.3] = np.nan
    values[0, 1] = np.nan
    values[1, 2, 30:90] = np.nan
    status = chunks.status_of(values, random.integers(0, 3, values.shape).astype(np.uint8))
    stats = Stats.of(values, status).folded(np.arange(0, 600, 6)).folded(np.arange(0, 100, 5))
    np.testing.assert_allclose(stats.sum[1, 0, 0], np.nansum(values[1, 0, :30]))
    loss = 0 if digits is not None else 1e-6
    for owner, data in enumerate(rollups.encode(stats)):
        found = rollups.decode(data, [0, 1], 20)
        np.testing.assert_array_equal(found.count, stats.count[:, owner])
        np.testing.assert_array_equal(found.status, stats.status[:, owner])
        for name in ("min", "max", "last"):
            np.testing.assert_allclose(getattr(found, name), getattr(stats, name)[:, owner], rtol=loss)
        np.testing.assert_allclose(found.sum, stats.sum[:, owner], rtol=loss or 1e-12)


def test_times_come_back_to_the_bit() -> None:
    times = 1.7e9 + np.cumsum(np.random.default_rng(1).uniform(0.001, 20, 500))
    np.testing.assert_array_equal(unpack_times(pack_times(times)), times)


def test_damage_is_noticed_wherever_it_is() -> None:
    values = np.random.default_rng(1).integers(0, 1000, (2, 1, 50)).astype(float)
    data = chunks.encode(values, np.zeros(values.shape, np.uint8))[0]
    for place in range(len(data)):
        broken = data[:place] + bytes([data[place] ^ 0x55]) + data[place + 1 :]
        try:
            found, _ = chunks.decode(broken, [0, 1], 50)
        except StoreError:
            continue
        np.testing.assert_array_equal(found, values[:, 0])  # bits that zlib does not use
    for cut in (0, 1, len(data) // 2, len(data) - 1):
        with pytest.raises(StoreError):
            chunks.decode(data[:cut], [0], 50)
    with pytest.raises(StoreError):
        chunks.decode(data, [0], 51)
