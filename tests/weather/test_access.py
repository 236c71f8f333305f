"""What changes while Weir polls: passwords, permissions, certificates, names of hosts. One sentence, and it heals."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from collectors.brokers.rabbitmq import seen
from collectors.errors import AccessRefused, TimedOut, Unreachable
from collectors.protocol import Poll
from tests.servers.certificates import Authority, Certificate
from tests.servers.proxy import Proxy
from tests.servers.rabbitmq import Node
from tests.servers.redis import Server
from tests.weather.watch import TRIED, Watch, is_one_sentence

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


# --- passwords and permissions ---------------------------------------------------------------------------------------
def test_redis_changes_the_password(watch: Watch, redis7: Server) -> None:
    client = redis7.client()
    client.execute_command("ACL", "SETUSER", "weir", "on", ">secret-word", "~*", "+@all")
    watch.start(f"redis://weir:secret-word@127.0.0.1:{redis7.port}/0")
    client.execute_command("ACL", "SETUSER", "weir", "resetpass", ">another")
    client.client_kill_filter(_type="normal", skipme=True)
    watch.failure()  # the connection was closed
    error = watch.failure()
    assert isinstance(error, AccessRefused) and "wrong user or password" in str(error)
    client.execute_command("ACL", "SETUSER", "weir", "resetpass", ">secret-word")
    assert watch.answer().samples
    client.execute_command("ACL", "DELUSER", "weir")


def test_redis_takes_away_what_cannot_be_done_without(watch: Watch, redis7: Server) -> None:
    client = redis7.client()
    client.execute_command("ACL", "SETUSER", "weir", "on", ">secret-word", "~*", "+@all")
    watch.start(f"redis://weir:secret-word@127.0.0.1:{redis7.port}/0")
    client.execute_command("ACL", "SETUSER", "weir", "-scan")
    watch.failure()
    error = watch.failure()
    assert isinstance(error, AccessRefused) and "may not run SCAN" in str(error)
    client.execute_command("ACL", "SETUSER", "weir", "+scan", "-lindex")
    poll = watch.answer(lambda poll: poll.problems)
    assert "may not run LINDEX" in poll.problems[0] and poll.samples[0].depth == 2
    is_one_sentence(poll.problems[0])
    client.execute_command("ACL", "SETUSER", "weir", "+lindex")
    assert watch.answer(lambda poll: not poll.problems).samples
    client.execute_command("ACL", "DELUSER", "weir")


@pytest.fixture
def user(rabbitmq_node: Node, vhost: str) -> Any:
    """A user of RabbitMQ with the tag monitoring, and a queue in its virtual host."""
    rabbitmq_node.api("PUT", "users/weir", {"password": "secret-word", "tags": "monitoring"})
    _permit(rabbitmq_node, vhost)
    with rabbitmq_node.connect(vhost) as connection:
        connection.channel().queue_declare("orders")
    yield "weir:secret-word"
    rabbitmq_node.api("DELETE", "users/weir")


def _permit(node: Node, vhost: str) -> None:
    node.api("PUT", f"permissions/{vhost}/weir", {"configure": "^$", "write": "^$", "read": "^$"})


@pytest.mark.rabbitmq
def test_rabbitmq_changes_the_password(watch: Watch, rabbitmq_node: Node, vhost: str, user: str) -> None:
    watch.start(rabbitmq_node.without_prometheus_url(user=user, vhost=vhost))
    rabbitmq_node.api("PUT", "users/weir", {"password": "another", "tags": "monitoring"})
    watch.failure()
    error = watch.failure()
    assert isinstance(error, AccessRefused) and "wrong user name or password" in str(error)
    rabbitmq_node.api("PUT", "users/weir", {"password": "secret-word", "tags": "monitoring"})
    assert watch.answer().samples


@pytest.mark.rabbitmq
def test_rabbitmq_changes_the_password_and_prometheus_tells_everybody(
    watch: Watch, rabbitmq_node: Node, vhost: str, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stays failing until the password is right, although the numbers of queues could still be had."""
    monkeypatch.setattr(seen, "EVERY", 0.1)
    monkeypatch.setattr(seen, "SOONEST", 1.0)
    monkeypatch.setattr(seen, "AFTER_FAILURE", 1000.0)
    watch.start(rabbitmq_node.url(user=user, vhost=vhost))
    rabbitmq_node.api("PUT", "users/weir", {"password": "another", "tags": "monitoring"})
    first = watch.failure()
    before = len(watch.heard)
    for _ in range(3):
        assert "wrong user name or password" in str(watch.failure()) and isinstance(first, AccessRefused)
    assert not any(isinstance(what, Poll) for id, what in watch.heard[before:] if id == TRIED)
    rabbitmq_node.api("PUT", "users/weir", {"password": "secret-word", "tags": "monitoring"})
    assert watch.answer().samples


