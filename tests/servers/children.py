"""Processes that a test starts: they end with it, whatever they do."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]


def end(process: subprocess.Popen, seconds: float = 30) -> None:
    """Ask it to end, and wait until it is gone."""
    process.terminate()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(10)


@contextmanager
def python(arguments: Sequence[str], environment: Mapping[str, str]) -> Iterator[None]:
    """A silent program of Python in this folder, for as long as the block lasts."""
    process = subprocess.Popen(
        [sys.executable, *arguments], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield
    finally:
        end(process, 20)
