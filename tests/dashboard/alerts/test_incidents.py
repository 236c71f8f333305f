"""Incidents from polls through the real spine: opened once, closed once, over restarts and mistakes."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import OperationalError
from django.utils import timezone

from collectors.protocol import Relation
from dashboard.alerts import incidents, watching
from dashboard.models import Fact, Incident, IncidentNote, Queue, RuleMemory, Silence
from dashboard.samples import the_store

from ..polled import LAG, Polled, rule, story

pytestmark = pytest.mark.usefixtures("web")


def test_an_incident_opens_says_why_and_closes():
    rule()
    shop = Polled()
    shop.poll(3, orders={"lag_seconds": 0.0, "consumers": 4, "out_rate": 10.0})
    shop.poll(3, orders={"lag_seconds": 400.0, "consumers": 0, "out_rate": 0.0})
    (opened,) = Incident.objects.all()
    assert (opened.state, opened.queue_name, opened.broker_name) == ("open", "orders", "prod")
    assert opened.reason == "Lag is over 5 min for 20 s: it is 7 min."
    assert opened.values["changed"] == ["consumers 4 → 0", "out 10/s → 0/s"]
    assert opened.opened_at.timestamp() == shop.at
    shop.poll(3, orders=5.0)
    closed = Incident.objects.get()
    assert (closed.state, closed.closed_because) == ("closed", "It is 5 s again.")
    assert [note.what for note in IncidentNote.objects.all()] == ["opened", "closed"]


def test_it_may_open_again_after_it_closed():
    rule()
    shop = Polled()
    for _ in range(2):
        shop.poll(4, orders=400.0)
        shop.poll(4, orders=0.0)
    assert story() == [("orders", "closed")] * 2


@pytest.mark.parametrize("every", [1, 2, 3])
def test_restarts_neither_lose_nor_repeat_an_incident(every):
    rule()
    shop = Polled()
    for i, lag in enumerate([0, 400, 400, 400, 400, 400, 0, 0, 0, 0]):
        if i % every == 0:
            shop.restart()
        shop.poll(orders=float(lag), other=0.0)
        if i == 3:
            assert story() == [("orders", "open")]
    assert story() == [("orders", "closed")]


def test_a_process_that_lost_its_memory_finds_what_is_open_in_the_books():
    rule()
    shop = Polled()
    shop.poll(4, orders=400.0)
    RuleMemory.objects.all().delete()
    shop.restart()
    shop.poll(4, orders=400.0)
    assert story() == [("orders", "open")]
    shop.poll(4, orders=0.0)
    assert story() == [("orders", "closed")]


def test_two_collectors_at_once_open_one_incident():
    rule()
    shop = Polled()
    shop.poll(2, orders=400.0)
    first = shop.ingest
    shop.restart()  # another one, while the first is only slow
    shop.poll(orders=400.0)
    shop.at -= 5
    shop.ingest = first
    shop.poll(orders=400.0)
    assert story() == [("orders", "open")]


def test_a_database_that_fails_for_a_while_delays_an_incident(monkeypatch):
    rule()
    shop = Polled()
    shop.poll(2, orders=400.0)

    def broken(*_):
        raise OperationalError("database is locked")

    monkeypatch.setattr(incidents, "open_many", broken)
    shop.poll(2, orders=400.0)
    assert story() == [] and len(shop.told) == 4, "the ticks went on"
    monkeypatch.undo()
    shop.poll(1, orders=400.0)
    assert story() == [("orders", "open")]
    assert Incident.objects.get().opened_at.timestamp() == shop.at - 20, "with the time at which it began"


def test_a_mistake_in_judging_costs_no_samples(monkeypatch):
    rule()
    shop = Polled()
    monkeypatch.setattr(watching.Watch, "_judge", lambda *_: 1 / 0)
    shop.poll(3, orders=400.0)
    assert the_store().extent(shop.broker.pk)[0] == 3


def test_one_incident_for_all_queues_of_a_rule_closes_with_the_last():
    rule(per="rule")
    shop = Polled()
    shop.poll(4, a=400.0, b=400.0, c=0.0)
    incident = Incident.objects.get()
    assert sorted(incident.members.values()) == ["a", "b"] and incident.queue is None
    shop.poll(4, a=0.0, b=400.0, c=400.0)
    assert sorted(Incident.objects.get().members.values()) == ["b", "c"]
    shop.poll(4, a=0.0, b=0.0, c=0.0)
    assert story() == [("prod", "closed")]


def test_the_filter_follows_new_queues_tags_and_hidden_ones():
    rule(filter="tag:team:shop")
    shop = Polled()
    shop.poll(3, orders=400.0, mail=400.0)
    assert story() == []
    Queue.objects.filter(name="orders").update(tags_by_hand=["team:shop"])
    Queue.objects.filter(name="mail").update(tags_by_hand=["team:shop"], hidden_by_hand=True)
    shop.broker.marks += 1
    shop.broker.save()
    shop.poll(3, orders=400.0, mail=400.0)
    assert story() == [("orders", "open")]


def test_a_filter_with_numbers_is_asked_at_each_tick():
    rule(filter="depth>100", condition={**LAG, "for_seconds": 0})
    shop = Polled()
    shop.poll(2, a={"lag_seconds": 400.0, "depth": 50}, b={"lag_seconds": 400.0, "depth": 500})
    assert story() == [("b", "open")]


def test_a_partial_answer_leaves_everything_as_it_is():
    rule()
    shop = Polled()
    shop.poll(4, a=400.0, b=400.0)
    shop.poll(10, complete=False, b=400.0)
    assert story() == [("a", "open"), ("b", "open")]
    shop.poll(3, b=400.0)
    assert story() == [("a", "closed"), ("b", "open")]
    assert Incident.objects.get(queue_name="a").closed_because == "The queue is gone."


def test_dead_letters_are_counted_where_they_arrive():
    rule(condition={"kind": "change", "metric": "dead_letters", "value": 2, "window_seconds": 600})
    shop = Polled()
    related = [Relation("orders", "orders.dlq", "dead_letters")]
    for depth in (10, 10, 10, 11, 13):
        shop.poll(relations=related, **{"orders": {"depth": 0}, "orders.dlq": {"depth": depth}})
    assert story() == [("orders", "open")]


def test_windows_are_refilled_from_the_store_after_a_restart():
    rule(condition={"kind": "change", "metric": "depth", "value": 100, "window_seconds": 3600})
    shop = Polled(began=7200.0)
    shop.poll(100, orders={"depth": 0})
    shop.poll(100, orders={"depth": 90})
    shop.restart()
    shop.poll(2, orders={"depth": 105})
    assert story() == [("orders", "open")], "the ring remembers ten minutes only"


def test_a_rule_that_cannot_be_read_is_left_out():
    rule("broken", condition={"metric": "colour"})
    rule()
    shop = Polled()
    shop.poll(4, orders=400.0)
    assert story() == [("orders", "open")]


def test_a_silence_mutes_what_opens_under_it():
    rule()
    now = timezone.now()
    silence = Silence.objects.create(filter="ord*", reason="deploy", created_by="ann", ends_at=now + timedelta(hours=1))
    shop = Polled()
    shop.poll(4, orders=400.0, mail=400.0)
    assert story() == [("mail", "open"), ("orders", "silenced")]
    assert Incident.objects.get(queue_name="orders").silence == silence


def test_what_happens_is_an_incident_for_rules_that_ask():
    asked = rule("causes", {"kind": "event", "value": "cause"}, filter="orders")
    shop = Polled()
    shop.poll(1, orders=0.0, mail=0.0)
    ids = {queue.name: queue.pk for queue in Queue.objects.all()}
    for _ in range(2):
        incidents.happened("cause", "CardDeclinedError is new: 3 dead letters.", "card-declined", queue=ids["orders"])
    incidents.happened("cause", "Another one.", "other", queue=ids["orders"])
    incidents.happened("cause", "Elsewhere.", "other", queue=ids["mail"])
    incidents.happened("replay", "Replay 3 failed.", "3", queue=ids["orders"])
    assert story(rule=asked) == [("orders", "open")] * 2


def test_no_rules_no_work(django_assert_num_queries):
    Fact.objects.all().delete()
    shop = Polled()
    shop.poll(2, orders=0.0)
    with django_assert_num_queries(1):  # the version of the rules
        shop.ingest.watch(shop.told[-1], shop.ingest.ring)
