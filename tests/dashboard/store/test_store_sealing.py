"""Sealing, rolling up and letting go: what is asked comes out as if all samples had stayed as they came."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from collectors.protocol import METRICS, Quality
from dashboard.store import FILE_NAME, Retention, StoreError
from dashboard.store.embedded import EmbeddedStore
from dashboard.ticks import ROW, Tick

from ..store_contract import AGGREGATES, assert_same, tick

HOUR, DAY = 3600.0, 86_400.0
MIDNIGHT = 1_700_006_400.0
FOREVER = Retention(raw=9e9, minute=9e9, hour=9e9)


def noise(start: float, end: float, interval: float, missed: float = 0.0, queues: int = 4) -> list[Tick]:
    """Ticks with whole numbers, decimals, uneven rates, unknowns, all qualities, a queue that comes and goes, a gap."""
    random = np.random.default_rng(3)
    gap = start + 0.6 * (end - start), start + 0.65 * (end - start)
    made = []
    for at in np.arange(start, end, interval):
        if random.random() < missed or gap[0] < at < gap[1]:
            continue
        ids = [q for q in range(1, queues + 1) if q != 3 or int(at // 2000) % 2]
        one = tick(float(at + random.uniform(0, interval / 4)), {q: float(random.poisson(40 * q)) for q in ids})
        one.values[ROW["in_rate"]] = random.uniform(0, 100, len(ids))
        one.values[ROW["out_rate"]] = random.integers(0, 500, len(ids)) / 10
        one.values[random.random(one.values.shape) < 0.05] = np.nan
        one.quality[:] = random.integers(0, 3, one.quality.shape)
        one.quality[np.isnan(one.values)] = Quality.UNKNOWN
        made.append(one)
    return made


class Pair:
    """Two stores fed with the same ticks: one that is tidied up, one that keeps all as it came."""

    def __init__(self, folder: Path) -> None:
        self.tidied, self.plain = (EmbeddedStore(folder / name / FILE_NAME) for name in ("tidied", "plain"))

    def append(self, ticks: list[Tick]) -> None:
        for one in ticks:
            self.tidied.append(one)
            self.plain.append(one)

    def assert_alike(self, metrics: list[str], start: float, end: float, points: int, loss: float = 0.0) -> None:
        for aggregate in AGGREGATES:
            one = self.tidied.range([4, 1, 3, 77], metrics, start, end, points, aggregate)
            other = self.plain.range([4, 1, 3, 77], metrics, start, end, points, aggregate)
            assert one.step == other.step
            for metric in metrics:
                np.testing.assert_allclose(one.values[metric], other.values[metric], rtol=loss or 1e-12, err_msg=metric)
                np.testing.assert_array_equal(one.quality[metric], other.quality[metric])


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    pair = Pair(tmp_path)
    yield pair
    pair.tidied.close()
    pair.plain.close()


def test_sealed_samples_are_what_they_were(pair: Pair) -> None:
    pair.append(noise(MIDNIGHT + 100, MIDNIGHT + 4 * HOUR, 20, missed=0.02))
    done = pair.tidied.tidy(MIDNIGHT + 4 * HOUR, FOREVER)
    assert done and done.sealed == 3 and not done.problems
    for start, end, points in ((0, 4, 9999), (0.3, 0.9, 500), (2.5, 3.9, 60), (-3, 9, 7), (0, 4, 1)):
        pair.assert_alike(list(METRICS), MIDNIGHT + start * HOUR, MIDNIGHT + end * HOUR, points)
    assert pair.tidied.extent(1) == pair.plain.extent(1)
    for seconds in (60, 3000, 9000, 99999):
        for aggregate in AGGREGATES:
            np.testing.assert_allclose(
                pair.tidied.window([3, 99, 1], "depth", seconds, aggregate),
                pair.plain.window([3, 99, 1], "depth", seconds, aggregate),
            )


def test_the_newest_ticks_stay_hot_with_their_judgement(pair: Pair) -> None:
    ticks = noise(MIDNIGHT, MIDNIGHT + 3 * HOUR, 30)
    pair.append(ticks)
    pair.tidied.tidy(MIDNIGHT + 3 * HOUR, FOREVER)
    kept = pair.tidied.recent(1, 60)
    assert len(kept) == 60
    for one, other in zip(kept, ticks[-60:], strict=True):
        assert_same(one, other)
    assert pair.tidied.top("depth", 3) == pair.plain.top("depth", 3)


@pytest.mark.slow
def test_rollups_answer_as_the_samples_would(pair: Pair) -> None:
    pair.append(noise(MIDNIGHT + 500, MIDNIGHT + 2.5 * DAY, 120))
    done = pair.tidied.tidy(MIDNIGHT + 2.5 * DAY, FOREVER)
    assert done and done.rolled == 3, done
    metrics = ["depth", "out_rate", "consumers"]
    for start, end, points in ((0, 2.5, 300), (0, 2.5, 30), (1, 2, 24), (0, 2.5, 3), (-30, 30, 100)):
        pair.assert_alike(metrics, MIDNIGHT + start * DAY, MIDNIGHT + end * DAY, points)
        pair.assert_alike(["in_rate"], MIDNIGHT + start * DAY, MIDNIGHT + end * DAY, points, loss=2e-7)


def test_what_is_past_its_retention_is_there_in_coarser_steps(pair: Pair) -> None:
    pair.append(noise(MIDNIGHT, MIDNIGHT + 2 * DAY, 120))
    done = pair.tidied.tidy(MIDNIGHT + 2 * DAY, Retention(raw=3 * HOUR, minute=DAY, hour=9e9))
    assert done and done.expired
    raw = pair.tidied.range([1], ["depth"], MIDNIGHT + 46 * HOUR, MIDNIGHT + 47 * HOUR, 300)
    minutes = pair.tidied.range([1], ["depth"], MIDNIGHT + 40 * HOUR, MIDNIGHT + 41 * HOUR, 300)
    hours = pair.tidied.range([1], ["depth"], MIDNIGHT + 3 * HOUR, MIDNIGHT + 9 * HOUR, 300)
    assert (raw.step, minutes.step, hours.step) == (120, 120, 3600)
    for found in (raw, minutes, hours):
        assert not np.isnan(found.values["depth"]).all()
    pair.assert_alike(["depth", "out_rate"], MIDNIGHT, MIDNIGHT + 2 * DAY, 48)
    pair.assert_alike(["depth"], MIDNIGHT + 30 * HOUR, MIDNIGHT + 2 * DAY, 400)


@pytest.mark.slow
def test_late_ticks_join_what_was_sealed_and_rolled_up(pair: Pair) -> None:
    ticks = noise(MIDNIGHT, MIDNIGHT + 2 * DAY, 120)
    late = ticks[5:1000:100]
    pair.append([one for one in ticks if all(one is not other for other in late)])
    pair.tidied.tidy(MIDNIGHT + 2 * DAY, FOREVER)
    pair.append(late)
    for _ in range(2):  # while they are hot beside the seals, and when they are in them
        for points in (9999, 300, 40):
            pair.assert_alike(["depth", "out_rate"], MIDNIGHT, MIDNIGHT + 2 * DAY, points)
        pair.tidied.tidy(MIDNIGHT + 2 * DAY, FOREVER)
    assert pair.tidied.extent(1) == pair.plain.extent(1)


def test_a_sealed_tick_is_not_kept_a_second_time(pair: Pair) -> None:
    ticks = noise(MIDNIGHT, MIDNIGHT + 3 * HOUR, 30)
    pair.append(ticks)
    pair.tidied.tidy(MIDNIGHT + 3 * HOUR, FOREVER)
    with pytest.raises(StoreError, match="already"):
        pair.tidied.append(ticks[3])


def test_a_broker_that_fell_silent_is_rolled_up_before_it_goes(pair: Pair) -> None:
    pair.append(noise(MIDNIGHT, MIDNIGHT + HOUR / 2, 20))
    pair.tidied.tidy(MIDNIGHT + 30 * HOUR, Retention(raw=DAY, minute=9e9, hour=9e9))
    assert pair.tidied.latest(1) is None
    pair.assert_alike(["depth"], MIDNIGHT, MIDNIGHT + HOUR, 60)


def test_pruning_and_forgetting_reach_what_is_sealed(pair: Pair) -> None:
    pair.append(noise(MIDNIGHT, MIDNIGHT + 5 * HOUR, 30))
    kept = pair.plain.extent(1)[0]
    pair.tidied.tidy(MIDNIGHT + 5 * HOUR, FOREVER)
    before = pair.plain.prune(MIDNIGHT + 2 * HOUR)
    assert pair.tidied.prune(MIDNIGHT + 2 * HOUR) == before > 0
    assert pair.tidied.extent(1)[0] == kept - before
    pair.assert_alike(["depth"], MIDNIGHT, MIDNIGHT + 5 * HOUR, 900)
    pair.tidied.forget_queues([1])
    gone = pair.tidied.range([1, 4], ["depth"], MIDNIGHT, MIDNIGHT + 5 * HOUR).values["depth"]
    assert np.isnan(gone[0]).all() and not np.isnan(gone[1]).all()
    pair.tidied.forget(1)
    assert pair.tidied.extent(1) == (0, None)
    with pair.tidied.connections.reading() as reader:
        for table in ("chunk", "seal", "hot", "judging", "tick", "leftover", "queue"):
            assert reader.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,), table


@pytest.mark.slow
def test_a_disk_budget_drops_the_oldest_and_says_what_it_cannot(pair: Pair) -> None:
    pair.append(noise(MIDNIGHT, MIDNIGHT + 3 * DAY, 120, queues=60))
    full = pair.tidied.tidy(MIDNIGHT + 3 * DAY, Retention(3 * DAY, 30 * DAY, 400 * DAY))
    assert full and not full.evicted
    less = pair.tidied.tidy(MIDNIGHT + 3 * DAY, Retention(3 * DAY, 30 * DAY, 400 * DAY, disk=full.bytes * 3 // 4))
    assert less and less.evicted and less.bytes <= full.bytes * 3 // 4 and not less.problems
    pair.assert_alike(["depth"], MIDNIGHT + 2.5 * DAY, MIDNIGHT + 3 * DAY, 900)
    pair.assert_alike(["depth"], MIDNIGHT, MIDNIGHT + 3 * DAY, 72)
    least = pair.tidied.tidy(MIDNIGHT + 3 * DAY, Retention(3 * DAY, 30 * DAY, 400 * DAY, disk=1000))
    assert least and "more than the budget" in least.problems[0]
    assert_same(pair.tidied.latest(1), pair.plain.latest(1) or tick(0, {}))
