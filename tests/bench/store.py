"""What keeping and reading samples costs: `python -m tests.bench.store [--queues 1000,10000] [--json FILE]`.

For each size: an hour and some minutes of ticks of the mix (`samples_mix.py`) goes in while what is due is sealed
beside it. The days and months before are laid down from one encoded hour, day and ten days (of a hundred queues in
turn), rollups for every twentieth queue only. Milliseconds of reading are medians of warm calls, and of first calls
with the file out of the page cache. VictoriaMetrics and Prometheus take the same hour when they are installed
(`samples_peers.py`).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from itertools import count, cycle
from pathlib import Path
from typing import Any

import numpy as np

from collectors.protocol import METRICS
from dashboard.store import FILE_NAME, Retention
from dashboard.store import chunks as chunk_codec
from dashboard.store.dropping import used_bytes
from dashboard.store.embedded import EmbeddedStore
from dashboard.store.layout import chunk_id
from dashboard.store.levels import HOUR, IN_USE, MINUTE, RAW, Level, pack_times
from dashboard.store.rollups import Stats
from dashboard.store.rollups import encode as encode_rollups
from dashboard.ticks import Bytes, Floats, Tick

from . import samples_peers
from .registry import Table, Target
from .samples_mix import MEASURED, START, Mix

INTERVAL, DAY = 10.0, 86_400
LIVE_SECONDS = 70 * 60
RETENTION = Retention(2 * DAY, 30 * DAY, 400 * DAY)
CHART = ["depth", "in_rate", "out_rate"]
#: Chunks of rollups are laid down for every so manieth queue.
EVERY = 20
DISTINCT = 100


def keep(store: EmbeddedStore, mix: Mix, beginning: float) -> dict[str, float]:
    """Let more than an hour pass, with a thread that tidies up as soon as something is due."""
    cpu, wall, during = [], [], []
    busy = threading.Event()
    tidied: dict[str, float] = {}

    def tidy() -> None:
        busy.set()
        began, cpu_began = time.monotonic(), time.thread_time()
        done = store.tidy(now, RETENTION)
        assert done and not done.problems, done
        tidied.update(seconds=time.monotonic() - began, cpu=time.thread_time() - cpu_began, sealed=done.sealed)
        busy.clear()

    thread: threading.Thread | None = None
    for i in count():
        now = beginning + i * INTERVAL
        tick = mix.tick(now)
        began, cpu_began, sealing = time.monotonic(), time.thread_time(), busy.is_set()
        store.append(tick)
        wall.append(time.monotonic() - began)
        cpu.append(time.thread_time() - cpu_began)
        if sealing:
            during.append(wall[-1])
        if i * INTERVAL == LIVE_SECONDS:  # the first hour is over, and the newest ticks have left it
            thread = threading.Thread(target=tidy)
            thread.start()
        if thread:
            time.sleep(0.5)  # a twentieth of the real time: sealing meets many ticks
            if not thread.is_alive():
                break
    assert thread
    thread.join()
    during = during or wall[-1:]  # few queues are sealed between two ticks
    return {
        "append_cpu_ms": 1000 * statistics.median(cpu),
        "append_ms": 1000 * statistics.median(wall),
        "seal_cpu_s_per_hour": tidied["cpu"],
        "stored_cpu_ms_per_tick": 1000 * (statistics.median(cpu) + tidied["cpu"] / 360),
        "append_while_sealing_ms": 1000 * statistics.median(during),
        "append_while_sealing_worst_ms": 1000 * max(during),
        "delay_worst_ms": 1000 * (max(during) - statistics.median(wall)),
    }


def lay_down(store: EmbeddedStore, mix: Mix, ticks: list[Tick], end: float) -> dict[str, float]:
    """The past: sealed hours of two days, minutes of thirty days, hours of 400 days, made of one real hour."""
    times, values, status = _columns(ticks)
    raw = []
    for i in range(0, len(mix.ids), 200):
        raw += chunk_codec.encode(values[:, i : i + 200], status[:, i : i + 200])
    day = encode_rollups(_rolled(Mix(DISTINCT, INTERVAL, seed=3), DAY, MINUTE.step))
    ten_days = encode_rollups(_rolled(Mix(DISTINCT, 600, seed=4), 10 * DAY, HOUR.step))
    figures = {
        "raw_bytes_per_value": sum(map(len, raw)) / len(mix.ids) / (len(times) * len(MEASURED)),
        "minute_bytes_per_queue_day": statistics.mean(map(len, day)),
        "hour_bytes_per_queue_day": statistics.mean(map(len, ten_days)) / 10,
    }
    few = mix.ids[::EVERY].tolist()
    ids = mix.ids.tolist()
    for start in range(int(end - 2 * DAY), int(end), RAW.span):
        rolled = start < end - DAY  # the last day is as dear as it gets: not rolled up yet
        _seal(store, RAW, start, times - times[0] + start, INTERVAL, dict(zip(ids, raw, strict=True)), rolled)
    for start in range(int(end - 30 * DAY), int(end - DAY), MINUTE.span):
        _seal(store, MINUTE, start, start + 60.0 * np.arange(1440), 60, dict(zip(few, cycle(day), strict=False)))
    first = HOUR.start(end - 400 * DAY)
    for start in range(first, int(end) - HOUR.span, HOUR.span):
        _seal(store, HOUR, start, start + 3600.0 * np.arange(240), 3600, dict(zip(few, cycle(ten_days), strict=False)))
    return figures


def _columns(ticks: list[Tick]) -> tuple[Floats, Floats, Bytes]:
    """Times, values and statuses, (metrics, queues, times)."""
    values = np.stack([tick.values for tick in ticks], axis=2)
    status = chunk_codec.status_of(values, np.stack([tick.quality for tick in ticks], axis=2))
    return np.array([tick.at for tick in ticks]), values, status


def _rolled(mix: Mix, seconds: float, step: int) -> Stats:
    times, values, status = _columns(list(mix.ticks(seconds)))
    return Stats.of(values, status).folded(np.flatnonzero(np.diff(times // step, prepend=-1)))


def _seal(
    store: EmbeddedStore,
    level: Level,
    start: int,
    times: Any,
    interval: float,
    chunks: dict[int, bytes],
    rolled: bool = True,
) -> None:
    with store.connections.writing() as writer:
        cursor = writer.execute(
            "INSERT INTO seal(broker, level, start, state, rolled, ticks, interval, times)"
            " VALUES(1, ?, ?, ?, ?, ?, ?, ?)",
            (level.number, start, IN_USE, rolled, len(times), interval, pack_times(times)),
        )
        rows = ((chunk_id(cursor.lastrowid or 0, queue), data) for queue, data in chunks.items())
        writer.executemany("INSERT INTO chunk VALUES(?, ?)", rows)


def questions(mix: Mix, now: float) -> dict[str, Callable[[EmbeddedStore, int], Any]]:
    """What is asked, by name; the number makes each call ask for another queue, one that has rollups."""
    ids = mix.ids[::EVERY].tolist()

    def chart(seconds: float) -> Callable[[EmbeddedStore, int], Any]:
        return lambda store, i: store.range([ids[i * 7 % len(ids)]], CHART, now - seconds, now, 300)

    def sparks(store: EmbeddedStore, i: int) -> Any:
        return store.range(mix.ids[i :: len(mix.ids) // 50][:50].tolist(), ["depth"], now - 1800, now, 180, "last")

    return {
        "chart_1h": chart(3600),
        "chart_24h": chart(DAY),
        "chart_7d": chart(7 * DAY),
        "chart_30d": chart(30 * DAY),
        "chart_400d": chart(400 * DAY),
        "sparks_50": sparks,
        "top_20": lambda store, i: store.top("depth", 20),
        "window_10min_all": lambda store, i: store.window(mix.ids.tolist(), "depth", 600, "max") if i < 3 else None,
    }


def ask(folder: Path, mix: Mix, now: float, times: int = 25) -> dict[str, float]:
    """Milliseconds by question: `cold_` of a new connection with the file out of the cache, then warm medians."""
    figures = {}
    for name, question in questions(mix, now).items():
        cold = []
        for i in range(3):
            _evict(folder / FILE_NAME)
            store = EmbeddedStore(folder / FILE_NAME)
            cold.append(_timed(question, store, i))
            store.close()
        store = EmbeddedStore(folder / FILE_NAME)
        for i in range(times):
            question(store, i)
        warm = [_timed(question, store, i) for i in range(3 if name.endswith("_all") else times)]
        store.close()
        figures[f"{name}_ms"], figures[f"{name}_cold_ms"] = statistics.median(warm), statistics.median(cold)
    return figures


def _timed(question: Callable[[EmbeddedStore, int], Any], store: EmbeddedStore, i: int) -> float:
    began = time.perf_counter()
    question(store, i)
    return 1000 * (time.perf_counter() - began)


def _evict(path: Path) -> None:
    """Out of the page cache, as far as the system lets us."""
    handle = os.open(path, os.O_RDONLY)
    os.fsync(handle)
    os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(handle)


def measure(queues: int, folder: Path, peers: bool = True) -> dict[str, Any]:
    """All figures of one size, by name of the engine."""
    beginning = START + 10 * DAY
    mix = Mix(queues, INTERVAL)
    store = EmbeddedStore(folder / FILE_NAME)
    figures = keep(store, mix, beginning)
    figures["file_mb_after_live"] = used_bytes(store.connections) / 1e6
    hour = list(Mix(queues, INTERVAL, seed=2).ticks(3600, beginning - DAY))
    figures |= lay_down(store, mix, hour, beginning)
    newest = store.latest(mix.broker)
    assert newest is not None
    store.close()
    figures |= ask(folder, mix, newest.at)
    beside = samples_peers.measure(hour, INTERVAL) if peers else {}
    return {"queues": queues, "metrics": len(METRICS), "weir": figures, **beside}


def bench(short: bool = False) -> list[Table]:
    """One row for each figure, one column for each engine; the targets are for 10,000 queues every ten seconds.

    The peers take a thousand queues only: of ten thousand, promtool alone needs minutes.
    """
    tables = []
    for queues in (200,) if short else (1_000, 10_000):
        with tempfile.TemporaryDirectory() as folder:
            found = measure(queues, Path(folder), peers=queues == 1_000)
        engines = [name for name in found if isinstance(found[name], dict)]
        names = dict.fromkeys(key for engine in engines for key in found[engine])
        rows = [{"figure": name, **{engine: found[engine].get(name) for engine in engines}} for name in names]
        targets = _targets(found["weir"]) if queues == 10_000 else []
        missing = [f"{name} is not installed." for name in samples_peers.missing() if queues == 1_000]
        tables.append(Table(f"{queues:,} queues, every {INTERVAL:.0f} s", rows, " ".join(missing), targets=targets))
    return tables


def _targets(weir: dict[str, float]) -> list[Target]:
    most = {
        "stored_cpu_ms_per_tick": 250, "raw_bytes_per_value": 0.5, "delay_worst_ms": 100, "chart_1h_ms": 10,
        "chart_24h_ms": 25, "chart_30d_ms": 50, "chart_400d_ms": 50, "sparks_50_ms": 50, "top_20_ms": 50,
    }  # fmt: skip
    return [Target(name, weir[name], limit) for name, limit in most.items()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--queues", default="1000,10000", help="sizes, separated by commas")
    parser.add_argument("--json", type=Path, help="write the figures into this file too")
    options = parser.parse_args()
    results = []
    for queues in map(int, options.queues.split(",")):
        with tempfile.TemporaryDirectory() as folder:
            results.append(measure(queues, Path(folder)))
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n")
    for result in results:
        engines = [name for name in result if isinstance(result[name], dict)]
        print(f"\n{result['queues']:,} queues, every {INTERVAL:.0f} s" + "".join(f"{name:>18}" for name in engines))
        for name in dict.fromkeys(key for engine in engines for key in result[engine]):
            cells = (result[engine].get(name) for engine in engines)
            print(f"{name:<32}" + "".join(f"{'-' if cell is None else f'{cell:,.2f}':>18}" for cell in cells))
    for name in samples_peers.missing():
        print(f"{name} is not installed: left out", file=sys.stderr)


if __name__ == "__main__":
    main()
