"""Rates and lag from readings: what was counted, what the backlog says besides, and what stays unknown."""

from __future__ import annotations

import pytest

from collectors.brokers.rabbitmq.asking import Own
from collectors.brokers.rabbitmq.flow import Flows, Rates
from collectors.brokers.rabbitmq.reading import Flow, Level, Reading
from collectors.protocol import LagMethod, Quality

KEY = ("/", "orders")


def after(
    levels: list[Level], flow: Flow | None, *, exact: bool = True, own: Own | None = None, stream: bool = False
) -> Rates:
    """The rates after so many readings, 10 s apart, with the same flow in each."""
    flows = Flows()
    for number, level in enumerate(levels):
        reading = Reading(at=1000.0 + 10 * number, levels={KEY: level}, exact_flows=exact)
        if number and flow is not None:
            reading.flows, reading.seconds = {KEY: flow}, 10.0
        asked = {KEY: own} if own is not None else {}
        rates = flows.update(reading, asked, {KEY} if stream else frozenset())[KEY]
    return rates


def growing(by: float, *, consumers: float = 0) -> list[Level]:
    return [Level(1000 + by * n, 0, consumers) for n in range(8)]


def test_counted_rates_that_fit_the_backlog_are_taken_as_they_are():
    rates = after(growing(50), Flow(published=100, completed=50))
    assert (rates.in_rate, rates.out_rate, rates.net_rate) == (10, 5, None)
    assert rates.quality.get("in_rate", Quality.EXACT) is Quality.EXACT


def test_rates_of_channels_are_approximate():
    assert after(growing(0), Flow(100, 100), exact=False).quality["out_rate"] is Quality.APPROXIMATE


def test_dead_letters_that_arrive_uncounted_are_told_by_the_backlog():
    rates = after(growing(30), Flow())
    assert rates.in_rate == pytest.approx(3)
    assert rates.quality["in_rate"] is Quality.ESTIMATED
    assert rates.net_rate == pytest.approx(3)


def test_messages_that_expire_without_a_consumer_go_out():
    rates = after(growing(-50), Flow())
    assert rates.out_rate == pytest.approx(5)
    assert rates.quality["out_rate"] is Quality.ESTIMATED


def test_rejections_by_consumers_complete_nothing():
    rates = after(growing(-50, consumers=2), Flow())
    assert rates.out_rate == 0
    assert rates.net_rate == pytest.approx(-5)


def test_a_stream_that_keeps_what_was_read_is_not_doubted():
    assert after(growing(100), Flow(published=100, completed=100), stream=True).in_rate == 10


def test_without_counters_only_the_net_flow_is_known():
    rates = after(growing(20), None)
    assert (rates.in_rate, rates.out_rate, rates.net_rate) == (None, None, 2)
    assert rates.quality["in_rate"] is Quality.UNKNOWN


def test_a_level_that_is_not_told_makes_no_rate_and_no_lag():
    rates = after([Level(None, None)] * 3, None)
    assert (rates.net_rate, rates.lag_seconds) == (None, None)


def test_the_own_counters_of_a_queue_win_and_are_exact():
    own = Own(flow=Flow(published=200, completed=200), seconds=10, head_at=None, consumers=1)
    rates = after(growing(0), Flow(published=10, completed=0), exact=False, own=own)
    assert (rates.in_rate, rates.out_rate) == (20, 20)
    assert rates.quality.get("in_rate", Quality.EXACT) is Quality.EXACT


def test_an_empty_queue_has_no_lag():
    rates = after([Level(0, 0, 1)] * 3, Flow(100, 100))
    assert (rates.lag_seconds, rates.lag_method) == (0, LagMethod.NONE)
    assert "lag_seconds" not in rates.quality


def test_the_time_in_the_oldest_message_is_the_lag_and_never_negative():
    own = Own(flow=None, seconds=None, head_at=1010, consumers=1)
    rates = after(growing(0), Flow(), own=own)
    assert (rates.lag_seconds, rates.lag_method) == (60, LagMethod.MESSAGE_TIME)
    ahead = Own(flow=None, seconds=None, head_at=9999, consumers=1)
    assert after(growing(0), Flow(), own=ahead).lag_seconds == 0


def test_lag_by_position_is_how_long_the_backlog_took_to_arrive():
    rates = after([Level(0, 0, 0)] + [Level(100 * n, 0, 0) for n in range(1, 8)], Flow(published=100))
    assert rates.lag_method is LagMethod.POSITION
    assert rates.lag_seconds == pytest.approx(70)
    assert rates.quality["lag_seconds"] is Quality.ESTIMATED


def test_a_backlog_older_than_the_first_poll_has_no_known_lag():
    assert after(growing(0), Flow()).lag_seconds is None


def paced(published: list[float], every: float) -> list[float | None]:
    """The in_rate after each reading, `every` seconds apart, with so many messages counted in each; none completed."""
    flows, held, rates = Flows(), 0.0, []
    for number, count in enumerate([0.0, *published]):
        held += count
        reading = Reading(at=1000.0 + every * number, levels={KEY: Level(held, 0, 1)}, exact_flows=True)
        if number:
            reading.flows, reading.seconds = ({KEY: Flow(count, 0)} if count else {}), every
        rates.append(flows.update(reading, {}, frozenset())[KEY].in_rate)
    return rates


def test_counters_that_are_refreshed_more_seldom_than_they_are_read_make_a_steady_rate():
    rates = paced([0, 120, 0, 120, 0, 120, 0, 120, 0, 120, 0, 120], every=3)  # 20 a second, refreshed every 6 s
    assert rates[0] is None
    assert all(rate <= 28 for rate in rates[1:]) and all(rate >= 16 for rate in rates[7:])


def test_a_queue_that_falls_quiet_has_no_rate_after_a_quarter_of_a_minute():
    rates = paced([100, 100, 100, 0, 0, 0, 0], every=5)
    assert rates[3] == pytest.approx(20) and rates[-2:] == [0, 0]


def test_the_first_messages_after_a_silence_are_no_burst():
    assert paced([0, 0, 0, 0, 0, 0, 0, 0, 200], every=2)[-1] < 15
