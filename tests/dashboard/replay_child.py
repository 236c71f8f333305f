"""A worker of replays in a process of its own, that is killed (SIGKILL) at a step of its work, or stopped.

Processes come from a fork server that has everything imported: hundreds of lives cost seconds.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from collectors import registry
from collectors.brokers.rabbitmq import frames, returning
from dashboard.replay import hidden, passes, runner
from dashboard.replay.journal import Journal
from dashboard.replay.runner import Runner

from .replays import Desk, order

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(
    [
        "tests.dashboard.replay_child",
        "collectors.brokers.rabbitmq",
        "collectors.brokers.redis",
        "collectors.brokers.sqs",
    ]
)
DONE, HALTED, FAILED = 0, 3, 4


class Steps:
    """Counts the steps of a life; at the last one the process is killed, or stops (SIGSTOP)."""

    def __init__(self, last: int, by: int = signal.SIGKILL) -> None:
        self.left, self.by = last, by

    def __call__(self) -> None:
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), self.by)


class DyingJournal(Journal):
    """Each commit is a step before, and a step after it reached the disk."""

    step: Steps

    def commit(self) -> None:
        if not self.dirty:
            return
        self.step()
        super().commit()
        self.step()

    def renewing(self, ids: Sequence[str]) -> None:
        self.step()
        super().renewing(ids)
        self.step()

    def renewed(self, ids: Sequence[str]) -> None:
        self.step()
        super().renewed(ids)
        self.step()


class DyingFrames:
    """The end of an original that was replaced by a copy in its own queue is a step, too."""

    def __init__(self, step: Steps) -> None:
        self._step = step

    def __getattr__(self, name: str) -> Any:
        if name == "ack":
            self._step()
        return getattr(frames, name)


class DyingLease:
    """Each word to the broker is a step before it is said, and a step after."""

    def __init__(self, lease: Any, step: Steps) -> None:
        self._lease, self._step = lease, step

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._lease, name)
        if name not in ("take", "take_these", "send", "settled", "remove"):
            return found

        def stepped(*given: Any, **named: Any) -> Any:
            self._step()
            answer = found(*given, **named)
            self._step()
            return answer

        return stepped


def live(url: str, key: str, to: str, path: Path, last: int, by: int, lease_seconds: float, held_on: float) -> None:
    """One life: from whatever the journal says to the end, unless it is killed before."""
    passes.BATCH, passes.MOST_UNDERWAY = 7, 20
    step = Steps(last, by)
    desk = Desk()
    journal = DyingJournal.__new__(DyingJournal)
    journal.step = Steps(0)
    journal.__init__(path, f"worker {os.getpid()}")  # type: ignore[misc]
    journal.step = step

    returning.frames = DyingFrames(step)  # type: ignore[assignment]

    def connect() -> Any:
        broker = registry.connect(registry.parse(url))
        lease = broker.lease
        broker.lease = lambda *given: DyingLease(lease(*given), step)  # type: ignore[method-assign]
        return broker

    what = order(key, to, lease_seconds=lease_seconds, judges=False)
    runner.PAUSES = (0.2,)
    hidden.HELD_ON, hidden.SLOWEST, hidden.LOOKED_AT = held_on, 2.0, 0.5
    Runner(desk, connect, what, journal).run()
    journal.close()
    sys.exit({"done": DONE, "failed": FAILED}.get(desk.state, HALTED))


def begin(*given: Any) -> Any:
    """A life in a process of its own, begun."""
    process = CONTEXT.Process(target=live, args=given, daemon=True)
    process.start()
    return process
