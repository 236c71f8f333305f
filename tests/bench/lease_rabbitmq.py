"""Moving dead letters through a lease, bare of any journal, beside RabbitMQ's own shovel: same broker, same run.

`python -m tests.bench.lease_rabbitmq [--messages 100000] [--rounds 3]`. Persistent messages of 1 KB with the headers
of a letter that was rejected lie in a classic queue; each way moves all of them into another one, by turns. The shovel
acknowledges on confirmation, as a replay does. Beside the rates: processor time, and what dominates ours.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import pstats
import resource
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import pika

from collectors import registry
from collectors.letters import Destination, HoldsLetters, Outcome, Parcel, Stamp
from tests.servers.rabbitmq import PLUGINS, Node, rabbitmq_available, rabbitmq_nodes

from .registry import Missing, Table, Target

SOURCE, TARGET = "dead", "orders"
KEY, TO = f"/\x1f{SOURCE}", Destination(f"/\x1f{TARGET}")
STAMP = Stamp("replay-7", "2026-11-25T12:00:00Z", "ana")
BATCH = 250
#: So many letters lie there for a while, as dead letters do, before they are moved.
COUNTED = 10_000

Way = Callable[[Node, int], None]


def letter(number: int) -> tuple[bytes, pika.BasicProperties]:
    """1 KB, with eleven headers, of which three tell how it died."""
    death = {"count": 1, "reason": "rejected", "queue": TARGET, "exchange": "", "routing-keys": [TARGET]}
    headers: dict[str, Any] = {"lang": "py", "task": "shop.tasks.charge", "retries": 3, "origin": "gen1@shop"}
    headers |= {f"trace-{n}": "3f0c6a52-8a05-4c2c-9d62-0a8d1b1f7c11" for n in range(4)}
    headers |= {"x-death": [death], "x-first-death-queue": TARGET, "x-first-death-reason": "rejected"}
    properties = pika.BasicProperties(
        content_type="application/json", delivery_mode=2, correlation_id=f"correlation-{number}",
        message_id=f"message-{number}", timestamp=1767225600, headers=headers,
    )  # fmt: skip
    return b"%012d" % number + b"x" * 1012, properties


def fill(node: Node, count: int) -> None:
    """Fresh queues, with so many letters in the source."""
    with node.connect() as connection:
        channel = connection.channel()
        for queue in (SOURCE, TARGET):
            channel.queue_delete(queue)
            channel.queue_declare(queue, durable=True)
        for number in range(count):
            body, properties = letter(number)
            channel.basic_publish("", SOURCE, body, properties)
    wait_for(node, SOURCE, count)
    if count >= COUNTED:
        wait_until_counted(node, SOURCE, count)


def wait_until_counted(node: Node, queue: str, count: int) -> None:
    """Until the management API tells the bytes in a queue, by which a lease knows how many it can hold: 5 seconds."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        row = node.api("GET", f"queues/%2F/{queue}")
        if row.get("messages_ready") == count and row.get("message_bytes_ready"):
            return
        time.sleep(0.2)


def wait_for(node: Node, queue: str, count: int) -> None:
    with node.connect() as connection:
        channel = connection.channel()
        while channel.queue_declare(queue, passive=True).method.message_count < count:
            time.sleep(0.02)


def by_shovel(node: Node, count: int) -> None:
    uri = f"amqp://guest:guest@127.0.0.1:{node.amqp}"
    shovel = {
        "src-protocol": "amqp091", "src-uri": uri, "src-queue": SOURCE, "src-prefetch-count": 1000,
        "src-delete-after": "queue-length", "dest-protocol": "amqp091", "dest-uri": uri, "dest-queue": TARGET,
        "ack-mode": "on-confirm",
    }  # fmt: skip
    node.api("PUT", "parameters/shovel/%2F/bench", {"value": shovel})
    wait_for(node, TARGET, count)


def by_lease(node: Node, count: int) -> None:
    broker = registry.connect(registry.parse(node.url()))
    assert isinstance(broker, HoldsLetters)
    lease = broker.lease(KEY, 600.0)
    try:
        removed, sent = 0, []
        while removed < count:
            taken = lease.take(BATCH, 0.0 if sent else 1.0)
            if taken:
                lease.send([Parcel(one.tag, TO, STAMP) for one in taken])
            for receipt in lease.settled(0.0 if taken else 1.0):
                assert receipt.outcome is Outcome.SENT, receipt
                sent.append(receipt.tag)
            if len(sent) >= BATCH or not taken:
                removed += sum(r.outcome is Outcome.REMOVED for r in lease.remove(sent))
                sent.clear()
    finally:
        lease.close()
        broker.close()


WAYS: dict[str, Way] = {"shovel, on-confirm": by_shovel, "lease": by_lease}


def measure(node: Node, way: Way, count: int) -> dict[str, float]:
    fill(node, count)
    own, broker, began = time.process_time(), node.processor_seconds(), time.monotonic()
    way(node, count)
    seconds = time.monotonic() - began
    wait_for(node, TARGET, count)
    return {
        "msg/s": count / seconds,
        "own CPU µs": (time.process_time() - own) / count * 1e6,
        "broker CPU µs": (node.processor_seconds() - broker) / count * 1e6,
    }


def profile(node: Node, count: int) -> list[dict[str, Any]]:
    """Where our own processor time goes: the functions that hold most of it by themselves."""
    fill(node, count)
    profiler = cProfile.Profile(time.process_time)
    profiler.runcall(by_lease, node, count)
    stats = pstats.Stats(profiler).stats  # type: ignore[attr-defined]
    whole = sum(row[2] for row in stats.values())
    dearest = sorted(stats.items(), key=lambda item: -item[1][2])[:10]
    return [
        {"function": f"{file.rpartition('/')[2]}:{name}", "share": own / whole, "calls a message": calls / count}
        for (file, _, name), (_, calls, own, _, _) in dearest
    ]


def bench(short: bool = False) -> list[Table]:
    """A lease beside the shovel, and a profile."""
    return run(2_000 if short else 50_000, 1 if short else 3)


def run(count: int, rounds: int) -> list[Table]:
    if not rabbitmq_available():
        raise Missing("RabbitMQ is not installed")
    with rabbitmq_nodes(settings="", plugins=f"{PLUGINS},rabbitmq_shovel,rabbitmq_shovel_management") as (node,):
        found: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
        for _ in range(rounds):
            for name, way in WAYS.items():
                found[name].append(measure(node, way, count))
        dominates = profile(node, count)
    rows = [
        {"way": name, **{figure: median(one[figure] for one in figures) for figure in figures[0]}}
        for name, figures in found.items()
    ]
    ratios = [ours["msg/s"] / theirs["msg/s"] for theirs, ours in zip(*found.values(), strict=True)]
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    note = f"{count:,} persistent messages of 1 KB; medians of {rounds}; ratios {[round(r, 2) for r in ratios]}; "
    targets = [] if rounds < 3 else [Target("lease beside the shovel, by turns", median(ratios), 1.0, at_least=True)]
    return [
        Table("Moving letters", rows, note + f"this process {grown:.0f} MB at most.", targets=targets),
        Table("What dominates our processor time", dominates, "Shares of it, with the profiler's own cost."),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    for table in run(options.messages, options.rounds):
        print(table.title, table.note)
        for row in table.rows:
            print(json.dumps(row))
        for target in table.targets:
            print(target.words, round(target.value, 2), "held" if target.held else "MISSED")


if __name__ == "__main__":
    main()
