"""Which queues need somebody, most urgent first."""

from __future__ import annotations

import numpy as np

from ..ticks import Bytes, Floats
from .history import Bools
from .vocabulary import Reason, State


def attention(
    state: Bytes, reason: Bytes, since: Floats, depth: Floats, now: float, quiet: Bools | None = None
) -> Floats:
    """How urgently each queue needs somebody, 0 = not at all; the larger, the earlier on the page.

    Stalled queues first, then poison loops, then what has been growing for five minutes or a
    thousand messages; among equals the one with more waiting, then the one with longer trouble.
    `quiet` marks queues that never ask for attention (dead-letter queues, hidden ones).
    """
    size = 10 * np.log10(1 + np.nan_to_num(depth)).clip(0, 8)
    length = np.log2(1 + (now - since).clip(0, 30 * 86400) / 60)
    lasting = (now - since >= 300) | (depth >= 1000)
    level = np.where((state == State.GROWING) & lasting, 100.0, 0.0)
    level = np.where(reason == Reason.POISON_LOOP, 200.0, level)
    level = np.where(state == State.STALLED, 300.0, level)
    urgency: Floats = np.where(level > 0, level + size + length / 2, 0.0)
    return urgency if quiet is None else np.where(quiet, 0.0, urgency)
