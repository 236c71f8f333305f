"""What every engine that keeps samples must do. An engine's test inherits StoreContract and says how to open one."""

from __future__ import annotations

import threading
from abc import abstractmethod
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.protocol import METRICS, LagMethod, Quality
from dashboard.store.base import Aggregate, Retention, Store, StoreError
from dashboard.ticks import ROW, Judgement, Tick

START = 1_700_000_000.0
AGGREGATES: tuple[Aggregate, ...] = ("avg", "min", "max", "last")
FOLDS = {"avg": np.mean, "min": min, "max": max, "last": lambda numbers: numbers[-1]}
KEPT = Retention(raw=9e9, minute=9e9, hour=9e9)
known = st.one_of(st.none(), st.floats(-1e6, 1e9))


def tick(
    at: float, depths: dict[int, float | None], broker: int = 1, judged: bool = True, complete: bool = True
) -> Tick:
    """A tick whose depths are these; the other metrics follow from them, some unknown."""
    ids = np.array(sorted(depths), np.int64)
    n = len(ids)
    depth = np.array([np.nan if (d := depths[i]) is None else d for i in ids.tolist()], np.float64)
    values = np.full((len(METRICS), n), np.nan)
    values[ROW["depth"]], values[ROW["in_rate"]], values[ROW["consumers"]] = depth, depth / 3, 0.0
    quality = (np.arange(len(METRICS) * n).reshape(len(METRICS), n) % 3).astype(np.uint8)
    quality[np.isnan(values)] = Quality.UNKNOWN
    made = Tick(broker, at, ids, values, quality, np.full(n, LagMethod.ENTRY_ID, np.uint8), ids * 2**40 + 7, complete)
    if judged:
        made.judgement = Judgement((ids % 6).astype(np.uint8), (ids % 25).astype(np.uint8), at - ids / 7)
    return made


