"""When CloudWatch is asked, and about which queues; what it told is kept with each queue."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from ...errors import CollectorError
from . import cloudwatch
from .failures import Denied
from .options import Options
from .powers import POWERS
from .queue import Queue

#: A refusal is tried again after so many seconds.
REFUSED_AGAIN = 600.0


class Monitoring:
    """CloudWatch, where the URL asks for it: every queue, every `cloudwatch_every` seconds."""

    def __init__(self, options: Options) -> None:
        self._on, self._every = options.cloudwatch, options.cloudwatch_every
        self._due = float("-inf")
        self._problems: list[str] = []

    def ask(self, queues: Mapping[str, Queue], at: float, go_on: Callable[[], bool]) -> list[str]:
        """Take in what CloudWatch tells, if it is time; sentences on what it does not tell."""
        now = time.monotonic()
        if not self._on or not queues or now < self._due:
            return self._problems
        self._due = now + self._every
        failures: list[CollectorError] = []
        for batch in _batches(list(queues.values())):
            if not go_on():
                break
            try:
                for key, flow in cloudwatch.ask(batch, at, self._every).items():
                    queues[key].flow = flow
            except CollectorError as error:
                failures.append(error)
                break
        if failures and isinstance(failures[0], Denied):
            self._due = now + max(REFUSED_AGAIN, self._every)
        words = POWERS["cloudwatch:GetMetricData"]
        self._problems = [f"{str(error).rstrip('.')}; without it {words}." for error in failures]
        return self._problems


def _batches(queues: Sequence[Queue]) -> list[list[Queue]]:
    """Queues of one target each, as many as one call takes."""
    by_target: dict[int, list[Queue]] = {}
    for queue in queues:
        by_target.setdefault(id(queue.target), []).append(queue)
    most = cloudwatch.BATCH // len(cloudwatch.METRICS)
    return [rows[i : i + most] for rows in by_target.values() for i in range(0, len(rows), most)]
