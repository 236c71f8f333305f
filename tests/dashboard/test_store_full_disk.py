"""A disk that is really full: a small file system of its own, on which a store writes, seals and is read."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dashboard.store import Retention, Store

from .store_contract import START

FOREVER = Retention(raw=9e9, minute=9e9, hour=9e9)
#: In a namespace of its own: what is mounted there nobody else sees, and it goes with the process.
ALONE = ["unshare", "--user", "--map-root-user", "--mount"]
SCRIPT = """
import subprocess, sys
from pathlib import Path
from dashboard.store import StoreError, open_store
from tests.dashboard.store_contract import START, tick
from tests.dashboard.test_store_full_disk import FOREVER, whole

folder = Path(sys.argv[1])
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "weir", folder], check=True)
store, kept, QUEUES = open_store(folder), 0, 400
def append(n):
    store.append(tick(START + 10 * n, {q: float(n + q) for q in range(QUEUES)}))

# written until nothing more fits: that is said, and what was acknowledged is there
said = ""
for n in range(2000):
    try:
        append(n)
    except StoreError as error:
        said = str(error)
        break
    kept = n + 1
assert "disk is full" in said, said
whole(store, kept, QUEUES)

# sealing needs room as well: it says so, and loses nothing
try:
    done = store.tidy(START + 10 * kept, FOREVER)
    said = done.problems[0] if done and done.problems else "nothing"
except StoreError as error:
    said = str(error)
assert "disk is full" in said, said
whole(store, kept, QUEUES)
store.close()

# a start while it is full may be refused, in a sentence
try:
    open_store(folder).close()
except StoreError as error:
    assert "disk is full" in str(error), error

# with room again all is there, and goes on
subprocess.run(["mount", "-o", "remount,size=200m", folder], check=True)
store = open_store(folder)
whole(store, kept, QUEUES)
for n in range(kept, kept + 400):
    append(n)
done = store.tidy(START + 10 * (kept + 400), FOREVER)
assert done is not None and done.sealed and not done.problems, done
whole(store, kept + 400, QUEUES)
store.close()
print("done", flush=True)
"""


def whole(store: Store, ticks: int, queues: int) -> None:
    """Each tick is there, and says what it was given."""
    found = store.range([0, queues - 1], ["depth"], START, START + 10 * ticks - 5, ticks + 10)
    assert found.step == 10
    np.testing.assert_array_equal(found.values["depth"], np.arange(ticks) + np.array([[0], [queues - 1]]))


def mounts() -> bool:
    """Whether file systems can be mounted in a namespace here."""
    try:
        tried = subprocess.run([*ALONE, "mount", "-t", "tmpfs", "weir", "/mnt"], capture_output=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return tried.returncode == 0


@pytest.mark.slow
@pytest.mark.skipif(not mounts(), reason="needs namespaces in which file systems may be mounted")
def test_a_full_disk_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    ran = subprocess.run([*ALONE, sys.executable, "-c", SCRIPT, str(tmp_path)], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ran.stdout.endswith("done\n")
