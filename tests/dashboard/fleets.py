"""Made-up brokers, queues and ticks: what tests of the live view and benches feed a fleet with."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from django.utils import timezone

from collectors.protocol import METRICS, Quality
from dashboard.insight.states import Reason, State
from dashboard.models import Broker, Queue
from dashboard.ticks import ROW, Judgement, Tick


def made_up_broker(name: str = "prod", queues: int | Sequence[str] = 3, **columns: Any) -> tuple[Broker, list[int]]:
    """A broker that reports, and the ids of its queues, which are named as given, or queue-0001 and so on."""
    now = timezone.now()
    columns = {"kind": "memory", "last_poll_at": now, "last_answer_at": now, "interval": 3600.0, **columns}
    broker = Broker.objects.create(name=name, secret_url="", safe_url=f"memory://{name}", **columns)
    names = [f"queue-{n:04}" for n in range(queues)] if isinstance(queues, int) else queues
    Queue.objects.bulk_create([Queue(broker=broker, key=one, name=one, kind="list") for one in names])
    return broker, list(Queue.objects.filter(broker=broker).order_by("id").values_list("id", flat=True))


def made_up_tick(
    broker: int,
    ids: Sequence[int],
    at: float | None = None,
    state: Any = State.STEADY,
    reason: Any = Reason.BALANCED,
    since: float | None = None,
    inventory: int = 1,
    **metrics: Any,
) -> Tick:
    """A judged tick; metrics are numbers or one number per queue, and what is not given is unknown."""
    at = time.time() if at is None else at
    n = len(ids)
    values = np.full((len(METRICS), n), np.nan)
    for name, value in metrics.items():
        values[ROW[name]] = value
    quality = np.where(np.isnan(values), Quality.UNKNOWN, Quality.EXACT).astype(np.uint8)
    none = np.zeros(n, np.int64)
    codes = [np.broadcast_to(np.asarray(code, np.uint8), n).copy() for code in (state, reason)]
    judgement = Judgement(*codes, np.full(n, at - 60 if since is None else since))
    return Tick(
        broker, at, np.array(ids, np.int64), values, quality, none.astype(np.uint8), none,
        inventory=inventory, judgement=judgement,
    )  # fmt: skip
