"""Whether a replica has what was written to its primary: without, a fail-over undoes it.

Redis confirms what it has written itself, and hands it on afterwards. WAIT tells how many replicas have all that one
connection has written; it is asked only of a server that has replicas, once for many writes.
"""

from __future__ import annotations

from typing import Any

import redis

from .failures import Silent, line, not_allowed

#: How long is waited for a replica, at most; of the time-out of a connection no more than half.
WAIT_MILLISECONDS = 500


def has_replicas(reply: Any) -> bool:
    """By INFO replication. Where it may not be asked there are none that could be waited for."""
    if not isinstance(reply, bytes):
        return False
    fields = dict(one.split(b":", 1) for one in reply.splitlines() if b":" in one)
    return fields.get(b"role") == b"master" and fields.get(b"connected_slaves", b"0") != b"0"


def wait_for_one(timeout: float) -> tuple[str, int, int]:
    """The command, for a connection that waits so many seconds for an answer."""
    return "WAIT", 1, max(1, min(WAIT_MILLISECONDS, int(timeout * 500)))


def behind(place: str, reply: Any, user: str) -> str:
    """What is to be known after WAIT, a sentence; "" = a replica has it."""
    if isinstance(reply, int) and reply > 0:
        return ""
    if not_allowed(reply):
        return f"Whether a replica of {place} has it is not known: user {user} may not ask (+wait)."
    if isinstance(reply, redis.ResponseError) and not isinstance(reply, Silent):
        return f"Whether a replica of {place} has it is not known: {line(reply)}."
    return f"No replica of {place} had it in time: should that server fail over now, it is undone."
