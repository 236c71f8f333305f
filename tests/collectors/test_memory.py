from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from collectors import registry
from collectors.brokers.memory import World, world
from collectors.errors import BadAnswer, Unreachable
from collectors.protocol import Broker, Poll, Relation, Sample
from tests.contracts import BrokerContract

from .ears import until


@pytest.fixture
def shop() -> World:
    return world("shop")


def broker_of(text: str) -> Broker:
    return registry.connect(registry.parse(text))


def only(poll: Poll) -> Sample:
    (sample,) = poll.samples
    return sample


def failure_of(broker: Broker) -> Exception:
    with pytest.raises(Exception) as caught:
        broker.poll()
    return caught.value


class TestMemory(BrokerContract):
    @pytest.fixture
    def url(self, shop: World) -> str:
        return "memory://shop"

    @pytest.fixture
    def queue(self, shop: World) -> str:
        shop.queue("timer", hidden="a timer of the shop")
        shop.queue("orders.dead")
        return shop.queue("orders", dead_letters_to="orders.dead").name

    @pytest.fixture
    def add_messages(self, shop: World, queue: str) -> Callable[[int], None]:
        return lambda n: shop.put(queue, n)

    @pytest.fixture
    def dead_url(self) -> str:
        world("gone").fail(Unreachable("Nothing listens at memory://gone; check the name."))
        return "memory://guest:s3cret@gone"

    @pytest.fixture
    def wrong_password_url(self, shop: World) -> str:
        shop.password = "right"
        return "memory://guest:s3cret@shop"


def test_taken_messages_are_in_flight_until_they_are_settled(shop: World) -> None:
    broker = broker_of("memory://shop")
    shop.put("orders", 5)
    assert shop.take("orders", 3) == 3
    assert shop.ack("orders", 1) == 1
    sample = only(broker.poll())
    assert (sample.depth, sample.in_flight) == (2, 2)
    assert shop.take("orders", 9) == 2


def test_rates_lag_and_head_follow_the_clock(shop: World) -> None:
    now = 1000.0
    shop.clock = lambda: now
    broker = broker_of("memory://shop")
    shop.put("orders", 4)
    first = only(broker.poll())
    now = 1010.0
    shop.put("orders", 10)
    shop.take("orders", 2)
    shop.ack("orders", 2)
    second = only(broker.poll())
    assert (first.in_rate, first.lag_seconds) == (None, 0.0)
    assert (second.in_rate, second.out_rate, second.lag_seconds) == (1.0, 0.2, 10.0)
    assert second.head == 3


def test_two_adapters_share_one_world_and_worlds_are_apart(shop: World) -> None:
    shop.put("orders")
    assert only(broker_of("memory://shop").poll()).depth == 1
    assert only(broker_of("memory://shop").poll()).depth == 1
    assert broker_of("memory://other").poll().samples == []


def test_a_failing_world_raises_what_it_was_told_and_heals(shop: World) -> None:
    shop.put("orders")
    broker = broker_of("memory://shop")
    shop.fail(BadAnswer("The broker speaks in riddles."))
    with pytest.raises(BadAnswer, match="riddles"):
        broker.poll()
    shop.fail(None)
    assert only(broker.poll()).depth == 1


def test_a_partial_answer_names_what_is_missing(shop: World) -> None:
    shop.put("orders")
    shop.put("mail")
    shop.silence("mail")
    poll = broker_of("memory://shop").poll()
    assert (only(poll).name, poll.complete, poll.problems) == ("orders", False, ["'mail' did not answer."])
    shop.silence()
    assert broker_of("memory://shop").poll().complete


def test_closing_ends_a_slow_poll_early(shop: World) -> None:
    shop.slow(60)
    broker = broker_of("memory://shop")

    def close() -> None:
        until(lambda: shop.polling)
        broker.close()

    threading.Thread(target=close, daemon=True).start()
    began = time.monotonic()
    with pytest.raises(Unreachable, match="closed while"):
        broker.poll()
    assert time.monotonic() - began < 50


def test_a_hanging_poll_heeds_no_close_but_a_release(shop: World) -> None:
    shop.put("orders")
    shop.hang()
    broker = broker_of("memory://shop")
    outcome: list[Exception] = []
    thread = threading.Thread(target=lambda: outcome.append(failure_of(broker)), daemon=True)
    thread.start()
    until(lambda: shop.polling)
    broker.close()
    thread.join(0.2)
    assert thread.is_alive()
    shop.release()
    thread.join(20)
    assert isinstance(outcome[0], Unreachable)
    assert shop.polling == 0


def test_what_is_told_is_said_instead_of_the_truth(shop: World) -> None:
    shop.put("orders", 3)
    shop.tell("orders", depth=None, kind="classic")
    broker = broker_of("memory://shop")
    sample = only(broker.poll())
    assert (sample.depth, sample.kind) == (None, "classic")
    shop.tell("orders")
    assert only(broker.poll()).depth == 3


def test_a_deleted_queue_is_gone_and_excluded_ones_are_not_shown(shop: World) -> None:
    for name in ("orders", "mail", "temp.1"):
        shop.queue(name)
    shop.delete("mail")
    assert only(broker_of("memory://shop?exclude=temp.*").poll()).name == "orders"


def test_a_relation_to_a_queue_that_is_not_shown_is_left_out(shop: World) -> None:
    shop.queue("orders", dead_letters_to="orders.dead")
    shop.queue("orders.dead")
    whole, part = broker_of("memory://shop").poll(), broker_of("memory://shop?include=orders").poll()
    assert whole.relations == [Relation("orders", "orders.dead", "dead_letters", "as the world was told")]
    assert part.relations == []
