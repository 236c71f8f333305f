"""Thousands of random schedules of crashes, cuts, pauses and take-overs: `python -m tests.bench.replay_schedules`.

On the memory broker by default, each schedule as in tests/dashboard/replay/test_replay_schedules.py, with seeds of its
own; with `--broker` on RabbitMQ, quorum queues, such whose letters come near their delivery limit ("worn"), Valkey or
an emulator of SQS (tests/brokers/test_replay_schedules.py).
`--rabbitmq-restarts N`: durable queues of RabbitMQ whose node is stopped and started so often while letters move;
`--valkey-restarts N`: a Valkey that writes always, killed as often. What is found is printed at the end: schedules,
lives, messages, copies that were named as possibly double; any message that is not where its journal says ends the run
with the seed.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import django
import pika.exceptions

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
django.setup()

from collectors.brokers import memory  # noqa: E402
from dashboard.replay import hidden, passes  # noqa: E402
from tests.brokers.rabbitmq_letters import QUORUM, declare, put  # noqa: E402
from tests.brokers.test_replay_schedules import House, restarts_of_valkey, schedule  # noqa: E402
from tests.dashboard.replay.test_replay_schedules import one_schedule  # noqa: E402
from tests.dashboard.replay_child import DONE, begin  # noqa: E402
from tests.dashboard.replays import check_nothing_lost  # noqa: E402
from tests.servers.rabbitmq import Node, rabbitmq_nodes  # noqa: E402
from tests.servers.redis import running  # noqa: E402
from tests.servers.sqs import ministack  # noqa: E402

#: Arguments of queues on RabbitMQ; "worn" after one life that was cut short.
KINDS: dict[str, dict[str, object]] = {
    "rabbitmq": {},
    "quorum": QUORUM,
    "worn": {**QUORUM, "x-delivery-limit": 4},
}


def on_memory(first: int, many: int) -> None:
    """Schedules first to first + many."""
    passes.BATCH, passes.MOST_UNDERWAY, passes.PATIENCE = 7, 20, 0.0
    hidden.HELD_ON = hidden.LOOKED_AT = -1000.0
    began, lives, messages, double = time.monotonic(), 0, 0, 0
    for seed in range(first, first + many):
        memory.forget_all()
        with tempfile.TemporaryDirectory(prefix="weir-bench-") as folder:
            told = one_schedule(Path(folder) / "j", seed)
        lives, messages, double = lives + told[0], messages + told[1], double + told[2]
        if (seed - first + 1) % 250 == 0:
            print(f"{seed - first + 1} schedules, {time.monotonic() - began:.0f} s", flush=True)
    print(f"Seeds {first} to {first + many - 1}, {lives} lives, {messages} messages: none lost, {double} arrived "
          "twice, all named.")  # fmt: skip


@contextmanager
def houses(broker: str) -> Iterator[Callable[[], House]]:
    """A broker for as long as the block lasts; each call gives two fresh queues on it."""
    if broker == "valkey":
        with running("valkey9") as server:

            def lists() -> House:
                server.client().flushall()
                return House(server.url, "orders:dlq", "orders", port=server.port, wait=0.0)

            yield lists
    elif broker == "sqs":
        with ministack(Path(tempfile.gettempdir()) / "weir-ministack") as peer:

            def queues() -> House:
                for name in ("dead", "orders"):
                    peer.client().delete_queue(QueueUrl=peer.create(name))
                    peer.create(name)
                keys = peer.key("dead"), peer.key("orders")
                return House(peer.url("timeout=5s"), *keys, port=peer.port, lease=4.0)

            yield queues
    else:
        with rabbitmq_nodes(settings="") as (node,):
            listens(node)
            names = count(1)

            def declared() -> House:
                n, kind = next(names), KINDS[broker]
                keys = [declare(node, "/", f"{name}.{n}", kind) for name in ("dead", "orders")]
                return House(node.url(vhost="/"), *keys, port=node.amqp, steps=14 if broker == "worn" else 60)

            yield declared


def on_broker(broker: str, first: int, many: int) -> None:
    """Schedules first to first + many of a real broker."""
    began, lives, messages, double = time.monotonic(), 0, 0, 0
    with houses(broker) as fresh:
        for seed in range(first, first + many):
            with tempfile.TemporaryDirectory(prefix="weir-bench-") as folder:
                try:
                    told = schedule(fresh(), Path(folder) / "j", seed)
                except AssertionError:
                    print(f"seed {seed} on {broker} failed", flush=True)
                    raise
            lives, messages, double = lives + told[0], messages + told[1], double + told[2]
            if (seed - first + 1) % 10 == 0:
                print(f"{broker}: {seed - first + 1} schedules, {time.monotonic() - began:.0f} s", flush=True)
    print(f"{broker}: seeds {first} to {first + many - 1}, {lives} lives, {messages} messages: none lost, "
          f"{double} arrived twice, all named.")  # fmt: skip


def restarts(times: int, many: int, seed: int) -> None:
    """A node of RabbitMQ is stopped and started while durable letters move."""
    chance = random.Random(seed)
    with rabbitmq_nodes(settings="") as (node,), tempfile.TemporaryDirectory(prefix="weir-bench-") as folder:
        listens(node)
        keys = [declare(node, "/", name) for name in ("dead", "orders")]
        bodies = [b"letter %d" % n for n in range(many)]
        put(node, "/", "dead", bodies)
        house = House(node.url(vhost="/"), *keys, port=node.amqp)
        path = Path(folder) / "j"
        child = begin(house.url, house.dead, house.orders, path, 0, signal.SIGKILL, 60.0, 0.5)
        for n in range(times):
            time.sleep(chance.uniform(0.3, 1.5))
            node.stop()
            node.start()
            print(f"restart {n + 1}", flush=True)
        child.join(300)
        assert child.exitcode == DONE, child.exitcode
        double = check_nothing_lost(path, bodies, *house.empty(many))
    print(f"{times} restarts, {many} messages: none lost, {sum(double.values())} arrived twice, all named.")


def listens(node: Node) -> None:
    """Its management answers a moment before its AMQP port does."""
    end = time.monotonic() + 60
    while True:
        try:
            node.connect().close()
            return
        except pika.exceptions.AMQPConnectionError:
            if time.monotonic() > end:
                raise
            time.sleep(0.2)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--schedules", type=int, default=3000)
    parser.add_argument("--first", type=int, default=10_000, help="the first seed")
    parser.add_argument("--broker", choices=("memory", *KINDS, "valkey", "sqs"), default="memory")
    parser.add_argument("--rabbitmq-restarts", type=int, default=0)
    parser.add_argument("--valkey-restarts", type=int, default=0)
    parser.add_argument("--messages", type=int, default=3000, help="of the restarts")
    options = parser.parse_args()
    if options.rabbitmq_restarts:
        restarts(options.rabbitmq_restarts, options.messages, options.first)
    elif options.valkey_restarts:
        with tempfile.TemporaryDirectory(prefix="weir-bench-") as folder:
            double = restarts_of_valkey(Path(folder), options.valkey_restarts, options.messages, options.first)
        print(f"{options.valkey_restarts} kills of Valkey: none lost, {double} arrived twice, all named.")
    elif options.broker != "memory":
        on_broker(options.broker, options.first, options.schedules)
    else:
        on_memory(options.first, options.schedules)


if __name__ == "__main__":
    main()
