"""One connection to a Redis server, and many commands at once on it. `cluster` has the same for many servers.

redis-py's `Connection` does TCP, TLS, AUTH, SELECT and the parsing; its pipeline is left aside, because packing
and unpacking each command by itself costs four times as much as asking with commands that were packed once.
RESP2, because its replies have the same shape from 6.2 to 9 and nothing is pushed in between.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol

import redis

from ...errors import BadAnswer, BadURL, CollectorError, Unreachable
from ...url import BrokerURL
from .failures import explained, who
from .meter import PlainConnection, TLSConnection
from .replication import behind, has_replicas, wait_for_one

#: Commands sent before their replies are read: bounds what the server must buffer for us.
BATCH = 1000
#: Time-outs that all replies of one batch together may take.
PATIENCE = 4
#: What redis-py's parser stumbles into where something is no reply of the protocol, besides its own errors.
NO_REPLY = (ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError, MemoryError)

#: A reply of the server that says no; it stands among the other replies of a batch.
Refusal = redis.ResponseError


def pack(*parts: bytes | str | int) -> bytes:
    """A command as the bytes to be sent."""
    out = [b"*%d\r\n" % len(parts)]
    for part in parts:
        raw = part if isinstance(part, bytes) else str(part).encode()
        out.append(b"$%d\r\n%s\r\n" % (len(raw), raw))
    return b"".join(out)


class AnyWire(Protocol):
    """What the rooms beside this file ask: one server (`Wire`), or a cluster of them.

    received   bytes since the poll began; `requests` likewise
    problems   what is left out of this poll, in sentences
    details    rows for the broker's page
    nodes      the servers that hold keys, by a name for `ask_each`
    connections  how many were made so far; of a cluster that is not told
    """

    requests: int
    connections: int
    received: int

    @property
    def url(self) -> BrokerURL: ...
    @property
    def problems(self) -> tuple[str, ...]: ...
    @property
    def details(self) -> tuple[tuple[str, str], ...]: ...
    @property
    def nodes(self) -> tuple[str, ...]: ...

    def begin(self) -> None:
        """A new poll. Raises CollectorError when nothing can be asked."""

    def ask(self, commands: Sequence[bytes]) -> list[Any]:
        """The reply to each command, in order; one that was refused stands there as a `Refusal`."""

    def ask_each(self, commands: Sequence[tuple[str, bytes]]) -> list[Any]:
        """The reply of the named node to each command."""

    def all(self, *parts: bytes | str | int) -> list[Any]:
        """The replies of all nodes to one command that is about no key."""

    def one(self, *parts: bytes | str | int) -> Any:
        """The reply to one command, or its `Refusal`; to one about no key, that of any node."""

    def replicated(self, keys: Iterable[bytes], since: int) -> str:
        """Wait until a replica has what was just written under these keys, where their nodes have one, and all that
        was written there before. A sentence where none came to have it in time.

        `since`: `connections` before that was written: over another one nobody can wait for it.
        """

    def close(self) -> None:
        """Let go of every connection for good; may be called from another thread."""


class Wire:
    """Connects when first asked, and again after a failure. Counts what it sends and gets.

    `locate` finds the server anew for each connection: the URL of the one that has the part sought.
    """

    def __init__(self, url: BrokerURL, locate: Callable[[], BrokerURL] | None = None) -> None:
        self.url = url  #: of the server that is connected, or was last
        self._locate = locate
        self._timeout = float(options_of(url)["socket_timeout"])
        self._connection: Any = None  # redis.Connection, which is not typed
        self._closed = False
        self._answered = False  # ever
        self._has_replicas: bool | None = None  # the server of this connection; None = it was not asked
        self.requests = 0
        self.received = 0
        self.connections = 0  # made so far

    problems: tuple[str, ...] = ()
    details: tuple[tuple[str, str], ...] = ()
    nodes: tuple[str, ...] = ("",)

    def begin(self) -> None:
        self.requests = self.received = 0

    def ask_each(self, commands: Sequence[tuple[str, bytes]]) -> list[Any]:
        return self.ask([command for _, command in commands])

    def all(self, *parts: bytes | str | int) -> list[Any]:
        return [self.one(*parts)]

    def replicated(self, keys: Iterable[bytes], since: int) -> str:
        """What belongs together is written in one step on one server, and replicated so; but later."""
        try:
            if self._has_replicas is None:
                self._has_replicas = has_replicas(self.one("INFO", "replication"))
            if not self._has_replicas:
                return ""
            reply = self.one(*wait_for_one(self._timeout))
        except CollectorError as error:
            return f"Whether a replica has it is not known: {error}"
        if since != self.connections:
            return "Whether a replica has it is not known: the connection was lost meanwhile."
        return behind(f"{self.url.host}:{self.url.port(6379)}", reply, who(self.url))

    def ask(self, commands: Sequence[bytes]) -> list[Any]:
        """The reply to each command, in order; one that was refused stands there as a `Refusal`.

        Raises Unreachable, TimedOut, AccessRefused (the sign-in) or BadAnswer.
        """
        replies: list[Any] = []
        try:
            connection = self._connected()
            for start in range(0, len(commands), BATCH):
                batch = commands[start : start + BATCH]
                connection.meter.until(time.monotonic() + PATIENCE * self._timeout)
                connection.send_packed_command([b"".join(batch)])
                replies += [self._reply(connection) for _ in batch]
        except Exception as error:
            self._drop()
            traceback.clear_frames(error.__traceback__)  # whoever keeps the error must not keep half a reply
            if self._closed:  # by another thread: then redis-py may stumble over its own socket in any way
                raise Unreachable(f"The connection to {self.url.label} was closed by Weir.") from None
            if isinstance(error, redis.RedisError | OSError | CollectorError):
                raise explained(error, self.url, answered_before=self._answered) from error
            if isinstance(error, NO_REPLY):
                place = f"{self.url.host}:{self.url.port(6379)}"
                raise BadAnswer(f"What listens at {place} does not speak the Redis protocol.") from error
            raise
        self._answered = True
        self.requests += len(commands)
        self.received += _size(replies)
        return replies

    def one(self, *parts: bytes | str | int) -> Any:
        """The reply to one command, or its `Refusal`."""
        return self.ask([pack(*parts)])[0]

    def close(self) -> None:
        """Let go of the connection for good; a poll that runs in another thread ends with Unreachable."""
        self._closed = True
        self._drop()

    def drop(self) -> None:
        """Let go of the connection; the next question makes a new one."""
        self._drop()

    def _connected(self) -> Any:
        if self._closed:
            raise ConnectionAbortedError
        if self._connection is None:
            self.url = self._locate() if self._locate is not None else self.url
            kind = TLSConnection if self.url.scheme == "rediss" else PlainConnection
            connection: Any = kind(**options_of(self.url))
            connection.connect()
            self._connection = connection
            self.connections += 1
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
        connection.meter.next_reply()
        try:
            return connection.read_response(disable_decoding=True)
        except Refusal as refusal:
            return refusal

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        self._has_replicas = None
        if connection is not None:
            connection.disconnect()


def options_of(url: BrokerURL) -> dict[str, Any]:
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
