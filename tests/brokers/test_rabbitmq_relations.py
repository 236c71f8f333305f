"""Which queue holds the dead letters of which, found on a real RabbitMQ in all the ways in which it is arranged."""

from __future__ import annotations

from typing import Any

import pytest

from collectors.protocol import Poll
from tests.brokers.rabbitmq_polls import fact, poll_until, polling, relation, relations, sample
from tests.servers.rabbitmq import Node

pytestmark = [pytest.mark.slow, pytest.mark.rabbitmq]


class Shop:
    """Declares things in one virtual host, and polls it."""

    def __init__(self, node: Node, vhost: str) -> None:
        self.node, self.vhost = node, vhost

    def queue(self, name: str, **arguments: Any) -> None:
        body = {"durable": True, "arguments": {f"x-{key.replace('_', '-')}": v for key, v in arguments.items()}}
        self.node.api("PUT", f"queues/{self.vhost}/{name}", body)

    def exchange(self, name: str, kind: str, **arguments: str) -> None:
        arguments = {key.replace("_", "-"): value for key, value in arguments.items()}
        body = {"type": kind, "durable": True, "arguments": arguments}
        self.node.api("PUT", f"exchanges/{self.vhost}/{name}", body)

    def bind(self, exchange: str, queue: str, key: str = "", **arguments: Any) -> None:
        body = {"routing_key": key, "arguments": arguments}
        self.node.api("POST", f"bindings/{self.vhost}/e/{exchange}/q/{queue}", body)

    def policy(self, name: str, pattern: str, definition: dict[str, Any], *, priority: int = 0) -> None:
        body = {"pattern": pattern, "definition": definition, "priority": priority, "apply-to": "queues"}
        self.node.api("PUT", f"policies/{self.vhost}/{name}", body)

    def poll(self) -> Poll:
        with polling(self.node.url(vhost=self.vhost)) as broker:
            return broker.poll()


@pytest.fixture
def shop(rabbitmq_node: Node, vhost: str) -> Shop:
    return Shop(rabbitmq_node, vhost)


def test_dead_letters_by_arguments_through_the_default_exchange(shop: Shop):
    shop.queue("orders", dead_letter_exchange="", dead_letter_routing_key="orders.dead")
    shop.queue("orders.dead")
    poll = shop.poll()
    assert relations(poll) == {("orders", "dead_letters", "orders.dead")}
    assert "arguments" in relation(poll, "orders", "orders.dead").via
    assert "orders.dead" in fact(poll, "orders", "Dead letters go to")


def test_dead_letters_by_a_policy_and_arguments_overrule_it(shop: Shop):
    shop.exchange("dlx", "fanout")
    shop.queue("graveyard")
    shop.bind("dlx", "graveyard")
    shop.queue("mail")
    shop.queue("orders", dead_letter_exchange="", dead_letter_routing_key="own")
    shop.queue("own")
    shop.policy("letters", "^(mail|orders)$", {"dead-letter-exchange": "dlx"})
    shop.policy("weaker", "^mail$", {"max-length": 5}, priority=-1)
    poll = shop.poll()
    assert relations(poll) == {("mail", "dead_letters", "graveyard"), ("orders", "dead_letters", "own")}
    assert "policy 'letters'" in relation(poll, "mail", "graveyard").via
    assert fact(poll, "mail", "Policy") == "letters"


def test_a_fixed_key_is_followed_through_direct_and_topic_exchanges(shop: Shop):
    shop.exchange("direct", "direct")
    shop.exchange("topic", "topic")
    for name in ("a.dead", "b.dead", "other"):
        shop.queue(name)
    shop.bind("direct", "a.dead", "a")
    shop.bind("direct", "other", "other")
    shop.bind("topic", "b.dead", "#.dead")
    shop.bind("topic", "other", "dead.*.x")
    shop.queue("a", dead_letter_exchange="direct", dead_letter_routing_key="a")
    shop.queue("b", dead_letter_exchange="topic", dead_letter_routing_key="dead")
    assert relations(shop.poll()) == {("a", "dead_letters", "a.dead"), ("b", "dead_letters", "b.dead")}


