"""Records what a real RabbitMQ answers, for tests that need none: `python -m tests.recordings.record_rabbitmq`.

Starts a private node, gives it a few queues of every kind with strange names, a publisher and a consumer, and
writes the answers, as they came, to the folder of its version beside this file.
"""

from __future__ import annotations

import time
from pathlib import Path

import pika
import urllib3

from tests.servers.rabbitmq import Node, rabbitmq_nodes

DETAILED = "&".join(
    f"family={family}"
    for family in (
        "queue_coarse_metrics",
        "queue_consumer_count",
        "stream_consumer_metrics",
        "channel_queue_metrics",
        "channel_queue_exchange_metrics",
        "queue_delivery_metrics",
        "queue_exchange_metrics",
    )
)

#: File -> what is asked of the management API.
ANSWERS = {
    "overview.json": "overview",
    "nodes.json": "nodes?columns=name,running",
    "queues.json": "queues?disable_stats=true",
    "queues-totals.json": "queues?disable_stats=true&enable_queue_totals=true",
    "queues-full.json": "queues",
    "queue.json": "queues/%2F/orders",
    "policies.json": "policies",
    "operator-policies.json": "operator-policies",
    "exchanges.json": "exchanges?columns=name,vhost,type,arguments",
    "bindings.json": "bindings",
}


def prepare(node: Node) -> pika.BlockingConnection:
    """Queues of every kind; the connection that comes back still holds three unacknowledged messages."""
    node.api("PUT", "vhosts/shop")
    node.api("PUT", "permissions/shop/guest", {"configure": ".*", "write": ".*", "read": ".*"})
    node.api("PUT", "queues/shop/orders", {"durable": True})
    connection = node.connect()
    channel = connection.channel()
    retry = {"x-message-ttl": 5000, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": "orders"}
    dead = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "orders.retry"}
    declared = {
        "orders": dead,
        "orders.retry": retry,
        'said "so"\\maybe': {},
        "größe,vhost=1": {},
        "votes": {"x-queue-type": "quorum"},
        "log": {"x-queue-type": "stream"},
    }
    for name, arguments in declared.items():
        channel.queue_declare(name, durable=True, arguments=arguments)
    channel.exchange_declare("letters", "fanout", durable=True)
    channel.queue_declare("graveyard", durable=True)
    channel.queue_bind("graveyard", "letters")
    policy = {"pattern": "^votes$", "definition": {"dead-letter-exchange": "letters"}, "apply-to": "queues"}
    node.api("PUT", "policies/%2F/letters", policy)
    for name in ("orders", "votes", "log", 'said "so"\\maybe'):
        for _ in range(20):
            channel.basic_publish("", name, b"x")
    channel.basic_qos(prefetch_count=3)
    channel.basic_consume("orders", lambda *_: None)
    until = time.monotonic() + 15  # by then the statistics of the management API have caught up
    while time.monotonic() < until:
        connection.process_data_events(1)
    return connection


def record(node: Node, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for name, path in ANSWERS.items():
        headers = urllib3.make_headers(basic_auth="guest:guest")
        answer = urllib3.request("GET", f"http://127.0.0.1:{node.management}/api/{path}", headers=headers)
        (folder / name).write_bytes(answer.data)
    answer = urllib3.request("GET", f"http://127.0.0.1:{node.prometheus}/metrics/detailed?{DETAILED}")
    (folder / "detailed.txt").write_bytes(answer.data)


def main() -> None:
    with rabbitmq_nodes() as (node,):
        connection = prepare(node)
        version = node.api("GET", "overview")["rabbitmq_version"]
        folder = Path(__file__).parent / f"rabbitmq-{version.rpartition('.')[0]}"
        record(node, folder)
        connection.close()
    print(f"RabbitMQ {version} recorded in {folder.name}")


if __name__ == "__main__":
    main()
