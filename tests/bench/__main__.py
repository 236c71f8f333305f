"""`tests/bench/run [NAME...] [--all] [--short] [--out FOLDER]`: each benchmark in a process of its own, then a report.

Prints a table of each, and writes report.md, bench.json and a plot (SVG) of each curve. Figures are ratios, curves and
processor time of one run: wall time on a busy machine is an upper bound.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psutil

from . import registry, report

ROOT = Path(__file__).parents[2]
#: On a busy machine everything takes longer: this many times as long is waited.
PATIENCE = 5
SHORT_SECONDS = 30


def child(name: str, short: bool, file: Path) -> None:
    """Run one benchmark here and write its tables."""
    try:
        answer: dict[str, Any] = {"tables": [asdict(table) for table in registry.run(name, short)]}
    except registry.Missing as missing:
        answer = {"missing": str(missing)}
    file.write_text(json.dumps(answer))


def measured(name: str, short: bool) -> dict[str, Any]:
    """One benchmark's answer: its tables, or what is missing, or how it failed; and how long it took."""
    limit = PATIENCE * (SHORT_SECONDS if short else registry.BENCHES[name][1])
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix=f"weir-bench-{name}-") as folder:
        file = Path(folder, "answer.json")
        command = [sys.executable, "-m", "tests.bench", "--child", name, "--out", str(file)]
        own = {k: v for k, v in os.environ.items() if not k.startswith("WEIR_") or k == "WEIR_CHROMIUM"}
        own |= {
            "WEIR_DATA": str(Path(folder, "data")),
            "TMPDIR": folder,
            "WEIR_TEST_RUN": os.environ.get("WEIR_TEST_RUN", ""),
        }
        process = subprocess.Popen(
            [*command, *(["--short"] if short else [])], cwd=ROOT, env=own, start_new_session=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        try:
            said = process.communicate(timeout=limit)[0]
        except subprocess.TimeoutExpired:
            said = f"not done after {limit} seconds"
        finally:
            end(process)
        answer: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {"failed": said[-3000:]}
    return answer | {"seconds": round(time.monotonic() - began, 1)}


def end(process: subprocess.Popen[str]) -> None:
    """End a benchmark and every server that it started, by pid; those are in sessions of their own."""
    with suppress(psutil.NoSuchProcess):
        every = psutil.Process(process.pid).children(recursive=True)
        for one in [*every, psutil.Process(process.pid)]:
            with suppress(psutil.NoSuchProcess):
                one.terminate()
        for one in psutil.wait_procs(every, timeout=15)[1]:
            with suppress(psutil.NoSuchProcess):
                one.kill()
    process.wait(30)


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests/bench/run", description=__doc__.split("\n", 1)[0] if __doc__ else "")
    parser.add_argument("names", nargs="*", metavar="NAME", help="of " + ", ".join(registry.BENCHES))
    parser.add_argument("--all", action="store_true", help=f"also {', '.join(registry.MORE)}")
    parser.add_argument("--short", action="store_true", help="small and quick: that it runs, not how fast it is")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("results"), help="folder of the report")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(options.child, options.short, options.out)
        return 0
    unknown = [name for name in options.names if name not in registry.BENCHES]
    if unknown:
        print(f"There is no benchmark {unknown[0]}; there are {', '.join(registry.BENCHES)}.", file=sys.stderr)
        return 2
    answers = {}
    usual = [name for name in registry.BENCHES if options.all or name not in registry.MORE]
    for name in options.names or usual:
        print(f"\n=== {name}: {registry.BENCHES[name][0]}", flush=True)
        answers[name] = measured(name, options.short)
        print(report.text(answers[name]), flush=True)
    about = {"short": options.short, "machine": platform.machine(), "cores": os.cpu_count(), "load": os.getloadavg()}
    report.write(options.out, about | {"python": platform.python_version()}, answers)
    print(f"\nWritten: {options.out / 'report.md'}, bench.json and plots beside it.")
    return 1 if any("failed" in answer for answer in answers.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
