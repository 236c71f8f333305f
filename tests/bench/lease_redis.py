"""Moving letters on Redis by a lease, beside LMOVE in pipelines: `tests/bench/run lease_redis`.

LMOVE, one element after the other in pipelines of 100, is the quickest that moves a list and loses nothing; it knows
nothing of what it moves. A lease reads every letter, knows it by an id, changes it as its library would, and
moves it in one step. Letters of 1 KB, all in this one run.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import redis

from collectors import registry
from collectors.brokers.redis import Redis
from collectors.letters import Bounds, Destination, Outcome, Parcel
from tests.bench.registry import Curve, Missing, Table, Target
from tests.servers.redis import Server, available, running

#: What issue 5 asks of Redis, in letters a second.
AIM = 20_000
TAKEN = 512
FILL = "x" * 900


def plain(n: int) -> bytes:
    return json.dumps({"order": f"A-{n}", "at": n, "fill": FILL}).encode()


def sidekiq(n: int) -> bytes:
    job = {"class": "Mail", "args": [n, FILL[:700]], "jid": f"{n:024x}", "queue": "mail", "retry_count": 24}
    return json.dumps({**job, "created_at": 1_700_000_000.5, "error_class": "E", "error_message": "no"}).encode()


def celery(n: int) -> bytes:
    headers = {"task": "shop.mail", "id": f"{n:032x}", "retries": 0}
    properties = {"delivery_tag": f"{n:032x}", "delivery_info": {"routing_key": "celery"}, "body_encoding": "base64"}
    envelope = {"body": FILL[:600], "content-type": "application/json", "headers": headers, "properties": properties}
    return json.dumps(envelope).encode()


def fill(client: redis.Redis, kind: str, count: int) -> tuple[str, str]:
    """So many letters of a kind; the keys of where they lie and of where they go."""
    client.flushall()
    pipe = client.pipeline(transaction=False)
    if kind == "stream":
        client.xgroup_create("orders", "readers", mkstream=True)
    for start in range(0, count, 1000):
        part = range(start, min(start + 1000, count))
        if kind == "sidekiq":
            pipe.zadd("dead", {sidekiq(n): 1.7e9 + n for n in part})
        elif kind == "stream":
            for n in part:
                pipe.xadd("orders:dlq", {"body": plain(n), "error": "no"})
        else:
            pipe.lpush("orders:dlq", *map(celery if kind == "celery" else plain, part))
        pipe.execute()
    return ("dead", "queue:mail") if kind == "sidekiq" else ("orders:dlq", "orders")


def leased(server: Server, source: str, to: str) -> int:
    """Move everything by a lease."""
    broker = registry.connect(registry.parse(server.url))
    assert isinstance(broker, Redis)
    lease, moved = broker.lease(source, 600), 0
    while taken := lease.take(TAKEN, 0.0):
        lease.send([Parcel(one.tag, Destination(to)) for one in taken])
        moved += sum(receipt.outcome is Outcome.REMOVED for receipt in lease.settled())
    lease.close()
    broker.close()
    return moved


def named(server: Server, source: str, to: str) -> int:
    """Move every hundredth by its id, in the queue's order."""
    broker = registry.connect(registry.parse(server.url))
    assert isinstance(broker, Redis)
    ids: list[str] = []
    after = ""
    while True:
        seen = broker.look(source, Bounds(500, body_bytes=0), after)
        ids += [letter.id for letter in seen.letters]
        after = seen.after
        if not after:
            break
    lease, moved = broker.lease(source, 600), 0
    wanted = ids[::100]
    for start in range(0, len(wanted), 100):
        taken = lease.take_these(dict.fromkeys(wanted[start : start + 100], 1))
        lease.send([Parcel(one.tag, Destination(to)) for one in taken])
        moved += sum(receipt.outcome is Outcome.REMOVED for receipt in lease.settled())
    lease.close()
    broker.close()
    return moved


def lmoved(server: Server, source: str, to: str) -> int:
    client, moved = server.client(), 0
    while True:
        pipe = client.pipeline(transaction=False)
        for _ in range(100):
            pipe.lmove(source, to, "RIGHT", "LEFT")
        done = sum(one is not None for one in pipe.execute())
        moved += done
        if done < 100:
            return moved


def measured(
    server: Server, case: str, kind: str, count: int, move: Callable[[Server, str, str], int]
) -> dict[str, Any]:
    source, to = fill(server.client(), kind, count)
    theirs, ours, began = server.cpu_seconds(), time.process_time(), time.perf_counter()
    moved = move(server, source, to)
    wall, ours, theirs = time.perf_counter() - began, time.process_time() - ours, server.cpu_seconds() - theirs
    expected = len(range(0, count, 100)) if move is named else count
    assert moved == expected, (case, moved)
    return {
        "case": case, "letters": moved, "per s": moved / wall, "our µs each": ours / moved * 1e6,
        "server µs each": theirs / moved * 1e6,
    }  # fmt: skip


def bench(short: bool) -> list[Table]:
    engine = next((one for one in ("valkey9", "redis7", "redis62") if available(one)), None)
    if engine is None:
        raise Missing("no Redis or Valkey is installed")
    count = 2000 if short else 50_000
    rows = []
    with running(engine) as server:
        for case, kind, move in (
            ("LMOVE in pipelines of 100", "list", lmoved),
            ("list", "list", leased),
            ("list, Celery's messages", "celery", leased),
            ("sorted set, Sidekiq's dead", "sidekiq", leased),
            ("stream", "stream", leased),
            ("list, every hundredth by its id", "list", named),
        ):
            rows.append(measured(server, case, kind, count, move))
        growing = [
            {"letters": n, "per s": measured(server, "list", "list", n, leased)["per s"]}
            for n in ((500, 2000) if short else (1000, 10_000, 100_000))
        ]
    note = f"{count:,} letters of 1 KB on {engine}, its processor and ours shared with whatever else this machine does."
    aims = [Target(f"letters a second, {row['case']}", row["per s"], AIM, at_least=True) for row in rows[1:2]]
    return [
        Table("Moving letters on Redis", rows, note, targets=[] if short else aims),
        Table("By how many there are", growing, curve=Curve("letters", ("per s",), log=True)),
    ]
