"""What every adapter must keep: its test class inherits `BrokerContract` and gives the fixtures below.

An adapter's test reads like this::

    class TestRabbitMQ(BrokerContract):
        settles_within = 6.0

        @pytest.fixture
        def url(self, node): return f"amqp://guest:guest@127.0.0.1:{node.port}"
        ...

`queue`, `add_messages` and `url` belong together: one live server, one queue on it that nobody reads.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from collectors import registry
from collectors.errors import AccessRefused, BadURL, CollectorError, TimedOut, Unreachable
from collectors.protocol import METRICS, Broker, LagMethod, Poll, Quality, Sample

#: Puts so many messages into the queue under test.
Adds = Callable[[int], None]


class BrokerContract:
    """The promises of `collectors.protocol`, tried on a live server."""

    #: Seconds after which a broker's numbers show what was done to it (0: at once).
    settles_within = 0.0
    #: Seconds within which a dead address must have been given up.
    gives_up_within = 20.0
    #: True where the broker itself tells rates, so that even a first poll may have them.
    tells_rates_at_once = False

    @pytest.fixture
    def url(self) -> str:
        """The URL of a live server."""
        raise NotImplementedError

    @pytest.fixture
    def queue(self, url: str) -> str:
        """The key of an empty queue that nobody reads (it may show only once it holds a message)."""
        raise NotImplementedError

    @pytest.fixture
    def add_messages(self, queue: str) -> Adds:
        """Puts n messages into `queue`."""
        raise NotImplementedError

    @pytest.fixture
    def dead_url(self) -> str:
        """A URL at which nothing listens, best with a password in it."""
        raise NotImplementedError

    @pytest.fixture
    def wrong_password_url(self) -> str | None:
        """The live server with a wrong password; None where this kind of broker knows no passwords."""
        raise NotImplementedError

    @pytest.fixture
    def broker(self, url: str) -> Iterator[Broker]:
        broker = registry.connect(registry.parse(url))
        yield broker
        broker.close()

    # --- helpers -------------------------------------------------------------------------------------------------
    def poll_until(self, broker: Broker, key: str, depth: int) -> Poll:
        """Poll until the queue shows this depth, for as long as the broker may take to settle; the last poll."""
        deadline = time.monotonic() + self.settles_within
        while True:
            poll = broker.poll()
            found = [sample for sample in poll.samples if sample.key == key]
            if (found and found[0].depth == depth) or time.monotonic() >= deadline:
                return poll
            time.sleep(0.3)

    def sample(self, poll: Poll, key: str) -> Sample:
        by_key = {sample.key: sample for sample in poll.samples}
        assert key in by_key, f"no sample of {key!r}, only of {sorted(by_key)[:10]}"
        return by_key[key]

    # --- what a poll says ----------------------------------------------------------------------------------------
    def test_it_is_a_broker_and_lists_its_parameters(self, broker: Broker) -> None:
        assert isinstance(broker, Broker)
        parameters = type(broker).PARAMETERS  # type: ignore[attr-defined]
        assert isinstance(parameters, tuple)
        assert all(isinstance(name, str) for name in parameters)

    def test_the_depth_is_what_was_put_there(self, broker: Broker, queue: str, add_messages: Adds) -> None:
        add_messages(3)
        assert self.sample(self.poll_until(broker, queue, 3), queue).depth == 3

    def test_a_later_poll_shows_what_came_since(self, broker: Broker, queue: str, add_messages: Adds) -> None:
        add_messages(2)
        self.poll_until(broker, queue, 2)
        add_messages(5)
        assert self.sample(self.poll_until(broker, queue, 7), queue).depth == 7

    def test_there_is_one_sample_per_queue_and_keys_stay_the_same(
        self, broker: Broker, queue: str, add_messages: Adds
    ) -> None:
        add_messages(1)
        first, second = (
            [sample.key for sample in poll.samples] for poll in (self.poll_until(broker, queue, 1), broker.poll())
        )
        assert len(set(first)) == len(first)
        assert set(first) == set(second)

    def test_every_sample_has_a_name_and_a_kind(self, broker: Broker, queue: str, add_messages: Adds) -> None:
        add_messages(1)
        for sample in self.poll_until(broker, queue, 1).samples:
            assert sample.key and sample.name and sample.kind, sample

    def test_numbers_are_none_or_finite_and_never_negative(
        self, broker: Broker, queue: str, add_messages: Adds
    ) -> None:
        add_messages(2)
        polls = [self.poll_until(broker, queue, 2), broker.poll()]
        for sample in (sample for poll in polls for sample in poll.samples):
            for metric in METRICS:
                value = getattr(sample, metric)
                assert value is None or math.isfinite(value), (sample.key, metric, value)
                assert value is None or value >= 0 or metric == "net_rate", (sample.key, metric, value)

    def test_quality_speaks_of_metrics_and_never_calls_an_unknown_number_exact(
        self, broker: Broker, queue: str, add_messages: Adds
    ) -> None:
        add_messages(1)
        for sample in self.poll_until(broker, queue, 1).samples:
            assert set(sample.quality) <= set(METRICS), sample.key
            for metric, quality in sample.quality.items():
                assert isinstance(quality, Quality), (sample.key, metric, quality)
                if getattr(sample, metric) is None:
                    assert quality is not Quality.EXACT, (sample.key, metric)

    def test_a_lag_says_how_it_was_found(self, broker: Broker, queue: str, add_messages: Adds) -> None:
        add_messages(1)
        for sample in self.poll_until(broker, queue, 1).samples:
            if sample.lag_seconds is None:
                assert sample.lag_method is LagMethod.NONE, sample.key
            elif sample.lag_seconds > 0:
                assert sample.lag_method is not LagMethod.NONE, sample.key

    def test_a_first_poll_makes_up_no_rates(self, broker: Broker, queue: str, add_messages: Adds) -> None:
        if self.tells_rates_at_once:
            pytest.skip("this broker tells rates itself")
        add_messages(4)
        for sample in broker.poll().samples:
            rates = (sample.in_rate, sample.out_rate, sample.net_rate, sample.redelivery_rate)
            assert rates == (None,) * 4, sample.key

    def test_a_poll_is_timed_now(self, broker: Broker) -> None:
        before = time.time()
        at = broker.poll().at
        assert before - 60 < at < time.time() + 60

    def test_a_poll_says_how_it_was_made_and_what_it_cost(self, broker: Broker, queue: str, add_messages: Adds) -> None:
        add_messages(1)
        poll = self.poll_until(broker, queue, 1)
        assert poll.method
        assert poll.version
        assert poll.cost.requests >= 1
        assert poll.cost.seconds >= 0

    def test_a_whole_answer_has_no_problems(self, broker: Broker, queue: str, add_messages: Adds) -> None:
        add_messages(1)
        poll = self.poll_until(broker, queue, 1)
        assert (poll.complete, poll.problems) == (True, [])

    def test_relations_and_facts_speak_of_queues_that_were_sampled(
        self, broker: Broker, queue: str, add_messages: Adds
    ) -> None:
        add_messages(1)
        poll = self.poll_until(broker, queue, 1)
        keys = {sample.key for sample in poll.samples}
        assert set(poll.facts or {}) <= keys
        for relation in poll.relations or ():
            assert {relation.source, relation.target} <= keys, relation

    def test_what_is_hidden_says_why(self, broker: Broker, queue: str, add_messages: Adds) -> None:
        add_messages(1)
        for key, facts in (self.poll_until(broker, queue, 1).facts or {}).items():
            assert bool(facts.why_hidden) == facts.hidden, (key, facts)

    # --- what polling and closing do -----------------------------------------------------------------------------
    def test_polling_changes_nothing(self, broker: Broker, queue: str, add_messages: Adds) -> None:
        add_messages(3)
        self.poll_until(broker, queue, 3)
        for _ in range(2):
            sample = self.sample(broker.poll(), queue)
            assert (sample.depth, sample.in_flight in (0, None)) == (3, True)

    def test_closing_twice_is_harmless(self, broker: Broker) -> None:
        broker.poll()
        broker.close()
        broker.close()

    def test_closing_before_the_first_poll_is_harmless(self, broker: Broker) -> None:
        broker.close()

    def test_a_poll_after_closing_answers_or_says_why_not(self, broker: Broker, queue: str, add_messages: Adds) -> None:
        add_messages(1)
        self.poll_until(broker, queue, 1)
        broker.close()
        try:
            poll = broker.poll()
        except CollectorError as error:
            assert_one_sentence(error)
        else:
            assert self.sample(poll, queue).depth == 1

    def test_closing_from_another_thread_ends_a_poll_in_a_clear_way(self, broker: Broker) -> None:
        unclear: list[BaseException] = []
        started = threading.Event()

        def poll_a_few_times() -> None:
            for _ in range(3):
                started.set()
                try:
                    broker.poll()
                except CollectorError:
                    pass  # a clear answer
                except BaseException as error:
                    unclear.append(error)

        thread = threading.Thread(target=poll_a_few_times, daemon=True)
        thread.start()
        started.wait()
        broker.close()
        thread.join(self.gives_up_within + self.settles_within)
        assert not thread.is_alive()
        assert unclear == []

    # --- failures ------------------------------------------------------------------------------------------------
    def test_a_dead_address_is_given_up_in_time_and_in_one_sentence(self, dead_url: str) -> None:
        url = registry.parse(dead_url)
        broker = registry.connect(url)  # building connects nowhere
        began = time.monotonic()
        with pytest.raises((Unreachable, TimedOut)) as caught:
            broker.poll()
        broker.close()
        assert time.monotonic() - began < self.gives_up_within
        assert_one_sentence(caught.value, url.password)

    def test_a_wrong_password_is_refused_and_never_shown(self, wrong_password_url: str | None) -> None:
        if wrong_password_url is None:
            pytest.skip("this kind of broker knows no passwords")
        url = registry.parse(wrong_password_url)
        assert url.password
        broker = registry.connect(url)
        with pytest.raises(AccessRefused) as caught:
            broker.poll()
        broker.close()
        assert_one_sentence(caught.value, url.password)

    def test_an_unknown_parameter_is_refused_by_name(self, url: str) -> None:
        with pytest.raises(BadURL, match="no_such_parameter"):
            registry.parse(f"{url}{'&' if '?' in url else '?'}no_such_parameter=1")


def assert_one_sentence(error: CollectorError, password: str = "") -> None:
    """A message fit for a page: one line, a sentence, no traceback, no password."""
    text = str(error)
    assert text.strip() == text and text.endswith((".", "?")), text
    assert "\n" not in text and "Traceback" not in text, text
    assert 20 <= len(text) <= 500, text
    if password:
        assert password not in text, text
