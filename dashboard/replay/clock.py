"""The clock that a lease is kept by: it goes on while a process is stopped, or its machine sleeps."""

from __future__ import annotations

import time


def now() -> float:
    """Seconds since the machine was started, those asleep included."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()
