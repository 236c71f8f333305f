from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence

import pytest

from collectors import line, registry
from collectors import poller as poller_module
from collectors.brokers.memory import Memory, World, forget, world
from collectors.errors import AccessRefused, BadAnswer, CollectorError, OwnFault, TimedOut, Unreachable
from collectors.poller import Poller
from collectors.protocol import Broker, Poll
from collectors.url import BrokerURL

SOON = 20.0  # a generous bound: what is waited for takes milliseconds


class Ears:
    """A sink that remembers what it heard, and can be told to break."""

    def __init__(self) -> None:
        self.heard: list[tuple[int, Poll | CollectorError, float]] = []
        self.breaks: Exception | None = None

    def polled(self, id: int, poll: Poll) -> None:
        self.heard.append((id, poll, time.monotonic()))
        if self.breaks:
            raise self.breaks

    def failed(self, id: int, error: CollectorError, at: float) -> None:
        assert abs(at - time.time()) < SOON
        self.heard.append((id, error, time.monotonic()))
        if self.breaks:
            raise self.breaks

    def of(self, id: int, kind: type = object) -> list[Poll | CollectorError]:
        return [what for who, what, _ in list(self.heard) if who == id and isinstance(what, kind)]

    def times(self, id: int) -> list[float]:
        return [when for who, _, when in list(self.heard) if who == id]


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + SOON
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)


def url_of(name: str) -> BrokerURL:
    return registry.parse(f"memory://{name}")


@pytest.fixture
def ears() -> Ears:
    return Ears()


@pytest.fixture
def poller(ears: Ears) -> Iterator[Poller]:
    with Poller(ears) as poller:
        yield poller


@pytest.fixture
def shop() -> Iterator[World]:
    forget("shop")
    world("shop").put("orders", 2)
    yield world("shop")
    world("shop").release()


@pytest.fixture
def mill() -> World:
    forget("mill")
    world("mill").put("grain")
    return world("mill")


def test_every_answer_reaches_the_sink(poller: Poller, ears: Ears, shop: World) -> None:
    poller.add(1, url_of("shop"), 0.02)
    until(lambda: len(ears.of(1, Poll)) >= 3)
    poll = ears.of(1, Poll)[0]
    assert isinstance(poll, Poll)
    assert [(s.name, s.depth) for s in poll.samples] == [("orders", 2)]
    assert poll.cost.seconds > 0
    health = poller.health(1)
    assert (health.failures, health.overruns) == (0, 0)
    assert health.polls >= 2
    assert poller.ids == {1}


def test_a_failing_and_a_hanging_broker_slow_no_other(poller: Poller, ears: Ears, shop: World, mill: World) -> None:
    forget("swamp")
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
    times = ears.times(1)
    assert times[4] - times[3] > 2 * (times[1] - times[0])
    shop.fail(None)
    poller.poll_now(1)
    until(lambda: len(ears.of(1, Poll)) >= 3)
    assert poller.health(1).failures == 0
    healed = [when for _, what, when in ears.heard if isinstance(what, Poll)]
    assert healed[2] - healed[0] < times[4] - times[3]


def test_a_broker_is_polled_at_once_when_asked(poller: Poller, ears: Ears, shop: World) -> None:
    poller.add(1, url_of("shop"), 3600)
    poller.poll_now(1)
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


def test_a_changed_address_is_polled_and_the_old_answer_dropped(
    poller: Poller, ears: Ears, shop: World, mill: World
) -> None:
    shop.hang()
    poller.add(1, url_of("shop"), 3600)
    until(lambda: shop.polling)
    poller.change(1, url_of("mill"))
    shop.release()
    until(lambda: ears.of(1))
    (poll,) = ears.of(1, Poll)
    assert isinstance(poll, Poll)
    assert [s.name for s in poll.samples] == ["grain"]


def test_a_changed_interval_keeps_the_connection(ears: Ears, shop: World) -> None:
    built: list[Broker] = []

    def connect(url: BrokerURL) -> Broker:
        built.append(Memory(url))
        return built[-1]

    with Poller(ears, connect) as poller:
        poller.add(1, url_of("shop"), 3600)
        until(lambda: ears.of(1))
        poller.change(1, interval=0.01)
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
    heard = len(ears.heard)
    shop.release()
    time.sleep(0.1)
    assert len(ears.heard) == heard
    with pytest.raises(RuntimeError, match="stopped"):
        poller.add(3, url_of("mill"), 1)


def test_stopping_ends_a_slow_poll_by_closing_its_connection(ears: Ears, shop: World) -> None:
    shop.slow(3600)
    poller = Poller(ears)
    poller.add(1, url_of("shop"), 0.01)
    until(lambda: shop.polling)
    assert poller.stop(timeout=SOON) is True
    assert ears.heard == []


def test_a_poll_that_takes_far_too_long_is_given_up_once(
    ears: Ears, shop: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line, "GIVE_UP_AFTER", 0.05)
    monkeypatch.setattr(poller_module, "_WATCH_EVERY", 0.02)
    shop.hang()
    with Poller(ears) as poller:
        poller.add(1, url_of("shop"), 0.01)
        until(lambda: ears.of(1))
        time.sleep(0.2)
        (error,) = ears.of(1)
        assert isinstance(error, TimedOut)
        shop.release()
        until(lambda: ears.of(1, Poll))