@pytest.mark.rabbitmq
def test_rabbitmq_takes_away_the_tag(watch: Watch, rabbitmq_node: Node, vhost: str, user: str) -> None:
    watch.start(rabbitmq_node.without_prometheus_url(user=user, vhost=vhost))
    rabbitmq_node.api("PUT", "users/weir", {"password": "secret-word", "tags": ""})
    watch.failure()
    error = watch.failure()
    assert isinstance(error, AccessRefused) and "lacks the tag" in str(error)
    rabbitmq_node.api("PUT", "users/weir", {"password": "secret-word", "tags": "monitoring"})
    assert watch.answer().samples


@pytest.mark.rabbitmq
def test_rabbitmq_takes_away_the_virtual_host(watch: Watch, rabbitmq_node: Node, vhost: str, user: str) -> None:
    watch.start(rabbitmq_node.without_prometheus_url(user=user, vhost=vhost))
    rabbitmq_node.api("DELETE", f"permissions/{vhost}/weir")
    watch.failure()
    error = watch.failure()
    assert isinstance(error, AccessRefused) and vhost not in str(error)
    _permit(rabbitmq_node, vhost)
    assert watch.answer().samples


# --- certificates ----------------------------------------------------------------------------------------------------
Make = Callable[[Authority, Authority], Certificate]
BAD: list[tuple[str, Make, str]] = [
    ("unknown issuer", lambda ours, other: other.sign(), "ca_file="),
    ("expired", lambda ours, other: ours.sign(days=-1), "expired; it has to be renewed"),
    ("another name", lambda ours, other: ours.sign("elsewhere.example"), "a name into the URL"),
]
Urls = Callable[[int, Path], str]


def redis_over_tls(port: int, trusted: Path) -> str:
    return f"rediss://localhost:{port}/0?ca_file={trusted}&timeout=20s"


@pytest.fixture
def authorities(tmp_path: Path) -> tuple[Authority, Authority]:
    """Ours, which is trusted, and another."""
    (tmp_path / "ours").mkdir()
    (tmp_path / "other").mkdir()
    return Authority(tmp_path / "ours"), Authority(tmp_path / "other")


def rotates(watch: Watch, authorities: tuple[Authority, Authority], make: Make, target: int, url: Urls) -> str:
    """What is said when a good certificate is replaced by a bad one, and after it is good again all is well."""
    ours, other = authorities
    with Proxy(target, tls=ours.sign().context) as proxy:
        watch.start(url(proxy.port, ours.file))
        proxy.tls = make(ours, other).context
        proxy.hang_up()
        watch.failure()
        error = watch.failure()
        assert isinstance(error, Unreachable)
        proxy.tls = ours.sign().context
        assert watch.answer()
        return str(error)


@pytest.mark.parametrize(("make", "words"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
def test_a_bad_certificate_of_redis(
    watch: Watch, redis7: Server, authorities: tuple[Authority, Authority], make: Make, words: str
) -> None:
    assert words in rotates(watch, authorities, make, redis7.port, redis_over_tls)


@pytest.mark.rabbitmq
@pytest.mark.parametrize(("make", "words"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
def test_a_bad_certificate_of_rabbitmq(
    watch: Watch, rabbitmq_node: Node, authorities: tuple[Authority, Authority], make: Make, words: str
) -> None:
    def url(port: int, trusted: Path) -> str:
        return f"amqp://guest:guest@127.0.0.2:5672/?management=https://localhost:{port}&ca_file={trusted}&timeout=20s"

    assert words in rotates(watch, authorities, make, rabbitmq_node.management, url)


@pytest.mark.rabbitmq
def test_plain_http_where_tls_is_expected(watch: Watch, rabbitmq_node: Node) -> None:
    with Proxy(rabbitmq_node.management) as proxy:
        url = f"amqp://guest:guest@127.0.0.2:5672/?management=https://localhost:{proxy.port}&timeout=2s"
        watch.add(url)
        assert isinstance(watch.failure(), Unreachable | TimedOut)


# --- names of hosts --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("kind", ["redis", "rabbitmq", "rediss"])
def test_a_name_server_that_fails_and_comes_back(
    watch: Watch, redis7: Server, monkeypatch: pytest.MonkeyPatch, kind: str, request: pytest.FixtureRequest
) -> None:
    """The resolver of the process is made to fail as that of the system does."""
    if kind == "rabbitmq":
        node: Node = request.getfixturevalue("rabbitmq_node")
        url = f"amqp://guest:guest@broker.example:5672/?management=http://broker.example:{node.management}&timeout=2s"
    elif kind == "redis":
        url = f"redis://broker.example:{redis7.port}/0?timeout=2s"
    else:
        url = "rediss://broker.example:1/0?timeout=2s"
    real, fails = socket.getaddrinfo, [True]

    def resolve(host: Any, *more: Any, **options: Any) -> Any:
        if host == "broker.example":
            if fails[0]:
                raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
            host = "127.0.0.1"
        return real(host, *more, **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    watch.add(url)
    error = watch.failure()
    assert isinstance(error, Unreachable) and "broker.example" in str(error) and "not" in str(error)
    fails[0] = False
    if kind != "rediss":
        assert watch.answer()
