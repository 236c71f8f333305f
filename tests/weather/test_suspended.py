"""A suspended laptop: everything stands still for longer than a lease, and goes on by itself."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.redis import available, running

ROOT = Path(__file__).parents[2]
ENGINE = next((engine for engine in ("valkey9", "redis7", "redis62") if available(engine)), None)
ASLEEP = 25  # seconds, longer than the lease of a broker

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(240),
    pytest.mark.skipif(ENGINE is None, reason="no Redis-compatible server is here"),
]


@pytest.fixture
def house(tmp_path) -> Iterator[tuple[subprocess.Popen, str, object]]:
    """`up` on a real server with one list of three: the process, its address, and a client of the server."""
    with running(ENGINE) as server:
        server.client().rpush("orders", 1, 2, 3)
        environment = {**os.environ, "WEIR_DATA": str(tmp_path / "data"), "WEIR_METRICS_PUBLIC": "1"}
        command = ["manage.py", "up", "--port", "0", "--no-demo", "--broker", f"{server.url}?name=desk&interval=1s"]
        process = subprocess.Popen(
            [sys.executable, *command],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        address = re.search(r"http://[^/]+", process.stdout.readline())
        assert address
        yield process, address[0], server.client()
        process.kill()
        process.wait()


def until_depth(address: str, depth: int, seconds: float) -> None:
    """Wait until /metrics shows this depth."""
    line, end = f'weir_queue_depth{{broker="desk",queue="orders"}} {depth}', time.monotonic() + seconds
    while line not in urllib.request.urlopen(f"{address}/metrics", timeout=10).read().decode():
        assert time.monotonic() < end, f"{line} did not come"
        time.sleep(0.3)


def test_after_a_sleep_it_goes_on_by_itself_without_a_word_of_trouble(house):
    process, address, client = house
    until_depth(address, 3, 60)
    process.send_signal(signal.SIGSTOP)
    client.rpush("orders", 4)
    time.sleep(ASLEEP)
    process.send_signal(signal.SIGCONT)
    until_depth(address, 4, 60)
    ready = json.loads(urllib.request.urlopen(f"{address}/readyz", timeout=10).read())
    process.terminate()
    _, said = process.communicate(timeout=60)
    assert process.returncode == 0 and ready
    assert "Traceback" not in said and said.count("\n") < 5
