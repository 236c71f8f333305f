"""How long it is until a broker drops the oldest message of a queue for good.

Known in two ways, of which the shorter counts: the queue's retention less the age of what waits longest, and what the
index of dead letters says of when the first of them is dropped. Where neither is known, it is not known.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from threading import Lock

import numpy as np
from django.db.models import Min

from ..models import Letter
from ..ticks import Floats

#: What the index says is read again after so many seconds.
FRESH = 60.0


def left(lag: Floats, waiting: Floats, keeps: Floats, ends_in: Floats) -> Floats:
    """Seconds, 0 or more; `keeps`: the retention, `ends_in`: what the index says. Any shape.

    Where nothing lies nothing can be dropped: then it is the whole retention, or inf (never).
    """
    found = np.maximum(np.fmin(keeps - lag, ends_in), 0.0)
    empty = np.where(np.isnan(keeps), np.inf, keeps)
    return np.where(waiting == 0, empty, found)


def held(waiting: Floats, inside: Floats) -> Floats:
    """What lies in a queue, with the dead letters that it keeps inside itself."""
    return waiting + np.nan_to_num(inside)


_lock = Lock()
_known: dict[int, tuple[float, dict[int, float]]] = {}


def first_ends(broker: int) -> Mapping[int, float]:
    """Of each queue of a broker the time at which the first of its dead letters is dropped, as far as is known."""
    with _lock:
        kept = _known.get(broker)
        if kept is not None and 0 <= time.monotonic() - kept[0] < FRESH:
            return kept[1]
    rows = Letter.objects.filter(queue__broker_id=broker, gone_at=None, expires_at__gt=time.time())
    found = dict(rows.order_by().values_list("queue_id").annotate(Min("expires_at")))
    with _lock:
        _known[broker] = (time.monotonic(), found)
    return found


def forget() -> None:
    """Read the index again at the next question."""
    with _lock:
        _known.clear()
