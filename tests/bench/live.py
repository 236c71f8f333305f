"""How fast and how cheap the live view is: `python -m tests.bench.live --clients 100 --queues 1000 --seconds 20`.

A child process serves Weir and makes a tick of all queues every `--every` seconds; this process opens the
clients, which acknowledge every fifth frame. The latency is from the tick's own time, set before it is published, to
the last byte of the frame that shows it. With `--views 1` all look at the same list,
else at that many different ones. Prints a table, and the same as one line of JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
import zlib
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from tests.servers.site import Site

from .registry import Curve, Table, Target

SORTS = ("-depth", "depth", "-in_rate", "in_rate", "-out_rate", "out_rate", "-lag", "lag", "name", "-name")


#: The kind of a message of text that is compressed.
PACKED = 0x41


def unpacked(content: bytes, most: int = 0) -> bytes:
    """A compressed message, or its beginning."""
    return zlib.decompressobj(-zlib.MAX_WBITS).decompress(content + b"\x00\x00\xff\xff", most)


class Browser(asyncio.Protocol):
    """One connection that does as little as it can: a thousand share a process, and must not wait for each other.

    It notes when each frame was complete, and reads of it what it needs to acknowledge; `whole` reads the last one.
    """

    def __init__(
        self, site: Site, view: dict[str, object], seen: Seen, stalled: bool = False, packed: bool = True
    ) -> None:
        self.site, self.view, self.seen, self.stalled, self.packed = site, view, seen, stalled, packed
        self.open = False
        self.data, self.last = bytearray(), (1, b"")
        self.unacknowledged = 0
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        headers = {**self.site.headers, "Host": f"127.0.0.1:{self.site.port}", "Upgrade": "websocket"}
        headers |= {
            "Connection": "Upgrade",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "d2VpciBhdCAxMDAwLi4uIQ==",
        }
        if self.packed:
            headers["Sec-WebSocket-Extensions"] = "permessage-deflate; client_max_window_bits"
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        transport.write(f"GET /ws/live/ HTTP/1.1\r\n{lines}\r\n".encode())

    def data_received(self, data: bytes) -> None:
        self.data += data
        if not self.open:
            end = self.data.find(b"\r\n\r\n")
            if end < 0:
                return
            assert self.data.startswith(b"HTTP/1.1 101 "), bytes(self.data[:end])
            assert (b"permessage-deflate" in self.data[:end]) == self.packed
            self.open = True
            del self.data[: end + 4]
            self._send(1, json.dumps({"view": "queues", **self.view}).encode())
            self.seen.opened.release()
            if self.stalled:
                self.transport.pause_reading()
        while (frame := self._frame()) is not None:
            self._take(*frame)

    def _frame(self) -> tuple[int, bytes] | None:
        """The next whole message (a server's are not masked, and Weir's not in parts): its kind, its content."""
        data = self.data
        if len(data) < 2:
            return None
        size, start = data[1], 2
        if size > 125:
            start = 4 if size == 126 else 10
            size = int.from_bytes(data[2:start], "big")
        if len(data) < start + size:
            return None
        found = data[0] & 0x4F, bytes(data[start : start + size])
        del data[: start + size]
        return found

    def _take(self, kind: int, content: bytes) -> None:
        if kind == 9:
            return self._send(10, content)
        assert kind in (1, PACKED), (kind, content)
        now = time.time()
        begins = unpacked(content, 4096) if kind == PACKED else content  # where all is that is read here
        place = begins.find(b'"sampled_at":"')
        if self.seen.measuring and place > 0:
            self.seen.frames.append((now, begins[place + 14 : begins.index(b'"', place + 14)]))
            self.seen.bytes += len(content)
        if place > 0:
            self.last = kind, content
        self.unacknowledged += 1
        if self.unacknowledged >= 5:
            self._send(1, b'{"ack":%s}' % begins[7 : begins.index(b",")])
            self.unacknowledged = 0

    def _send(self, kind: int, content: bytes) -> None:
        """A short message, under a mask that changes nothing."""
        size = (
            bytes((0x80 | kind, 0x80 | len(content)))
            if len(content) < 126
            else bytes((0x80 | kind, 0xFE, 0, len(content)))
        )
        self.transport.write(size + bytes(4) + content)

    def whole(self) -> dict[str, Any]:
        kind, content = self.last
        frame: dict[str, Any] = orjson.loads(unpacked(content) if kind == PACKED else content)
        return frame


class Seen:
    """What all clients saw: when each frame was there, and the time of the sample in its first row."""

    def __init__(self) -> None:
        self.opened = asyncio.Semaphore(0)
        self.frames: list[tuple[float, bytes]] = []
        self.bytes = 0
        self.measuring = False

    def latencies(self) -> Any:
        """Milliseconds from the tick's own time."""
        at = {text: datetime.fromisoformat(text.decode()).timestamp() for text in {text for _, text in self.frames}}
        return 1000 * np.array([now - at[text] for now, text in self.frames])


