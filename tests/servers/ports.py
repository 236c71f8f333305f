"""Free ports for the servers that tests start."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from random import SystemRandom

#: Below the ports that the system gives to outgoing connections (32768 and up on Linux), which come and go
#: all the time: a port found free among those may be taken before the server has started.
RANGE = range(12_000, 32_000)

_dice = SystemRandom()  # test processes side by side choose differently


def free_ports(count: int) -> list[int]:
    """`count` different loopback ports that nobody listens on at this moment."""
    with ExitStack() as stack:
        found: list[int] = []
        while len(found) < count:
            one = stack.enter_context(socket.socket())
            port = _dice.choice(RANGE)
            try:
                one.bind(("127.0.0.1", port))
            except OSError:
                continue
            found.append(port)
        return found


def free_port() -> int:
    """A loopback port that nobody listens on at this moment."""
    return free_ports(1)[0]
