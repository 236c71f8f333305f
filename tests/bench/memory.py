"""Memory and processor time while 10,000 queues are watched: `python -m tests.bench.memory [--minutes 30]`.

A whole Weir in one process (polls made up, everything after them real: ticks, states, store, bus, web) takes in half an
hour of polls as fast as it can, and its resident memory is noted every minute of theirs. What making up the polls
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

#: Seconds between polls as they would be, and as they are here.
INTERVAL, HERE = 5.0, 0.15


def making(queues: int, polls: int = 6) -> float:
    """Processor seconds of making up one poll."""
    actors = next(iter(many(queues).values()))
    generator = lives(actors, time.time(), INTERVAL)
    next(generator)
    began = time.process_time()
    for _ in itertools.islice(generator, polls):
        pass
    return (time.process_time() - began) / polls


def watched(queues: int, minutes: float, here: float) -> tuple[list[dict[str, Any]], float]:
    """Resident MB by minute of the polls' time, and processor seconds of the process by poll."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        weir = Weir(Path(folder), ("--scene", "empty", "--queues", str(queues), "--interval", str(here))).start()
        assert weir.process is not None
        process = psutil.Process(weir.process.pid)
        rows: list[dict[str, Any]] = []
        try:
            polls = minutes * 60 / INTERVAL
            time.sleep(3)
            start, cpu = _polls(weir), process.cpu_times()
            while (done := _polls(weir) - start) < polls and time.monotonic() - began < 600:
                rows.append({"minutes": done * INTERVAL / 60, "MB": process.memory_info().rss / 1e6})
                time.sleep(min(4.0, polls * here / 12))
            after = process.cpu_times()
            rows.append({"minutes": done * INTERVAL / 60, "MB": process.memory_info().rss / 1e6})
        finally:
            weir.stop()
    return rows, (after.user + after.system - cpu.user - cpu.system) / max(done, 1)


def _polls(weir: Weir) -> int:
    """How many ticks are kept."""
    import sqlite3

    with sqlite3.connect(f"file:{weir.folder / 'samples.sqlite3'}?mode=ro", uri=True) as store:
        return int(store.execute("SELECT count(*) FROM tick").fetchone()[0])


def bench(short: bool = False, minutes: float = 30.0) -> list[Table]:
    queues = 200 if short else 10_000
    rows, each = watched(queues, 1.0 if short else minutes, 0.1 if short else HERE)
    made = making(queues)
    half = [row["MB"] for row in rows if row["minutes"] > rows[-1]["minutes"] / 2]
    share = max(0.0, each - made) / INTERVAL
    targets = [] if short else [
        Target("10,000 queues every 5 s, share of one core", share, 0.25),
        Target("10,000 queues, MB", max(row["MB"] for row in rows), 400),
        Target("growth in the second half, MB", half[-1] - half[0], 20),
    ]  # fmt: skip
    note = f"{1000 * each:.0f} ms of processor time a poll, of which {1000 * made:.0f} ms make it up."
    return [Table(f"{queues:,} queues in one process", rows, note, Curve("minutes", ("MB",)), targets)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--minutes", type=float, default=30.0)
    found = bench(minutes=parser.parse_args().minutes)
    print(report.text({"tables": [asdict(table) for table in found], "seconds": 0}))


if __name__ == "__main__":
    main()
