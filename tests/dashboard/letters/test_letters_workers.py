"""Dead letters as they are made: by real workers of Celery and Dramatiq, and by plain clients, on RabbitMQ. Followed
from the broker through a look into the index, and out of the API: found, grouped by cause, taken apart, explained."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import Any

import pika
import pytest

from dashboard.models import Queue
from tests.brokers.rabbitmq_letters import declare, put, waiting
from tests.servers.children import ROOT, python
from tests.servers.rabbitmq import Node, rabbitmq_node, vhost

from ..letterbox import Watched

__all__ = ["rabbitmq_node", "vhost"]

pytestmark = [pytest.mark.slow, pytest.mark.rabbitmq]

SHOP = "tests.brokers.rabbitmq_shop"
WORKERS = {
    "celery": ("-m", "celery", "-A", SHOP, "worker", "-P", "solo", "-Q", "mail", "--without-gossip",
               "--without-mingle", "--without-heartbeat"),
    "dramatiq": ("-m", "dramatiq", SHOP, "--processes", "1", "--threads", "1"),
}  # fmt: skip


def died(library: str, node: Node, vhost: str, queue: str, count: int) -> None:
    """Have a library's producer send its tasks, and its worker give up so many."""
    shop = {"SHOP_AMQP": f"amqp://guest:guest@127.0.0.1:{node.amqp}/{vhost}", "C_FORCE_ROOT": "1"}  # for pickle
    environment = {**os.environ, **shop}
    subprocess.run([sys.executable, "-m", SHOP, library], cwd=ROOT, env=environment, check=True, timeout=90)
    with python(WORKERS[library], environment):
        until(lambda: waiting(node, vhost, queue) == count, f"{count} dead letters of {library}")


def until(asked: Any, what: str) -> None:
    deadline = time.monotonic() + 90
    while not asked():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.2)


class Inbox:
    """What Weir makes of the queues of a virtual host: looked into through the API, as a person does."""

    def __init__(self, api: Any, node: Node, vhost: str) -> None:
        self.api, self.watched = api, Watched("rabbit", "rabbitmq", node.url(vhost=vhost))

    def look(self, name: str, count: int) -> list[dict[str, Any]]:
        """The letters of a queue with what is in them."""

        def seen() -> bool:
            self.watched.poll()
            found = self.api.get("dead-letters/causes", group="queue")["items"]
            return any(one["taken"]["of"] == count and one["title"].endswith(name) for one in found)

        until(seen, f"{name} to be found with {count} dead letters")
        queue = Queue.objects.get(name__endswith=name)
        answer = self.api.client.post(f"/api/v1/queues/{queue.pk}/looks", {}, content_type="application/json")
        assert answer.status_code == 201, answer.content
        ids = [one["id"] for one in self.api.get("dead-letters", queue_id=queue.pk, limit=100)["items"]]
        return [self.api.get(f"dead-letters/{id}") for id in ids]

    def groups(self) -> dict[str, int]:
        return {one["title"]: one["count"] for one in self.api.get("dead-letters/causes")["items"]}


def chips(letter: dict[str, Any]) -> list[str]:
    return [step["name"] for step in letter["decoded"]["steps"]]


def test_tasks_of_celery(operator_api, rabbitmq_node: Node, vhost: str):
    """Rejected by a task, in each way in which a producer may have written it; and one whose task no worker knows."""
    declare(rabbitmq_node, vhost, "mail.dlq")
    died("celery", rabbitmq_node, vhost, "mail.dlq", 7)
    inbox = Inbox(operator_api, rabbitmq_node, vhost)
    letters = inbox.look("mail.dlq", 7)
    assert inbox.groups() == {
        "Rejected by a consumer in mail: shop.send_mail": 6,
        "Rejected by a consumer in mail: shop.was_deleted": 1,
    }
    for letter in letters:
        assert letter["path"][-2:] == ["mail", f"{vhost}/mail.dlq"] and letter["attempts"] == 1
        assert letter["history"][0]["sentence"].startswith("rejected by a consumer in mail, once at ")
    sent = [one for one in letters if one["type"] == "shop.send_mail"]
    told = {tuple(chips(one)): one["decoded"] for one in sent}
    assert set(told) == {
        ("JSON", "Celery 2"),
        ("zlib", "JSON", "Celery 2"),  # what kombu calls gzip
        ("bzip2", "MessagePack", "Celery 2"),
        ("xz", "JSON", "Celery 2"),
        ("pickle", "Celery 2"),
        ("JSON", "Celery 1"),
    }
    assert told["zlib", "JSON", "Celery 2"]["value"] == {"args": [1], "kwargs": {"to": "ana"}}
    assert told["bzip2", "MessagePack", "Celery 2"]["value"] == {"args": [2], "kwargs": {"to": "ana"}}
    assert told["JSON", "Celery 1"]["value"] == {"args": [5], "kwargs": {"to": "ana"}}


