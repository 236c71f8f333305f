"""How ticks and notes get from who makes them to who shows them: within a process, or over Redis.

A tick is sent once and forgotten: who misses one is healed by the next. A note is a rare word of
control. The kinds in use, with their fields:

    watch             broker, queues     somebody looks at these queues (ids), said again every 20 s
    poll_now          broker             poll this broker at once
    brokers_changed                      the list of brokers is another one
    broker_deleted    broker             forget it
    signed_out        session, token or user   close their live connections
    bus_back                             said by the bus itself, to this process only: notes may have been missed
"""

from __future__ import annotations

import hashlib
import logging
import random
import secrets
import time
from collections.abc import Callable, Mapping
from threading import Event, Lock, Thread
from typing import Any, Protocol
from urllib.parse import urlsplit

import orjson
import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

from ..ticks import Tick

log = logging.getLogger("weir.live")

OnTick = Callable[[Tick], None]
OnNote = Callable[[str, Mapping[str, Any]], None]
Unsubscribe = Callable[[], None]

TIMEOUT = 0.5  # seconds that a publisher waits for Redis, to connect and to answer
PATIENCE = (0.5, 5.0)  # seconds between tries while Redis is away: the first pause, the longest
PING, SILENCE = 5.0, 15.0  # seconds: how often a subscription is tried, and how long it may say nothing


class BusError(Exception):
    """Ticks do not get from process to process; the message is one sentence for a person."""


class Bus(Protocol):
    """Carries ticks and notes. Safe to call from several threads; nothing here waits for a slow reader."""

    @property
    def connected(self) -> bool:
        """Whether what other processes say arrives here."""

    def publish(self, tick: Tick) -> None:
        """Tell every subscriber of a tick. Never raises: a tick that could not be sent is lost (see `check`)."""

    def note(self, kind: str, **fields: Any) -> None:
        """Tell every subscriber a rare word of control. `fields` are JSON. Never raises."""

    def subscribe(self, on_tick: OnTick | None, on_note: OnNote | None = None) -> Unsubscribe:
        """Call back for each tick and note, in the order they come, from whatever thread they come in."""

    def check(self) -> None:
        """Raise BusError while ticks do not get through."""

    def close(self) -> None:
        """Let go of subscribers, threads and connections. May be called twice."""


class InProcess:
    """The bus of a process that is alone. Subscribers are called in the thread of who publishes."""

    connected = True

    def __init__(self) -> None:
        self._lock = Lock()
        self._subscribers: tuple[tuple[OnTick | None, OnNote | None], ...] = ()

    def publish(self, tick: Tick) -> None:
        for on_tick, _ in self._subscribers:
            if on_tick is not None:
                self._call(on_tick, tick)

    def note(self, kind: str, **fields: Any) -> None:
        for _, on_note in self._subscribers:
            if on_note is not None:
                self._call(on_note, kind, fields)

    def subscribe(self, on_tick: OnTick | None, on_note: OnNote | None = None) -> Unsubscribe:
        pair = (on_tick, on_note)
        with self._lock:
            self._subscribers = (*self._subscribers, pair)

        def unsubscribe() -> None:
            with self._lock:
                self._subscribers = tuple(one for one in self._subscribers if one is not pair)

        return unsubscribe

    def check(self) -> None:
        return None

    def close(self) -> None:
        with self._lock:
            self._subscribers = ()

    @property
    def wants_ticks(self) -> bool:
        """Whether anybody here listens to ticks."""
        return any(on_tick is not None for on_tick, _ in self._subscribers)

    @staticmethod
    def _call(subscriber: Callable[..., None], *arguments: Any) -> None:
        try:
            subscriber(*arguments)
        except Exception:  # one who fails must not keep the tick from the others, nor stop the ingest
            log.exception("A subscriber of the live bus failed.")


