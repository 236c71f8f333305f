"""Whole replays, journal and all: on RabbitMQ beside its own shovel (same broker, same run, by turns), on Valkey.

`python -m tests.bench.replay [--messages 100000] [--rounds 3] [--only rabbitmq]`. On RabbitMQ persistent letters of
1 KB go from one classic queue to another; a replay writes each of them down before it is sent, when it is confirmed
and when the original is gone, with every commit on the disk.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import pstats
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from collectors import registry
from collectors.letters import Destination
from dashboard.replay.journal import Journal
from dashboard.replay.report import Reading
from dashboard.replay.runner import Runner
from dashboard.replay.tasks import Order, Task
from tests.dashboard.replays import QUICK, Desk
from tests.servers.rabbitmq import PLUGINS, Node, rabbitmq_available, rabbitmq_nodes
from tests.servers.redis import available, running

from .lease_rabbitmq import KEY, SOURCE, TARGET, TO, by_shovel, fill, wait_for
from .registry import Missing, Table, Target


def replay(url: str, key: str, to: Destination, folder: Path, count: int) -> None:
    """All of a queue, by a runner of its own, as a worker does it."""
    path = folder / f"{time.monotonic_ns()}.sqlite"
    desk = Desk()
    order = Order(key, Task("bench", to, "ana", "2026-11-25T12:00:00Z"), limits=QUICK, judges=False)
    with Journal(path, "bench") as journal:
        Runner(desk, lambda: registry.connect(registry.parse(url)), order, journal).run()
    assert desk.state == "done", desk.reason
    with Reading(path) as journal:
        counts = journal.counts()
    assert counts.removed == count and not counts.possibly_duplicated and not counts.failed, counts


Way = Callable[[Node, int, Path], None]
WAYS: dict[str, Way] = {
    "shovel, on-confirm": lambda node, count, folder: by_shovel(node, count),
    "replay, with journal": lambda node, count, folder: replay(node.url(), KEY, TO, folder, count),
}


def measure(node: Node, way: Way, count: int, folder: Path) -> dict[str, float]:
    fill(node, count)
    own, broker, began = time.process_time(), node.processor_seconds(), time.monotonic()
    way(node, count, folder)
    seconds = time.monotonic() - began
    wait_for(node, TARGET, count)
    return {
        "msg/s": count / seconds,
        "own CPU µs": (time.process_time() - own) / count * 1e6,
        "broker CPU µs": (node.processor_seconds() - broker) / count * 1e6,
    }


def rabbitmq(count: int, rounds: int, folder: Path) -> list[Table]:
    if not rabbitmq_available():
        raise Missing("RabbitMQ is not installed")
    with rabbitmq_nodes(settings="", plugins=f"{PLUGINS},rabbitmq_shovel,rabbitmq_shovel_management") as (node,):
        found: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
        for _ in range(rounds):
            for name, way in WAYS.items():
                found[name].append(measure(node, way, count, folder))
        fill(node, count)
        dominates = profile(lambda: replay(node.url(), KEY, TO, folder, count), count)
    rows = [
        {"way": name, **{figure: median(one[figure] for one in figures) for figure in figures[0]}}
        for name, figures in found.items()
    ]
    ratios = [ours["msg/s"] / theirs["msg/s"] for theirs, ours in zip(*found.values(), strict=True)]
    note = f"{count:,} persistent letters of 1 KB, {SOURCE} to {TARGET}; medians of {rounds}; ratios "
    note += f"{[round(ratio, 2) for ratio in ratios]}; this process {peak():.0f} MB at most."
    targets = [] if rounds < 3 else [Target("replay beside the shovel, by turns", median(ratios), 1.0, at_least=True)]
    return [
        Table("Replays on RabbitMQ", rows, note, targets=targets),
        Table("What dominates our processor time", dominates, "Shares of it, with the profiler's own cost."),
    ]


def profile(work: Callable[[], None], count: int) -> list[dict[str, Any]]:
    """Where our own processor time goes: the functions that hold most of it by themselves."""
    profiler = cProfile.Profile(time.process_time)
    profiler.runcall(work)
    stats = pstats.Stats(profiler).stats  # type: ignore[attr-defined]
    whole = sum(row[2] for row in stats.values())
    dearest = sorted(stats.items(), key=lambda item: -item[1][2])[:12]
    return [
        {"function": f"{file.rpartition('/')[2]}:{name}", "share": own / whole, "calls a message": calls / count}
        for (file, _, name), (_, calls, own, _, _) in dearest
    ]


def valkey(count: int, folder: Path) -> list[Table]:
    if not available("valkey9"):
        raise Missing("valkey9 is not installed")
    with running("valkey9") as server:
        client = server.client()
        for at in range(0, count, 10_000):
            client.lpush("orders:dlq", *(b"%09d" % n + b"x" * 500 for n in range(at, min(count, at + 10_000))))
        began = time.monotonic()
        replay(server.url, "orders:dlq", Destination("orders"), folder, count)
        rate = count / (time.monotonic() - began)
        assert client.llen("orders") == count and not client.exists("orders:dlq")
    return [
        Table(
            "Replays on Valkey",
            [{"way": "replay, one step each, with journal", "msg/s": rate}],
            f"{count:,} elements of 500 bytes, one list to another.",
            targets=[] if count < 50_000 else [Target("messages a second", rate, 20_000, at_least=True)],
        )
    ]


def peak() -> float:
    """Megabytes that this process had at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def bench(short: bool = False) -> list[Table]:
    """Replays on RabbitMQ beside a shovel, and on Valkey."""
    with tempfile.TemporaryDirectory(prefix="weir-bench-") as folder:
        count, rounds = (2_000, 1) if short else (20_000, 3)
        return rabbitmq(count, rounds, Path(folder)) + valkey(2_000 if short else 100_000, Path(folder))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=("rabbitmq", "valkey"))
    options = parser.parse_args()
    tables = []
    with tempfile.TemporaryDirectory(prefix="weir-bench-") as folder:
        if options.only != "valkey":
            tables += rabbitmq(options.messages, options.rounds, Path(folder))
        if options.only != "rabbitmq":
            tables += valkey(options.messages, Path(folder))
    for table in tables:
        print(table.title, table.note)
        for row in table.rows:
            print(json.dumps(row))
        for target in table.targets:
            print(target.words, round(target.value, 2), "held" if target.held else "MISSED")


if __name__ == "__main__":
    main()
