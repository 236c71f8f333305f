"""The short way to a browser: the bytes of a frame, made once, straight into the sockets of all who get it.

On the usual way Daphne hands every message through coroutines to autobahn, which encodes, frames and logs it anew for
each connection, and Twisted writes nothing at once: it asks the event loop to say when the socket takes bytes. For
frames that a thousand browsers share, that is most of what a frame costs. A server's frames carry no mask, so the
bytes are the same for all, and a socket with nothing waiting takes them in one call. Where browsers can read it
(permessage-deflate), they are compressed, once for all as well: each message by itself, without a memory of others.

Whatever is not as it is known here - another server, TLS in this process - goes the usual way.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from functools import partial
from typing import Any

from autobahn.exception import Disconnected
from autobahn.websocket.compress import PerMessageDeflateOffer, PerMessageDeflateOfferAccept
from daphne.ws_protocol import WebSocketProtocol
from twisted.internet.tcp import Connection

_TEXT = 0x81  # a whole message of text
_PACKED = 0x40  # whose payload is compressed
#: The quickest way to make a frame a seventh of its size.
_LEVEL = 1
#: Bytes of a message from a browser, once it is unpacked: far more than is taken, and no bomb.
_MOST_UNPACKED = 1 << 20
_KNOWN = ("writeSomeData", "dataBuffer", "_tempDataLen")  # of Twisted's connections: another version may have others


def framed(payload: bytes, flags: int = 0) -> bytes:
    """A WebSocket message of text as it goes over the wire from a server."""
    first, size = _TEXT | flags, len(payload)
    if size < 126:
        return bytes((first, size)) + payload
    if size < 1 << 16:
        return bytes((first, 126)) + size.to_bytes(2, "big") + payload
    return bytes((first, 127)) + size.to_bytes(8, "big") + payload


def packed(payload: bytes) -> bytes:
    """The same, compressed."""
    deflate = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    return framed((deflate.compress(payload) + deflate.flush(zlib.Z_SYNC_FLUSH))[:-4], _PACKED)


def _accepted(offers: Sequence[Any]) -> PerMessageDeflateOfferAccept | None:
    """Of what a browser offers to unpack: any window, and it forgets each message of its own, which saves memory here.
    What goes the usual way is packed by Daphne, by itself too: the browser has seen messages that Daphne has not."""
    for offer in offers:
        if isinstance(offer, PerMessageDeflateOffer) and offer.request_max_window_bits in (0, zlib.MAX_WBITS):
            return PerMessageDeflateOfferAccept(
                offer, request_no_context_takeover=True, no_context_takeover=True, max_message_size=_MOST_UNPACKED
            )
    return None


def _plain(transport: Any) -> bool:
    return isinstance(transport, Connection) and not transport.TLS


class Straight:
    """One connection of Daphne's."""

    __slots__ = ("_protocol",)

    def __init__(self, protocol: WebSocketProtocol) -> None:
        self._protocol = protocol

    @classmethod
    def of(cls, send: Any) -> Straight | None:
        """Of the `send` that a server gives to the outermost application; None where it is not Daphne's.

        Before the connection is accepted: what a browser can unpack is agreed on then.
        """
        protocol = send.args[0] if isinstance(send, partial) and send.args else None
        if not isinstance(protocol, WebSocketProtocol) or not all(hasattr(protocol.transport, name) for name in _KNOWN):
            return None
        if _plain(protocol.transport):
            protocol.perMessageCompressionAccept = _accepted
        return cls(protocol)

    @property
    def unpacks(self) -> bool:
        """Whether the browser can read what is `packed`."""
        return self._protocol._perMessageCompress is not None

    def write(self, wire: bytes) -> bool:
        """Write what `framed` or `packed` made, or leave it to the usual way (False). Raises Disconnected."""
        protocol = self._protocol
        if protocol.state != protocol.STATE_OPEN:
            raise Disconnected("The connection is closed.")
        transport = protocol.transport
        if not _plain(transport) or protocol.send_queue:
            return False
        if not (transport.dataBuffer or transport._tempDataLen):  # else it would overtake what waits
            written = transport.writeSomeData(wire)
            if isinstance(written, int):  # else the connection is lost, which Twisted finds when it writes
                wire = wire[written:]
        if wire:
            transport.write(wire)
        return True
