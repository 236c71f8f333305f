"""What the clock finds: silence of brokers and of Weir itself, silences that end, escalation."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from dashboard.alerts import causes, clock, silences
from dashboard.letters.news import NewCause
from dashboard.models import Broker, Cause, Fact, Incident, Letter, Notifier, Queue, Replay, Rule, Silence, Telling

from ..fleets import made_up_broker
from ..polled import Polled, rule, story

pytestmark = pytest.mark.usefixtures("web")


@pytest.fixture(autouse=True)
def only_our_rules(db):
    Rule.objects.all().delete()


def looks(times: int, after: float = 0.0, step: float = 10.0) -> None:
    """So many looks of the clock, from `after` seconds from now on."""
    now = timezone.now()
    for n in range(times):
        assert clock.turn(now + timedelta(seconds=after + n * step))


def held(broker: Broker, seconds_ago: float) -> None:
    Broker.objects.filter(pk=broker.pk).update(owner="c", owned_until=timezone.now() - timedelta(seconds=seconds_ago))


def test_a_broker_that_says_nothing_is_an_incident_until_it_answers():
    rule("silent", {"kind": "broker", "value": "silent", "for_seconds": 30, "clear_seconds": 0})
    answered = timezone.now() - timedelta(minutes=5)
    broker, _ = made_up_broker(interval=10.0, last_answer_at=answered, last_error="Connection refused.")
    looks(3)
    assert story() == []
    looks(3, 30)
    (one,) = Incident.objects.all()
    assert one.broker == broker and "does not answer. Rules about its queues wait. Connection refused." in one.reason
    Broker.objects.update(last_answer_at=timezone.now() + timedelta(seconds=60), last_error="")
    looks(1, 70)
    assert story() == [("prod", "closed")]


def test_a_paused_broker_is_not_silent():
    rule("silent", {"kind": "broker", "value": "silent"})
    made_up_broker(interval=10.0, last_answer_at=timezone.now() - timedelta(minutes=5), paused=True)
    looks(3)
    assert story() == []


def test_a_broker_that_no_collector_polls():
    rule("collector", {"kind": "weir", "value": "collector"})
    broker, _ = made_up_broker(created_at=timezone.now() - timedelta(hours=1))
    held(broker, -10)
    looks(1)
    assert story() == []
    held(broker, 70)
    looks(1, 10)
    assert story() == [("prod", "open")]


def test_a_worker_that_is_not_at_work_is_noticed_by_others():
    rule("worker", {"kind": "weir", "value": "worker"})
    looks(1)
    assert not clock.worker_is_silent(timezone.now().timestamp() + 30)
    looks(1, 100)
    assert story() == [("Weir", "open")]


def test_a_notifier_that_was_given_up_is_an_alert_itself():
    rule("notifier", {"kind": "weir", "value": "notifier", "clear_seconds": 0})
    Notifier.objects.create(name="ops", secret_url="", safe_url="", scheme="json", failing_since=timezone.now(),
                            last_error="hooks.example.com answered 404: no")  # fmt: skip
    looks(1)
    assert Incident.objects.get().reason == "ops could not be told: hooks.example.com answered 404: no"
    Notifier.objects.update(failing_since=None)
    looks(1, 10)
    assert story() == [("ops", "closed")]


def test_of_two_processes_one_looks():
    now = timezone.now()
    assert clock.turn(now) and not clock.turn(now) and clock.turn(now + timedelta(seconds=6))


def test_a_clock_that_jumps_does_not_fire_by_itself():
    rule("silent", {"kind": "broker", "value": "silent", "for_seconds": 300})
    made_up_broker(interval=10.0, last_answer_at=timezone.now() - timedelta(minutes=5))
    looks(1)
    looks(1, -7200)
    assert clock.turn(timezone.now() + timedelta(seconds=5)), "and it goes on"
    assert story() == []


def test_a_silence_that_ends_tells_of_what_is_still_open():
    ops = Notifier.objects.create(name="ops", secret_url="", safe_url="", scheme="json")
    rule(notifiers=[ops])
    now = timezone.now()
    Silence.objects.create(filter="orders", reason="deploy", created_by="ann", ends_at=now + timedelta(minutes=5))
    shop = Polled()
    shop.poll(4, orders=400.0)
    looks(1)
    assert story() == [("orders", "silenced")] and not Telling.objects.exists()
    looks(1, 400)
    assert story() == [("orders", "open")]
    assert Telling.objects.get().event == "still"


def test_nobody_acknowledges_and_the_next_is_told_once():
    first, second = (Notifier.objects.create(name=n, secret_url="", safe_url="", scheme="json") for n in "ab")
    rule(notifiers=[first], escalation=[{"after_seconds": 600, "notifiers": [second.pk]}])
    shop = Polled(began=60.0)
    shop.poll(4, orders=400.0)
    Broker.objects.update(last_poll_at=timezone.now(), last_answer_at=timezone.now() + timedelta(hours=1))
    looks(1)
    assert not second.tellings.exists()
    looks(3, 700)
    assert [one.event for one in second.tellings.all()] == ["escalated"]


@pytest.mark.parametrize("how", ["acknowledged", "silent broker"])
def test_what_somebody_has_or_nobody_can_see_is_not_escalated(how):
    second = Notifier.objects.create(name="b", secret_url="", safe_url="", scheme="json")
    rule(escalation=[{"after_seconds": 600, "notifiers": [second.pk]}])
    shop = Polled(began=60.0)
    shop.poll(4, orders=400.0)
    Broker.objects.update(last_poll_at=timezone.now(), last_answer_at=timezone.now() + timedelta(hours=1))
    if how == "acknowledged":
        Incident.objects.update(acknowledged_at=timezone.now())
    else:
        Broker.objects.update(last_answer_at=timezone.now())
    looks(3, 700)
    assert not second.tellings.exists()


def test_what_happened_once_is_over_when_it_does_not_happen_again():
    from dashboard.alerts.incidents import happened

    rule("replays", {"kind": "event", "value": "replay", "clear_seconds": 300})
    _, ids = made_up_broker()
    happened("replay", "Replay 3 failed.", "3", queue=ids[0])
    looks(1, 200)
    assert story() == [("queue-0000", "open")]
    looks(1, 400)
    assert story() == [("queue-0000", "closed")]


@pytest.mark.parametrize(
    ("repeat", "days", "hour", "muted"),
    [("", 0, 2, True), ("", 1, 2, False), ("daily", 1, 2, True), ("daily", 3, 5, False),
     ("weekly", 7, 2, True), ("weekly", 3, 2, False)],
)  # fmt: skip
def test_maintenance_windows_come_again(repeat, days, hour, muted):
    start = timezone.now().replace(hour=1, minute=0)
    one = Silence(starts_at=start, ends_at=start + timedelta(hours=2), repeat=repeat, reason="backup", created_by="x")
    then = start + timedelta(days=days, hours=hour - 1)
    assert (silences.in_force(one, then) is not None) == muted
    one.until = start
    assert silences.in_force(one, then) is None


def test_a_collector_sends_itself_when_no_worker_is_there(db):
    from dashboard.collecting import Collector
    from dashboard.live.bus import the_bus
    from dashboard.samples import the_store

    Fact.objects.create(name=clock.WORKER_AT, value="1000")
    rule("worker", {"kind": "weir", "value": "worker"})
    collector = Collector(the_store(), the_bus())
    collector._watch_the_clock()
    assert story() == [("Weir", "open")] and collector._sender is not None
    collector.stop()


def test_new_causes_of_dead_letters_and_bad_ends_of_replays_are_told_once():
    _, (orders, mail) = made_up_broker(queues=["orders.dlq", "mail.dlq"])
    for kind in ("cause", "replay"):
        rule(kind, {"kind": "event", "value": kind}, filter="orders")
    now = timezone.now().timestamp()

    def letter(cause: str, queue: int) -> None:
        known, _ = Cause.objects.get_or_create(fingerprint=cause, title=f"{cause}Error", first_seen=now, revision=1)
        Letter.objects.create(queue_id=queue, key=cause, cause=known, first_seen=now, last_seen=now, revision=1)

    letter("Old", orders)
    looks(1)
    letter("Card", orders)
    causes._heard(Queue.objects.get(pk=orders), NewCause("Card", "CardError", 1))  # as whoever read it says at once
    letter("Smtp", mail)
    Replay.objects.create(queue_id=orders, queue_name="orders.dlq", broker_name="prod", made_by="ann", state="failed",
                          sent=3, came_back=2, reason="Too many came back.", started_at=timezone.now(),
                          ended_at=timezone.now())  # fmt: skip
    Replay.objects.create(queue_id=orders, queue_name="orders.dlq", broker_name="prod", made_by="ann", state="failed",
                          reason="This plan was refused.", ended_at=timezone.now())  # fmt: skip
    Replay.objects.create(queue_id=orders, queue_name="orders.dlq", broker_name="prod", made_by="ann", state="done",
                          sent=3, ended_at=timezone.now())  # fmt: skip
    looks(2, 10)
    assert sorted(one.reason for one in Incident.objects.all()) == [
        "CardError is new in orders.dlq: 1 dead letter.",
        "The replay of orders.dlq is failed: 3 sent, 2 came back. Too many came back.",
    ]
