"""Counters become rates, and nothing else."""

from __future__ import annotations

from collectors.rates import Balance, Counters, per_second


def test_the_first_update_has_no_increase():
    counters = Counters[str]()
    assert counters.update(10, {"a": 5}) == {}
    assert counters.seconds is None


def test_an_increase_is_since_the_last_update():
    counters = Counters[str]()
    counters.update(10, {"a": 5, "b": 1})
    assert counters.update(12, {"a": 9, "b": 1}) == {"a": 4, "b": 0}
    assert counters.seconds == 2


def test_a_series_seen_for_the_first_time_says_nothing():
    counters = Counters[str]()
    counters.update(10, {"a": 5})
    assert counters.update(11, {"a": 5, "new": 100}) == {"a": 0}


def test_a_series_that_begins_at_zero_counts_from_its_first_sight():
    counters = Counters[str](born_at_zero=True)
    assert counters.update(10, {"a": 5}) == {}
    assert counters.update(11, {"a": 5, "new": 100}) == {"a": 0, "new": 100}


def test_a_counter_that_went_down_is_a_reset_and_never_negative():
    counters = Counters[str]()
    counters.update(10, {"a": 500})
    assert counters.update(11, {"a": 3}) == {}
    assert counters.reset == {"a"}
    assert counters.update(12, {"a": 8}) == {"a": 5}
    assert counters.reset == frozenset()


def test_a_series_that_vanished_is_forgotten():
    counters = Counters[str]()
    counters.update(10, {"a": 500})
    assert counters.update(11, {}) == {}
    assert counters.update(12, {"a": 900}) == {}


def test_time_that_does_not_move_on_drops_the_interval():
    counters = Counters[str]()
    counters.update(10, {"a": 1})
    assert counters.update(10, {"a": 2}) == {}
    assert counters.update(9, {"a": 3}) == {}
    assert counters.update(11, {"a": 7}) == {"a": 4}
    assert counters.seconds == 2


def test_what_is_handed_in_may_be_changed_afterwards():
    counters = Counters[str]()
    values = {"a": 1.0}
    counters.update(10, values)
    values["a"] = 100.0
    assert counters.update(11, {"a": 3}) == {"a": 2}


def test_rates_are_summed_over_the_series_of_one_name():
    increases = {("channel 1", "orders"): 4.0, ("channel 2", "orders"): 6.0, ("channel 1", "mail"): 1.0}
    assert per_second(increases, 2.0, lambda series: series[1]) == {"orders": 5.0, "mail": 0.5}


def balance_over(polls: list[tuple[float, float, float]], seconds: float = 5.0) -> list[float]:
    """What Balance says after each (arrivals per second, completions per second, held)."""
    balance = Balance()
    return [balance.update(seconds, into * seconds, out * seconds, held) for into, out, held in polls]


def test_counts_that_explain_the_backlog_are_trusted():
    assert balance_over([(20, 10, 50 * n) for n in range(20)]) == [0.0] * 20


def test_arrivals_that_nobody_counted_are_noticed_after_a_while_and_measured():
    said = balance_over([(0, 0, 50 * n) for n in range(8)])
    assert said[:3] == [0.0] * 3
    assert said[-1] == 10


def test_departures_that_nobody_counted_are_negative():
    assert balance_over([(10, 0, 100) for _ in range(12)])[-1] == -10


def test_a_backlog_that_is_read_one_interval_late_is_noise():
    held = [0, 0, 500, 1000, 1500, 2000, 2500, 2500, 2500]
    rates = [100, 100, 100, 100, 100, 100, 0, 0, 0]
    assert set(balance_over([(rate, 0, h) for rate, h in zip(rates, held, strict=True)])) == {0.0}


def test_one_purge_is_no_reason_to_doubt_the_counts():
    held = [100_000] * 5 + [0] * 10
    assert set(balance_over([(10, 10, h) for h in held])) == {0.0}
