"""Many calls at once, on a few threads, until it is time to stop."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from ...errors import CollectorError

Job = TypeVar("Job")
Result = TypeVar("Result")

#: Calls at the same time.
MOST_THREADS = 8


class Round(Generic[Job, Result]):
    """Does `work` on each job. `done` are pairs of a job and its result, or the CollectorError that it raised.

    `go_on` is asked before each job; when it says no, the jobs that are left stay undone. Threads are daemons: a call
    that hangs holds up its round, for as long as its own time-out, but not the end of the process.
    """

    def __init__(self, work: Callable[[Job], Result], go_on: Callable[[], bool]) -> None:
        self._work, self._go_on = work, go_on
        self._jobs: deque[Job] = deque()
        self._faults: list[BaseException] = []
        self.done: list[tuple[Job, Result | CollectorError]] = []

    def run(self, jobs: Sequence[Job]) -> list[tuple[Job, Result | CollectorError]]:
        """All of them; what is no CollectorError is raised again here."""
        self._jobs.extend(jobs)
        count = min(len(jobs), MOST_THREADS)
        if count <= 1:
            self._drain()
        else:
            threads = [threading.Thread(target=self._drain, name="weir-sqs", daemon=True) for _ in range(count)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        if self._faults:
            raise self._faults[0]
        return self.done

    def _drain(self) -> None:
        while not self._faults and self._go_on():
            try:
                job = self._jobs.popleft()
            except IndexError:
                return
            try:
                self.done.append((job, self._work(job)))
            except CollectorError as error:
                self.done.append((job, error))
            except BaseException as fault:  # handed to the thread that waits for us
                self._faults.append(fault)
