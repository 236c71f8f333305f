"""From `manage.py up` to an answer: wall time and processor time, the first time and with a data folder that is there.

    python -m tests.bench.up

Ready is when /readyz answers that database, store and bus do. Beside it: what Python and Django alone need.
"""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from dataclasses import asdict
from pathlib import Path

import psutil

from tests.servers.ports import free_port

from . import report
from .registry import Table, Target

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0


def started(folder: Path) -> tuple[float, float]:
    """Seconds of wall and processor time until a new process in this data folder is ready."""
    port = free_port()
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("WEIR_", "DATABASE_URL", "REDIS_URL"))}
    environment |= {"DJANGO_SETTINGS_MODULE": "dashboard.settings"}
    command = [sys.executable, "manage.py", "up", "--no-demo", "--port", str(port), "--data", str(folder)]
    began = time.monotonic()
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while not _ready(port):
            if process.poll() is not None or time.monotonic() - began > PATIENCE:
                raise RuntimeError(f"`up` did not become ready ({process.poll()})")
            time.sleep(0.02)
        wall, times = time.monotonic() - began, psutil.Process(process.pid).cpu_times()
        return wall, times.user + times.system
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def _ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def alone(code: str) -> tuple[float, float]:
    """What a bare process of Python takes for some code."""
    began, before = time.monotonic(), os.times()
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return time.monotonic() - began, cpu


def bench(short: bool = False) -> list[Table]:
    times = 1 if short else 3
    libraries = "import numpy, plotly.graph_objects, channels"
    with tempfile.TemporaryDirectory() as folder:
        cases = {
            "first start, database made": [started(Path(folder, str(n))) for n in range(times)],
            "again": [started(Path(folder, "0")) for _ in range(0 if short else times)],
            "Python and Django alone": [alone("import django.core.management, django.db.models") for _ in range(times)],
            "Python and numpy, plotly, channels": [alone(libraries) for _ in range(times)],
        }
    medians = {
        name: [statistics.median(column) for column in zip(*found, strict=True)]
        for name, found in cases.items()
        if found
    }
    rows = [{"start": name, "wall s": wall, "processor s": cpu} for name, (wall, cpu) in medians.items()]
    targets = [Target(f"processor seconds until ready, {row['start']}", row["processor s"], 3.0) for row in rows[:-2]]
    note = "Medians. Wall time on a busy machine is an upper bound."
    return [Table("From `up` to ready", rows, note, targets=targets)]


if __name__ == "__main__":
    print(report.text({"tables": [asdict(table) for table in bench()], "seconds": 0}))
