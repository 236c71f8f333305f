from __future__ import annotations

import threading
import time
from itertools import pairwise

import pytest

from collectors.brokers.memory import Memory, World, world
from collectors.errors import Unreachable
from collectors.poller import Poller
from collectors.protocol import Broker, Poll
from collectors.schedule import JITTER
from collectors.url import BrokerURL

from .ears import SOON, Ears, until, url_of


@pytest.fixture
def mill() -> World:
    world("mill").put("grain")
    return world("mill")


def test_every_answer_reaches_the_sink(poller: Poller, ears: Ears, shop: World) -> None:
    poller.add(1, url_of("shop"), 3600)  # so long that no poll of it is longer, on no machine
    for n in range(1, 4):
        poller.poll_now(1)
        until(lambda n=n: len(ears.of(1, Poll)) >= n)
    poll = ears.of(1, Poll)[0]
    assert isinstance(poll, Poll)
    assert [(s.name, s.depth) for s in poll.samples] == [("orders", 2)]
    assert poll.cost.seconds > 0
    health = poller.health(1)
    assert (health.failures, health.overruns) == (0, 0)
    assert health.polls >= 2
    assert poller.ids == {1}


def test_a_failing_and_a_hanging_broker_slow_no_other(poller: Poller, ears: Ears, shop: World, mill: World) -> None:
    world("swamp").fail(Unreachable("The swamp is gone."))
    shop.hang()
    for id, name in enumerate(("shop", "swamp", "mill"), 1):
        poller.add(id, url_of(name), 0.02)
    until(lambda: len(ears.of(3, Poll)) >= 10 and ears.of(2, Unreachable))
    assert ears.of(1) == []
    until(lambda: poller.health(1).in_flight_seconds)


def test_never_two_polls_of_a_broker_at_once(poller: Poller, ears: Ears, shop: World) -> None:
    shop.slow(0.03)
    poller.add(1, url_of("shop"), 0.01)
    for _ in range(10):
        poller.poll_now(1)
        time.sleep(0.005)
    until(lambda: shop.polls >= 5)
    assert shop.most_at_once == 1


def test_a_poll_longer_than_the_interval_is_said(poller: Poller, ears: Ears, shop: World) -> None:
    shop.slow(0.05)
    poller.add(1, url_of("shop"), 0.01)
    until(lambda: poller.health(1).overruns >= 2)
    poll = ears.of(1, Poll)[-1]
    assert isinstance(poll, Poll)
    assert "longer than its interval" in dict(poll.details)["polling"]


def test_back_off_grows_and_heals_at_once(poller: Poller, ears: Ears, shop: World) -> None:
    shop.fail(Unreachable("The shop is closed."))
    poller.add(1, url_of("shop"), 0.05)
    until(lambda: len(ears.of(1)) >= 5)
    waits = [later - earlier for earlier, later in pairwise(ears.times(1)[:5])]
    assert all(wait > (1 - JITTER) * 0.05 * 2**n for n, wait in enumerate(waits))  # longer ones are a busy machine's
    shop.fail(None)
    poller.poll_now(1)
    until(lambda: len(ears.of(1, Poll)) >= 3)
    health = poller.health(1)
    assert health.failures == 0
    assert health.next_in_seconds <= 0.05  # an interval; as it had backed off, 0.64 s and more


def test_a_broker_is_polled_at_once_when_asked(poller: Poller, ears: Ears, shop: World) -> None:
    poller.add(1, url_of("shop"), 3600)  # the first poll comes by itself, within a second: one asked for may be another
    until(lambda: len(ears.of(1)) == 1)
    shop.put("orders")
    poller.poll_now(1)
    until(lambda: len(ears.of(1)) == 2)
    assert [poll.samples[0].depth for poll in ears.of(1) if isinstance(poll, Poll)] == [2, 3]


def test_what_is_asked_for_during_a_poll_comes_after_it(poller: Poller, ears: Ears, shop: World) -> None:
    shop.hang()
    poller.add(1, url_of("shop"), 3600)
    until(lambda: shop.polling)
    poller.poll_now(1)
    poller.poll_now(1)
    shop.release()
    until(lambda: len(ears.of(1)) == 2)
    time.sleep(0.1)
    assert shop.polls == 2


class Deaf(Memory):
    """An adapter that goes on with its poll when it is closed."""

    def close(self) -> None:
        pass


