"""A broker belongs to one collector at a time; its answers reach the store, the bus and the brokers page."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from threading import Event, Timer

import pytest
from django.db import connections
from django.utils import timezone

from collectors.brokers.memory import world
from collectors.errors import AccessRefused
from dashboard.access import Principal
from dashboard.broker_deeds import delete
from dashboard.brokers import pause_broker, save_broker
from dashboard.collecting import Collector
from dashboard.live.bus import InProcess
from dashboard.models import Broker
from dashboard.store import open_store
from dashboard.ticks import Tick

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def store(tmp_path):
    store = open_store(tmp_path)
    yield store
    store.close()


@pytest.fixture
def heard() -> list[Tick]:
    return []


@pytest.fixture
def bus(heard) -> InProcess:
    bus = InProcess()
    bus.subscribe(heard.append)
    return bus


@pytest.fixture
def collector(store, bus) -> Iterator[Collector]:
    collector = Collector(store, bus)
    yield collector
    collector.stop()
    connections.close_all()


@pytest.fixture
def broker() -> Broker:
    world("shop").put("orders", 3)
    return save_broker("memory://shop", name="shop", interval=1.0)


def until(true: Callable[[], object], seconds: float = 30.0) -> None:
    """Wait until something is so."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.02)


def test_an_answer_reaches_the_bus_the_store_and_the_brokers_page(collector, broker, store, heard):
    collector.settle()
    until(lambda: heard)
    assert heard[0].column("depth").tolist() == [3] and heard[0].judgement is not None
    until(lambda: store.latest(broker.id) is not None)
    until(lambda: Broker.objects.get(id=broker.id).queue_count == 1)
    until(lambda: Broker.objects.get(id=broker.id).state() == "reporting")
    broker.refresh_from_db()
    assert broker.poll_requests >= 1 and broker.last_error == ""


def test_a_failure_is_said_on_the_brokers_page_and_heals(collector, broker):
    world("shop").fail(AccessRefused("shop refused the user 'guest': the password is wrong."))
    collector.settle()
    until(lambda: Broker.objects.get(id=broker.id).last_error)
    broker.refresh_from_db()
    assert broker.state() == "failing" and "password is wrong" in broker.last_error
    world("shop").fail(None)
    collector.poller.poll_now(broker.id)
    until(lambda: Broker.objects.get(id=broker.id).state() == "reporting")


def test_of_two_collectors_one_polls(collector, broker, store, bus):
    other = Collector(store, bus)
    try:
        collector.settle()
        other.settle()
        assert collector.poller.ids == {broker.id} and not other.poller.ids
    finally:
        other.stop()


def test_a_dead_collectors_broker_is_taken_over(collector, broker, store, bus):
    Broker.objects.filter(id=broker.id).update(owner="dead", owned_until=timezone.now() - timedelta(seconds=1))
    collector.settle()
    assert collector.poller.ids == {broker.id}


def test_a_collector_that_lost_its_lease_writes_nothing_more(collector, broker, heard):
    collector.settle()
    until(lambda: heard)
    collector._until[broker.id] = 0.0
    before = len(heard)
    collector.poller.poll_now(broker.id)
    polls = world("shop").polls
    until(lambda: world("shop").polls > polls + 1)
    assert len(heard) <= before + 1


def test_stopping_gives_the_brokers_back(collector, broker):
    collector.settle()
    collector.stop()
    broker.refresh_from_db()
    assert broker.owner == "" and not collector.poller.ids


def test_stopping_in_the_midst_of_a_round_gives_back_what_it_takes_on_and_is_no_mistake(
    collector, broker, monkeypatch, caplog
):
    taking, stopping, poll = Event(), Event(), collector._poll
    monkeypatch.setattr(collector, "_poll", lambda one: [taking.set(), stopping.wait(30), poll(one)])
    collector.start()
    assert taking.wait(30)
    Timer(0.3, stopping.set).start()
    collector.stop(timeout=30)
    broker.refresh_from_db()
    assert stopping.is_set() and broker.owner == "" and "brought in line" not in caplog.text


def test_pausing_ends_the_polls_and_resuming_starts_them(collector, broker, heard):
    collector.settle()
    pause_broker(broker, True)
    collector.settle()
    assert not collector.poller.ids
    pause_broker(broker, False)
    collector.settle()
    assert collector.poller.ids == {broker.id}


@pytest.mark.usefixtures("web")
def test_a_broker_may_be_deleted_while_its_first_queues_come_in(collector, caplog):
    for n in range(30):
        world(f"brief-{n}").put("orders", 1)
        broker = save_broker(f"memory://brief-{n}", name=f"brief-{n}", interval=1.0)
        collector.settle()
        time.sleep(n * 0.0005)
        delete(Principal("person", 1, "nina", "admin"), broker)
        collector.settle()
    assert not Broker.objects.exists() and not collector.poller.ids
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == []


def test_states_and_windows_are_unchanged_by_a_restart(collector, broker, store, bus, heard):
    collector.settle()
    until(lambda: len(heard) >= 3)
    collector.stop()
    before = heard[-1]
    again = Collector(store, bus)
    try:
        again.settle()
        until(lambda: heard[-1].at > before.at)
        now = heard[-1]
        assert now.judgement.state.tolist() == before.judgement.state.tolist()
        assert now.judgement.since.tolist() == before.judgement.since.tolist()
    finally:
        again.stop()


def test_a_broker_whose_url_cannot_be_read_says_so(collector, broker):
    Broker.objects.filter(id=broker.id).update(secret_url="not encrypted")
    collector.settle()
    broker.refresh_from_db()
    assert "WEIR_ENCRYPTION_KEY" in broker.last_error


def test_what_several_web_processes_look_at_is_watched_together(collector, broker, bus, heard):
    world("shop").put("mails", 1)
    collector.settle()
    until(lambda: heard and len(heard[-1]) == 2)
    for queue in heard[-1].ids.tolist():
        bus.note("watch", broker=broker.id, queues=[queue])
    assert sorted(collector._watched[broker.id]) == ["mails", "orders"]
    collector._watched[broker.id]["mails"] -= 61
    collector.settle()
    assert sorted(collector._watched[broker.id]) == ["orders"]
