"""What a user may not do, and what the network does: a clear sentence each, on every engine."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from collectors.brokers.redis.powers import RECIPE
from collectors.errors import AccessRefused
from tests.brokers.redis_polls import polling, sample
from tests.servers.redis import Server


@pytest.fixture
def shop(redis_clean: Server) -> Server:
    """A list, a stream with a group, Celery's binding, a subscriber's channel."""
    client = redis_clean.client()
    client.lpush("mail", "a", "b")
    for i in range(3):
        client.xadd("orders", {"n": i})
    client.xgroup_create("orders", "billing", id="0")
    client.xreadgroup("billing", "reader-1", {"orders": ">"}, count=1)
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
