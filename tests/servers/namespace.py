"""A program that listens on every address, run where nobody but the tests reaches it: a network of its own.

    unshare --net python -m tests.servers.namespace FD PORT COMMAND...

FD is a listening socket that was made outside, and so is reached from outside; each connection to it is passed on to
PORT inside. The program is killed when this one is told to end.
"""

from __future__ import annotations

import fcntl
import signal
import socket
import struct
import subprocess
import sys
import threading
from contextlib import suppress
from typing import Any

_SIOCSIFFLAGS, _IFF_UP = 0x8914, 0x1


def loopback_up() -> None:
    """A new network has a loopback, and it is down."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", _IFF_UP))


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while piece := source.recv(65536):
            target.sendall(piece)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def _carry(client: socket.socket, port: int) -> None:
    with client, suppress(OSError), socket.create_connection(("127.0.0.1", port)) as server:
        back = threading.Thread(target=_pump, args=(server, client), daemon=True)
        back.start()
        _pump(client, server)
        back.join()


def main(fd: int, port: int, command: list[str]) -> None:
    loopback_up()
    program = subprocess.Popen(command)

    def end(*_: Any) -> None:
        program.kill()
        sys.exit(0)

    signal.signal(signal.SIGTERM, end)
    with socket.socket(fileno=fd) as outside:
        while True:
            client, _ = outside.accept()
            threading.Thread(target=_carry, args=(client, port), daemon=True).start()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
