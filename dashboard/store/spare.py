"""Room kept aside on the disk, so that what is past its retention can go when the disk is full.

Letting go needs room itself: SQLite writes what it removes into its log, and the log moves into the file, which may
have to grow first. The room is a file of its own beside the samples; it is given up for one round of tidying, and kept
again as soon as it fits. Ticks do not use it up: they are refused while the log cannot be moved
(`Connections.need_room`).
"""

from __future__ import annotations

import logging
import os
import shutil
from pathlib import Path

log = logging.getLogger("weir.store")

#: What removing needs beyond room for all that is in the log.
LEAST = 1 << 20


class Spare:
    """The room beside one file of samples."""

    def __init__(self, samples: Path) -> None:
        self.path = samples.with_name(f"{samples.name}-spare")
        self._log = samples.with_name(f"{samples.name}-wal")

    def keep(self) -> bool:
        """Keep as much aside as the log may need, if as much again is left for others, or else the least; False when
        there is no room even for that."""
        wanted = LEAST + (self._log.stat().st_size if self._log.exists() else 0)
        return self._keep(wanted, wanted) or self._keep(LEAST)

    def _keep(self, wanted: int, left: int = 0) -> bool:
        try:
            if self.path.exists() and self.path.stat().st_size >= wanted:
                return True
            if left and shutil.disk_usage(self.path.parent).free < wanted + left:
                return False
            with self.path.open("ab") as file:
                _allocate(file.fileno(), wanted)
        except OSError as error:  # what was got of it would keep others from that little
            self.give()
            log.debug("%d bytes cannot be kept aside for tidying up the samples: %s", wanted, error.strerror)
            return False
        return True

    def is_scarce(self) -> bool:
        """Whether what is free on the disk is less than the file may need to take in the log."""
        try:
            return shutil.disk_usage(self._log.parent).free < self._log.stat().st_size
        except OSError:  # no log: nothing was written yet
            return False

    def give(self) -> bool:
        """Give the room up; whether there was any."""
        try:
            self.path.unlink()
        except OSError:
            return False
        return True


def _allocate(file: int, size: int) -> None:
    """Room that is really taken, not a hole in a file."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file, 0, size)
        return
    for _ in range(os.fstat(file).st_size, size, LEAST):  # macOS
        os.write(file, bytes(LEAST))
