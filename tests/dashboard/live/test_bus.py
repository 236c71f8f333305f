"""The live bus: within a process, and over a real Valkey between two of them."""

from __future__ import annotations

import subprocess
import time
from contextlib import contextmanager

import numpy as np
import pytest
from django.test import override_settings

from dashboard.live import bus as buses
from dashboard.live.bus import BusError, InProcess, OverRedis
from tests.dashboard.fleets import made_up_tick
from tests.servers.ports import free_port
from tests.servers.redis import available, binary


class Heard:
    """A subscriber that remembers."""

    def __init__(self) -> None:
        self.ticks, self.notes = [], []

    def on(self, bus):
        return bus.subscribe(self.ticks.append, lambda kind, fields: self.notes.append((kind, dict(fields))))


def until(what, seconds=30.0) -> bool:
    end = time.monotonic() + seconds
    while not what() and time.monotonic() < end:
        time.sleep(0.01)
    return bool(what())


@contextmanager
def valkey_at(port, folder):
    command = [binary("valkey9"), "--bind", "127.0.0.1", "--port", str(port), "--dir", folder, "--save", ""]
    process = subprocess.Popen([*map(str, command)], stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait(10)


@contextmanager
def open_bus(url, prefix="weir"):
    bus = OverRedis(url, prefix)
    try:
        yield bus
    finally:
        bus.close()


def test_every_subscriber_hears_every_tick_and_note_until_it_unsubscribes():
    bus, one, other = InProcess(), Heard(), Heard()
    leave, _ = one.on(bus), other.on(bus)
    tick = made_up_tick(1, [1], depth=1)
    bus.publish(tick)
    bus.note("poll_now", broker=7)
    leave()
    bus.publish(tick)
    assert one.ticks == [tick] and other.ticks == [tick, tick]
    assert one.notes == other.notes == [("poll_now", {"broker": 7})]


def test_a_subscriber_that_fails_is_logged_and_harms_neither_publisher_nor_others(caplog):
    bus, heard = InProcess(), Heard()
    bus.subscribe(lambda tick: 1 / 0)
    heard.on(bus)
    bus.publish(made_up_tick(1, [1]))
    assert len(heard.ticks) == 1 and "division by zero" in caplog.text


def test_a_subscriber_may_want_notes_only():
    bus, notes = InProcess(), []
    bus.subscribe(None, lambda kind, fields: notes.append(kind))
    bus.publish(made_up_tick(1, [1]))
    bus.note("brokers_changed")
    assert notes == ["brokers_changed"]


def test_ticks_and_notes_cross_redis_whole_and_once(valkey):
    with open_bus(valkey.url) as here, open_bus(valkey.url) as there:
        near, far = Heard(), Heard()
        near.on(here)
        far.on(there)
        assert here.wait_connected(30) and there.wait_connected(30)
        sent = made_up_tick(3, [5, 6], depth=[1, 2], inventory=9)
        here.publish(sent)
        here.note("watch", broker=3, queues=[5])
        assert until(lambda: far.notes)
        time.sleep(0.1)  # an echo would have come by now
        assert near.ticks == [sent] and len(far.ticks) == 1 and len(near.notes) == 1
        got = far.ticks[0]
        assert (got.broker, got.at, got.inventory) == (3, sent.at, 9)
        assert np.array_equal(got.values, sent.values, equal_nan=True)
        assert np.array_equal(got.judgement.since, sent.judgement.since)
        assert far.notes == [("watch", {"broker": 3, "queues": [5]})]
        here.check()
        there.check()


def test_installations_that_share_a_redis_do_not_hear_each_other(valkey):
    with open_bus(valkey.url, "one") as one, open_bus(valkey.url, "two") as two:
        heard = Heard()
        heard.on(two)
        assert two.wait_connected(30)
        one.note("signed_out", user=1)
        two_says = Heard()
        two_says.on(two)
        with open_bus(valkey.url, "two") as third:
            third.note("brokers_changed")
            assert until(lambda: heard.notes)
        assert heard.notes == [("brokers_changed", {})]


def test_what_cannot_be_read_is_left_out_and_the_next_tick_arrives(valkey, caplog):
    with open_bus(valkey.url, "torn") as here, open_bus(valkey.url, "torn") as there:
        heard = Heard()
        heard.on(there)
        assert there.wait_connected(30)
        valkey.client().publish("torn:ticks", b"another1" + b"\x00nonsense")
        valkey.client().publish("torn:notes", b"another1" + b"[1")
        here.publish(made_up_tick(1, [1]))
        assert until(lambda: heard.ticks) and "cannot read" in caplog.text


def test_without_redis_subscribers_here_go_on_and_the_check_says_what_is_wrong(caplog):
    with open_bus(f"redis://:secret-word@127.0.0.1:{free_port()}/0") as bus:
        heard = Heard()
        heard.on(bus)
        began = time.monotonic()
        for _ in range(50):
            bus.publish(made_up_tick(1, [1]))
        assert time.monotonic() - began < 10 and len(heard.ticks) == 50 and not bus.connected
        with pytest.raises(BusError, match=r"Redis at 127.0.0.1:\d+ \(REDIS_URL\) cannot be used") as error:
            bus.check()
        assert "secret-word" not in str(error.value) + caplog.text
        assert caplog.text.count("Ticks are lost") == 1


@pytest.mark.slow
@pytest.mark.skipif(not available("valkey9"), reason="valkey9 is not installed")
def test_a_redis_that_comes_back_is_found_and_the_next_tick_arrives(tmp_path):
    port = free_port()
    url = f"redis://127.0.0.1:{port}/0"
    with open_bus(url) as here, open_bus(url) as there:
        heard = Heard()
        heard.on(there)
        with valkey_at(port, tmp_path):
            assert there.wait_connected(30)
            here.publish(made_up_tick(1, [1]))
            assert until(lambda: heard.ticks)
        assert until(lambda: not there.connected)
        here.publish(made_up_tick(1, [1], depth=1))
        with valkey_at(port, tmp_path):
            assert there.wait_connected(30)
            assert until(lambda: here._publisher.ready)
            here.publish(made_up_tick(1, [1], depth=2))
            assert until(lambda: len(heard.ticks) == 2) and heard.ticks[1].column("depth")[0] == 2
            assert ("bus_back", {}) in heard.notes
            here.check()
            there.check()


def test_the_bus_of_a_process_is_one_and_follows_the_settings():
    try:
        with override_settings(REDIS_URL=""):
            assert buses.the_bus() is buses.the_bus() and isinstance(buses.the_bus(), InProcess)
        buses.close_bus()
        with override_settings(REDIS_URL=f"redis://127.0.0.1:{free_port()}/0"):
            assert isinstance(buses.the_bus(), OverRedis)
    finally:
        buses.close_bus()
