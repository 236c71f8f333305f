"""One AMQP connection whose frames Weir speaks itself: kombu signs in, then the socket is taken over.

Why: `frames.py`. A link belongs to one thread. It never waits for the broker while the broker waits for it: what
arrives while something is written is taken in. A link that failed stays failed.
"""

from __future__ import annotations

import select
import socket
import ssl
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from struct import unpack_from
from typing import Any

from collectors.errors import (
    AccessRefused,
    BadAnswer,
    CollectorError,
    Expired,
    NotSupported,
    TimedOut,
    Unreachable,
)
from collectors.url import BrokerURL

from . import frames
from .connecting import connection_to, place_of, told
from .frames import Arrived, Name, Reader, Said
from .http import TIMEOUT

HEARTBEAT = 60.0
PIECE = 1 << 18
_AGAIN = (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class Link:
    """A connection to one virtual host. Every method raises a CollectorError when it is lost.

    events      what the broker said and nobody has taken yet, in order
    prefetched  how many answers came to a prefetch for which nobody waited: they tell what was heard before it
    closed      channels that the broker closed, and why
    blocked     why the broker takes no messages now (memory, disk), "" = it does
    reader      what is just arriving
    """

    def __init__(
        self, url: BrokerURL, vhost: str, keep: int | None = None, whole: frames.Whole = lambda message: False
    ) -> None:
        self.place, self.vhost = place_of(url), vhost
        self.timeout = url.get_seconds("timeout", TIMEOUT)
        self.events: deque[Said | Arrived] = deque()
        self.prefetched = 0
        self.closed: dict[int, CollectorError] = {}
        self.blocked = ""
        self._failed: CollectorError | None = None
        self._awaited: tuple[int, Sequence[Name]] | None = None
        self._answer: Said | None = None
        self._owed = b""
        self._channels = 0
        self._ended = False
        with told(url, vhost):
            # the transport's own way: kombu's connect() waits and tries again, and connects anew when it is asked later
            connection = connection_to(url, vhost, HEARTBEAT).transport.establish_connection()
            self._take_over(connection, Reader(connection.frame_max, keep, whole))

    def _take_over(self, connection: Any, reader: Reader) -> None:
        self._signed_in = connection
        self.sock: socket.socket = connection.sock
        self.frame_max: int = connection.frame_max
        self.version = str(connection.server_properties.get("version", ""))
        self.reader = reader
        self._heartbeat = float(connection.heartbeat or 0)
        self._sent_at = self._heard_at = time.monotonic()
        early, connection.transport._read_buffer = connection.transport._read_buffer, b""
        self.sock.setblocking(False)
        if early:
            self.reader.feed(early, self._take)

    # --- speaking ------------------------------------------------------------------------------------------------
    def open_channel(self) -> int:
        self._channels += 1
        self.call(frames.open_channel(self._channels), self._channels, frames.CHANNEL_OPEN_OK)
        return self._channels

    def call(self, data: bytes, channel: int, *answers: Name) -> Said:
        """Say something and wait for its answer; everything else that comes goes to `events`."""
        self._awaited, self._answer = (channel, answers), None
        try:
            self.send(data)
            deadline = time.monotonic() + self.timeout
            while self._answer is None:
                self.check(channel)
                left = deadline - time.monotonic()
                if left <= 0 and not self._receive():  # nothing came while this process was held up either
                    self._fail(TimedOut(f"RabbitMQ at {self.place} did not answer within {self.timeout:g} seconds."))
                self.read(max(0.0, left))
            return self._answer
        finally:
            self._awaited = None

    def send(self, data: bytes) -> None:
        """Write all of it, taking in what comes meanwhile. Raises TimedOut when the broker takes no more."""
        self.check()
        left = memoryview(data)
        deadline = time.monotonic() + self.timeout
        while left:
            wanted = select.POLLOUT | select.POLLIN
            try:
                written = self.sock.send(left[:PIECE])
                left = left[written:]
                self._sent_at = time.monotonic()
                deadline = self._sent_at + self.timeout
                continue
            except ssl.SSLWantReadError:
                wanted = select.POLLIN
            except _AGAIN:
                pass
            except OSError as error:
                self._fail(self._lost(error))
            if time.monotonic() > deadline:
                why = f": {self.blocked}" if self.blocked else ""
                self._fail(TimedOut(f"RabbitMQ at {self.place} takes nothing more{why}."))
            if self._wait(wanted, 0.5) & ~select.POLLOUT:
                self._receive()
        self._pay()

    def _pay(self) -> None:
        """Say what is owed to the broker: that a channel is closed."""
        if self._owed:
            owed, self._owed = self._owed, b""
            self.send(owed)

    # --- hearing -------------------------------------------------------------------------------------------------
    def read(self, seconds: float) -> None:
        """Take in what the broker says, waiting at most so long for it."""
        self.check()
        if not self._receive():
            self._wait(select.POLLIN, min(seconds, self._heartbeat / 4 or seconds))
            self._receive()
        self._pay()
        self._beat()

    def check(self, channel: int = 0) -> None:
        """Raise what ended the link, or one of its channels."""
        if self._failed is not None:
            raise self._failed
        if channel in self.closed:
            raise self.closed[channel]

    @property
    def lost(self) -> bool:
        """Whether it ended otherwise than by a good-bye."""
        return self._failed is not None

    def ready(self) -> bool:
        """Whether TLS holds something that the socket no longer shows."""
        return isinstance(self.sock, ssl.SSLSocket) and self.sock.pending() > 0

    def _wait(self, wanted: int, seconds: float) -> int:
        if self.ready():
            return select.POLLIN
        poll = select.poll()
        poll.register(self.sock, wanted)
        found = poll.poll(max(0.0, seconds) * 1000)
        return found[0][1] if found else 0

    def _receive(self) -> bool:
        """Take in what is there; whether there was something."""
        try:
            data = self.sock.recv(PIECE)
        except _AGAIN:
            return False
        except OSError as error:
            self._fail(self._lost(error))
        if not data:
            self._fail(self._lost(None))
        self._heard_at = time.monotonic()
        try:
            self.reader.feed(data, self._take)
        except CollectorError as error:
            self._fail(error)
        return True

    def _take(self, thing: Said | Arrived) -> None:
        name = thing.name
        if isinstance(thing, Arrived):
            self.events.append(thing)
        elif name == frames.CONNECTION_CLOSE:
            raise self._said(thing)
        elif name == frames.CHANNEL_CLOSE:
            self.closed[thing.channel] = self._said(thing)
            self._owed += frames.method(thing.channel, frames.CHANNEL_CLOSE_OK)
        elif name == frames.BLOCKED:
            self.blocked = frames.read_short(thing.arguments)[0] or "an alarm"
        elif name == frames.UNBLOCKED:
            self.blocked = ""
        elif self._awaited is not None and thing.channel == self._awaited[0] and name in self._awaited[1]:
            self._answer = thing
        elif name == frames.QOS_OK:
            self.prefetched += 1
        else:
            self.events.append(thing)

    def _beat(self) -> None:
        """Say that Weir lives, and notice when the broker does not."""
        if not self._heartbeat:
            return
        now = time.monotonic()
        if now - self._sent_at > self._heartbeat / 2:
            self.send(frames.HEARTBEAT_FRAME)
        if now - self._heard_at > 2 * self._heartbeat:
            self._fail(TimedOut(f"RabbitMQ at {self.place} has said nothing for {2 * self._heartbeat:g} seconds."))

    # --- the end -------------------------------------------------------------------------------------------------
    def close(self) -> None:
        """Say good-bye and wait until the broker has heard it; what is unsettled goes back to its queue."""
        if self._failed is None and not self._ended:
            with suppress(CollectorError):
                self.timeout = min(self.timeout, 5.0)
                self.call(frames.close_connection(), 0, frames.CONNECTION_CLOSE_OK)
        self.hang_up()

    def hang_up(self) -> None:
        """End it at once."""
        self._ended = True
        self._failed = self._failed or Unreachable(f"The connection to RabbitMQ at {self.place} is closed.")
        with suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()
        with suppress(Exception):  # py-amqp lets go of its half; the socket is closed already
            self._signed_in.collect()

    def _fail(self, error: CollectorError) -> None:
        self._failed = error
        self.hang_up()
        raise error

    def _lost(self, error: OSError | None) -> CollectorError:
        return Unreachable(f"RabbitMQ at {self.place} closed the connection, or the network did.")

    def _said(self, thing: Said) -> CollectorError:
        (code,) = unpack_from(">H", thing.arguments)
        text = frames.read_short(thing.arguments, 2)[0]
        return refusal(code, text, self.place)


def wait_for(links: Sequence[Link], seconds: float) -> None:
    """Until one of these has something to say, at most so long."""
    poll = select.poll()
    for link in links:
        if link.ready():
            return
        poll.register(link.sock, select.POLLIN)
    poll.poll(max(0.0, seconds) * 1000)


def refusal(code: int, text: str, place: str) -> CollectorError:
    """What RabbitMQ closed a channel or a connection with, as a sentence."""
    said = "".join(c for c in text if c.isprintable())[:300].rstrip(".")
    if code == 403:
        return AccessRefused(f"RabbitMQ at {place} refused: {said}.")
    if code == 404:
        return BadAnswer(f"RabbitMQ at {place} has no such thing: {said}.")
    if code == 405:
        return NotSupported(f"RabbitMQ at {place} keeps it for another connection: {said}.")
    if code == 406 and "timed out" in said:
        return Expired(f"RabbitMQ at {place} took the messages back, they were held too long: {said}.")
    if code == 320:
        return Unreachable(f"RabbitMQ at {place} ended the connection: {said}.")
    if code == 540:
        return NotSupported(f"RabbitMQ at {place} cannot do that: {said}.")
    return BadAnswer(f"RabbitMQ at {place} refused: {said or code}.")
