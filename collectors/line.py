"""A line: the thread on which one broker is polled, with its adapter and its schedule. `poller.py` holds many."""

from __future__ import annotations

import logging
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from .errors import BadAnswer, CollectorError, OwnFault, TimedOut
from .protocol import Broker, Poll, WatchesClosely
from .schedule import Schedule
from .url import BrokerURL

log = logging.getLogger("weir.poller")

#: A poll in flight for longer than this many seconds (or ten intervals, if longer) is given up from outside.
GIVE_UP_AFTER = 60.0
_SINK_WAIT = 2.0  # seconds for which `stop` and `change` wait for a call of the sink to return


class Sink(Protocol):
    """Who wants the answers. Called from each broker's own thread, one call per broker at a time."""

    def polled(self, id: int, poll: Poll) -> None:
        """A broker answered."""

    def failed(self, id: int, error: CollectorError, at: float) -> None:
        """A broker did not; `at` in epoch seconds."""


@dataclass(frozen=True, slots=True)
class Health:
    """How the polling of one broker goes."""

    polls: int  # that brought an answer
    failures: int  # in a row
    overruns: int  # polls that took longer than the interval, in all
    last_seconds: float | None  # what the last answer took; None = none yet
    in_flight_seconds: float | None  # how long the poll in flight has taken; None = none in flight
    next_in_seconds: float


