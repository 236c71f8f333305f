"""What a user may not do, and what the network does: a clear sentence each, on every engine."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from collectors import registry
from collectors.brokers.redis import Redis
from collectors.brokers.redis.powers import RECIPE
from collectors.errors import AccessRefused, BadURL, TimedOut, Unreachable
from tests.brokers.redis_polls import polling, sample
from tests.servers.redis import Server, available, running


@pytest.fixture
def shop(redis_clean: Server) -> Server:
    """A list, a stream with a group, Celery's binding, a subscriber's channel."""
    client = redis_clean.client()
    client.lpush("mail", "a", "b")
    for i in range(3):
        client.xadd("orders", {"n": i})
    client.xgroup_create("orders", "billing", id="0")
    client.xreadgroup("billing", "anna", {"orders": ">"}, count=1)
    client.sadd("_kombu.binding.celery", b"celery\x06\x16\x06\x16celery")
    return redis_clean


@pytest.fixture
def user(shop: Server) -> Iterator[Server]:
    """The user `weir` with the rules of the README."""
    client = shop.client()
    client.execute_command("ACL", "SETUSER", "weir", "on", ">secret-word", *RECIPE.split())
    yield shop
    client.execute_command("ACL", "DELUSER", "weir")


def url(server: Server) -> str:
    return f"redis://weir:secret-word@127.0.0.1:{server.port}/0"


def take(server: Server, *rules: str) -> None:
    server.client().execute_command("ACL", "SETUSER", "weir", *rules)


def test_the_least_privilege_is_enough_for_everything(user: Server) -> None:
    with polling(url(user)) as broker:
        broker.poll()
        poll = broker.poll()
        assert (poll.problems, poll.complete) == ([], True)
        assert sample(poll, "mail").in_rate == 0
        assert sample(poll, "orders · billing").lag_seconds is not None
        assert "Pub/Sub clients" in dict(poll.details)
        refused = [check.power for check in broker.check() if not check.ok]
    assert refused == []


def test_the_least_privilege_cannot_write(user: Server) -> None:
    for command in (("SET", "a", "b"), ("LPUSH", "mail", "c"), ("XACK", "orders", "billing", "1-1"), ("DEL", "mail")):
        with pytest.raises(Exception, match="permission"):
            user.client(username="weir", password="secret-word").execute_command(*command)


@pytest.mark.parametrize(
    ("rule", "command"),
    [("-scan", "+scan"), ("-llen", "+llen"), ("-xinfo", "+xinfo")],
)
def test_a_command_without_which_nothing_is_measured_is_named(user: Server, rule: str, command: str) -> None:
    take(user, rule)
    with polling(url(user)) as broker, pytest.raises(AccessRefused) as caught:
        broker.poll()
    assert "'weir'" in str(caught.value) and command in str(caught.value)
    assert "secret-word" not in str(caught.value)


@pytest.mark.parametrize(
    ("rule", "word"),
    [
        ("-lindex", "LINDEX"),
        ("-lpos", "LPOS"),
        ("-xrange", "XRANGE"),
        ("-xpending", "XPENDING"),
        ("-info", "INFO"),
        ("-time", "TIME"),
        ("-pubsub", "PUBSUB"),
        ("-client|list", "CLIENT LIST"),
        ("-smembers", "SMEMBERS"),
        ("-hlen", "HLEN"),
    ],
)
def test_a_command_that_adds_something_is_a_problem_and_the_rest_goes_on(user: Server, rule: str, word: str) -> None:
    if user.engine == "redis62" and "|" in rule:
        take(user, "-client", "+client|setname")
    else:
        take(user, rule)
    with polling(url(user)) as broker:
        broker.poll()
        poll = broker.poll()
    assert sample(poll, "mail").depth == 2
    untold = user.engine == "redis62" and word == "XRANGE"  # then nothing tells how much waits
    assert sample(poll, "orders · billing").depth == (None if untold else 2)
    assert len(poll.problems) == 1 and word in poll.problems[0] and "+" in poll.problems[0]
    assert poll.complete


def test_config_is_not_needed_and_its_absence_is_said_as_a_detail(user: Server) -> None:
    take(user, "-config|get" if user.engine != "redis62" else "-config")
    with polling(url(user)) as broker:
        poll = broker.poll()
    assert poll.problems == []
    assert "unknown" in dict(poll.details)["Pub/Sub buffer limit"]


def test_keys_beyond_the_users_pattern_are_counted_and_said(user: Server) -> None:
    take(user, "resetkeys", "~orders*", "~_kombu*", "~unacked", "~celery*", "~queues", "~processes")
    with polling(url(user)) as broker:
        poll = broker.poll()
    assert "mail" not in {s.name for s in poll.samples}
    assert sample(poll, "orders · billing").depth == 2
    assert len(poll.problems) == 1 and "1 of the keys" in poll.problems[0]


def test_check_names_each_missing_rule_and_says_whether_polling_works(user: Server) -> None:
    take(user, "-lpos", "-pubsub")
    with polling(url(user)) as broker:
        first, *rest = broker.check()
        assert first.ok and "can be polled" in first.sentence
        assert {check.power for check in rest if not check.ok} == {"LPOS", "PUBSUB"}
        take(user, "-scan")
        first = broker.check()[0]
        assert not first.ok and "SCAN" in first.sentence


def test_a_missing_password_is_asked_for(redis_clean: Server) -> None:
    client = redis_clean.client()
    client.config_set("requirepass", "right")
    try:
        with polling(redis_clean.url) as broker, pytest.raises(AccessRefused, match="wants a password"):
            broker.poll()
    finally:
        redis_clean.client(password="right").config_set("requirepass", "")


def test_a_database_that_does_not_exist_is_named(redis_clean: Server) -> None:
    with polling(f"redis://127.0.0.1:{redis_clean.port}/99") as broker, pytest.raises(BadURL, match="no database 99"):
        broker.poll()


@pytest.mark.parametrize("text", ["redis://host/mail", "rediss://host/0?ca_file=no/such.pem"])
def test_a_url_that_cannot_work_is_refused_before_connecting(text: str) -> None:
    with pytest.raises(BadURL):
        Redis(registry.parse(text))


def test_an_unknown_host_is_named() -> None:
    with polling("redis://no-such-host.invalid:6379/0") as broker, pytest.raises(Unreachable, match=r"no-such-host"):
        broker.poll()


def test_a_server_that_comes_back_is_polled_again() -> None:
    engine = next((e for e in ("valkey9", "redis7", "redis62") if available(e)), None)
    if engine is None:
        pytest.skip("no Redis is installed")
    with running(engine) as server:
        server.client().lpush("mail", "a")
        with polling(server.url) as broker:
            broker.poll()
            server.client().execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            with pytest.raises(Unreachable):
                broker.poll()
            assert sample(broker.poll(), "mail").depth == 1


# --- TLS -------------------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def tls_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Path]]:
    """A Redis 7 that speaks TLS on a second port, and its certificate."""
    if not available("redis7") or not shutil.which("openssl"):
        pytest.skip("Debian's redis-server and openssl are needed")
    folder = tmp_path_factory.mktemp("tls")
    certificate, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    options = ("--tls-cert-file", certificate, "--tls-key-file", key, "--tls-auth-clients", "no")
    with running("redis7") as plain:
        port = plain.port + 1 if plain.port < 65000 else plain.port - 1
        with running("redis7", "--tls-port", str(port), *map(str, options)) as server:
            server.port, server.tls_plain = port, server.port  # type: ignore[attr-defined]
            yield server, certificate


def test_tls_with_a_named_issuer_works_and_an_unknown_one_is_refused(tls_server: tuple[Server, Path]) -> None:
    server, certificate = tls_server
    with polling(f"rediss://localhost:{server.port}/0?ca_file={certificate}") as broker:
        assert broker.poll().version.startswith("Redis 7")
    with polling(f"rediss://localhost:{server.port}/0") as broker, pytest.raises(Unreachable, match="not trusted"):
        broker.poll()


def test_plain_and_tls_taken_for_each_other_are_told(tls_server: tuple[Server, Path]) -> None:
    server, _ = tls_server
    plain = server.tls_plain  # type: ignore[attr-defined]
    with polling(f"rediss://localhost:{plain}/0?timeout=1") as broker, pytest.raises(TimedOut, match="TLS"):
        broker.poll()
    with polling(f"redis://localhost:{server.port}/0?timeout=2") as broker, pytest.raises(Unreachable, match="rediss"):
        broker.poll()
