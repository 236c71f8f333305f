"""What one measurement of a RabbitMQ found, whichever way it was made."""

from __future__ import annotations

from dataclasses import dataclass, field

from .inventory import QueueRow
from .prometheus import QueueKey

#: The counters of a queue that rates are made of. Completed is acknowledged, or delivered without the
#: need to be: not "delivered", which counts a message each time that it is handed out.
PUBLISHED, COMPLETED, REDELIVERED = range(3)


@dataclass(slots=True)
class Level:
    """What a queue holds: messages ready and unacknowledged, and how many consumers it has. None = not told."""

    ready: float | None
    unacked: float | None
    consumers: float | None = None


@dataclass(slots=True)
class Flow:
    """What moved through a queue since the last measurement, in messages."""

    published: float = 0.0
    completed: float = 0.0
    redelivered: float = 0.0

    def add(self, counter: int, increase: float) -> None:
        if counter == PUBLISHED:
            self.published += increase
        elif counter == COMPLETED:
            self.completed += increase
        else:
            self.redelivered += increase


@dataclass(slots=True)
class Reading:
    """One measurement.

    levels        every queue that answered
    flows         by queue, over `seconds`; None = not known this time. A queue that is absent moved nothing,
                  unless it is in `without_flow`
    exact_flows   the counters are the queues' own, and miss nothing
    kinds         types of queues, where nothing else tells them
    stream_lags   how far the last consumer of a stream is behind, in messages, where the broker says so
    rows          the queues themselves, where the measurement tells of them anyway
    problems      what is missing; `complete` is False when queues may be
    """

    at: float
    levels: dict[QueueKey, Level]
    flows: dict[QueueKey, Flow] | None = None
    seconds: float | None = None
    exact_flows: bool = False
    without_flow: frozenset[QueueKey] = frozenset()
    rows: dict[QueueKey, QueueRow] | None = None
    kinds: dict[QueueKey, str] = field(default_factory=dict)
    stream_lags: dict[QueueKey, float] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    complete: bool = True
    version: str = ""
