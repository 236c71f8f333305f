"""What a poll of Redis costs: processor time of Weir and of the server, and bytes.

    python -m tests.bench.poll_redis [--engine valkey9] [--polls 10]

Every list and group holds messages of 200 bytes, and between two polls one message arrives at each, so that the
ends of every list are looked at and searched. Prints a table, then the same as JSON.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

import redis

from collectors import registry
from tests.servers.redis import ENGINES, Server, available, running

from .registry import Curve, Missing, Table, Target

MESSAGE = "x" * 180


@dataclass
class Row:
    """One case; milliseconds are means over the polls after the first."""

    case: str
    queues: int
    commands: int
    kilobytes: float
    first_ms: float
    wall_ms: float
    ours_ms: float
    server_ms: float


def lists(client: redis.Redis, count: int, n: int) -> None:
    pipe = client.pipeline(transaction=False)
    for i in range(count):
        pipe.lpush(f"queue:{i}", f"{i} {n} {MESSAGE}")
    pipe.execute()


def streams(client: redis.Redis, count: int, n: int) -> None:
    pipe = client.pipeline(transaction=False)
    for i in range(count):
        pipe.xadd(f"stream:{i}", {"message": MESSAGE})
        if n == 0:
            pipe.xgroup_create(f"stream:{i}", "readers", id="0")
            pipe.xreadgroup("readers", "reader-1", {f"stream:{i}": ">"})  # pending, so that everything is asked for
    pipe.execute()


def measured(server: Server, case: str, add: Callable[[redis.Redis, int, int], None], count: int, polls: int) -> Row:
    client = server.client()
    client.flushall()
    for n in range(5):
        add(client, count, n)
    broker = registry.connect(registry.parse(server.url))
    began = time.perf_counter()
    broker.poll()
    first = time.perf_counter() - began
    wall = ours = theirs = 0.0
    for n in range(polls):
        add(client, count, 5 + n)
        server_before, ours_before, began = server.cpu_seconds(), time.process_time(), time.perf_counter()
        poll = broker.poll()
        wall += time.perf_counter() - began
        ours += time.process_time() - ours_before
        theirs += server.cpu_seconds() - server_before
    broker.close()
    assert len(poll.samples) == count and all((s.depth or 0) + (s.in_flight or 0) == 5 + polls for s in poll.samples)
    each = 1000 / polls
    return Row(
        case, count, poll.cost.requests, poll.cost.bytes / 1024, first * 1000, wall * each, ours * each, theirs * each
    )


def rows_of(engine: str, sizes: dict[str, tuple[int, ...]], polls: int) -> list[Row]:
    ways = {"lists": ("lists", lists), "streams": ("streams, one group each", streams)}
    with running(engine) as server:
        return [measured(server, *ways[kind], count, polls) for kind, counts in sizes.items() for count in counts]


def bench(short: bool = False) -> list[Table]:
    """What a poll costs Weir and the server, and how much of the server's time that is at the usual interval."""
    engine = next((e for e in ENGINES if available(e)), None)
    if engine is None:
        raise Missing("no Redis or Valkey is installed")
    sizes = {"lists": (100,), "streams": (50,)} if short else {"lists": (100, 1000, 10_000), "streams": (100, 1000)}
    rows = [asdict(row) for row in rows_of(engine, sizes, 2 if short else 6)]
    for row in rows:
        row["our µs per queue"] = 1000 * row["ours_ms"] / row["queues"]
    largest = {row["case"].split(",")[0]: row for row in rows}
    targets = [
        Target(f"share of the server's time, {row['queues']:,} {case} every 10 s", row["server_ms"] / 10_000, 0.05)
        for case, row in largest.items()
    ]
    curve = Curve("queues", ("ours_ms", "server_ms"), "case", log=True)
    return [Table(f"Polling {engine}", rows, "Milliseconds of processor time, means.", curve, targets)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--engine", choices=ENGINES, default=next((e for e in ENGINES if available(e)), None))
    parser.add_argument("--polls", type=int, default=10)
    arguments = parser.parse_args()
    sizes = {"lists": (100, 1000, 10_000), "streams": (100, 1000)}
    rows = rows_of(arguments.engine, sizes, arguments.polls)
    heads = ("queues", "commands", "KB", "first ms", "wall ms", "our ms", "server ms")
    widths = (7, 9, 8, 9, 8, 8, 9)
    print(f"{'case':24} " + " ".join(f"{head:>{width}}" for head, width in zip(heads, widths, strict=True)))
    for r in rows:
        print(
            f"{r.case:24} {r.queues:7,} {r.commands:9,} {r.kilobytes:8,.0f} {r.first_ms:9.1f} {r.wall_ms:8.1f} "
            f"{r.ours_ms:8.1f} {r.server_ms:9.1f}"
        )
    print(json.dumps({"engine": arguments.engine, "polls": arguments.polls, "rows": [asdict(r) for r in rows]}))


if __name__ == "__main__":
    main()
