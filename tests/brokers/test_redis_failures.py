"""Passwords, networks, TLS and servers in trouble: one clear sentence each."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

from collectors import registry
from collectors.brokers.redis import Redis
from collectors.brokers.redis.failures import explained
from collectors.errors import AccessRefused, BadAnswer, BadURL, TimedOut, Unreachable
from tests.brokers.redis_polls import failure, polling, sample
from tests.servers.ports import free_port
from tests.servers.redis import Server, available, running


@contextmanager
def listener(answer: bytes | None) -> Iterator[int]:
    """A port at which something listens that is no Redis: it answers with `answer`, or with nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(60)

        def serve() -> None:
            try:
                peer, _ = server.accept()
            except OSError:
                return
            with peer:
                peer.recv(1000)
                if answer:
                    peer.sendall(answer)
                stopped.wait(60)

        stopped = threading.Event()
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        stopped.set()
        thread.join(60)


def test_what_is_no_redis_is_told() -> None:
    with listener(b"HTTP/1.1 400 Bad Request\r\n\r\n") as port:
        assert "does not speak" in failure(f"redis://127.0.0.1:{port}/0?timeout=20", BadAnswer)


def test_a_server_that_does_not_answer_is_given_up_after_the_timeout() -> None:
    with listener(None) as port:
        assert "0.3 seconds" in failure(f"redis://127.0.0.1:{port}/0?timeout=300ms", TimedOut)


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (redis.BusyLoadingError("Redis is loading the dataset in memory"), BadAnswer, "still loading"),
        (redis.ConnectionError("max number of clients reached"), BadAnswer, "maxclients"),
        (redis.ResponseError("DENIED Redis is running in protected mode"), AccessRefused, "protected mode"),
    ],
)
def test_states_that_are_hard_to_bring_about_are_explained(error: Exception, kind: type, words: str) -> None:
    found = explained(error, registry.parse("redis://weir:secret-word@shop:6379/0"))
    assert isinstance(found, kind) and words in str(found) and "secret-word" not in str(found)


def test_a_replica_says_whose_and_one_that_refuses_to_serve_loses_no_queue(redis_clean: Server) -> None:
    client = redis_clean.client()
    client.lpush("mail", "a")
    with polling(redis_clean.url) as broker:
        broker.poll()
        client.replicaof("127.0.0.1", "1")
        try:
            poll = broker.poll()
            assert "link to the primary is down" in dict(poll.details)["Role"]
            client.config_set("replica-serve-stale-data", "no")
            with pytest.raises(BadAnswer, match="Link with MASTER is down"):
                broker.poll()
        finally:
            client.config_set("replica-serve-stale-data", "yes")
            client.replicaof("no", "one")
        assert sample(broker.poll(), "mail").depth == 1


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
def tls_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, int, Path]]:
    """A Redis 7, a second port at which it speaks TLS, and its certificate."""
    if not available("redis7") or not shutil.which("openssl"):
        pytest.skip("Debian's redis-server and openssl are needed")
    folder = tmp_path_factory.mktemp("tls")
    certificate, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    port = free_port()
    options = ("--tls-cert-file", certificate, "--tls-key-file", key, "--tls-auth-clients", "no", "--tls-port", port)
    with running("redis7", *map(str, options)) as server:
        yield server, port, certificate


def test_tls_with_a_named_issuer_works_and_an_unknown_one_is_refused(tls_server: tuple[Server, int, Path]) -> None:
    _, port, certificate = tls_server
    with polling(f"rediss://localhost:{port}/0?ca_file={certificate}") as broker:
        assert broker.poll().version.startswith("Redis 7")
    with polling(f"rediss://localhost:{port}/0") as broker, pytest.raises(Unreachable, match="not trusted"):
        broker.poll()


def test_plain_and_tls_taken_for_each_other_are_told(tls_server: tuple[Server, int, Path]) -> None:
    server, port, _ = tls_server
    assert "TLS" in failure(f"rediss://localhost:{server.port}/0?timeout=1", TimedOut)
    assert "rediss://" in failure(f"redis://localhost:{port}/0?timeout=20", Unreachable)
