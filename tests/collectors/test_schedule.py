from __future__ import annotations

import pytest

from collectors.schedule import FIRST_WITHIN, JITTER, PERMANENT_AT_MOST, TRANSIENT_AT_MOST, Schedule


def poll(schedule: Schedule, takes: float, late: float = 0.0) -> float:
    """Poll when it is due (or later by `late`), for so many seconds; the moment at which it ended."""
    began = schedule.due + late
    schedule.began(began)
    schedule.succeeded(began + takes)
    return began + takes


def test_the_first_poll_comes_soon_and_not_for_all_brokers_at_once() -> None:
    dues = [Schedule.starting(10, now=100).due for _ in range(50)]
    assert all(100 <= due <= 100 + FIRST_WITHIN for due in dues)
    assert len(set(dues)) > 40


def test_polls_keep_to_the_grid_however_long_they_take() -> None:
    schedule = Schedule(10, due=100)
    begins = []
    for takes in (1, 9, 0.1, 5):
        begins.append(schedule.due)
        poll(schedule, takes)
    assert begins == [100, 110, 120, 130]
    assert schedule.overruns == 0


def test_a_poll_longer_than_the_interval_is_followed_after_a_short_pause() -> None:
    schedule = Schedule(10, due=100)
    ended = poll(schedule, takes=25)
    assert (schedule.due - ended, schedule.overruns) == (schedule.pause, 1)
    begun = schedule.due
    poll(schedule, takes=1)
    assert schedule.due == begun + 10


def test_after_a_sleep_there_is_one_poll_and_no_burst() -> None:
    schedule = Schedule(10, due=100)
    poll(schedule, takes=1, late=3600)
    assert schedule.due == 100 + 3600 + 10
    assert schedule.overruns == 0


def test_a_poll_that_was_asked_for_comes_at_once_and_moves_the_grid() -> None:
    schedule = Schedule(10, due=100)
    poll(schedule, takes=1)
    schedule.asked(now=104)
    assert schedule.due == 104
    poll(schedule, takes=1)
    assert schedule.due == 114


def test_back_off_doubles_to_a_ceiling_and_heals_at_once() -> None:
    schedule = Schedule(5, due=0)
    waits = []
    for _ in range(6):
        waits.append(schedule.back_off(permanent=False))
        schedule.failed(0, permanent=False)
    assert waits == [5, 10, 20, 40, TRANSIENT_AT_MOST, TRANSIENT_AT_MOST]
    schedule.began(schedule.due)
    begun = schedule.due
    schedule.succeeded(begun + 1)
    assert (schedule.failures, schedule.due) == (0, begun + 5)


def test_permanent_failures_are_tried_less_often_but_still_tried() -> None:
    schedule = Schedule(1, due=0)
    transient, permanent = schedule.back_off(permanent=False), schedule.back_off(permanent=True)
    assert permanent > transient
    schedule.failures = 1000
    assert schedule.back_off(permanent=True) == PERMANENT_AT_MOST


@pytest.mark.parametrize("permanent", [False, True])
def test_a_long_interval_is_never_undercut_by_a_back_off(permanent: bool) -> None:
    schedule = Schedule(600, due=0)
    assert schedule.back_off(permanent) == 600
    schedule.failures = 5
    assert schedule.back_off(permanent) == 600


def test_back_off_is_spread() -> None:
    dues = []
    for _ in range(50):
        schedule = Schedule(10, due=0)
        schedule.failed(0, permanent=False)
        dues.append(schedule.due)
    assert all(10 * (1 - JITTER) <= due <= 10 * (1 + JITTER) for due in dues)
    assert max(dues) - min(dues) > 1
