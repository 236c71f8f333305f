"""A process that dies while it writes loses no tick that it was told is kept, and leaves none in part."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from dashboard.store import open_store

from ..store_contract import START

QUEUES = 2000
WRITER = f"""
import sys
import numpy as np
from dashboard.store import open_store
from tests.dashboard.store_contract import tick
store = open_store(sys.argv[1])
newest = store.latest(1)
number = 0 if newest is None else int(newest.column("depth")[0]) + 1
while True:
    store.append(tick({START} + number, dict.fromkeys(range({QUEUES}), float(number))))
    print(number, flush=True)
    if number % 20 == 19:
        store.prune({START} + number - 60)
    number += 1
"""


@pytest.mark.slow
def test_kill_9_loses_no_acknowledged_tick_and_shows_no_partial_one(tmp_path: Path) -> None:
    chance = random.Random(9)
    acknowledged = -1
    for _ in range(10):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        assert writer.stdout is not None
        first = writer.stdout.readline()
        time.sleep(chance.uniform(0.05, 0.6))
        writer.send_signal(signal.SIGKILL)
        rest = writer.stdout.read().splitlines()
        writer.wait()
        numbers = [int(line) for line in [first, *rest] if line.strip()]
        assert numbers == list(range(numbers[0], numbers[-1] + 1))
        assert numbers[0] in (acknowledged + 1, acknowledged + 2)  # one may have been kept and not yet told
        acknowledged = numbers[-1]
        _check(tmp_path, acknowledged)
    assert acknowledged > 20


def _check(folder: Path, acknowledged: int) -> None:
    store = open_store(folder)
    store.check()
    ticks = store.recent(1, 100)
    store.close()
    numbers = [int(tick.at - START) for tick in ticks]
    assert numbers[-1] in (acknowledged, acknowledged + 1)
    assert numbers == list(range(numbers[0], numbers[-1] + 1))
    assert numbers[0] <= max(0, acknowledged - 60)
    for number, tick in zip(numbers, ticks, strict=True):
        assert len(tick) == QUEUES
        assert (tick.column("depth") == number).all()
        assert tick.judgement is not None and np.array_equal(tick.head, tick.ids * 2**40 + 7)
