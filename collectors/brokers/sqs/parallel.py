"""Many calls at once, on a few threads, until it is time to stop."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from typing import Generic, TypeVar

from ...errors import CollectorError

Item = TypeVar("Item")
Result = TypeVar("Result")
Job = Callable[[], None]

#: Calls at the same time.
MOST_THREADS = 8


class Round(Generic[Item, Result]):
    """Does `work` on each job. `done` are pairs of a job and its result, or the CollectorError that it raised.

    `go_on` is asked before each job; when it says no, the jobs that are left stay undone. Threads are daemons: a call
    that hangs holds up its round, for as long as its own time-out, but not the end of the process.
    """

    def __init__(self, work: Callable[[Item], Result], go_on: Callable[[], bool]) -> None:
        self._work, self._go_on = work, go_on
        self._jobs: deque[Item] = deque()
        self._faults: list[BaseException] = []
        self.done: list[tuple[Item, Result | CollectorError]] = []

    def run(self, jobs: Sequence[Item]) -> list[tuple[Item, Result | CollectorError]]:
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


class Lanes:
    """Threads that do jobs one after the other, each in the order in which they were put into its lane.

    A job raises nothing. After `close` the jobs that have not begun are never done. Threads are daemons, as above.
    """

    def __init__(self, count: int = MOST_THREADS) -> None:
        self._jobs: list[SimpleQueue[Job | None]] = [SimpleQueue() for _ in range(count)]
        self._threads: dict[int, threading.Thread] = {}
        self._closed = threading.Event()

    def put(self, lane: int, job: Job) -> None:
        lane %= len(self._jobs)
        if lane not in self._threads:
            self._threads[lane] = threading.Thread(target=self._work, args=(lane,), name="weir-sqs", daemon=True)
            self._threads[lane].start()
        self._jobs[lane].put(job)

    def close(self, seconds: float) -> bool:
        """Wait for what is being done, at most so long; whether it is done."""
        self._closed.set()
        for lane in self._threads:
            self._jobs[lane].put(None)
        end = time.monotonic() + seconds
        for thread in self._threads.values():
            thread.join(max(0.0, end - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads.values())

    def _work(self, lane: int) -> None:
        while (job := self._jobs[lane].get()) is not None and not self._closed.is_set():
            job()
