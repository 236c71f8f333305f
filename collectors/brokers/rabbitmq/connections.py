"""Connections of urllib3 that hang up on a server that drips, and that can be hung up from another thread.

urllib3's time-outs begin anew with every piece that arrives, so that a head which comes letter by letter would
hold a poll for ever; and closing its pool leaves alone what is just being used.
"""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from functools import partial
from typing import Any
from weakref import WeakSet

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection


class Connections(PoolManager):
    """A pool manager that knows its open connections."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._live: WeakSet[HTTPConnection] = WeakSet()
        self._lock = threading.Lock()
        pools: Any = {  # urllib3 wants classes, and calls them
            "http": partial(self._pool, HTTPConnectionPool, Patient),
            "https": partial(self._pool, HTTPSConnectionPool, PatientTLS),
        }
        self.pool_classes_by_scheme = pools

    def hang_up(self) -> None:
        """End every connection, whatever it is doing."""
        with self._lock:
            connections = list(self._live)
        for connection in connections:
            _shut(connection.sock)
        self.clear()

    def _pool(self, kind: type[HTTPConnectionPool], connection: Any, *where: Any, **options: Any) -> HTTPConnectionPool:
        pool = kind(*where, **options)
        pool.ConnectionCls = partial(self._connection, connection)  # type: ignore[assignment]
        return pool

    def _connection(self, kind: type[HTTPConnection], **options: Any) -> HTTPConnection:
        connection = kind(**options)
        with self._lock:
            self._live.add(connection)
        return connection


class _Hurried:
    """The head of an answer has to come within the time-out, all of it."""

    def getresponse(self) -> Any:
        me: Any = self
        late = threading.Event()

        def hang_up() -> None:
            late.set()
            _shut(me.sock)

        timer = threading.Timer(me.timeout, hang_up)
        timer.daemon = True
        timer.start()
        try:
            response = super().getresponse()  # type: ignore[misc]
        except Exception:
            if late.is_set():
                raise TimeoutError from None
            raise
        finally:
            timer.cancel()
        if late.is_set():  # http.client takes a head that ends in the middle for a whole one
            response.close()
            raise TimeoutError
        return response


class Patient(_Hurried, HTTPConnection):
    """HTTP."""


class PatientTLS(_Hurried, HTTPSConnection):
    """HTTPS."""


def _shut(sock: socket.socket | None) -> None:
    with suppress(OSError):
        if sock is not None:
            sock.shutdown(socket.SHUT_RDWR)
