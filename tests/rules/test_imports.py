"""The import rules (pyproject.toml, [tool.importlinter]) are kept, and do catch what they are for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from . import tree

LINT = Path(sys.executable).with_name("lint-imports")


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([LINT, "--no-logo", "--no-cache"], cwd=folder, capture_output=True, text=True)


def test_the_import_rules_are_kept():
    done = lint(tree.ROOT)
    assert done.returncode == 0, done.stdout
    assert " 0 broken" in done.stdout


@pytest.mark.parametrize(
    ("module", "line", "broken"),
    [
        ("collectors/rates.py", "import dashboard.ticks", "collectors is plain Python"),
        ("collectors/errors.py", "import collectors.registry", "collectors: the order inside"),
        ("dashboard/ticks.py", "import collectors.brokers.redis", "the dashboard sees brokers through the protocol"),
        ("dashboard/models/queues.py", "import dashboard.views", "dashboard: the order inside"),
        ("dashboard/pipeline.py", "import redis", "no broker SDK in the dashboard"),
        ("dashboard/pipeline.py", "import sqlite3", "only the store opens the samples' file"),
        ("dashboard/ticks.py", "import socket", "what judges and computes is pure"),
    ],
)
@pytest.mark.slow
def test_a_forbidden_import_is_found(tmp_path, module, line, broken):
    for path in tree.files(".py", ".toml"):
        if path.parts[len(tree.ROOT.parts)] in ("collectors", "dashboard", "pyproject.toml"):
            copy = tmp_path / path.relative_to(tree.ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_text(path.read_text() + (f"\n{line}\n" if tree.name(path) == module else ""))
    done = lint(tmp_path)
    assert done.returncode != 0
    assert any(broken in one and "BROKEN" in one for one in done.stdout.splitlines()), done.stdout
