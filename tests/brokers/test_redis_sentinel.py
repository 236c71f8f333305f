"""Redis Sentinel: the primary is found and followed over a fail-over, without a restart."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator

import pytest

from collectors import registry
from collectors.errors import AccessRefused, BadURL, CollectorError, Unreachable
from collectors.protocol import Poll
from tests.brokers.redis_polls import failure, polling, sample
from tests.servers.redis import available, running
from tests.servers.redis_sentinel import SERVICE, Watched, redis_with_sentinels

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def watched() -> Iterator[Watched]:
    """A service for tests that leave it as it was."""
    if not available("redis7"):
        pytest.skip("redis7 is not installed")
    with redis_with_sentinels("redis7") as watched:
        kept(watched, "a", "b")
        yield watched


def kept(watched: Watched, *messages: str) -> None:
    """Messages in the queue `mail`, which the replica has too."""
    client = watched.primary.client()
    client.lpush("mail", *messages)
    assert client.wait(1, 60_000) == 1


def heals(broker, seconds: float = 60.0) -> tuple[Poll, list[CollectorError]]:  # type: ignore[no-untyped-def]
    """Polls until one succeeds again; it, and what the others failed with."""
    failures: list[CollectorError] = []
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            return broker.poll(), failures
        except CollectorError as error:
            failures.append(error)
            time.sleep(0.3)
    raise AssertionError(f"it did not heal: {failures[-1]}")


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.2)


def test_the_primary_of_the_service_is_polled(watched: Watched) -> None:
    with polling(watched.url) as broker:
        poll = broker.poll()
    assert sample(poll, "mail").depth == 2 and dict(poll.details)["Role"] == "primary, 1 replicas"


def test_a_replica_is_polled_when_asked_for(watched: Watched) -> None:
    until(lambda: "ok" in watched.replica_link())  # a Sentinel looks every ten seconds
    with polling(watched.url + "?replica=true") as broker:
        poll = broker.poll()
    assert sample(poll, "mail").depth == 2 and dict(poll.details)["Role"].startswith("replica of 127.0.0.1")


def test_a_sentinel_that_does_not_answer_is_passed_over(watched: Watched) -> None:
    url = watched.url.replace("://", "://127.0.0.1:1,")
    with polling(url) as broker:
        assert sample(broker.poll(), "mail").depth == 2


def test_mistakes_in_the_url_are_told(watched: Watched) -> None:
    assert "no service 'nobody'" in failure(watched.url.replace(SERVICE, "nobody"), BadURL)
    direct = f"redis+sentinel://127.0.0.1:{watched.primary.port}/{SERVICE}"
    assert "is no Sentinel" in failure(direct, BadURL)
    with pytest.raises(BadURL, match="name the service"):
        registry.connect(registry.parse("redis+sentinel://127.0.0.1:26379"))
    said = failure("redis+sentinel://127.0.0.1:1,127.0.0.1:2/shop", Unreachable)
    assert "No Sentinel names a server for 'shop'" in said


def test_check_finds_the_primary(watched: Watched) -> None:
    with polling(watched.url) as broker:
        lines = broker.check()
    assert lines[0].ok and f"127.0.0.1:{watched.primary.port}" in lines[0].sentence


@pytest.mark.parametrize("engine", ["valkey9", "redis7"])
def test_a_fail_over_while_polling_heals_by_itself(engine: str) -> None:
    if not available(engine):
        pytest.skip(f"{engine} is not installed")
    with redis_with_sentinels(engine, sentinels=2) as watched:
        kept(watched, "a", "b", "c")
        with polling(watched.url + "?timeout=5s") as broker:
            assert sample(broker.poll(), "mail").depth == 3
            watched.primary.process.kill()
            watched.primary.process.wait()
            with pytest.raises(Unreachable):
                broker.poll()
            watched.give_up()
            poll, failures = heals(broker)
            assert sample(poll, "mail").depth == 3 and poll.complete
            assert dict(poll.details)["Role"].startswith("primary")
            assert all(isinstance(failure, Unreachable) for failure in failures), failures
            until(lambda: watched.primary_port() == watched.replica.port)  # one Sentinel hears it from the other


def test_a_primary_that_was_only_away_is_not_polled_as_a_replica() -> None:
    if not available("redis7"):
        pytest.skip("redis7 is not installed")
    with redis_with_sentinels("redis7") as watched:
        watched.primary.client().lpush("mail", "a")
        with polling(watched.url + "?timeout=1s") as broker:
            broker.poll()
            watched.primary.process.send_signal(signal.SIGSTOP)
            watched.give_up()
            try:
                heals(broker)
            finally:
                watched.primary.process.send_signal(signal.SIGCONT)
            watched.be_patient()
            for _ in range(5):  # it comes back, and is made a replica
                poll, _ = heals(broker)
                assert dict(poll.details)["Role"].startswith("primary")
                time.sleep(0.3)


def test_one_password_for_servers_and_sentinels_and_a_missing_one() -> None:
    if not available("redis7"):
        pytest.skip("redis7 is not installed")
    with running("redis7", "--requirepass", "secret-word") as server:
        settings = [f"monitor {SERVICE} 127.0.0.1 {server.port} 1", f"auth-pass {SERVICE} secret-word"]
        lines = [*(f"sentinel {line}" for line in settings), "requirepass secret-word"]
        with running("redis7", sentinel=lines) as sentinel:
            place = f"127.0.0.1:{sentinel.port}/{SERVICE}/0"
            server.client(password="secret-word").lpush("mail", "a")
            with polling(f"redis+sentinel://:secret-word@{place}") as broker:
                assert sample(broker.poll(), "mail").depth == 1
            assert "wants a password" in failure(f"redis+sentinel://{place}", AccessRefused)
