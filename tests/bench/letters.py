"""The index of dead letters: first read, groups, searches and a step of reading, from a hundred to a million letters.

The peer of the columns is the database itself, asked by GROUP BY for the same counts, in the same run; SQLite and,
where there is one, PostgreSQL. Each database is measured in a process of its own: `python -m tests.bench.letters N`.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .registry import Curve, Table, Target

SIZES, SHORT = (100, 10_000, 1_000_000), (100, 1_000)
FIRST = "--first-page"
QUEUES, CAUSES, TYPES = 60, 2_000, 300
COLUMNS = (
    "id", "queue_id", "key", "count", "cause_id", "type", "size", "enqueued_at", "died_at", "attempts", "replayed",
    "replay_id", "origin", "place", "expires_at", "first_seen", "last_seen", "gone_at", "missed", "revision",
)  # fmt: skip
SQL = """
    SELECT cause_id, SUM(count), MIN(COALESCE(died_at, first_seen)), MAX(COALESCE(died_at, first_seen)),
           SUM(CASE WHEN first_seen > %s THEN count ELSE 0 END), MIN(expires_at)
    FROM dashboard_letter WHERE gone_at IS NULL GROUP BY cause_id
"""


def bench(short: bool) -> list[Table]:
    """Tables for each database that there is."""
    from tests.servers import postgresql, redis

    sizes = SHORT if short else SIZES
    tables = [_table("SQLite", sizes, "")]
    if postgresql.programs() is not None and not short:  # a server more than the few seconds of the short form allow
        folder = Path(tempfile.gettempdir())
        if folder.name.startswith("weir-bench-"):
            folder.chmod(0o711)  # the server runs as another user, who has to get through to its own folder
        with postgresql.running() as url:
            tables.append(_table("PostgreSQL", sizes, url))
    if redis.available("valkey9"):
        rows = _rows([FIRST, *map(str, sizes)], "")
        title = "the first page of a queue that was never looked into: POST looks, 50 letters, on Valkey"
        tables.append(Table(title, rows, curve=Curve("letters", ("list, ms", "stream, ms"), log=True)))
    return tables


def _table(database: str, sizes: tuple[int, ...], url: str) -> Table:
    rows = _rows([*map(str, sizes)], url)
    largest = rows[-1]
    slowest = max(value for name, value in largest.items() if name.startswith(("group", "count", "search", "page")))
    return Table(
        f"the index of dead letters on {database}, milliseconds of processor time",
        rows,
        note="'count by cause' is the whole answer of the API; 'SQL' the same groups by the database, wall time.",
        curve=Curve("letters", ("count by cause", "SQL by cause", "search cause"), log=True),
        targets=[Target(f"the slowest group or search of {largest['letters']:,} letters, ms", slowest, 300.0)],
    )


def _rows(arguments: list[str], url: str) -> list[dict[str, Any]]:
    """What a process with a data folder, or a database, of its own measured."""
    with tempfile.TemporaryDirectory(prefix="weir-bench-letters-") as folder:
        environment = {
            **os.environ, "WEIR_DATA": folder, "DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "dashboard.settings",
            "WEIR_SECRET_KEY": "x" * 40, "WEIR_ENCRYPTION_KEY": "y" * 40, "WEIR_ALLOWED_HOSTS": "testserver",
        }  # fmt: skip
        command = [sys.executable, "-m", "tests.bench.letters", *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr[-3000:])
    return [json.loads(line) for line in done.stdout.splitlines()]


# --- in the process that measures ----------------------------------------------------------------------------------
def measure(n: int) -> dict[str, Any]:
    """Everything about an index of n letters, which is made first."""
    from django.db import connection

    from dashboard.letters import choosing, columns, counting, groups, listing, taking
    from dashboard.models import Queue
    from dashboard.snapshot import Snapshot

    _fill(n)
    now, snapshot = time.time(), Snapshot.of([], time.time(), {}, {})
    columns._index = columns.Index()
    first = _once(columns.letters)
    sight, table = choosing.everything(), choosing.table(choosing.everything())
    every = choosing.mask("", table)
    row: dict[str, Any] = {"letters": n, "first read": first}
    for by in groups.BY:
        row[f"group by {by}"] = _best(lambda by=by: groups.grouped(table.index, every, by, now, now - 3600))
    row["count by cause"] = _best(lambda: counting.count(snapshot, "", "cause", sight))
    for name, text in (
        ("search cause", "cause:timeout -error:Cause7"),
        ("search times", "died<2h size>2k attempts>1"),
        ("search queue, type", "queue:queue-1* (type:type-3* OR replayed>0)"),
    ):
        row[name] = _best(lambda text=text: choosing.mask(text, choosing.table(sight)))
    shown = table.index.there.nonzero()[0]
    row["page of 100"] = _best(lambda: listing.ordered(table.index, shown, "-died_at", 100, None))
    row["SQL by cause"] = _best(lambda: _ask(connection, now), clock=time.perf_counter)
    queue = Queue.objects.select_related("broker").first()
    assert queue is not None
    seen = _seen(500)
    row["take 500 new"] = _once(lambda: taking.take(queue, seen))
    row["take 500 known"] = _once(lambda: taking.take(queue, seen))
    row["follow 500 new"] = _once(columns.letters)
    row["MB of columns"] = round(sum(c.nbytes for c in _arrays(columns.letters())) / 1e6, 1)
    return row


def _arrays(index: Any) -> list[Any]:
    return [*index.whole.values(), *index.floats.values(), index.type]


def _ask(connection: Any, now: float) -> int:
    with connection.cursor() as cursor:
        cursor.execute(SQL, [now - 3600])
        return len(cursor.fetchall())


def _once(do: Callable[[], Any]) -> float:
    began = time.process_time()
    do()
    return round(1000 * (time.process_time() - began), 2)


def _best(do: Callable[[], Any], clock: Callable[[], float] = time.process_time) -> float:
    spent = []
    for _ in range(5):
        began = clock()
        do()
        spent.append(clock() - began)
    return round(1000 * sorted(spent)[2], 2)


def _seen(n: int) -> list[Any]:
    from collectors.letters import Death, Letter

    death = [Death("orders", "rejected", at=time.time())]
    return [
        Letter(f"new {i}", body := json.dumps({"order": i, "lines": ["kettle"] * 20}).encode(), len(body),
               {"x-error-class": f"Cause{i % 50}", "x-error-message": f"no {i}"}, deaths=tuple(death))
        for i in range(n)
    ]  # fmt: skip


def _fill(n: int) -> None:
    """A database with n letters, past the models."""
    from django.db import connection, transaction

    from dashboard.letters.columns import next_revision
    from dashboard.models import Broker, Cause, Queue

    dice, now = random.Random(n), time.time()
    Queue.objects.all().delete()
    Cause.objects.all().delete()
    broker, _ = Broker.objects.get_or_create(
        name="bench", defaults={"kind": "memory", "secret_url": "", "safe_url": ""}
    )
    Queue.objects.bulk_create(
        [Queue(broker=broker, key=f"queue-{i}", name=f"queue-{i}", kind="list") for i in range(QUEUES)]
    )
    with transaction.atomic():
        revision = next_revision()
        Cause.objects.bulk_create(
            [Cause(fingerprint=f"{i:016x}", title=f"Cause{i}: timeout of <n>", error_class=f"Cause{i}",
                   message="timeout of <n> s at <ip>", first_seen=now, revision=revision) for i in range(CAUSES)],
            batch_size=500,
        )  # fmt: skip
    queues, causes = (list(model.objects.values_list("id", flat=True)) for model in (Queue, Cause))
    rows = (
        (i + 1, dice.choice(queues), f"key-{i}", 1, causes[min(int(dice.paretovariate(0.7)), CAUSES) - 1],
         f"type-{dice.randrange(TYPES)}", dice.randrange(100, 9000), now - 9e4, now - dice.uniform(0, 2e5),
         dice.randrange(1, 6), int(dice.random() < 0.02), "", "orders", "", None, now - dice.uniform(0, 2e5), now, None,
         0, revision)
        for i in range(n)
    )  # fmt: skip
    names = ", ".join(f'"{name}"' for name in COLUMNS)
    with transaction.atomic(), connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            with cursor.copy(f"COPY dashboard_letter ({names}) FROM STDIN") as copy:
                for one in rows:
                    copy.write_row(one)
            cursor.execute(f"SELECT setval(pg_get_serial_sequence('dashboard_letter', 'id'), {n + 1})")
        else:
            marks = ", ".join(["?"] * len(COLUMNS))
            cursor.connection.executemany(f"INSERT INTO dashboard_letter ({names}) VALUES ({marks})", rows)
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE dashboard_letter")


def first_page(n: int) -> dict[str, Any]:
    """Looks into a list and a stream of n letters, by the API, in wall time; the best of three."""
    from tests.dashboard.letterbox import Watched
    from tests.dashboard.web import Api
    from tests.servers.redis import running

    body = json.dumps({"order": 1, "lines": ["kettle"] * 9})
    row: dict[str, Any] = {"letters": n}
    with running("valkey9") as server:
        client = server.client()
        for at in range(0, n, 10_000):
            pipe = client.pipeline(transaction=False)
            for i in range(at, min(n, at + 10_000)):
                pipe.rpush("orders.dlq", f"{body}{i}")
                pipe.xadd("events:dlq", {"body": f"{body}{i}", "error": "Timeout"})
            pipe.execute()
        client.rpush("orders", "1")
        client.xadd("events", {"a": "1"})
        watched = Watched(f"valkey-{n}", "redis", f"redis://127.0.0.1:{server.port}/0")
        watched.poll()
        api = Api("operator", f"bench {n}")
        for kind, name in (("list", "orders.dlq"), ("stream", "events:dlq")):
            queue = watched.queue(name).pk
            spent = []
            for _ in range(3):
                began = time.perf_counter()
                look = api.send("post", f"queues/{queue}/looks", {"limit": 50}, 201)
                spent.append(time.perf_counter() - began)
            assert len(look["items"]) == 50 and look["of"] == n, (len(look["items"]), look["of"])
            row[f"{kind}, ms"] = round(1000 * min(spent), 1)
        row["KB of the list"] = round((client.memory_usage("orders.dlq", samples=5) or 0) / 1024)
    return row


if __name__ == "__main__":
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    pages = sys.argv[1] == FIRST
    for size in map(int, sys.argv[1 + pages :]):
        print(json.dumps(first_page(size) if pages else measure(size)), flush=True)
