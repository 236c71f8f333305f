"""Connections of redis-py whose replies are bounded in size and in time, whatever the server sends.

redis-py reads a reply as long as the server says that it is, and its time-out begins anew with every piece: a
server that is ill, or none at all, could fill the memory or hold a poll for ever.
"""

from __future__ import annotations

import socket
import time
from typing import Any

import redis

from ...errors import BadAnswer

#: Bytes of one reply that are read at most. The largest that Weir asks for (the ends of a stream, members of a
#: registry) are far smaller, unless a single message is this large.
LARGEST_REPLY = 12 * 1024 * 1024


class TooLarge(BadAnswer):
    """A reply was larger than is read."""


class Meter:
    """A socket that reads no more than it is allowed to. Everything else is the socket's own."""

    def __init__(self, real: socket.socket, timeout: float, place: str) -> None:
        self._real = real
        self._place = place
        self._timeout = timeout
        self._left = LARGEST_REPLY
        self._deadline = float("inf")

    def until(self, deadline: float) -> None:
        """Read until then and no longer, in monotonic seconds."""
        self._deadline = deadline
        self._real.settimeout(self._timeout)

    def next_reply(self) -> None:
        """Another reply begins."""
        self._left = LARGEST_REPLY

    def recv(self, size: int) -> bytes:
        """Raises TimeoutError after the deadline, TooLarge when a reply is too large."""
        remaining = self._deadline - time.monotonic()
        if remaining < self._timeout:
            if remaining <= 0:
                raise TimeoutError
            self._real.settimeout(remaining)
        data = self._real.recv(size)
        self._left -= len(data)
        if self._left < 0:
            raise TooLarge(
                f"Redis at {self._place} sent a reply of more than {LARGEST_REPLY >> 20} MB; "
                "leave out the key that holds such large messages with exclude= or keys=."
            )
        return data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


class Metered:
    """Put in front of a connection class of redis-py. `meter` is that of the open connection."""

    meter: Meter

    def _connect(self) -> Meter:
        me: Any = self
        timeout: float = me.socket_timeout
        self.meter = Meter(super()._connect(), timeout, f"{me.host}:{me.port}")  # type: ignore[misc]
        # TLS and AUTH are part of connecting, and may be dripped just as well.
        self.meter.until(time.monotonic() + 2 * timeout)
        return self.meter


class PlainConnection(Metered, redis.Connection):  # type: ignore[misc, unused-ignore]
    """TCP."""


class TLSConnection(Metered, redis.SSLConnection):  # type: ignore[misc, unused-ignore]
    """TLS over TCP."""
