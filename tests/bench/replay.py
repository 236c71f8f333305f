"""Whole replays, journal and all: on RabbitMQ beside its own shovel (same broker, same run, by turns), Valkey and SQS.

`python -m tests.bench.replay [--messages 100000] [--rounds 3] [--only rabbitmq] [--ministack DIR]`. Letters of 1 KB
(500 bytes on Valkey) go from one queue to another, persistent where the broker has a choice; a replay writes each of
them down before it is sent, when it is confirmed and when the original is gone, with every commit on the disk.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import resource
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
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
from tests.servers.sqs import ministack, moto

from . import lease_sqs, report
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
    found = timed(lambda: way(node, count, folder), node.processor_seconds, count)
    wait_for(node, TARGET, count)
    return found


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
    rows = [{"way": name, **medians(figures)} for name, figures in found.items()]
    ratios = [ours["msg/s"] / theirs["msg/s"] for theirs, ours in zip(*found.values(), strict=True)]
    note = (
        f"{count:,} persistent letters of 1 KB, {SOURCE} to {TARGET}; medians of {rounds}, by turns with the shovel; "
    )
    note += f"ratios {[round(ratio, 2) for ratio in ratios]}; this process {peak():.0f} MB at most. {SHARED}"
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


def valkey(count: int, rounds: int, folder: Path) -> list[Table]:
    if not available("valkey9"):
        raise Missing("valkey9 is not installed")
    found: list[dict[str, float]] = []
    with running("valkey9") as server:
        client = server.client()
        for _ in range(rounds):
            client.flushall()
            for at in range(0, count, 10_000):
                client.lpush("orders:dlq", *(b"%09d" % n + b"x" * 500 for n in range(at, min(count, at + 10_000))))
            work = partial(replay, server.url, "orders:dlq", Destination("orders"), folder, count)
            found.append(timed(work, server.cpu_seconds, count))
            assert client.llen("orders") == count and not client.exists("orders:dlq")
    row = {"way": "replay, one step each, with journal", **medians(found)}
    note = f"{count:,} elements of 500 bytes, one list to another; medians of {rounds}, {each(found)}. {SHARED}"
    targets = [] if count < 50_000 else [Target("messages a second", row["msg/s"], 20_000, at_least=True)]
    return [Table("Replays on Valkey", [row], note, targets=targets)]


def sqs(count: int, rounds: int, folder: Path, home: Path | None) -> list[Table]:
    """On ministack; without a folder for it on moto, which is slow and need not be installed first."""
    found: list[dict[str, float]] = []
    try:
        with ministack(home) if home is not None else moto() as peer:
            for _ in range(rounds):
                source, to = lease_sqs.filled(peer, count)
                work = partial(replay, peer.url(), peer.key(source), Destination(peer.key(to)), folder, count)
                found.append(timed(work, peer.cpu_seconds, count))
                assert lease_sqs.depth(peer, to) == count and lease_sqs.depth(peer, source) == 0
    except RuntimeError as error:
        raise Missing(str(error)) from None
    row = {"way": "replay, with journal", **medians(found)}
    note = (
        f"{count:,} letters of 1 KB, one standard queue of {peer.name} to another; medians of {rounds}, {each(found)}. "
    )
    targets = [] if home is None else [Target("messages a second", row["msg/s"], 500, at_least=True)]
    return [Table("Replays on SQS", [row], note + SHARED, targets=targets)]


SHARED = "The server has the same two cores as this process."


def timed(work: Callable[[], None], server: Callable[[], float], count: int) -> dict[str, float]:
    own, theirs, began = time.process_time(), server(), time.monotonic()
    work()
    seconds = time.monotonic() - began
    return {
        "msg/s": count / seconds,
        "own CPU µs": (time.process_time() - own) / count * 1e6,
        "server CPU µs": (server() - theirs) / count * 1e6,
    }


def medians(found: list[dict[str, float]]) -> dict[str, float]:
    return {figure: median(one[figure] for one in found) for figure in found[0]}


def each(found: list[dict[str, float]]) -> str:
    """The rates of all rounds, in words."""
    return "of " + ", ".join(f"{one['msg/s']:,.0f}" for one in found) + " msg/s"


def peak() -> float:
    """Megabytes that this process had at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def bench(short: bool = False) -> list[Table]:
    """Replays on RabbitMQ beside a shovel, on Valkey and on SQS."""
    with tempfile.TemporaryDirectory(prefix="weir-bench-") as name:
        folder = Path(name)
        if short:
            return those(
                lambda: rabbitmq(2_000, 1, folder),
                lambda: valkey(2_000, 1, folder),
                lambda: sqs(50, 1, folder, None),
            )
        return those(
            lambda: rabbitmq(20_000, 3, folder),
            lambda: valkey(100_000, 3, folder),
            lambda: sqs(3_000, 3, folder, folder / "ministack"),
        )


def those(*brokers: Callable[[], list[Table]]) -> list[Table]:
    """The tables of the brokers that are there; raises Missing where none is."""
    tables: list[Table] = []
    left_out: list[str] = []
    for broker in brokers:
        try:
            tables += broker()
        except Missing as missing:
            left_out.append(str(missing))
    if not tables:
        raise Missing("; ".join(left_out))
    if left_out:
        tables[-1].note += f" Left out: {'; '.join(left_out)}."
    return tables


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--messages", type=int, default=100_000, help="on RabbitMQ and Valkey; a tenth of it on SQS")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=("rabbitmq", "valkey", "sqs"))
    parser.add_argument("--ministack", type=Path, help="folder of its virtual environment (default: a temporary one)")
    options = parser.parse_args()
    count, rounds = options.messages, options.rounds
    with tempfile.TemporaryDirectory(prefix="weir-bench-") as name:
        folder = Path(name)
        brokers: dict[str, Callable[[], list[Table]]] = {
            "rabbitmq": lambda: rabbitmq(count, rounds, folder),
            "valkey": lambda: valkey(count, rounds, folder),
            "sqs": lambda: sqs(count // 10, rounds, folder, options.ministack or folder / "ministack"),
        }
        tables = those(*(broker for name, broker in brokers.items() if options.only in (None, name)))
    print(report.text({"tables": [asdict(table) for table in tables], "seconds": 0}))


if __name__ == "__main__":
    main()
