"""One connection to a Redis server, and many commands at once on it.

redis-py's `Connection` does TCP, TLS, AUTH, SELECT and the parsing; its pipeline is left aside, because packing
and unpacking each command by itself costs four times as much as asking with commands that were packed once.
RESP2, because its replies have the same shape from 6.2 to 9 and nothing is pushed in between.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import redis

from ...errors import BadURL, Unreachable
from ...url import BrokerURL
from .failures import explained

#: Commands sent before their replies are read: bounds what the server must buffer for us.
BATCH = 1000

#: A reply of the server that says no; it stands among the other replies of a batch.
Refusal = redis.ResponseError


def pack(*parts: bytes | str | int) -> bytes:
    """A command as the bytes to be sent."""
    out = [b"*%d\r\n" % len(parts)]
    for part in parts:
        raw = part if isinstance(part, bytes) else str(part).encode()
        out.append(b"$%d\r\n%s\r\n" % (len(raw), raw))
    return b"".join(out)


class Wire:
    """Connects when first asked, and again after a failure. Counts what it sends and gets."""

    def __init__(self, url: BrokerURL) -> None:
        self.url = url
        self._options = _options(url)
        self._connection: Any = None  # redis.Connection, which is not typed
        self._closed = False
        self.requests = 0
        self.bytes = 0

    def ask(self, commands: Sequence[bytes]) -> list[Any]:
        """The reply to each command, in order; one that was refused stands there as a `Refusal`.

        Raises Unreachable, TimedOut, AccessRefused (the sign-in) or BadAnswer.
        """
        replies: list[Any] = []
        try:
            connection = self._connected()
            for start in range(0, len(commands), BATCH):
                batch = commands[start : start + BATCH]
                connection.send_packed_command([b"".join(batch)])
                replies += [self._reply(connection) for _ in batch]
        except Exception as error:
            self._drop()
            if self._closed:  # by another thread: then redis-py may stumble over its own socket in any way
                raise Unreachable(f"The connection to {self.url.label} was closed by Weir.") from None
            if isinstance(error, redis.RedisError | OSError):
                raise explained(error, self.url) from error
            raise
        self.requests += len(commands)
        self.bytes += _size(replies)
        return replies

    def one(self, *parts: bytes | str | int) -> Any:
        """The reply to one command, or its `Refusal`."""
        return self.ask([pack(*parts)])[0]

    def close(self) -> None:
        """Let go of the connection for good; a poll that runs in another thread ends with Unreachable."""
        self._closed = True
        self._drop()

    def _connected(self) -> Any:
        if self._closed:
            raise ConnectionAbortedError
        if self._connection is None:
            kind = redis.SSLConnection if self.url.scheme == "rediss" else redis.Connection
            connection: Any = kind(**self._options)
            connection.connect()
            self._connection = connection
            for command in (pack("CLIENT", "SETNAME", "weir"), pack("CLIENT", "NO-TOUCH", "ON")):
                # Courtesies: a name in CLIENT LIST, and reading that does not keep keys from eviction (7.2).
                connection.send_packed_command([command])
                self._reply(connection)
        if self._closed:
            self._drop()
            raise ConnectionAbortedError
        return self._connection

    @staticmethod
    def _reply(connection: Any) -> Any:
        try:
            return connection.read_response(disable_decoding=True)
        except Refusal as refusal:
            return refusal

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.disconnect()


def _options(url: BrokerURL) -> dict[str, Any]:
    """What redis-py's connection is built from. Raises BadURL."""
    if url.path and not url.path.isdigit():
        raise BadURL(f"'{url.path}' is not a Redis database; write its number, as in redis://{url.host}:6379/0.")
    timeout = url.get_seconds("timeout", 5.0)
    options: dict[str, Any] = {
        "host": url.host,
        "port": url.port(6379),
        "db": int(url.path or 0),
        "username": url.user or None,
        "password": url.password or None,
        "socket_timeout": timeout,
        "socket_connect_timeout": timeout,
        "protocol": 2,
    }
    ca_file = url.get("ca_file")
    if ca_file and not Path(ca_file).is_file():
        raise BadURL(f"ca_file={ca_file} is not a file; it must hold the certificates to trust, in PEM form.")
    if url.scheme == "rediss":
        options |= {"ssl_cert_reqs": "required", "ssl_check_hostname": True, "ssl_ca_certs": ca_file or None}
    return options


def _size(reply: Any) -> int:
    """About how many bytes a reply was on the wire."""
    total = 0
    for item in reply:
        if isinstance(item, bytes):
            total += len(item) + 8
        elif isinstance(item, list):
            total += _size(item) + 4
        else:
            total += 6
    return total
