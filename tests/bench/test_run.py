"""The benchmarks run: each in its short form, by the one command. How fast they are is no test."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import asdict
from xml.etree import ElementTree

import psutil
import pytest

from tests.rules import tree

from . import plot, registry, report
from .__main__ import end
from .registry import Curve, Table, Target

RUN = tree.ROOT / "tests" / "bench" / "run"


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([RUN, *arguments], capture_output=True, text=True)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", registry.BENCHES)
def test_the_short_form_runs(name, tmp_path):
    done = bench(name, "--short", "--out", str(tmp_path))
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    answer = json.loads((tmp_path / "bench.json").read_text())["benches"][name]
    if "missing" in answer:
        pytest.skip(answer["missing"])
    assert all(table["rows"] for table in answer["tables"])
    for picture in tmp_path.glob("*.svg"):
        ElementTree.parse(picture)
        assert picture.name in (tmp_path / "report.md").read_text()


def test_a_wrong_name_is_said():
    done = bench("nonsense")
    assert done.returncode == 2 and "no benchmark nonsense" in done.stderr and "ingest" in done.stderr


def test_the_usual_ones_take_a_quarter_of_an_hour():
    assert sum(seconds for name, (_, seconds) in registry.BENCHES.items() if name not in registry.MORE) <= 900


def test_a_report_says_what_was_aimed_at_and_what_failed(tmp_path):
    rows = [{"n": 1, "ms": 0.5, "peer": None}, {"n": 1000, "ms": 20.0, "peer": 3.0}]
    targets = [Target("a thousand", 20, 10), Target("share", 0.9, 0.8, at_least=True)]
    table = Table("Things", rows, "a note", Curve("n", ("ms", "peer"), log=True), targets)
    answers = {
        "ingest": {"tables": [asdict(table)], "seconds": 1},
        "store": {"failed": "Traceback", "seconds": 2},
        "up": {"missing": "no browser", "seconds": 0},
    }
    report.write(tmp_path, {"cores": 2}, answers)
    said = (tmp_path / "report.md").read_text()
    assert "| 1 | 0.500 | - |" in said and "MISSED a thousand: 20 (at most 10)" in said.replace("MISSED  ", "MISSED ")
    assert "held   share" in said and "Left out: no browser." in said and "Failed." in said and "ingest-1.svg" in said
    assert "FAILED" in report.text(answers["store"])


@pytest.mark.parametrize("log", [False, True])
def test_a_plot_has_a_line_for_each_series(log):
    rows = [{"n": n, "ms": n * k, "engine": f"<{k}>"} for n in (1, 10, 300) for k in (0.5, 2)]
    drawn = ElementTree.fromstring(plot.svg("T & t", rows, Curve("n", ("ms",), "engine", log)))
    lines = drawn.findall("{http://www.w3.org/2000/svg}polyline")
    assert len(lines) == 2 and all(len(line.get("points", "").split()) == 3 for line in lines)
    assert all("nan" not in (line.get("points") or "") for line in lines)


def test_a_benchmark_that_hangs_is_ended_with_all_that_it_started():
    code = "import subprocess, time; subprocess.Popen(['sleep', '60'], start_new_session=True); time.sleep(60)"
    process = subprocess.Popen([sys.executable, "-c", code], text=True)
    deadline = time.monotonic() + 30
    while not (started := psutil.Process(process.pid).children()) and time.monotonic() < deadline:
        time.sleep(0.05)
    end(process)
    assert process.returncode is not None and started
    assert not any(one.is_running() and one.status() != psutil.STATUS_ZOMBIE for one in started)
