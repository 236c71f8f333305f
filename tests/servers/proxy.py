"""A TCP proxy that makes bad weather between Weir and a server, on a free port of 127.0.0.1.

    with Proxy(server.port) as proxy:
        proxy.weather = Weather("the answer breaks off", cut_after=40)

The weather holds at once, for connections that are open too; `FAIR` lets everything through. With `tls` (an
ssl.SSLContext that has a certificate) the proxy speaks TLS to its clients, and plain TCP to the server.
"""

from __future__ import annotations

import socket
import ssl
import struct
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from .ports import free_port  # while the door is closed, no outgoing connection is given its port

PIECE = 65536
FILLER = b"x" * PIECE


@dataclass(frozen=True)
class Weather:
    """What becomes of an answer.

    silent      nothing is passed on, in either direction
    delay       seconds before each piece of an answer
    rate        bytes per second that get through
    cut_after   bytes of an answer after which the connection ends, by `ends`
    says        said in place of the server's answer; then `flood` bytes of filler, then the end by `ends`, if any
    ends        "close", "reset" (an RST), "half-close" (our side is shut, theirs stays open); "" = stays open
    """

    name: str
    silent: bool = False
    delay: float = 0.0
    rate: float = 0.0
    cut_after: int | None = None
    says: bytes | None = None
    flood: int = 0
    ends: Literal["", "close", "reset", "half-close"] = ""


FAIR = Weather("fair")


class Proxy:
    """Listens while the block lasts. `refusing` closes the door: connections are refused until it is False again."""

    def __init__(self, target: int, *, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> None:
        self.weather = FAIR
        self.flooded = 0  #: bytes of filler that were sent
        self.tls = tls
        self._target = (host, target)
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._door: socket.socket | None = None
        self.port = 0
        self._listen()

    def __enter__(self) -> Proxy:
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self.refusing = True
        self.hang_up()

    @property
    def refusing(self) -> bool:
        return self._door is None

    @refusing.setter
    def refusing(self, refusing: bool) -> None:
        if refusing and self._door is not None:
            door, self._door = self._door, None
            with suppress(OSError):
                door.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
            door.close()
        elif not refusing and self._door is None:
            self._listen()

    def hang_up(self) -> None:
        """Close every connection that is open."""
        with self._lock:
            ends, self._open = self._open, set()
        for end in ends:
            _close(end)

    def _listen(self) -> None:
        door = socket.create_server(("127.0.0.1", self.port or free_port()))
        self.port, self._door = door.getsockname()[1], door
        threading.Thread(target=self._accept, args=(door,), daemon=True).start()

    def _accept(self, door: socket.socket) -> None:
        while True:
            try:
                client, _ = door.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        """One connection: this thread carries the questions, another the answers."""
        with suppress(OSError):
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.tls is not None:
                client = self.tls.wrap_socket(client, server_side=True)
            server = socket.create_connection(self._target)
            with self._lock:
                self._open |= {client, server}
            pair = _Pair(self, client, server)
            threading.Thread(target=pair.carry_answers, daemon=True).start()
            pair.carry_questions()
            return
        _close(client)


class _Pair:
    """The two ends of one connection."""

    def __init__(self, proxy: Proxy, client: socket.socket, server: socket.socket) -> None:
        self._proxy, self._client, self._server = proxy, client, server
        self._answered = 0  # bytes since the last question
        self._reset = self._said = False

    def carry_questions(self) -> None:
        """A question may come in pieces, of which the weather met some: the connection on which something was said is
        of no use to the server any more, which would take the next question for the rest of that one."""
        with suppress(OSError):
            while data := self._client.recv(PIECE):
                weather = self._proxy.weather
                self._answered = 0
                if weather.says is not None:
                    self._said = True
                    self._say(weather)
                elif self._said:
                    break
                elif not weather.silent:
                    self._server.sendall(data)
        self._end()

    def carry_answers(self) -> None:
        with suppress(OSError):
            while data := self._server.recv(PIECE):
                weather = self._proxy.weather
                if weather.silent or weather.says is not None:
                    continue
                time.sleep(weather.delay)
                self._pass_on(data, weather)
        self._end()

    def _pass_on(self, data: bytes, weather: Weather) -> None:
        if weather.cut_after is not None:
            data = data[: max(0, weather.cut_after - self._answered)]
        self._answered += len(data)
        if weather.rate:
            for at in range(len(data)):
                self._client.sendall(data[at : at + 1])
                time.sleep(1 / weather.rate)
                if self._proxy.weather is not weather:  # it cleared up: the rest at once
                    data = data[at + 1 :]
                    break
            else:
                return
        self._client.sendall(data)
        if weather.cut_after is not None and self._answered >= weather.cut_after:
            self._close_as(weather)

    def _say(self, weather: Weather) -> None:
        self._client.sendall(weather.says or b"")
        left = weather.flood
        while left > 0:
            self._client.sendall(FILLER[:left])
            self._proxy.flooded += min(left, PIECE)
            left -= PIECE
        if weather.ends:
            self._close_as(weather)

    def _close_as(self, weather: Weather) -> None:
        if weather.ends == "half-close":
            self._client.shutdown(socket.SHUT_WR)
        elif weather.ends == "reset":
            self._reset = True
            self._client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._client.shutdown(socket.SHUT_RD)  # wakes the thread that reads: only then it is closed at once
            self._end()
        else:
            self._end()

    def _end(self) -> None:
        if self._reset:
            self._client.close()
        else:
            _close(self._client)
        _close(self._server)


def _close(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