def test_headers_and_own_keys_make_a_union_of_what_is_possible(shop: Shop):
    shop.exchange("headers", "headers")
    shop.exchange("topic", "topic")
    for name in ("red", "blue"):
        shop.queue(name)
        shop.bind("headers", name, colour=name)
        shop.bind("topic", name, f"{name}.*")
    shop.queue("a", dead_letter_exchange="headers")
    shop.queue("b", dead_letter_exchange="topic")
    expected = {(source, "dead_letters", target) for source in ("a", "b") for target in ("red", "blue")}
    assert relations(shop.poll()) == expected


def test_a_retry_loop_is_told_from_a_dead_end(shop: Shop):
    shop.queue("orders", dead_letter_exchange="", dead_letter_routing_key="orders.retry")
    shop.queue("orders.retry", message_ttl=5000, dead_letter_exchange="", dead_letter_routing_key="orders")
    poll = shop.poll()
    assert relations(poll) == {("orders", "retries", "orders.retry"), ("orders.retry", "feeds", "orders")}
    assert fact(poll, "orders.retry", "Messages live").startswith("5 s")


def test_an_exchange_that_does_not_exist_loses_dead_letters_and_the_page_says_so(shop: Shop):
    shop.queue("orders", dead_letter_exchange="no-such-exchange")
    shop.exchange("unbound", "direct")
    shop.queue("mail", dead_letter_exchange="unbound")
    poll = shop.poll()
    assert relations(poll) == set()
    assert "nowhere (lost)" in fact(poll, "orders", "Dead letters go to")
    assert "does not exist" in fact(poll, "orders", "Dead letters go to")
    assert "no binding" in fact(poll, "mail", "Dead letters go to")


def test_an_alternate_exchange_catches_what_is_bound_to_nothing(shop: Shop):
    shop.exchange("rescue", "fanout")
    shop.exchange("dlx", "direct", alternate_exchange="rescue")
    shop.queue("rescued")
    shop.bind("rescue", "rescued")
    shop.queue("orders", dead_letter_exchange="dlx", dead_letter_routing_key="nobody")
    assert relations(shop.poll()) == {("orders", "dead_letters", "rescued")}


def test_names_tell_of_dead_letters_where_nothing_is_arranged(shop: Shop):
    for name in ("orders", "orders_error", "mail", "mail.XQ"):
        shop.queue(name)
    poll = shop.poll()
    assert relations(poll) == {("orders", "dead_letters", "orders_error"), ("mail", "dead_letters", "mail.XQ")}
    assert relation(poll, "orders", "orders_error").via == "by its name"


def test_timers_and_machinery_are_hidden_and_say_why(shop: Shop):
    shop.queue("celery_delayed_1", message_ttl=2000, dead_letter_exchange="", dead_letter_routing_key="celery")
    for name in ("nsb.v2.delay-level-07", "celery@worker.celery.pidbox", "celeryev.1234", "celery"):
        shop.queue(name)
    poll = shop.poll()
    assert poll.facts is not None
    hidden = {s.key.partition("\x1f")[2] for s in poll.samples if poll.facts[s.key].hidden}
    assert hidden == {"celery_delayed_1", "nsb.v2.delay-level-07", "celery@worker.celery.pidbox", "celeryev.1234"}
    assert relations(poll) == {("celery_delayed_1", "feeds", "celery")}


def test_queues_of_one_connection_are_hidden(shop: Shop):
    with shop.node.connect(shop.vhost) as connection:
        named = connection.channel().queue_declare("", exclusive=True).method.queue
        poll = shop.poll()
        assert poll.facts is not None
        facts = poll.facts[sample(poll, named).key]
    assert facts.hidden and facts.why_hidden


def test_facts_and_relations_are_told_once_and_again_when_queues_change(shop: Shop, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("collectors.brokers.rabbitmq.describing.SOONEST", 0.0)
    monkeypatch.setattr("collectors.brokers.rabbitmq.seen.SOONEST", 0.0)
    shop.queue("orders")
    with polling(shop.node.url(vhost=shop.vhost)) as broker:
        assert broker.poll().relations == []
        assert (broker.poll().facts, broker.poll().relations) == (None, None)
        shop.queue("orders.dlq")
        assert relations(poll_until(broker, lambda p: p.relations is not None)) == {
            ("orders", "dead_letters", "orders.dlq")
        }