def test_tasks_of_dramatiq(operator_api, rabbitmq_node: Node, vhost: str):
    """Retried, then given up: the error of the last try but one is in the message. What was never retried has none."""
    died("dramatiq", rabbitmq_node, vhost, "billing.XQ", 3)
    inbox = Inbox(operator_api, rabbitmq_node, vhost)
    letters = inbox.look("billing.XQ", 3)
    assert inbox.groups() == {"CardDeclined in charge()": 2, "Rejected by a consumer in billing: refund": 1}
    assert {tuple(chips(one)) for one in letters} == {("JSON", "Dramatiq")}
    assert {one["type"]: one["path"][-2:] for one in letters} == {
        "charge": ["billing", f"{vhost}/billing.XQ"],
        "refund": ["billing", f"{vhost}/billing.XQ"],
    }
    [cause] = {one["cause"]["message"] for one in letters if one["type"] == "charge"}
    assert cause == "order <n> was declined"
    assert all(one["expires_at"] for one in letters), "RabbitMQ drops what lies there for a week"


def plain(node: Node, vhost: str) -> None:
    """Four ways to die, into one queue; none of them by a library."""
    away = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead"}
    for name, further in {
        "rejecting": {},
        "expiring": {"x-message-ttl": 50},
        "overflowing": {"x-max-length": 1},
        "limited": {"x-queue-type": "quorum", "x-delivery-limit": 2},
    }.items():
        declare(node, vhost, name, {**away, **further})
        put(node, vhost, name, [b'{"order": 1}'] if name != "overflowing" else [b'{"order": 1}', b'{"order": 2}'])
    with node.connect(vhost) as connection:
        channel = connection.channel()
        channel.basic_reject(got(channel, "rejecting"), requeue=False)
        for _ in range(3):
            channel.basic_nack(got(channel, "limited"), requeue=True)
        until(lambda: waiting(node, vhost, "dead") == 4, "four dead letters of plain clients")


def got(channel: pika.channel.Channel, queue: str) -> int:
    """The tag of the next message of a queue, whenever it comes."""
    while True:
        method, _, _ = channel.basic_get(queue)
        if method is not None:
            return int(method.delivery_tag)
        time.sleep(0.05)


def test_messages_of_plain_clients(operator_api, rabbitmq_node: Node, vhost: str):
    """Rejected, expired, pushed out, delivered too often."""
    declare(rabbitmq_node, vhost, "dead")
    plain(rabbitmq_node, vhost)
    inbox = Inbox(operator_api, rabbitmq_node, vhost)
    letters = inbox.look("dead", 4)
    assert inbox.groups() == dict.fromkeys(
        (
            "Rejected by a consumer in rejecting",
            "Expired in expiring",
            "Pushed out, the queue was full: overflowing",
            "Delivered too often in limited",
        ),
        1,
    )
    words = {one["history"][0]["queue"]: one["history"][0]["sentence"].partition(" at ")[0] for one in letters}
    assert words == {
        "rejecting": "rejected by a consumer in rejecting, once",
        "expiring": "expired in expiring, once",
        "overflowing": "pushed out of the full queue in overflowing, once",
        "limited": "delivered too often in limited, once",
    }
    assert all(chips(one) == ["JSON"] and one["path"][-1] == f"{vhost}/dead" for one in letters)
