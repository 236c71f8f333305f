"""What a user may see, what is said when something is missing, and the least that Weir needs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from collectors.errors import AccessRefused, CollectorError
from tests.brokers.rabbitmq_polls import depths, poll_until, polling
from tests.servers.rabbitmq import Node

pytestmark = [pytest.mark.slow, pytest.mark.rabbitmq]


@pytest.fixture
def shop(rabbitmq_node: Node, vhost: str) -> str:
    """A virtual host with one queue that holds three messages."""
    with rabbitmq_node.connect(vhost) as connection:
        channel = connection.channel()
        channel.queue_declare("orders", durable=True)
        for _ in range(3):
            channel.basic_publish("", "orders", b"x")
    return vhost


@pytest.fixture
def users(rabbitmq_node: Node) -> Iterator[None]:
    """Three users without any permission yet: one per tag, one without."""
    tags = {"watcher": "monitoring", "manager": "management", "plain": ""}
    for name, tag in tags.items():
        rabbitmq_node.api("PUT", f"users/{name}", {"password": "pass-word", "tags": tag})
    yield
    for name in tags:
        rabbitmq_node.api("DELETE", f"users/{name}")


def grant_nothing(node: Node, vhost: str, user: str) -> None:
    """A permission record that permits nothing: it only lets the virtual host be seen."""
    node.api("PUT", f"permissions/{vhost}/{user}", {"configure": "^$", "write": "^$", "read": "^$"})


def refusal(url: str) -> str:
    with polling(url) as broker, pytest.raises(AccessRefused) as caught:
        broker.poll()
    return str(caught.value)


def test_the_recipe_of_least_privilege_is_enough_for_everything(rabbitmq_node: Node, shop: str, users: None):
    """The commands that the README gives, run as they stand."""
    rabbitmq_node.control("add_user", "weir", "secret")
    try:
        rabbitmq_node.control("set_user_tags", "weir", "monitoring")
        for name in (shop, "/"):
            rabbitmq_node.control("set_permissions", "-p", name, "weir", "^$", "^$", "^$")
        with polling(rabbitmq_node.url(user="weir:secret")) as broker:
            assert [check.ok for check in broker.check()] == [True] * 5
            first = broker.poll()
            poll = poll_until(broker, lambda p: depths(p).get("orders") == 3)
            assert (poll.complete, poll.problems) == (True, [])
            assert first.version
    finally:
        rabbitmq_node.control("delete_user", "weir")


def test_only_virtual_hosts_with_a_permission_record_are_shown(rabbitmq_node: Node, shop: str, users: None):
    with polling(rabbitmq_node.url(user="watcher:pass-word")) as broker:
        assert all(not sample.key.startswith(shop) for sample in broker.poll().samples)
    grant_nothing(rabbitmq_node, shop, "watcher")
    with polling(rabbitmq_node.url(user="watcher:pass-word")) as broker:
        assert any(sample.key == f"{shop}\x1forders" for sample in broker.poll().samples)


def test_one_virtual_host_of_the_url_is_all_that_is_shown(rabbitmq_node: Node, shop: str):
    rabbitmq_node.api("PUT", "queues/%2F/elsewhere", {"durable": True})
    try:
        with polling(rabbitmq_node.url(vhost=shop)) as broker:
            assert {sample.name for sample in broker.poll().samples} == {f"{shop}/orders"}
        with polling(rabbitmq_node.url(vhost="/")) as broker:
            assert "elsewhere" in {sample.name for sample in broker.poll().samples}
    finally:
        rabbitmq_node.api("DELETE", "queues/%2F/elsewhere")


def test_include_and_exclude_choose_by_the_name_that_is_shown(rabbitmq_node: Node, shop: str):
    with polling(rabbitmq_node.url(vhost=shop) + "&exclude=*/orders") as broker:
        poll = broker.poll()
    assert (poll.samples, poll.facts) == ([], {})


def test_a_wrong_password_names_the_user_and_the_endpoint(rabbitmq_node: Node):
    said = refusal(rabbitmq_node.url(user="guest:wrong-word"))
    assert "'guest'" in said and f":{rabbitmq_node.management}" in said and "password" in said
    assert "wrong-word" not in said


def test_a_user_without_a_tag_is_told_which_one_is_missing(rabbitmq_node: Node, users: None):
    assert "'monitoring'" in refusal(rabbitmq_node.url(user="plain:pass-word"))


def test_a_virtual_host_without_permission_is_refused_by_name_of_the_reason(
    rabbitmq_node: Node, shop: str, users: None
):
    assert "virtual host" in refusal(rabbitmq_node.url(user="watcher:pass-word", vhost=shop))


def test_the_tag_management_is_enough_to_poll_and_the_check_names_the_better_one(
    rabbitmq_node: Node, shop: str, users: None
):
    grant_nothing(rabbitmq_node, shop, "manager")
    with polling(rabbitmq_node.url(user="manager:pass-word", vhost=shop)) as broker:
        poll = poll_until(broker, lambda p: depths(p) == {"orders": 3})
        checks = {check.power: check for check in broker.check()}
    assert (poll.complete, poll.problems) == (True, [])
    assert checks["polling"].ok
    assert not checks["list of nodes"].ok
    assert "monitoring" in checks["list of nodes"].sentence


def test_the_amqp_port_given_as_management_is_a_clear_mistake(rabbitmq_node: Node):
    url = f"amqp://guest:guest@127.0.0.1/?management=http://127.0.0.1:{rabbitmq_node.amqp}"
    with polling(url) as broker, pytest.raises(CollectorError) as caught:
        broker.poll()
    assert str(rabbitmq_node.amqp) in str(caught.value)
