from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import pytest

from collectors import line, registry
from collectors import poller as poller_module
from collectors.brokers.memory import Memory, World
from collectors.errors import AccessRefused, BadAnswer, CollectorError, OwnFault, TimedOut, Unreachable
from collectors.poller import Poller
from collectors.protocol import Broker, Poll
from collectors.url import BrokerURL

from .ears import Ears, until, url_of


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
