"""The project's own files, as the rules see them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
#: The top level: these three, the five folders, and dot files.
FILES = ("manage.py", "pyproject.toml", "README.md")
FOLDERS = ("collectors", "dashboard", "templates", "static", "tests")

NOT_OURS = ("vendor", "recordings", "__pycache__", "results")


def files(*suffixes: str) -> Iterator[Path]:
    """Our files with one of these suffixes ("" for those without), as absolute paths; recordings left out."""
    for top in (*FILES, *FOLDERS, ".ci"):
        base = ROOT / top
        for path in sorted(base.rglob("*")) if base.is_dir() else [base]:
            if path.is_file() and path.suffix in suffixes and not set(NOT_OURS) & set(path.parts):
                yield path


def name(path: Path, line: int | None = None) -> str:
    """`dashboard/ticks.py` or `dashboard/ticks.py:12`."""
    return f"{path.relative_to(ROOT)}" + (f":{line}" if line else "")


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines()


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), filename=str(path))
