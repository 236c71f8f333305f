"""Replays by the product's own worker, of few letters and of very many, beside RabbitMQ's shovel; and its memory.

`python -m tests.bench.replay_sizes [--sizes 100 10000 1000000]`. `manage.py work` runs as it does in a deployment, with
a database and a data folder of its own and Valkey as the bus; `manage.py replay QUEUE --all` orders each replay. For
each size the shovel goes first, on queues filled alike. Seconds of a replay are those from its start to its end as its
row tells them; what the worker has in memory (RSS) is noted twice a second.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from threading import Event, Thread
from typing import Any

import psutil

from tests.servers.rabbitmq import PLUGINS, Node, rabbitmq_available, rabbitmq_nodes
from tests.servers.redis import available, running

from . import report
from .lease_rabbitmq import SOURCE, TARGET, by_shovel, fill, wait_for
from .registry import Curve, Missing, Table, Target

ROOT = Path(__file__).parents[2]
BUS = "valkey9"
SIZES = (100, 10_000, 1_000_000)
MOST_MB = 300.0


class Deployment:
    """The programs of Weir that a replay needs, in an environment of their own."""

    def __init__(self, folder: Path, bus: str, broker: str) -> None:
        self._environment = {
            **os.environ, "WEIR_DATA": str(folder), "REDIS_URL": bus, "DJANGO_SETTINGS_MODULE": "dashboard.settings",
        }  # fmt: skip
        self.run("manage.py", "migrate", "-v", "0")
        self.run("-m", __spec__.name if __spec__ else "tests.bench.replay_sizes", "--watch", broker)

    def run(self, *arguments: str) -> str:
        """Run a program to its end; what it printed. Raises RuntimeError where it failed."""
        done = subprocess.run(
            [sys.executable, *arguments], cwd=ROOT, env=self._environment, capture_output=True, text=True
        )
        if done.returncode:
            raise RuntimeError(f"{arguments}: {done.stdout[-1000:]} {done.stderr[-1000:]}")
        return done.stdout

    @contextmanager
    def worker(self) -> Iterator[psutil.Process]:
        """`manage.py work` for as long as the block lasts."""
        process = subprocess.Popen(
            [sys.executable, "manage.py", "work"], cwd=ROOT, env=self._environment, stdout=subprocess.PIPE
        )
        try:
            assert process.stdout is not None and process.stdout.readline() == b"Working.\n"
            yield psutil.Process(process.pid)
        finally:
            process.terminate()
            process.wait(30)


def watch(url: str) -> None:
    """Have the broker of this URL and its queues in the database of this process's Weir (a program of its own)."""
    import django

    django.setup()
    from dashboard.samples import close_store
    from tests.dashboard.letterbox import Watched

    Watched("bench", "rabbitmq", url).poll()
    close_store()


def noted(process: psutil.Process, work: Callable[[], Any]) -> tuple[Any, list[tuple[float, float]]]:
    """What `work` answers, and (seconds, MB) of the process meanwhile."""
    line: list[tuple[float, float]] = []
    over, began = Event(), time.monotonic()

    def note() -> None:
        while not over.is_set():
            line.append((time.monotonic() - began, process.memory_info().rss / 1e6))
            over.wait(0.5)

    thread = Thread(target=note, daemon=True)
    thread.start()
    try:
        return work(), line
    finally:
        over.set()
        thread.join()


def replayed(weir: Deployment) -> float:
    """All that lies in the source, by a worker; seconds."""
    words = (SOURCE, "--all", "--to", TARGET, "--yes", "--watch", "0", "--json")
    told = json.loads(weir.run("manage.py", "replay", *words))
    assert told["state"] == "done" and told["removed"] == told["sent"] == told["total"], told
    assert not (told["failed"] or told["possibly_duplicated"]), told
    began, ended = (datetime.fromisoformat(told[name]) for name in ("started_at", "ended_at"))
    return (ended - began).total_seconds()


def measure(node: Node, weir: Deployment, sizes: Sequence[int]) -> list[Table]:
    rows: list[dict[str, Any]] = []
    lines: list[dict[str, Any]] = []
    with weir.worker() as process:
        idle = process.memory_info().rss / 1e6
        for count in sizes:
            fill(node, count)
            began = time.monotonic()
            by_shovel(node, count)
            shovel = time.monotonic() - began
            fill(node, count)
            ours, line = noted(process, lambda: replayed(weir))
            wait_for(node, TARGET, count)
            rows.append({
                "messages": count, "shovel s": shovel, "replay s": ours, "shovel msg/s": count / shovel,
                "replay msg/s": count / ours, "ratio": shovel / ours, "worker MB at most": max(mb for _, mb in line),
            })  # fmt: skip
            every = max(1, len(line) // 40)
            lines += [{"seconds": at, "MB": mb, "messages": f"{count:,}"} for at, mb in line[::every]]
    note = (
        f"Persistent letters of 1 KB, {SOURCE} to {TARGET}, by manage.py work with its journal; the shovel on-confirm "
    )
    note += (
        f"before each, same broker. A replay's seconds hold the wait for a worker. Idle the worker has {idle:.0f} MB."
    )
    aim = Target(f"MB of the worker while {sizes[-1]:,} lie there", rows[-1]["worker MB at most"], MOST_MB)
    return [
        Table("Replays by a worker", rows, note, targets=[aim]),
        Table("Memory of the worker", lines, "RSS.", Curve("seconds", ("MB",), by="messages")),
    ]


def bench(short: bool = False) -> list[Table]:
    return run((100,) if short else (*SIZES[:2], 100_000))


def run(sizes: Sequence[int]) -> list[Table]:
    if not rabbitmq_available():
        raise Missing("RabbitMQ is not installed")
    if not available(BUS):
        raise Missing(f"{BUS} is not installed")
    plugins = f"{PLUGINS},rabbitmq_shovel,rabbitmq_shovel_management"
    with (
        rabbitmq_nodes(settings="", plugins=plugins) as (node,),
        running(BUS) as bus,
        tempfile.TemporaryDirectory(prefix="weir-bench-") as folder,
    ):
        fill(node, 0)
        return measure(node, Deployment(Path(folder), bus.url, node.url()), sizes)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--watch", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.watch:
        watch(options.watch)
    else:
        print(report.text({"tables": [asdict(table) for table in run(options.sizes)], "seconds": 0}))


if __name__ == "__main__":
    main()
