"""Every broker on its own interval and thread; one broker's failure is its own.

A `Poller` polls the brokers that were added to it and hands each answer, or each failure, to a sink. At most one
poll of a broker is in flight. Threads are daemons, so that a poll that hangs holds up nobody, not even the end of
the process. Times of day are never used to schedule: a clock that jumps changes nothing.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from types import TracebackType

from . import registry
from .line import Health, Line, Sink
from .protocol import Broker
from .url import BrokerURL

__all__ = ["Health", "Poller", "Sink"]

log = logging.getLogger("weir.poller")
_WATCH_EVERY = 1.0  # seconds between looks for polls that hang


class Poller:
    """Polls many brokers, each on its own thread. A context manager: leaving it stops them all.

    `connect` builds an adapter from a URL, and connects nowhere itself. Calls that name a broker raise KeyError
    for one that is not polled.
    """

    def __init__(self, sink: Sink, connect: Callable[[BrokerURL], Broker] = registry.connect) -> None:
        self._sink = sink
        self._connect = connect
        self._lines: dict[int, Line] = {}
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        threading.Thread(target=self._watch_over, name="weir-poll-watch", daemon=True).start()

    def add(self, id: int, url: BrokerURL, interval: float) -> None:
        """Poll a broker every `interval` seconds from now on; the first time soon. ValueError when `id` is taken."""
        with self._lock:
            if self._stopped.is_set():
                raise RuntimeError("the poller was stopped")
            if id in self._lines:
                raise ValueError(f"broker {id} is polled already")
            self._lines[id] = Line(id, url, _positive(interval), self._sink, self._connect)

    def change(self, id: int, url: BrokerURL | None = None, interval: float | None = None) -> None:
        """Poll a broker at another URL or interval, and at once. What was still to come from the old URL is dropped.

        A URL that is the same as before keeps the connection.
        """
        self._line(id).change(url, None if interval is None else _positive(interval))

    def remove(self, id: int) -> None:
        """Poll a broker no more. When this returns the sink hears nothing more of it (unless it is stuck in a call)."""
        with self._lock:
            line = self._lines.pop(id)
        line.stop()
        line.hush()

    def poll_now(self, id: int) -> None:
        """Poll a broker at once, back-off or not; while a poll is in flight, once more right after it."""
        self._line(id).poll_now()

    def watch(self, id: int, keys: Sequence[str]) -> None:
        """Look closely at exactly these queues from the next poll on, where the broker's adapter can."""
        self._line(id).watch(keys)

    def health(self, id: int) -> Health:
        """How the polling of a broker goes."""
        return self._line(id).health()

    @property
    def ids(self) -> frozenset[int]:
        """The brokers that are polled."""
        with self._lock:
            return frozenset(self._lines)

    def stop(self, timeout: float = 5.0) -> bool:
        """End all polling within `timeout` seconds; whether everything ended. A poll that hangs is left behind."""
        self._stopped.set()
        with self._lock:
            lines, self._lines = list(self._lines.values()), {}
        deadline = time.monotonic() + timeout
        for line in lines:
            line.stop()
        hanging = [line.id for line in lines if not line.ended(deadline - time.monotonic())]
        if hanging:
            log.warning("left polls behind that did not end within %g s, of the brokers %s", timeout, hanging)
        return not hanging

    def __enter__(self) -> Poller:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _line(self, id: int) -> Line:
        with self._lock:
            return self._lines[id]

    def _watch_over(self) -> None:
        while not self._stopped.wait(_WATCH_EVERY):
            with self._lock:
                lines = list(self._lines.values())
            for line in lines:
                line.give_up_if_hanging()


def _positive(interval: float) -> float:
    if not 0 < interval < float("inf"):
        raise ValueError(f"an interval of {interval} s cannot be kept")
    return interval
