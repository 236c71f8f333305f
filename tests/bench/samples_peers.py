"""The same hour of samples in VictoriaMetrics and Prometheus, as Debian packages them, when they are installed."""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from dashboard.ticks import ROW, Tick
from tests.servers.ports import free_port

from .samples_mix import MEASURED

PROGRAMS = {"victoriametrics": ("victoria-metrics",), "prometheus": ("prometheus", "promtool")}


def missing() -> list[str]:
    return [name for name, programs in PROGRAMS.items() if not all(map(shutil.which, programs))]


def measure(ticks: list[Tick], interval: float) -> dict[str, dict[str, float]]:
    """Figures by engine that is installed: processor time per tick, bytes per value, milliseconds of questions."""
    engines: dict[str, Callable[[list[Tick], float, Path], dict[str, float]]] = {
        "victoriametrics": _victoriametrics,
        "prometheus": _prometheus,
    }
    found = {}
    for name in PROGRAMS:
        if name not in missing():
            with tempfile.TemporaryDirectory() as folder:
                found[name] = engines[name](ticks, interval, Path(folder))
    return found


def _victoriametrics(ticks: list[Tick], interval: float, folder: Path) -> dict[str, float]:
    port = free_port()
    command = (
        "victoria-metrics", f"-storageDataPath={folder}", f"-httpListenAddr=127.0.0.1:{port}",
        "-retentionPeriod=100y", "-search.disableCache", "-search.latencyOffset=0s",
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    with _started(command, f"{url}/health") as process:
        spent = _cpu(process)
        client = time.process_time()
        for tick in ticks:
            _call(f"{url}/write", _lines(tick))
        _call(f"{url}/internal/force_flush")
        figures = {"stored_cpu_ms_per_tick": 1000 * (_cpu(process) - spent + time.process_time() - client) / len(ticks)}
        figures |= _questions(f"{url}/api/v1", ticks, interval, "q_")
    values = len(ticks) * len(ticks[0]) * len(MEASURED)
    figures["raw_bytes_per_value"] = _size(folder, leave_out="cache") / values
    return figures


def _prometheus(ticks: list[Tick], interval: float, folder: Path) -> dict[str, float]:
    """Blocks are made by promtool: what its server spends on taking samples in is not measured."""
    text = folder / "samples.txt"
    with text.open("w") as file:
        for row, metric in enumerate(MEASURED):
            file.write(f"# TYPE {metric} gauge\n")
            for place, queue in enumerate(ticks[0].ids.tolist()):
                for tick in ticks:
                    value = tick.values[ROW[MEASURED[row]], place]
                    file.write(f'{metric}{{queue="{queue}"}} {value:.0f} {tick.at:.0f}\n')
        file.write("# EOF\n")
    blocks = folder / "blocks"
    make = ("promtool", "tsdb", "create-blocks-from", "openmetrics", "--quiet", str(text), str(blocks))
    subprocess.run(make, check=True, stdout=subprocess.DEVNULL)
    size = _size(blocks)
    port = free_port()
    (folder / "prometheus.yml").write_text("{}\n")
    command = (
        "prometheus", f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={blocks}",
        f"--web.listen-address=127.0.0.1:{port}", "--storage.tsdb.retention.time=100y", "--log.level=error",
    )  # fmt: skip
    with _started(command, f"http://127.0.0.1:{port}/-/ready"):
        figures = _questions(f"http://127.0.0.1:{port}/api/v1", ticks, interval, "")
    figures["raw_bytes_per_value"] = size / (len(ticks) * len(ticks[0]) * len(MEASURED))
    return figures


def _questions(api: str, ticks: list[Tick], interval: float, prefix: str) -> dict[str, float]:
    """Warm medians, the answer read as JSON, as a client would."""
    start, end, ids = ticks[0].at, ticks[-1].at, ticks[0].ids.tolist()

    def ask(path: str, **parameters: object) -> dict:
        return json.loads(_call(f"{api}/{path}?{urllib.parse.urlencode(parameters)}"))

    def chart(i: int) -> None:
        for name in ("depth", "in_rate", "out_rate"):
            query = f'{prefix}{name}{{queue="{ids[i * 7 % len(ids)]}"}}'
            answer = ask("query_range", query=query, start=start, end=end, step=15)
            assert answer["data"]["result"][0]["values"]

    def sparks(i: int) -> None:
        some = "|".join(map(str, ids[i % (len(ids) // 50) :: len(ids) // 50][:50]))
        query = f'{prefix}depth{{queue=~"{some}"}}'
        assert len(ask("query_range", query=query, start=end - 1800, end=end, step=interval)["data"]["result"]) == 50

    def top(i: int) -> None:
        assert len(ask("query", query=f"topk(20, {prefix}depth)", time=end)["data"]["result"]) == 20

    def window(i: int) -> None:
        assert len(ask("query", query=f"max_over_time({prefix}depth[10m])", time=end)["data"]["result"]) == len(ids)

    asked = {"chart_1h": (chart, 25), "sparks_50": (sparks, 15), "top_20": (top, 15), "window_10min_all": (window, 3)}
    figures = {}
    for name, (question, times) in asked.items():
        question(0)
        spent = []
        for i in range(times):
            began = time.perf_counter()
            question(i)
            spent.append(1000 * (time.perf_counter() - began))
        figures[f"{name}_ms"] = statistics.median(spent)
    return figures


def _lines(tick: Tick) -> bytes:
    """A tick in InfluxDB's line protocol."""
    columns = [tick.values[ROW[metric]].tolist() for metric in MEASURED]
    at = int(tick.at * 1e9)
    rows = (
        f"q,queue={queue} {','.join(f'{m}={v:.0f}' for m, v in zip(MEASURED, values, strict=True))} {at}"
        for queue, *values in zip(tick.ids.tolist(), *columns, strict=True)
    )
    return "\n".join(rows).encode()


def _call(url: str, body: bytes | None = None) -> bytes:
    with urllib.request.urlopen(url, body, timeout=60) as answer:
        return answer.read()


def _cpu(process: subprocess.Popen[bytes]) -> float:
    times = psutil.Process(process.pid).cpu_times()
    return times.user + times.system


def _size(folder: Path, leave_out: str = "") -> int:
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file() and leave_out not in p.parts)


@contextmanager
def _started(command: tuple[str, ...], ready: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(300):
            try:
                _call(ready)
                break
            except OSError:
                time.sleep(0.1)
        yield process
    finally:
        process.terminate()
        process.wait(30)
