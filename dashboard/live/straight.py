"""The short way to a browser: the bytes of a frame, made once, straight into the sockets of all who get it.

On the usual way Daphne hands every message through coroutines to autobahn, which encodes, frames and logs it anew for
each connection, and Twisted writes nothing at once: it asks the event loop to say when the socket takes bytes. For
frames that a thousand browsers share, that is most of what a frame costs. A server's frames carry no mask, so the
bytes are the same for all, and a socket with nothing waiting takes them in one call.

Whatever is not as it is known here - another server, TLS in this process, compression - goes the usual way.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from autobahn.exception import Disconnected
from daphne.ws_protocol import WebSocketProtocol
from twisted.internet.tcp import Connection

_TEXT = 0x81  # a whole message of text
_KNOWN = ("writeSomeData", "dataBuffer", "_tempDataLen")  # of Twisted's connections: another version may have others


def framed(payload: bytes) -> bytes:
    """A WebSocket message of text as it goes over the wire from a server."""
    size = len(payload)
    if size < 126:
        return bytes((_TEXT, size)) + payload
    if size < 1 << 16:
        return bytes((_TEXT, 126)) + size.to_bytes(2, "big") + payload
    return bytes((_TEXT, 127)) + size.to_bytes(8, "big") + payload


class Straight:
    """One connection of Daphne's."""

    __slots__ = ("_protocol",)

    def __init__(self, protocol: WebSocketProtocol) -> None:
        self._protocol = protocol

    @classmethod
    def of(cls, send: Any) -> Straight | None:
        """Of the `send` that a server gives to the outermost application; None where it is not Daphne's."""
        protocol = send.args[0] if isinstance(send, partial) and send.args else None
        known = isinstance(protocol, WebSocketProtocol) and all(hasattr(protocol.transport, name) for name in _KNOWN)
        return cls(protocol) if known else None

    def write(self, wire: bytes) -> bool:
        """Write what `framed` made, or leave it to the usual way (False). Raises Disconnected."""
        protocol = self._protocol
        if protocol.state != protocol.STATE_OPEN:
            raise Disconnected("The connection is closed.")
        transport = protocol.transport
        plain = isinstance(transport, Connection) and not transport.TLS
        if not plain or protocol.send_queue or protocol._perMessageCompress is not None:
            return False
        if not (transport.dataBuffer or transport._tempDataLen):  # else it would overtake what waits
            written = transport.writeSomeData(wire)
            if isinstance(written, int):  # else the connection is lost, which Twisted finds when it writes
                wire = wire[written:]
        if wire:
            transport.write(wire)
        return True
