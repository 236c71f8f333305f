"""Memory and processor time while 10,000 queues are watched: `python -m tests.bench.memory [--minutes 30]`.

A whole Weir in one process (polls made up, everything after them real: ticks, states, store, bus, web) takes in half
an hour of polls as fast as it can, by a clock of theirs, and its resident memory is noted every minute of it. Fifty
minutes are kept before; five minutes later the hour is full, and is sealed while polls go on. What making up the polls
costs is measured apart and taken off.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psutil

from tests.browser.conftest import Weir
from tests.browser.scene import lives, many

from . import report
from .registry import Curve, Table, Target

#: Seconds between polls as they would be, and as they are here; seconds of polls, ten apart, that are kept before.
INTERVAL, HERE, BEFORE = 5.0, 0.2, 3000


def making(queues: int, polls: int = 6) -> float:
    """Processor seconds of making up one poll."""
    actors = next(iter(many(queues).values()))
    generator = lives(actors, time.time(), INTERVAL)
    next(generator)
    began = time.process_time()
    for _ in itertools.islice(generator, polls):
        pass
    return (time.process_time() - began) / polls


def watched(queues: int, minutes: float, here: float) -> tuple[list[dict[str, Any]], float, int]:
    """Resident MB by minute of the polls' time, processor seconds of the process by poll, hours that were sealed."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        paces = {"--interval": here, "--step": INTERVAL, "--history": BEFORE, "--tidy": 1}
        arguments = ("--scene", "empty", "--queues", str(queues), *(str(one) for pace in paces.items() for one in pace))
        weir = Weir(Path(folder), arguments).start()
        assert weir.process is not None
        process = psutil.Process(weir.process.pid)
        rows: list[dict[str, Any]] = []
        try:
            polls = minutes * 60 / INTERVAL
            time.sleep(2)
            start, cpu = _kept(weir)[0], process.cpu_times()
            while True:
                kept, sealed = _kept(weir)
                done = kept - start
                if (done >= polls and (sealed or minutes < 30)) or time.monotonic() - began > 600:
                    break
                rows.append({"minutes": done * INTERVAL / 60, "MB": process.memory_info().rss / 1e6})
                time.sleep(min(4.0, polls * here / 12))
            after = process.cpu_times()
            rows.append({"minutes": done * INTERVAL / 60, "MB": process.memory_info().rss / 1e6})
        finally:
            weir.stop()
    return rows, (after.user + after.system - cpu.user - cpu.system) / max(done, 1), sealed


def _kept(weir: Weir) -> tuple[int, int]:
    """How many ticks are kept, and how many hours of them are sealed."""
    import sqlite3

    with sqlite3.connect(f"file:{weir.folder / 'samples.sqlite3'}?mode=ro", uri=True) as store:
        hot = store.execute("SELECT count(*) FROM tick").fetchone()[0]
        sealed, hours = store.execute(
            "SELECT coalesce(sum(ticks), 0), count(*) FROM seal WHERE level = 0 AND state = 1"
        ).fetchone()
        return hot + sealed, hours


def bench(short: bool = False, minutes: float = 30.0) -> list[Table]:
    queues = 200 if short else 10_000
    rows, each, sealed = watched(queues, 1.0 if short else minutes, 0.1 if short else HERE)
    made = making(queues)
    assert short or sealed, "no hour was sealed in the time"
    half = [row["MB"] for row in rows if row["minutes"] > rows[-1]["minutes"] / 2]
    share = max(0.0, each - made) / INTERVAL
    targets = [] if short else [
        Target("10,000 queues every 5 s, share of one core", share, 0.25),
        Target("10,000 queues, MB", max(row["MB"] for row in rows), 400),
        Target("growth in the second half, MB", half[-1] - half[0], 20),
    ]  # fmt: skip
    note = (
        f"{1000 * each:.0f} ms of processor time a poll, of which {1000 * made:.0f} ms make it up; "
        f"sealing is in it, {sealed} hours in the time."
    )
    return [Table(f"{queues:,} queues in one process", rows, note, Curve("minutes", ("MB",)), targets)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--minutes", type=float, default=30.0)
    found = bench(minutes=parser.parse_args().minutes)
    print(report.text({"tables": [asdict(table) for table in found], "seconds": 0}))


if __name__ == "__main__":
    main()