def assert_same(one: Tick | None, other: Tick) -> None:
    assert one is not None
    assert (one.broker, one.at, one.complete) == (other.broker, other.at, other.complete)
    for name in ("ids", "values", "quality", "lag_method", "head"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
        assert getattr(one, name).dtype == getattr(other, name).dtype
    assert (one.judgement is None) == (other.judgement is None)
    if one.judgement and other.judgement:
        for name in ("state", "reason", "since"):
            np.testing.assert_array_equal(getattr(one.judgement, name), getattr(other.judgement, name))


class StoreContract:
    """The suite. `reopened` gives a second door to the same samples."""

    @abstractmethod
    def open(self, folder: Path) -> Store:
        """The store of a folder."""

    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[Store]:
        store = self.open(tmp_path)
        yield store
        store.close()

    # --- ticks -----------------------------------------------------------------------------------------------------

    def test_a_tick_comes_back_as_it_was(self, store: Store) -> None:
        assert store.latest(1) is None and store.recent(1, 5) == []
        made = tick(START + 0.123456, {1: 0.0, 2: None, 5: 1e9, 7: 0.1})
        store.append(made)
        assert_same(store.latest(1), made)

    def test_a_tick_without_judgement_or_queues_comes_back_too(self, store: Store) -> None:
        store.append(tick(START, {1: 1.0}, judged=False))
        assert_same(store.latest(1), tick(START, {1: 1.0}, judged=False))
        store.append(Tick.empty(1, START + 10))
        newest = store.latest(1)
        assert newest is not None and (newest.at, len(newest)) == (START + 10, 0)

    def test_recent_ticks_are_the_newest_oldest_first(self, store: Store) -> None:
        made = [tick(START + 10 * i, {1: i, 2 + i: 0.5}, complete=i % 2 == 0) for i in range(6)]
        for one in made:
            store.append(one)
        for kept, one in zip(store.recent(1, 4), made[2:], strict=True):
            assert_same(kept, one)
        assert len(store.recent(1, 99)) == 6

    def test_samples_outlive_the_process(self, store: Store, tmp_path: Path) -> None:
        store.append(tick(START, {1: 5.0}))
        store.close()
        again = self.open(tmp_path)
        assert again.uuid == store.uuid
        assert_same(again.latest(1), tick(START, {1: 5.0}))
        again.close()

    def test_a_late_tick_finds_its_place(self, store: Store) -> None:
        for at in (0, 20, 10, 30):
            store.append(tick(START + at, {1: float(at)}))
        assert [one.at - START for one in store.recent(1, 9)] == [0, 10, 20, 30]
        assert store.range([1], ["depth"], START, START + 40).values["depth"].tolist() == [[0, 10, 20, 30]]

    def test_a_second_tick_of_the_same_time_is_refused(self, store: Store) -> None:
        store.append(tick(START, {1: 1.0}))
        with pytest.raises(StoreError, match="already"):
            store.append(tick(START, {1: 2.0}))
        store.append(tick(START, {2: 2.0}, broker=2))
        assert_same(store.latest(1), tick(START, {1: 1.0}))

    def test_a_queue_stays_with_its_broker(self, store: Store) -> None:
        store.append(tick(START, {1: 1.0}))
        with pytest.raises(StoreError, match="belongs to broker 1"):
            store.append(tick(START, {1: 1.0, 2: 1.0}, broker=2))
        assert store.latest(2) is None
        store.append(tick(START, {2: 1.0}, broker=2))

    def test_a_tick_that_fails_half_way_leaves_nothing(self, store: Store) -> None:
        store.append(tick(START, {1: 1.0}))
        broken = tick(START + 10, {1: 2.0, 2: 3.0, 3: 4.0})
        broken.ids = np.array([1, 2, 2])
        with pytest.raises(StoreError):
            store.append(broken)
        assert_same(store.latest(1), tick(START, {1: 1.0}))
        assert np.isnan(store.range([1, 2], ["depth"], START + 5, START + 20).values["depth"]).all()
        store.append(tick(START + 10, {1: 2.0, 2: 3.0}))

    # --- series ----------------------------------------------------------------------------------------------------

    def test_a_range_has_its_rows_in_the_order_asked_for(self, store: Store) -> None:
        store.append(tick(START, {1: 1.0, 2: 2.0}))
        found = store.range([2, 99, 1, 2], ["in_rate", "depth"], START, START + 10)
        assert found.values["depth"][:, 0].tolist()[::2] == [2.0, 1.0] and found.values["depth"][3, 0] == 2.0
        assert np.isnan(found.values["depth"][1]).all()
        assert found.values["in_rate"][0, 0] == pytest.approx(2 / 3)
        assert list(found.queues) == [2, 99, 1, 2]

    def test_a_gap_stays_a_gap(self, store: Store) -> None:
        for i in (0, 1, 2, 6, 7):
            store.append(tick(START + 10 * i, {1: i}))
        found = store.range([1], ["depth"], START, START + 80)
        assert found.step == 10 and found.times[0] == START
        np.testing.assert_array_equal(found.values["depth"][0], [0, 1, 2, np.nan, np.nan, np.nan, 6, 7])
        assert found.quality["depth"][0, 3] == Quality.UNKNOWN

    def test_a_value_that_was_unknown_is_a_gap_and_zero_is_zero(self, store: Store) -> None:
        for i, depth in enumerate([0.0, None, 5.0]):
            store.append(tick(START + 10 * i, {1: depth}))
        np.testing.assert_array_equal(store.range([1], ["depth"], START, START + 30).values["depth"], [[0, np.nan, 5]])

    def test_uneven_polls_make_no_gaps(self, store: Store) -> None:
        random = np.random.default_rng(5)
        at = START + np.cumsum(10 + random.uniform(-1.5, 1.5, 300))
        for i, time in enumerate(at):
            store.append(tick(float(time), {1: float(i)}))
        found = store.range([1], ["depth"], float(at[0]), float(at[-1]), points=400)
        assert found.step == 10
        assert not np.isnan(found.values["depth"][0, :-1]).any()

    def test_brokers_of_different_intervals_share_an_axis_without_false_gaps(self, store: Store) -> None:
        for i in range(60):
            store.append(tick(START + 10 * i, {1: float(i)}))
        for i in range(10):
            store.append(tick(START + 60 * i + 3, {2: float(i)}, broker=2))
        found = store.range([1, 2], ["depth"], START + 40, START + 580)  # whole minutes
        assert found.step == 60 and found.values["depth"].shape == (2, 9)
        assert not np.isnan(found.values["depth"]).any()
        assert store.range([1], ["depth"], START, START + 600).step == 10

    def test_a_range_has_no_more_points_than_asked_for(self, store: Store) -> None:
        for i in range(100):
            store.append(tick(START + 10 * i, {1: float(i)}))
        for points in (2, 7, 50, 99, 300):
            found = store.range([1], ["depth"], START + 1, START + 995, points=points)
            assert len(found.times) <= points
            assert found.values["depth"].shape == (1, len(found.times))
            np.testing.assert_allclose(np.diff(found.times), found.step)
            assert found.times[0] % found.step == 0

    def test_the_quality_of_a_step_is_its_worst(self, store: Store) -> None:
        for i, code in enumerate((Quality.EXACT, Quality.ESTIMATED, Quality.APPROXIMATE)):
            one = tick(START + 10 * i, {1: 5.0})
            one.quality[ROW["depth"]] = code
            store.append(one)
        found = store.range([1], ["depth"], START, START + 600, points=3)
        assert found.quality["depth"].max(where=~np.isnan(found.values["depth"]), initial=0) == Quality.ESTIMATED

    @settings(max_examples=40, deadline=None)
    @given(
        samples=st.dictionaries(st.integers(0, 5000), st.tuples(known, known), min_size=1, max_size=25),
        span=st.tuples(st.integers(0, 4000), st.integers(1, 5000)),
        points=st.integers(2, 40),
        aggregate=st.sampled_from(AGGREGATES),
    )
    def test_aggregates_are_those_of_brute_force(
        self,
        tmp_path_factory: pytest.TempPathFactory,
        samples: dict[int, tuple[float | None, float | None]],
        span: tuple[int, int],
        points: int,
        aggregate: Aggregate,
    ) -> None:
        store = self.open(tmp_path_factory.mktemp("store"))
        for at, depths in samples.items():
            store.append(tick(START + at, dict(enumerate(depths, 1))))
        start, end = START + span[0], START + span[0] + span[1]
        found = store.range([2, 1], ["depth"], start, end, points, aggregate)
        store.close()
        assert len(found.times) <= points
        assert found.times[0] <= start and found.times[-1] + found.step >= end
        for (row, i), got in np.ndenumerate(found.values["depth"]):
            begin = max(start, found.times[i])
            until = min(end, found.times[i] + found.step)
            inside = [depths[1 - row] for at, depths in sorted(samples.items()) if begin <= START + at < until]
            numbers = [depth for depth in inside if depth is not None]
            if numbers:
                assert got == pytest.approx(FOLDS[aggregate](numbers), rel=1e-9, abs=1e-6)
            elif inside:
                assert np.isnan(got)

    @pytest.mark.parametrize("wrong", [{"metrics": ["size"]}, {"points": 0}, {"end": START}, {"aggregate": "median"}])
    def test_a_wrong_question_is_refused(self, store: Store, wrong: dict) -> None:
        with pytest.raises(ValueError):
            store.range(**{"queues": [1], "metrics": ["depth"], "start": START, "end": START + 60, **wrong})

    def test_a_grid_has_the_averages_of_a_range(self, store: Store) -> None:
        random = np.random.default_rng(8)
        for i in range(800):  # two hours with a gap
            if not 300 < i < 380:
                store.append(tick(START + 10 * i, {1: float(random.integers(0, 90)), 2: None if i % 7 else 5.5}))
        for _ in range(2):
            found = store.grid(1, [2, 1], ["depth", "lag_seconds"], START + 60, START + 7_500, 60)
            ranged = store.range([2, 1], ["depth"], START + 60, START + 7_500, 150)
            assert ranged.step == found.step == 60
            known = ~np.isnan(ranged.values["depth"]).all(axis=0)
            known &= np.isin(ranged.times, found.times)  # a range bridges what falls between two polls
            np.testing.assert_array_equal(found.times, ranged.times[known])
            np.testing.assert_allclose(found.values["depth"], ranged.values["depth"][:, known].T)
            assert len(found.times) > 100 and np.isnan(found.values["lag_seconds"]).all()
            store.tidy(START + 9_000, KEPT)  # and the same when hours are sealed
        with pytest.raises(ValueError, match="steps of 60 or 3600"):
            store.grid(1, [1], ["depth"], START, START + 60, 10)

    def test_no_queues_are_an_empty_answer(self, store: Store) -> None:
        assert store.range([], ["depth"], START, START + 60).values["depth"].shape[0] == 0
        assert store.window([], "depth", 60).shape == (0,)

    # --- windows and the largest -----------------------------------------------------------------------------------

    @pytest.mark.parametrize("aggregate", AGGREGATES)
    def test_a_window_is_counted_back_from_the_newest_tick_of_each_broker(
        self, store: Store, aggregate: Aggregate
    ) -> None:
        series = {1: [9.0, 1.0, None, 4.0], 2: [7.0, None, None, None], 3: [5.0, 6.0, 2.0, None]}
        for i in range(4):
            store.append(tick(START + 10 * i, {q: series[q][i] for q in (1, 2)}))
            store.append(tick(START + 5000 + 10 * i, {3: series[3][i]}, broker=2))
        folds = {"avg": [2.5, np.nan, 4.0], "min": [1, np.nan, 2], "max": [4, np.nan, 6], "last": [4, np.nan, 2]}
        np.testing.assert_array_equal(store.window([1, 2, 3, 99], "depth", 20, aggregate), [*folds[aggregate], np.nan])

    def test_the_largest_come_first_over_all_brokers(self, store: Store) -> None:
        store.append(tick(START, {1: 900.0, 2: 1.0}))
        store.append(tick(START + 10, {1: 5.0, 2: 30.0, 4: None}))
        store.append(tick(START + 3, {3: 20.0, 5: 0.0}, broker=2))
        assert store.top("depth", 3) == [(2, 30.0), (3, 20.0), (1, 5.0)]
        assert store.top("depth", 9, broker=2) == [(3, 20.0), (5, 0.0)]
        assert store.top("lag_seconds", 9) == [] and store.top("depth", 9, broker=99) == []
        with pytest.raises(ValueError):
            store.top("size", 3)

    def test_the_extent_counts_ticks(self, store: Store) -> None:
        assert store.extent(1) == (0, None)
        for i in range(3):
            store.append(tick(START + 10 * i, {1: 1.0}))
        assert store.extent(1) == (3, START)

    # --- letting go ------------------------------------------------------------------------------------------------

    def test_pruning_drops_what_is_older_and_nothing_else(self, store: Store) -> None:
        for i in range(10):
            store.append(tick(START + 10 * i, {1: float(i), 2: None}))
            store.append(tick(START + 10 * i, {3: float(i)}, broker=2))
        assert store.prune(START + 40) == 8
        assert store.prune(START + 40) == 0
        np.testing.assert_array_equal(
            store.range([1, 3], ["depth"], START, START + 100).values["depth"],
            [[np.nan] * 4 + [4, 5, 6, 7, 8, 9]] * 2,
        )
        assert store.prune(START + 1000) == 12 and store.latest(1) is None
        store.append(tick(START + 2000, {1: 1.0}))
        assert_same(store.latest(1), tick(START + 2000, {1: 1.0}))

    def test_forgetting_a_broker_leaves_the_others(self, store: Store) -> None:
        store.append(tick(START, {1: 1.0}))
        store.append(tick(START, {2: 2.0}, broker=2))
        store.forget(1)
        store.forget(1)
        assert store.latest(1) is None and np.isnan(store.window([1], "depth", 60)).all()
        assert_same(store.latest(2), tick(START, {2: 2.0}, broker=2))
        store.append(tick(START, {1: 1.0}))
        assert store.window([1], "depth", 60).tolist() == [1.0]

    def test_forgetting_a_queue_leaves_the_others(self, store: Store) -> None:
        for i in range(200):
            store.append(tick(START + 60 * i, {1: 1.0, 2: 2.0}))
        store.tidy(START + 200 * 60, KEPT)
        store.forget_queues([1, 99])
        store.forget_queues([1])
        found = store.range([1, 2], ["depth"], START, START + 200 * 60).values["depth"]
        assert np.isnan(found[0]).all() and np.nanmin(found[1]) == 2.0
        assert np.isnan(store.window([1], "depth", 600)).all()

    # --- tidying up, and history as a whole ----------------------------------------------------------------------

    def test_tidying_up_changes_no_answer(self, store: Store) -> None:
        for i in range(300):
            store.append(tick(START + 60 * i, {1: float(i % 7), 2: None if i % 3 else float(i)}))

        def answers() -> list[np.ndarray]:
            spans = ((0, 18_000, 300), (3600, 7200, 60), (2800, 17_200, 5))  # the last begins with an hour
            series = [
                store.range([2, 1], ["depth"], START + start, START + end, points, how).values["depth"]
                for start, end, points in spans
                for how in AGGREGATES
            ]
            return [*series, store.window([1, 2], "depth", 9000, "max"), store.window([1, 2], "depth", 300)]

        before = answers()
        done = store.tidy(START + 18_000, KEPT)
        assert done is not None and not done.problems and done.bytes >= 0
        for was, now in zip(before, answers(), strict=True):
            np.testing.assert_allclose(now, was)
        assert store.extent(1) == (300, START)
        assert len(store.recent(1, 60)) == 60

    def test_history_moves_to_another_broker(self, store: Store) -> None:
        for i in range(300):
            store.append(tick(START + 60 * i, {1: float(i), 2: None if i % 3 else 5.0}))
        store.tidy(START + 18_000, KEPT)
        for piece in list(store.history(1, [1, 2], START, START + 18_000)):
            assert piece.step == 0 and (np.diff(piece.times) > 0).all()
            store.add_history(2, 0, {piece.queue + 10: (piece.times, piece.stats)})
        one = store.range([1], ["depth", "in_rate"], START, START + 18_000)
        other = store.range([11], ["depth", "in_rate"], START, START + 18_000)
        for metric in ("depth", "in_rate"):
            np.testing.assert_allclose(one.values[metric], other.values[metric], rtol=1e-6)
            np.testing.assert_array_equal(one.quality[metric], other.quality[metric])

    # --- several at once -------------------------------------------------------------------------------------------

    def test_threads_read_whole_ticks_while_another_writes_and_a_third_prunes(self, store: Store) -> None:
        ids, errors, done = range(1, 201), [], threading.Event()
        store.append(tick(START, dict.fromkeys(ids, 0.0)))

        def read() -> None:
            try:
                while not done.is_set():
                    newest = store.latest(1)
                    assert newest is not None and len(newest) == 200
                    assert len(set(newest.column("depth").tolist())) == 1
                    store.range([1, 50, 200], ["depth"], START, START + 5000)
            except BaseException as error:
                errors.append(error)

        readers = [threading.Thread(target=read) for _ in range(4)]
        for reader in readers:
            reader.start()
        for i in range(1, 60):
            store.append(tick(START + 10 * i, dict.fromkeys(ids, float(i))))
            if i % 10 == 0:
                store.prune(START + 10 * (i - 5))
        done.set()
        for reader in readers:
            reader.join()
        assert not errors, errors[0]

    def test_a_store_that_works_passes_its_check(self, store: Store) -> None:
        store.append(tick(START, {1: 1.0}))
        store.check()
        assert store.latest(1) is not None

    def test_a_closed_store_says_so(self, store: Store) -> None:
        store.close()
        store.close()
        with pytest.raises(StoreError):
            store.append(tick(START, {1: 1.0}))
        with pytest.raises(StoreError):
            store.latest(1)
