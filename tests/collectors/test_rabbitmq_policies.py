"""The rules by which RabbitMQ chooses the settings of a queue, and the queues that are machinery."""

from __future__ import annotations

import pytest

from collectors.brokers.rabbitmq.facts import describe
from collectors.brokers.rabbitmq.hidden import why_hidden
from collectors.brokers.rabbitmq.inventory import QueueRow
from collectors.brokers.rabbitmq.policies import Policies
from collectors.brokers.rabbitmq.routes import Routes


def policy(name: str, pattern: str, definition: dict, priority: int = 0, apply_to: str = "queues", vhost: str = "/"):
    keys = ("name", "pattern", "definition", "priority", "apply-to", "vhost")
    return dict(zip(keys, (name, pattern, definition, priority, apply_to, vhost), strict=True))


ORDERS = QueueRow("/", "orders", "classic")


def test_the_matching_policy_of_the_highest_priority_applies_alone():
    found = Policies(
        [policy("low", "", {"max-length": 1, "message-ttl": 5}), policy("high", "^ord", {"max-length": 2}, 7)]
    ).settings(ORDERS)
    assert (found.policy, found.values) == ("high", {"max-length": 2})


def test_a_policy_of_another_virtual_host_kind_or_name_does_not_apply():
    others = [
        policy("vhost", "", {"expires": 1}, vhost="shop"),
        policy("kind", "", {"expires": 2}, apply_to="quorum_queues"),
        policy("exchange", "", {"expires": 3}, apply_to="exchanges"),
        policy("name", "^mail$", {"expires": 4}),
    ]
    assert Policies(others).settings(ORDERS).values == {}


def test_an_operator_policy_is_merged_and_the_smaller_number_wins():
    found = Policies(
        [policy("mine", "", {"max-length": 100, "message-ttl": 5, "dead-letter-exchange": "dlx"})],
        [policy("theirs", "", {"max-length": 10, "message-ttl": 50, "delivery-limit": 3})],
    ).settings(ORDERS)
    assert found.values == {"max-length": 10, "message-ttl": 5, "dead-letter-exchange": "dlx", "delivery-limit": 3}
    assert (found.policy, found.operator_policy) == ("mine", "theirs")


def test_arguments_overrule_a_policy_and_say_so():
    row = QueueRow("/", "orders", "classic", arguments={"x-message-ttl": 9})
    found = Policies([policy("p", "", {"message-ttl": 1, "max-length": 2})]).settings(row)
    assert found.values == {"message-ttl": 9, "max-length": 2}
    assert found.source("message-ttl") == "by its arguments"
    assert found.source("max-length") == "by the policy 'p'"


def test_a_pattern_that_python_cannot_read_harms_nobody():
    assert Policies([policy("odd", "(?<x", {"expires": 1}), policy("good", "", {"expires": 2})]).settings(ORDERS).values


@pytest.mark.parametrize(
    "name",
    [
        "celery_delayed_27",
        "nsb.v2.delay-level-00",
        "celery@host.celery.pidbox",
        "reply.celery.pidbox",
        "celeryev.4b5c",
        "amq.gen-YtTD0Ukh7DCukPX4n",
        "3f2c.reply.celery.pidbox",
    ],
)
def test_machinery_is_hidden(name: str):
    assert why_hidden(QueueRow("/", name, "classic"))


@pytest.mark.parametrize("name", ["celery", "orders", "replies", "delayed_orders", "amqp.orders", "celery_delayed"])
def test_ordinary_names_are_shown(name: str):
    assert not why_hidden(QueueRow("/", name, "classic"))


@pytest.mark.parametrize(
    ("kind", "definition", "keeps"),
    [
        ("classic", {"message-ttl": 90_000}, 90.0),
        ("classic", {"message-ttl": 90_000, "dead-letter-exchange": ""}, None),  # they expire into another queue
        ("classic", {}, None),
        ("stream", {"max-age": "7D"}, 7 * 86400.0),
        ("stream", {"max-age": "90m", "message-ttl": 5}, 5400.0),
        ("stream", {"max-age": "soon"}, None),
        ("stream", {}, None),
    ],
)
def test_how_long_a_queue_keeps_a_message(kind: str, definition: dict, keeps: float | None):
    row = QueueRow("/", "orders", kind)
    rows = {("/", "orders"): row}
    facts, _ = describe(rows, Policies([policy("p", "", definition, apply_to="all")]), Routes([], [], rows))
    assert facts[row.key].keeps_seconds == keeps
