"""What a poll of RabbitMQ costs Weir and the broker: `python -m tests.bench.poll_rabbitmq [--queues 100,1000,5000]`.

Starts a private node with its usual settings, declares so many classic queues with one message each, all
published by one channel that stays open, and polls in each of the three ways; beside them the request that the
management page makes by itself every five seconds, and the Prometheus endpoint per object. Figures are means
per poll; what the broker does while nobody asks is taken off. Prints a table, and JSON as the last line.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from typing import Any

import pika
import urllib3

from collectors import registry
from collectors.brokers.rabbitmq import measure
from tests.servers.rabbitmq import Node, rabbitmq_available, rabbitmq_nodes

from .registry import Curve, Missing, Table, Target

PAGE = "/api/queues?page=1&page_size=100&name=&use_regex=false&pagination=true"


def fill(node: Node, count: int, settling: float = 12.0) -> pika.BlockingConnection:
    """`count` queues in all, one message in each; the connection's channel has published them and stays open."""
    names = [f"queue-{number:05}" for number in range(count)]
    queues = [{"name": name, "vhost": "/", "durable": True, "auto_delete": False, "arguments": {}} for name in names]
    node.api("POST", "definitions", {"queues": queues})
    connection = node.connect()
    channel = connection.channel()
    for name in names:
        channel.queue_purge(name)
        channel.basic_publish("", name, b"x")
    until = time.monotonic() + settling  # statistics come every five seconds
    while time.monotonic() < until:
        connection.process_data_events(1)
    return connection


def idle_share(node: Node, seconds: float = 10.0) -> float:
    """Processor seconds per second that the broker uses while nobody asks."""
    before = node.processor_seconds()
    time.sleep(seconds)
    return (node.processor_seconds() - before) / seconds


def cost(node: Node, idle: float, ask: Callable[[], int], rounds: int) -> dict[str, float]:
    """Means over `rounds`, in milliseconds and bytes; `ask` answers with the bytes that it received."""
    ask()
    ask()
    own, broker, began = time.process_time(), node.processor_seconds(), time.monotonic()
    waited, size = 0.0, 0
    for _ in range(rounds):
        start = time.monotonic()
        size = ask()
        waited += time.monotonic() - start
        time.sleep(0.2)
    elapsed = time.monotonic() - began
    return {
        "wall_ms": waited / rounds * 1000,
        "own_cpu_ms": (time.process_time() - own) / rounds * 1000,
        "broker_cpu_ms": max(0.0, node.processor_seconds() - broker - idle * elapsed) / rounds * 1000,
        "bytes": size,
    }


def poll(url: str, few: int) -> Callable[[], int]:
    broker = registry.connect(registry.parse(url))

    def ask() -> int:
        measure.FEW_QUEUES = few
        return broker.poll().cost.bytes

    return ask


def get(address: str) -> Callable[[], int]:
    pool = urllib3.PoolManager(headers=urllib3.make_headers(basic_auth="guest:guest"))
    return lambda: len(pool.request("GET", address).data)


def run(counts: list[int], rounds: int, settling: float = 12.0) -> list[dict[str, Any]]:
    results: list[dict[str, Any]] = []
    with rabbitmq_nodes(settings="") as (node,):
        for count in counts:
            connection = fill(node, count, settling)
            idle = idle_share(node, settling)
            ways = {
                "poll, Prometheus": poll(node.url(), 0),
                "poll, totals": poll(node.without_prometheus_url(), 0),
                "poll, full list": poll(node.without_prometheus_url(), 1_000_000),
                "management page, 100 rows": get(f"http://127.0.0.1:{node.management}{PAGE}"),
                "Prometheus per object": get(f"http://127.0.0.1:{node.prometheus}/metrics/per-object"),
            }
            for way, ask in ways.items():
                figures = cost(node, idle, ask, rounds)
                results.append({"queues": count, "way": way, **{k: round(v, 1) for k, v in figures.items()}})
                print(
                    "{queues:>6} {way:<26} {wall_ms:>8} {own_cpu_ms:>9} {broker_cpu_ms:>12} {bytes:>11}".format(
                        **results[-1]
                    ),
                    flush=True,
                )
            connection.close()
    return results


def bench(short: bool = False) -> list[Table]:
    """A poll in each of three ways, beside the management page's request and Prometheus per object."""
    if not rabbitmq_available():
        raise Missing("RabbitMQ is not installed")
    rows = run([20], 1, settling=1.0) if short else run([100, 1000, 5000], 4, settling=7.0)
    most = max(row["queues"] for row in rows)
    cost = {row["way"]: row["own_cpu_ms"] + row["broker_cpu_ms"] for row in rows if row["queues"] == most}
    broker = {row["way"]: row["broker_cpu_ms"] for row in rows if row["queues"] == most}
    ours = "poll, Prometheus"
    targets = [] if short else [
        Target(f"broker's time of a poll of {most:,} queues, beside its own page of 100 rows",
               broker[ours] / max(broker["management page, 100 rows"], 1e-9), 1.0),
        Target(f"broker's time of a poll of {most:,} queues, beside Prometheus per object",
               broker[ours] / max(broker["Prometheus per object"], 1e-9), 0.5),
        Target("both sides' time at 10 s, share of one core", cost[ours] / 10_000, 0.05),
    ]  # fmt: skip
    curve = Curve("queues", ("broker_cpu_ms",), "way", log=True)
    return [Table("Polling RabbitMQ", rows, "Milliseconds of processor time, without the idle share.", curve, targets)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--queues", default="100,1000,5000", help="how many queues, separated by commas")
    parser.add_argument("--rounds", type=int, default=10)
    options = parser.parse_args()
    print(f"{'queues':>6} {'way':<26} {'wall ms':>8} {'own CPU':>9} {'broker CPU':>12} {'bytes':>11}")
    print(json.dumps(run([int(count) for count in options.queues.split(",")], options.rounds)))


if __name__ == "__main__":
    main()