class TestAdapters:
    """What becomes of an adapter when a poll fails."""

    @pytest.fixture
    def built(self) -> list[Memory]:
        return []

    @pytest.fixture
    def poller(self, ears: Ears, built: list[Memory]) -> Iterator[Poller]:
        def connect(url: BrokerURL) -> Broker:
            built.append(Memory(url))
            return built[-1]

        with Poller(ears, connect) as poller:
            yield poller

    @pytest.mark.parametrize("error", [Unreachable("Gone away."), TimedOut("Too late."), AccessRefused("Not you.")])
    def test_it_is_closed_and_built_anew_after_a_lost_connection(
        self, poller: Poller, ears: Ears, built: list[Memory], shop: World, error: CollectorError
    ) -> None:
        shop.fail(error)
        poller.add(1, url_of("shop"), 0.01)
        until(lambda: ears.of(1, type(error)))
        shop.fail(None)
        poller.poll_now(1)
        until(lambda: ears.of(1, Poll))
        assert len(built) >= 2
        with pytest.raises(Unreachable):
            built[0].poll()

    def test_it_is_kept_after_one_bad_answer_but_not_after_two(
        self, poller: Poller, ears: Ears, built: list[Memory], shop: World
    ) -> None:
        shop.fail(BadAnswer("Riddles."))
        poller.add(1, url_of("shop"), 3600)
        until(lambda: ears.of(1))
        shop.fail(None)
        poller.poll_now(1)
        until(lambda: ears.of(1, Poll))
        assert len(built) == 1
        shop.fail(BadAnswer("Riddles."))
        poller.poll_now(1)
        until(lambda: len(ears.of(1, BadAnswer)) == 2)
        poller.poll_now(1)
        until(lambda: len(ears.of(1, BadAnswer)) == 3)
        shop.fail(None)
        poller.poll_now(1)
        until(lambda: len(ears.of(1, Poll)) == 2)
        assert len(built) == 2


class Watching(Memory):
    """An adapter that can look closely."""

    told: list[tuple[str, ...]]

    def __init__(self, url: BrokerURL) -> None:
        super().__init__(url)
        self.told = []

    def watch(self, keys: Sequence[str]) -> None:
        self.told.append(tuple(keys))


def test_what_is_watched_is_told_once_and_again_to_a_new_adapter(ears: Ears, shop: World) -> None:
    built: list[Watching] = []

    def connect(url: BrokerURL) -> Broker:
        built.append(Watching(url))
        return built[-1]

    with Poller(ears, connect) as poller:
        poller.add(1, url_of("shop"), 0.01)
        poller.watch(1, ["orders"])
        until(lambda: built and built[0].told and len(ears.of(1)) > 3)
        shop.fail(Unreachable("Gone away."))
        until(lambda: ears.of(1, Unreachable))
        shop.fail(None)
        poller.poll_now(1)
        until(lambda: isinstance(ears.of(1)[-1], Poll) and len(built) >= 2)
    assert built[0].told == [("orders",)]
    assert built[-1].told == [("orders",)]


def test_a_bug_in_an_adapter_is_a_sentence_and_one_traceback(
    ears: Ears, shop: World, caplog: pytest.LogCaptureFixture
) -> None:
    shop.fail(KeyError("orders of s3cret"))
    shop.password = "s3cret"
    with Poller(ears) as poller:
        poller.add(1, registry.parse("memory://guest:s3cret@shop"), 0.01)
        until(lambda: len(ears.of(1, OwnFault)) >= 3)
        shop.fail(None)
        poller.poll_now(1)
        until(lambda: ears.of(1, Poll))
    error = ears.of(1)[0]
    assert str(error) == "Weir failed inside its own adapter of memory URLs: KeyError; its log says where."
    (record,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert "Traceback" in record.getMessage() and "in poll" in record.getMessage()
    assert "s3cret" not in record.getMessage()


def test_a_sink_that_breaks_stops_nobody(
    poller: Poller, ears: Ears, shop: World, caplog: pytest.LogCaptureFixture
) -> None:
    ears.breaks = ZeroDivisionError("a bug")
    poller.add(1, url_of("shop"), 0.01)
    until(lambda: len(ears.of(1, Poll)) >= 3 and len(ears.of(1, OwnFault)) >= 3)
    assert "ZeroDivisionError" in str(ears.of(1, OwnFault)[0])
    ears.breaks = None
    heard = len(ears.of(1, Poll))
    until(lambda: len(ears.of(1, Poll)) >= heard + 3)
    assert poller.health(1).failures == 0
    errors = [record for record in caplog.records if record.levelname == "ERROR"]
    assert len(errors) == 2  # one of each intake


def test_a_broker_that_cannot_be_built_is_a_failure_of_its_own(poller: Poller, ears: Ears) -> None:
    poller.add(1, BrokerURL.parse("gopher://nowhere"), 0.01)
    until(lambda: ears.of(1))
    assert "gopher" in str(ears.of(1)[0])


def test_many_brokers_leave_no_thread_behind(ears: Ears, shop: World) -> None:
    before = threading.active_count()
    poller = Poller(ears)
    for id in range(50):
        poller.add(id, url_of("shop"), 0.5)
    until(lambda: {who for who, _, _ in list(ears.heard)} == set(range(50)))
    assert poller.stop(SOON)
    until(lambda: threading.active_count() <= before)
