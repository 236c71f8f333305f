"""A disk that is really full: a small file system of its own, on which a store writes, seals and is read."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dashboard.store import Retention, Store

#: 100 seconds before an hour is over: it can be sealed after 70 ticks, and the disk has room for more than these even
#: when nothing moves from the log into the file.
START = 1_700_002_700.0
FOREVER = Retention(raw=9e9, minute=9e9, hour=9e9)
#: In a namespace of its own: what is mounted there nobody else sees, and it goes with the process.
ALONE = ["unshare", "--user", "--map-root-user", "--mount"]
SCRIPT = """
import subprocess, sys, time
from pathlib import Path
from dashboard.store import StoreError, open_store
from dashboard.store.sealing import LEASE_SECONDS
from tests.dashboard.store_contract import tick
from tests.dashboard.store.test_store_full_disk import FOREVER, START, whole

folder = Path(sys.argv[1])
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "weir", folder], check=True)
store, kept, QUEUES = open_store(folder), 0, 400
def append(n):
    store.append(tick(START + 10 * n, {q: float(n + q) for q in range(QUEUES)}))

# written until nothing more fits, and not a moment later either (what moves from the log into the file makes room):
# that is said, and what was acknowledged is there
said, refused = "", 0
while refused < 3 and kept < 2000:
    try:
        append(kept)
        kept, refused = kept + 1, 0
    except StoreError as error:
        said, refused = str(error), refused + 1
        time.sleep(0.2)
assert "disk is full" in said, said
assert kept >= 70, kept
whole(store, kept, QUEUES)

# sealing needs room as well: where what is left of the log is too small for it, it says so, and it loses nothing
try:
    done = store.tidy(START + 10 * kept, FOREVER)
    said = done.problems[0] if done and done.problems else "nothing"
except StoreError as error:
    said = str(error)
assert said == "nothing" or "disk is full" in said, said
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
now = START + 10 * (kept + 400)
done = store.tidy(now, FOREVER)
if done is None:  # the full disk had no room to give the lease back either: it ends by itself, in a minute at most
    with store.connections.writing() as connection:
        [[lease]] = connection.execute("SELECT value FROM about WHERE name = 'tidying'").fetchall()
        connection.execute("DELETE FROM about WHERE name = 'tidying'")  # that need not be waited for
    assert 0 < float(lease.split()[1]) - time.time() <= LEASE_SECONDS, lease
    done = store.tidy(now, FOREVER)
assert done is not None and done.sealed and not done.problems, done
whole(store, kept + 400, QUEUES)
store.close()
print("done", flush=True)
"""

FREEING = """
import subprocess, sys, time
from pathlib import Path
from dashboard.store import Retention, StoreError, open_store
from tests.dashboard.store_contract import tick
from tests.dashboard.store.test_store_full_disk import FOREVER, START

folder, by = Path(sys.argv[1]), sys.argv[2]
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "weir", folder], check=True)
store, n = open_store(folder), 0
def append():
    global n
    store.append(tick(START + 10 * n, {q: float(n + q) for q in range(400)}))
    n += 1
for _ in range(120):
    append()
assert store.tidy(START + 10 * n, FOREVER).problems == []

# the disk becomes full, by what is written or by somebody else
if by == "others":
    try:
        with (folder / "others").open("wb", 0) as file:
            while True:
                file.write(bytes(4096))
    except OSError:
        pass
refused = 0
while refused < 3:
    try:
        append()
        refused = 0
    except StoreError as error:
        assert "disk is full" in str(error), error
        refused += 1
        time.sleep(0.2)

# a day later the hours are past their retention: they go, and ticks are taken again
n += 8640
before = store.tidy(START + 10 * n, Retention(raw=3600, minute=7200, hour=7200))
assert before is not None and before.expired >= 3 and "disk is full" in before.problems[0], before
assert store.extent(1)[0] < 100, store.extent(1)
for _ in range(20):
    append()
# and as it goes on, so it stays
n += 8640
append()
after = store.tidy(START + 10 * n, Retention(raw=3600, minute=7200, hour=7200))
assert after is not None and after.expired and after.problems == [], after
store.close()

# a start on a full disk takes the room that is kept aside
try:
    with (folder / "more").open("wb", 0) as file:
        while True:
            file.write(bytes(4096))
except OSError:
    pass
store = open_store(folder)
append()
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


@pytest.mark.slow
@pytest.mark.skipif(not mounts(), reason="needs namespaces in which file systems may be mounted")
@pytest.mark.parametrize("by", ["samples", "others"])
def test_what_is_past_its_retention_makes_room_on_a_full_disk(tmp_path: Path, by: str) -> None:
    ran = subprocess.run([*ALONE, sys.executable, "-c", FREEING, str(tmp_path), by], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ran.stdout.endswith("done\n")
