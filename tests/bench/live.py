"""How fast and how cheap the live view is: `python -m tests.bench.live --clients 100 --queues 1000 --seconds 20`.

A child process serves Weir and makes a tick of all queues every `--every` seconds; this process opens the
clients, which parse every frame as JSON and acknowledge every fifth. The latency is from the tick's own time,
set before it is published, to the parsed frame that shows it. With `--views 1` all look at the same list,
else at that many different ones. Prints a table, and the same as one line of JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from datetime import datetime
from pathlib import Path

import numpy as np
import orjson
from websockets.asyncio.client import connect

from tests.servers.site import Site

from .registry import Curve, Table, Target

SORTS = ("-depth", "depth", "-in_rate", "in_rate", "-out_rate", "out_rate", "-lag", "lag", "name", "-name")


class Counted:
    """What the clients saw."""

    def __init__(self) -> None:
        self.latencies: list[float] = []
        self.bytes = 0
        self.measuring = False

    def take(self, text: bytes) -> int:
        now = time.time()
        frame = orjson.loads(text)
        if self.measuring and frame.get("rows"):
            self.latencies.append(now - datetime.fromisoformat(frame["rows"][0]["sampled_at"]).timestamp())
            self.bytes += len(text)
        return int(frame["seq"])


async def client(site: Site, view: dict[str, object], counted: Counted, ready: asyncio.Semaphore) -> None:
    async with connect(site.url, additional_headers=site.headers, compression=None, max_size=None) as socket:
        await socket.send(json.dumps({"view": "queues", **view}))
        ready.release()
        unacknowledged = 0
        while True:
            seq = counted.take(await socket.recv(decode=False))
            unacknowledged += 1
            if unacknowledged >= 5:
                await socket.send(b'{"ack":%d}' % seq)
                unacknowledged = 0


async def stalled(site: Site, view: dict[str, object], ready: asyncio.Semaphore) -> None:
    """A client that asks for its view and reads nothing any more."""
    headers = dict(site.headers)
    async with connect(site.url, additional_headers=headers, compression=None, max_queue=1) as socket:
        await socket.send(json.dumps({"view": "queues", **view}))
        ready.release()
        await asyncio.sleep(3600)


async def measure(site: Site, options: argparse.Namespace) -> dict[str, float]:
    counted, ready = Counted(), asyncio.Semaphore(0)
    views = [{"sort": SORTS[n % 10], "offset": n // 10 * 10, "limit": options.rows} for n in range(options.views)]
    tasks = []
    for n in range(options.clients + options.stalled):
        view = views[n % len(views)]
        one = client(site, view, counted, ready) if n < options.clients else stalled(site, view, ready)
        tasks.append(asyncio.create_task(one))
        if n % 50 == 49:
            await asyncio.sleep(0.2)
    for _ in tasks:
        await ready.acquire()
    await asyncio.to_thread(site.say, every=options.every)
    await asyncio.sleep(3)
    cpu, own, began, rss = site.cpu, time.process_time(), time.monotonic(), site.rss
    counted.measuring = True
    await asyncio.sleep(options.seconds)
    counted.measuring = False
    own = time.process_time() - own
    cpu, took, grown = site.cpu - cpu, time.monotonic() - began, site.rss - rss
    await asyncio.to_thread(site.say, stop_every=True)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    latencies = np.array(counted.latencies) * 1000
    return {
        "clients": options.clients,
        "queues": options.queues,
        "views": options.views,
        "frames": len(latencies),
        "frames_expected": round(options.clients * took / options.every),
        "frame_kb": round(counted.bytes / max(1, len(latencies)) / 1000, 1),
        "latency_min_ms": round(float(latencies.min()), 1),
        "latency_p50_ms": round(float(np.percentile(latencies, 50)), 1),
        "latency_p99_ms": round(float(np.percentile(latencies, 99)), 1),
        "latency_max_ms": round(float(latencies.max()), 1),
        "server_cpu_percent": round(100 * cpu / took, 1),
        "cpu_us_per_frame": round(1e6 * cpu / max(1, len(latencies))),
        "clients_cpu_percent": round(100 * own / took, 1),
        "server_rss_mb": round(site.rss / 1e6, 1),
        "rss_growth_mb": round(grown / 1e6, 1),
    }


FIGURES = ("frames", "frames_expected", "latency_p50_ms", "latency_p99_ms", "server_cpu_percent", "cpu_us_per_frame",
           "server_rss_mb", "rss_growth_mb")  # fmt: skip
#: Clients that read, rows of each view, and clients that stopped reading.
CASES = ((100, 50, 0), (400, 50, 0), (1000, 50, 0), (200, 200, 0), (200, 50, 40))


def bench(short: bool = False) -> list[Table]:
    """1,000 queues, a tick a second, ten different views, one site."""
    rows = []
    with tempfile.TemporaryDirectory() as folder, Site(Path(folder), 100 if short else 1000) as site:
        for clients, many, stopped in ((10, 20, 2),) if short else CASES:
            options = argparse.Namespace(clients=clients, queues=len(site.ids), views=10, rows=many, every=1.0,
                                         seconds=2.0 if short else 6.0, stalled=stopped)  # fmt: skip
            found = asyncio.run(measure(site, options))
            told = {name: found[name] for name in FIGURES}
            rows.append({"clients": clients, "rows": many, "stopped reading": stopped, **told})
    largest = max(rows, key=lambda row: (row["clients"], -row["stopped reading"]))
    targets = [] if short else [
        Target("1,000 browsers a second, share of one core", largest["cpu_us_per_frame"] / 1000, 0.15),
        Target("1,000 browsers, p99 from the tick in ms", largest["latency_p99_ms"], 150),
        Target("MB that 40 clients who stopped reading cost in the time", rows[-1]["rss_growth_mb"], 20),
    ]  # fmt: skip
    note = (
        "The clients share the machine's cores with the site: latency is an upper bound, and means nothing where fewer "
        "frames came than were expected. The share is what a frame costs, times a thousand."
    )
    fifty = [row for row in rows if row["rows"] in (20, 50) and not row["stopped reading"]] or rows
    curve = Table(
        "Processor time of the site by clients, 50 rows", fifty, "", Curve("clients", ("server_cpu_percent",))
    )
    return [Table("The live view", rows, note, targets=targets), curve]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=100)
    parser.add_argument("--queues", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--every", type=float, default=1.0, help="seconds between ticks")
    parser.add_argument("--rows", type=int, default=50, help="rows of each view")
    parser.add_argument("--stalled", type=int, default=0, help="clients beside them that stopped reading")
    parser.add_argument("--views", type=int, default=10, help="how many different views there are")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, Site(Path(folder), options.queues) as site:
        found = asyncio.run(measure(site, options))
    for name, value in found.items():
        print(f"{name:>20}  {value:,}")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