@pytest.mark.parametrize("adapter", [Memory, Deaf])
def test_a_changed_address_is_polled_and_the_old_answer_dropped(
    ears: Ears, shop: World, mill: World, adapter: type[Memory]
) -> None:
    shop.hang()
    with Poller(ears, adapter) as poller:
        poller.add(1, url_of("shop"), 3600)
        until(lambda: shop.polling)
        poller.change(1, url_of("mill"))
        shop.release()
        until(lambda: ears.of(1))
        (poll,) = ears.of(1)
    assert isinstance(poll, Poll)
    assert [s.name for s in poll.samples] == ["grain"]


def test_an_answer_that_comes_after_the_removal_is_dropped(ears: Ears, shop: World) -> None:
    shop.hang()
    with Poller(ears, Deaf) as poller:
        poller.add(1, url_of("shop"), 3600)
        until(lambda: shop.polling)
        poller.remove(1)
        shop.release()
        until(lambda: not shop.polling)
        time.sleep(0.1)
    assert ears.heard == []


def test_a_changed_interval_keeps_the_connection(ears: Ears, shop: World) -> None:
    built: list[Broker] = []

    def connect(url: BrokerURL) -> Broker:
        built.append(Memory(url))
        return built[-1]

    with Poller(ears, connect) as poller:
        poller.add(1, url_of("shop"), 3600)
        until(lambda: ears.of(1))
        poller.change(1, url_of("shop"), interval=0.01)
        until(lambda: len(ears.of(1, Poll)) >= 4)
    assert len(built) == 1


def test_a_removed_broker_is_not_heard_of_again(poller: Poller, ears: Ears, shop: World) -> None:
    poller.add(1, url_of("shop"), 0.005)
    until(lambda: ears.of(1))
    poller.remove(1)
    heard = len(ears.heard)
    time.sleep(0.1)
    assert len(ears.heard) == heard
    assert poller.ids == frozenset()
    with pytest.raises(KeyError):
        poller.poll_now(1)


def test_a_sink_may_remove_the_broker_it_is_told_of(shop: World) -> None:
    class Once(Ears):
        def polled(self, id: int, poll: Poll) -> None:
            super().polled(id, poll)
            polling.remove(id)

    ears = Once()
    with Poller(ears) as polling:
        polling.add(1, url_of("shop"), 0.005)
        until(lambda: not polling.ids)
        time.sleep(0.1)
        assert len(ears.heard) == 1


def test_an_id_is_taken_once_and_an_interval_is_positive(poller: Poller, shop: World) -> None:
    poller.add(1, url_of("shop"), 10)
    with pytest.raises(ValueError, match="already"):
        poller.add(1, url_of("shop"), 10)
    for interval in (0, -1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="interval"):
            poller.add(2, url_of("shop"), interval)


def test_stopping_does_not_wait_for_a_poll_that_hangs(ears: Ears, shop: World, mill: World) -> None:
    shop.hang()
    poller = Poller(ears)
    poller.add(1, url_of("shop"), 0.01)
    poller.add(2, url_of("mill"), 0.01)
    until(lambda: shop.polling and ears.of(2))
    began = time.monotonic()
    assert poller.stop(timeout=0.3) is False
    assert time.monotonic() - began < SOON
    until(lambda: not mill.polling)
    heard = len(ears.of(2))  # the sink may just be told of the mill's last poll
    shop.release()
    time.sleep(0.1)
    assert ears.of(1) == [] and len(ears.of(2)) <= heard + 1
    with pytest.raises(RuntimeError, match="stopped"):
        poller.add(3, url_of("mill"), 1)


def test_stopping_ends_a_slow_poll_by_closing_its_connection(ears: Ears, shop: World) -> None:
    shop.slow(3600)
    poller = Poller(ears)
    poller.add(1, url_of("shop"), 0.01)
    until(lambda: shop.polling)
    assert poller.stop(timeout=SOON) is True
    assert ears.heard == []


def test_many_brokers_leave_no_thread_behind(ears: Ears, shop: World) -> None:
    before = threading.active_count()
    poller = Poller(ears)
    for id in range(50):
        poller.add(id, url_of("shop"), 0.5)
    until(lambda: {who for who, _, _ in list(ears.heard)} == set(range(50)))
    assert poller.stop(SOON)
    until(lambda: threading.active_count() <= before)
