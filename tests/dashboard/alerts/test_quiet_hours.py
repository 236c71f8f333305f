"""Quiet hours of a rule: nothing is told in them, and nothing of it is lost."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from dashboard.alerts.outbox import quiet_until
from dashboard.models import Notifier, Rule, Telling

from ..polled import Polled, rule, story

pytestmark = pytest.mark.usefixtures("web")


def at(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 3, day, hour, minute, tzinfo=UTC)


@pytest.mark.parametrize(
    ("quiet", "now", "until"),
    [
        ({"from": "22:00", "to": "07:00", "timezone": "UTC"}, at(10, 23), at(11, 7)),
        ({"from": "22:00", "to": "07:00", "timezone": "UTC"}, at(11, 6, 59), at(11, 7)),
        ({"from": "22:00", "to": "07:00", "timezone": "UTC"}, at(11, 7), at(11, 7)),
        ({"from": "12:00", "to": "13:00", "timezone": "UTC"}, at(11, 12), at(11, 13)),
        ({"from": "12:00", "to": "13:00", "timezone": "UTC"}, at(11, 11, 59), at(11, 11, 59)),
        ({"from": "22:00", "to": "07:00", "timezone": "Europe/Berlin"}, at(28, 23), at(29, 5)),  # summer time begins
        ({}, at(11, 12), at(11, 12)),
    ],
)
def test_quiet_hours_end_by_the_clock_on_the_wall(quiet, now, until):
    assert quiet_until(Rule(quiet=quiet), now) == until


def quiet_now() -> tuple[dict[str, str], datetime]:
    now = timezone.now()
    begins, ends = now - timedelta(hours=1), (now + timedelta(hours=1)).replace(second=0, microsecond=0)
    return {"from": f"{begins:%H:%M}", "to": f"{ends:%H:%M}", "timezone": "UTC"}, ends


def test_beginnings_and_ends_wait_until_they_are_over():
    quiet, ends = quiet_now()
    to = Notifier.objects.create(name="ops", secret_url="", safe_url="", scheme="json")
    asleep = rule("lag", notifiers=[to], quiet=quiet)
    shop = Polled()
    shop.poll(3, a=400.0, b=400.0)
    assert [one.due_at for one in Telling.objects.all()] == [ends]
    shop.poll(3, a=0.0, b=400.0)
    assert [one.incidents.count() for one in Telling.objects.all()] == [1], "what is over by then is not told at all"
    Telling.objects.update(state="sent", attempts=1)  # as if b had been told in the evening
    shop.poll(3, a=0.0, b=0.0)
    assert story(rule=asleep) == [("a", "closed"), ("b", "closed")]
    assert [one.due_at for one in Telling.objects.filter(event="closed")] == [ends], "nor is the end told at night"
