"""What looking and replaying need on Redis: tried with users that lack exactly one command, on every engine."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from collectors.brokers.redis.acting import ACTING_RECIPE, COMMANDS
from collectors.brokers.redis.powers import RECIPE
from collectors.protocol import Check
from tests.brokers.redis_polls import polling
from tests.servers.redis import Server

KEYS = ["orders:dead", "events\x1fbilling", "channel\x1f\x1fnews"]


@pytest.fixture
def user(redis_clean: Server) -> Iterator[Server]:
    """A list, a stream, and the user `actor` with the rules of the README."""
    client = redis_clean.client()
    client.rpush("orders:dead", "one", "two")
    client.xadd("events", {"n": 1})
    rules = [*RECIPE.split(), *ACTING_RECIPE.split()]
    client.execute_command("ACL", "SETUSER", "actor", "on", ">secret-word", *rules)
    yield redis_clean
    client.execute_command("ACL", "DELUSER", "actor")


def checks(server: Server, *rules: str, replaying: bool = True) -> list[Check]:
    if rules:
        server.client().execute_command("ACL", "SETUSER", "actor", *rules)
    with polling(f"redis://actor:secret-word@127.0.0.1:{server.port}/0") as broker:
        return broker.check_acting(KEYS, replaying)


def refused(found: list[Check]) -> list[str]:
    return [check.power for check in found if not check.ok]


def test_the_rules_of_the_readme_are_enough(user: Server) -> None:
    found = checks(user)
    assert refused(found) == [] and len(found) == len(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_one_command_that_is_missing_is_named_with_its_rule(user: Server, command: str) -> None:
    found = checks(user, f"-{command.lower()}")
    assert refused(found) == [f"{COMMANDS[command].power}: {command}"]
    [said] = [check.sentence for check in found if not check.ok]
    assert f"ACL SETUSER actor +{command.lower()}" in said and COMMANDS[command].gives in said


def test_without_transactions_nothing_is_tried_and_nothing_runs(user: Server) -> None:
    [check] = checks(user, "-multi")
    assert not check.ok and "+multi" in check.sentence
    assert user.client().lrange("orders:dead", 0, -1) == [b"one", b"two"]


def test_a_key_beyond_the_users_pattern_is_named(user: Server) -> None:
    found = checks(user, "resetkeys", "~events*")
    assert refused(found) == ["keys"]
    assert "'orders:dead'" in found[-1].sentence and "~PATTERN" in found[-1].sentence


def test_where_nothing_is_replayed_only_looking_is_tried(user: Server) -> None:
    assert {check.power.partition(":")[0] for check in checks(user, replaying=False)} == {"looking"}


def test_nothing_is_changed(user: Server) -> None:
    client = user.client()
    before = (client.lrange("orders:dead", 0, -1), client.xlen("events"), sorted(client.keys()))
    checks(user)
    checks(user, "-discard")
    assert (client.lrange("orders:dead", 0, -1), client.xlen("events"), sorted(client.keys())) == before