class OverRedis:
    """The bus between processes: one PUBLISH for each tick or note, one SUBSCRIBE per process.

    Subscribers of the same process are served directly, so they go on while Redis is away;
    what this process sent is recognised by its sender and not taken twice.
    `prefix` keeps installations that share a Redis apart.
    """

    def __init__(self, url: str, prefix: str = "weir") -> None:
        self._url, self._sender = url, secrets.token_bytes(8)
        self._ticks, self._notes = f"{prefix}:ticks", f"{prefix}:notes"
        self._local, self._publisher = InProcess(), _Publisher(url)
        self._lock, self._stopped, self._up = Lock(), Event(), Event()
        self._listener: Thread | None = None
        self._lost = ""

    @property
    def connected(self) -> bool:
        return self._up.is_set()

    def wait_connected(self, timeout: float) -> bool:
        """Wait until the subscription stands, at most `timeout` seconds; whether it does."""
        return self._up.wait(timeout)

    def publish(self, tick: Tick) -> None:
        self._local.publish(tick)
        if self._publisher.ready:
            self._publisher.send(self._ticks, self._sender + tick.encode())

    def note(self, kind: str, **fields: Any) -> None:
        self._local.note(kind, **fields)
        self._publisher.send(self._notes, self._sender + orjson.dumps([kind, fields]))

    def subscribe(self, on_tick: OnTick | None, on_note: OnNote | None = None) -> Unsubscribe:
        unsubscribe = self._local.subscribe(on_tick, on_note)
        with self._lock:
            if self._listener is None and not self._stopped.is_set():
                self._listener = Thread(target=self._listen, name="live-bus", daemon=True)
                self._listener.start()
        return unsubscribe

    def check(self) -> None:
        self._publisher.ping()
        if self._listener is not None and not self.connected:
            raise BusError(self._lost or f"{_where(self._url)} has not answered yet.")

    def close(self) -> None:
        self._stopped.set()
        self._local.close()
        if self._listener is not None:
            self._listener.join(2.0)
        self._publisher.close()

    # --- the subscription, in its own thread ---------------------------------------------------------------------

    def _listen(self) -> None:
        pause, before = PATIENCE[0], False
        while not self._stopped.is_set():
            try:
                self._subscribed(again=before)
            except (redis.RedisError, OSError) as error:
                if self.connected or not self._lost:
                    log.warning("%s", _sentence(self._url, error))
                self._lost = _sentence(self._url, error)
                pause = PATIENCE[0] if self.connected else min(pause * 2, PATIENCE[1])
                before = before or self.connected
            self._up.clear()
            self._stopped.wait(pause * random.uniform(0.5, 1.0))

    def _subscribed(self, again: bool) -> None:
        """Subscribe and pass on what comes. Raises RedisError or OSError when the connection is lost."""
        client: Any = _client(self._url, socket_timeout=SILENCE)
        try:
            with client.pubsub() as subscription:
                subscription.subscribe(self._notes)
                heard = pinged = time.monotonic()
                while not self._stopped.is_set():
                    if self._local.wants_ticks and self._ticks.encode() not in subscription.channels:
                        subscription.subscribe(self._ticks)
                    message = subscription.get_message(timeout=0.25)
                    now = time.monotonic()
                    if message is not None:
                        heard = now
                        self._take(message, again)
                    if now - pinged > PING:
                        subscription.ping()
                        pinged = now
                    if now - heard > SILENCE:
                        raise redis.TimeoutError(f"nothing was heard for {SILENCE:.0f} seconds")
        finally:
            client.close()

    def _take(self, message: Mapping[str, Any], again: bool) -> None:
        channel, data = message["channel"], message["data"]
        if message["type"] == "subscribe" and not self._awaits_ticks(channel):
            self._up.set()
            if self._lost:
                log.info("%s answers again.", _where(self._url))
                self._lost = ""
            if again:
                self._local.note("bus_back")
        elif message["type"] == "message" and data[:8] != self._sender:
            try:
                if channel == self._ticks.encode():
                    self._local.publish(Tick.decode(data[8:]))
                else:
                    kind, fields = orjson.loads(data[8:])
                    self._local.note(kind, **fields)
            except (ValueError, TypeError) as error:
                log.warning("Another process sent what this version cannot read; it is left out: %s", error)

    def _awaits_ticks(self, channel: bytes) -> bool:
        """Of the two subscriptions the one to ticks comes last, if anybody here wants them."""
        return self._local.wants_ticks and channel != self._ticks.encode()


class _Publisher:
    """Sends, and remembers when that fails: then it waits a little longer each time before it tries again."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._client = _client(url, socket_timeout=TIMEOUT, retries=1)
        self._lock = Lock()
        self._not_before, self._pause, self.failure = 0.0, 0.0, ""

    @property
    def ready(self) -> bool:
        return time.monotonic() >= self._not_before

    def send(self, channel: str, message: bytes) -> None:
        try:
            self._client.publish(channel, message)
        except (redis.RedisError, OSError) as error:
            self._failed(error)
        else:
            self._worked()

    def ping(self) -> None:
        """Raise BusError when Redis does not answer now."""
        try:
            self._client.ping()
        except (redis.RedisError, OSError) as error:
            self._failed(error)
            raise BusError(self.failure) from None
        self._worked()

    def close(self) -> None:
        self._client.close()

    def _failed(self, error: Exception) -> None:
        with self._lock:
            if not self.failure:
                log.error("%s Ticks are lost until it is back.", _sentence(self._url, error))
            self.failure = _sentence(self._url, error)
            self._pause = min(max(self._pause * 2, PATIENCE[0]), PATIENCE[1])
            self._not_before = time.monotonic() + self._pause * random.uniform(0.5, 1.0)

    def _worked(self) -> None:
        with self._lock:
            self._not_before, self._pause, self.failure = 0.0, 0.0, ""


def _client(url: str, socket_timeout: float, retries: int = 0) -> redis.Redis:
    retry = Retry(NoBackoff(), retries)
    return redis.Redis.from_url(url, socket_timeout=socket_timeout, socket_connect_timeout=TIMEOUT, retry=retry)


def _where(url: str) -> str:
    """The Redis of a URL in words, without its password."""
    parts = urlsplit(url)
    return f"Redis at {parts.hostname}:{parts.port or 6379}" if parts.hostname else f"Redis at {parts.path}"


def _sentence(url: str, error: Exception) -> str:
    reason = str(error).rstrip(".") or type(error).__name__
    return f"{_where(url)} (REDIS_URL) cannot be used: {reason}."


_the_lock = Lock()
_the_bus: Bus | None = None


def the_bus() -> Bus:
    """The one bus of this process: over Redis when REDIS_URL is set, else within the process."""
    global _the_bus
    with _the_lock:
        if _the_bus is None:
            place = hashlib.blake2s(settings.SECRET_KEY.encode()).hexdigest()[:12]
            _the_bus = OverRedis(settings.REDIS_URL, f"weir:{place}") if settings.REDIS_URL else InProcess()
        return _the_bus


def close_bus() -> None:
    """Close it, at the end of a process or a test."""
    global _the_bus
    with _the_lock:
        if _the_bus is not None:
            _the_bus.close()
            _the_bus = None
