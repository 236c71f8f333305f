"""Free ports for the servers that tests start, each given to one process of the tests only.

A port that is free now is taken seconds later, when its server has started; until then another test process beside
this one must not choose it too. So each port given out is locked, by a file of its own, for as long as the process
lives that asked for it.
"""

from __future__ import annotations

import fcntl
import os
import socket
import tempfile
from pathlib import Path
from random import SystemRandom

#: Below the ports that the system gives to outgoing connections (32768 and up on Linux), which come and go
#: all the time: a port found free among those may be taken before the server has started.
RANGE = range(12_000, 32_000)

_dice = SystemRandom()  # test processes side by side choose differently
_locks: list[int] = []  # open for as long as this process lives: the locks end with it


def free_ports(count: int) -> list[int]:
    """`count` different loopback ports that nobody listens on, and that no other test process was given."""
    found: list[int] = []
    while len(found) < count:
        port = _dice.choice(RANGE)
        if _is_free(port) and _lock(port):
            found.append(port)
    return found


def free_port() -> int:
    """A loopback port that nobody listens on, and that no other test process was given."""
    return free_ports(1)[0]


def _is_free(port: int) -> bool:
    with socket.socket() as one:
        try:
            one.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _lock(port: int) -> bool:
    """Whether this process has `port` for itself now."""
    folder = Path(tempfile.gettempdir()) / f"weir-test-ports-{os.getuid()}"
    folder.mkdir(exist_ok=True)
    lock = os.open(folder / str(port), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # this process or another has it
        os.close(lock)
        return False
    _locks.append(lock)
    return True