class Line:
    """One broker: its thread, its schedule, its adapter.

    `_turn` rises whenever what is in flight is not wanted any more (the broker was changed or removed, the poll was
    given up); the outcome of an earlier turn is dropped. `_wake` guards what several threads change; `_telling` is
    held while the sink is told.
    """

    def __init__(
        self, id: int, url: BrokerURL, interval: float, sink: Sink, connect: Callable[[BrokerURL], Broker]
    ) -> None:
        self.id = id
        self._url, self._sink, self._connect = url, sink, connect
        self._schedule = Schedule.starting(interval, time.monotonic())
        self._wake = threading.Condition()
        self._telling = threading.RLock()
        self._turn = 0
        self._flight: int | None = None  # the turn of the poll in flight
        self._stopping = self._asked = False
        self._adapter: Broker | None = None
        self._keys: tuple[str, ...] | None = None  # to be watched closely; None = nobody ever asked
        self._keys_told = False
        self._polls = 0
        self._last_seconds: float | None = None
        self._faults_logged: set[str] = set()
        self._closer: threading.Thread | None = None
        self._thread = threading.Thread(target=self._run, name=f"weir-poll-{id}", daemon=True)
        self._thread.start()

    # --- from other threads --------------------------------------------------------------------------------------
    def poll_now(self) -> None:
        with self._wake:
            self._asked = True
            self._wake.notify()

    def watch(self, keys: Sequence[str]) -> None:
        with self._wake:
            if tuple(keys) != self._keys:
                self._keys, self._keys_told = tuple(keys), False

    def change(self, url: BrokerURL | None, interval: float | None) -> None:
        with self._wake:
            if interval is not None:
                self._schedule.interval = interval
            if url is not None and url != self._url:
                self._url = url
                self._schedule = Schedule.starting(self._schedule.interval, time.monotonic())
                self._drop()
            self._asked = True
            self._wake.notify()
        self.hush()

    def stop(self) -> None:
        """Begin to end; the adapter is closed."""
        with self._wake:
            self._stopping = True
            self._drop()
            self._wake.notify()

    def ended(self, timeout: float) -> bool:
        """Whether the line ended, its adapter's connections included, within so many seconds."""
        deadline = time.monotonic() + timeout
        threads = [thread for thread in (self._thread, self._closer) if thread is not None]
        for thread in threads:
            if thread is not threading.current_thread():
                thread.join(max(deadline - time.monotonic(), 0.0))
        return not any(thread.is_alive() for thread in threads)

    def hush(self) -> None:
        """Wait until the sink is not being told anything, for a short while at most."""
        if self._telling.acquire(timeout=_SINK_WAIT):
            self._telling.release()

    def health(self) -> Health:
        with self._wake:
            now, schedule = time.monotonic(), self._schedule
            return Health(
                polls=self._polls,
                failures=schedule.failures,
                overruns=schedule.overruns,
                last_seconds=self._last_seconds,
                in_flight_seconds=None if self._flight is None else now - schedule.began_at,
                next_in_seconds=max(0.0, schedule.due - now),
            )

    def give_up_if_hanging(self) -> None:
        """Close the adapter of a poll that takes far too long, and tell the sink. Once per poll."""
        if not self._telling.acquire(blocking=False):
            return  # it answered: the sink is at work
        try:
            with self._wake:
                now, turn = time.monotonic(), self._turn
                limit = max(GIVE_UP_AFTER, 10 * self._schedule.interval)
                if self._flight != turn or now - self._schedule.began_at < limit:
                    return
                host = self._url.host
            self._tell_failed(turn, TimedOut(f"{host} did not answer a poll within {limit:g} s; Weir hung up."))
            with self._wake:
                if self._flight == turn == self._turn:
                    self._schedule.failed(now, permanent=False)
                    self._drop()
        finally:
            self._telling.release()

    def _drop(self) -> None:
        """What is in flight is not wanted any more. Its adapter is closed on a thread of its own: closing may hang."""
        self._turn += 1
        adapter, self._adapter = self._adapter, None
        if adapter is not None:
            self._closer = threading.Thread(target=self._close, args=(adapter,), daemon=True)
            self._closer.start()

    # --- the line's own thread -----------------------------------------------------------------------------------
    def _run(self) -> None:
        while (turn := self._next_turn()) is not None:
            try:
                self._poll(turn)
            finally:
                with self._wake:
                    self._flight = None

    def _next_turn(self) -> int | None:
        """Sleep until a poll is due; None when it is time to end."""
        with self._wake:
            while not self._stopping:
                now = time.monotonic()
                if self._asked:
                    self._asked = False
                    self._schedule.asked(now)
                if self._schedule.due <= now:
                    self._schedule.began(now)
                    self._flight = self._turn
                    return self._turn
                self._wake.wait(self._schedule.due - now)
        return None

    def _poll(self, turn: int) -> None:
        """One poll, with whatever comes of it. Never raises."""
        began = time.monotonic()
        try:
            adapter = self._adapter_of(turn)
            if adapter is None:
                return
            poll = adapter.poll()
            self._note(poll, time.monotonic() - began)
        except CollectorError as error:
            self._failed(turn, error)
        except Exception as error:
            self._failed(turn, self._fault(f"adapter of {self._url.scheme} URLs", error))
        else:
            self._answered(turn, poll)

    def _adapter_of(self, turn: int) -> Broker | None:
        """The adapter to poll with, built when there is none; None when the turn is over."""
        with self._wake:
            adapter, url = self._adapter, self._url
        if adapter is None:
            adapter = self._connect(url)
            self._keys_told = False
        with self._wake:
            if turn != self._turn:
                return None
            self._adapter = adapter
            keys, told, self._keys_told = self._keys, self._keys_told, True
        if keys is not None and not told and isinstance(adapter, WatchesClosely):
            adapter.watch(keys)
        return adapter

    def _note(self, poll: Poll, seconds: float) -> None:
        """Write on the poll what only the poller knows: how long it took, and whether that is too long."""
        poll.cost.seconds = poll.cost.seconds or seconds
        interval = self._schedule.interval
        if seconds > interval:
            words = f"the last poll took {seconds:.1f} s, longer than its interval of {interval:g} s"
            poll.details = (*poll.details, ("polling", words))

    def _answered(self, turn: int, poll: Poll) -> None:
        error: CollectorError | None = None
        with self._telling:
            if turn != self._turn:
                return
            try:
                self._sink.polled(self.id, poll)
            except Exception as cause:
                error = self._fault(f"intake of an answer of {self._url.host}", cause)
        if error is not None:
            self._tell_failed(turn, error)
        with self._wake:
            if turn != self._turn:
                return
            self._schedule.succeeded(time.monotonic())
            self._polls += 1
            self._last_seconds = poll.cost.seconds
            if error is None:
                self._faults_logged.clear()

    def _failed(self, turn: int, error: CollectorError) -> None:
        self._tell_failed(turn, error)
        with self._wake:
            if turn != self._turn:
                return
            # one answer that cannot be understood leaves a good connection, and its counters, as they are
            keep = isinstance(error, BadAnswer) and self._schedule.failures == 0
            self._schedule.failed(time.monotonic(), error.permanent)
            adapter = None if keep else self._adapter
            self._adapter = self._adapter if keep else None
        if adapter is not None:
            self._close(adapter)

    def _tell_failed(self, turn: int, error: CollectorError) -> None:
        with self._telling:
            if turn != self._turn:
                return
            try:
                self._sink.failed(self.id, error, time.time())
            except Exception as cause:
                self._fault("intake of a failure", cause)

    def _close(self, adapter: Broker) -> None:
        try:
            adapter.close()
        except CollectorError as error:
            log.info("closing broker %s: %s", self.id, error)
        except Exception as error:
            self._fault(f"closing of {self._url.scheme} connections", error)

    def _fault(self, place: str, error: Exception) -> OwnFault:
        """A bug as an error for the page: its kind only, for its text may hold anything. The log gets the traceback."""
        trace = self._url.hide("".join(traceback.format_exception(error)))
        last = traceback.extract_tb(error.__traceback__)[-1:]
        mark = f"{place} {type(error).__name__} {[(frame.filename, frame.lineno) for frame in last]}"
        if mark not in self._faults_logged:
            self._faults_logged.add(mark)
            log.error("Weir failed inside its own %s (broker %s):\n%s", place, self.id, trace)
        return OwnFault(f"Weir failed inside its own {place}: {type(error).__name__}; its log says where.")