async def measure(site: Site, options: argparse.Namespace) -> dict[str, float]:
    seen, loop = Seen(), asyncio.get_running_loop()
    views = [{"sort": SORTS[n % 10], "offset": n // 10 * 10, "limit": options.rows} for n in range(options.views)]
    browsers: list[Browser] = []
    for n in range(options.clients + options.stalled):
        browser = Browser(site, views[n % len(views)], seen, n >= options.clients, not options.plain)
        browsers.append(browser)
        await loop.create_connection(lambda browser=browser: browser, "127.0.0.1", site.port)
        if n % 50 == 49:
            await asyncio.sleep(0.2)
    async with asyncio.timeout(60):
        for _ in browsers:
            await seen.opened.acquire()
    await asyncio.to_thread(site.say, every=options.every)
    await asyncio.sleep(3)
    cpu, own, began, rss = site.cpu, time.process_time(), time.monotonic(), site.rss
    seen.measuring = True
    await asyncio.sleep(options.seconds)
    seen.measuring = False
    own = time.process_time() - own
    cpu, took, grown = site.cpu - cpu, time.monotonic() - began, site.rss - rss
    await asyncio.to_thread(site.say, stop_every=True)
    for browser in browsers[: options.clients]:  # what so little was read of is what a browser expects
        assert len(browser.whole()["rows"]) == min(options.rows, options.queues), browser.last
    for browser in browsers:
        browser.transport.abort()
    await asyncio.sleep(0.5)
    latencies = seen.latencies()
    return {
        "clients": options.clients,
        "queues": options.queues,
        "views": options.views,
        "frames": len(latencies),
        "frames_expected": round(options.clients * took / options.every),
        "frame_kb": round(seen.bytes / max(1, len(latencies)) / 1000, 1),
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
#: Clients that read, rows of each view, clients that stopped reading, and how many different views they have.
CASES = (
    (100, 50, 0, 10), (400, 50, 0, 10), (1000, 50, 0, 10), (200, 200, 0, 10), (500, 50, 0, 500), (200, 50, 40, 10),
)  # fmt: skip


def bench(short: bool = False) -> list[Table]:
    """1,000 queues, a tick a second, ten different views or one for each client, one site."""
    rows = []
    with tempfile.TemporaryDirectory() as folder, Site(Path(folder), 100 if short else 1000) as site:
        for clients, many, stopped, views in ((10, 20, 2, 10),) if short else CASES:
            options = argparse.Namespace(clients=clients, queues=len(site.ids), views=views, rows=many, every=1.0,
                                         seconds=2.0 if short else 6.0, stalled=stopped, plain=False)  # fmt: skip
            found = asyncio.run(measure(site, options))
            told = {name: found[name] for name in FIGURES}
            rows.append({"clients": clients, "rows": many, "views": views, "stopped reading": stopped, **told})
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
    fifty = [
        row for row in rows if row["rows"] in (20, 50) and row["views"] == 10 and not row["stopped reading"]
    ] or rows
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
    parser.add_argument("--plain", action="store_true", help="clients that cannot unpack compressed frames")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, Site(Path(folder), options.queues) as site:
        found = asyncio.run(measure(site, options))
    for name, value in found.items():
        print(f"{name:>20}  {value:,}")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
