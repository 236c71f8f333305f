"""What putting back what was deleted would do, before it begins: how many, where to, what the queue does with them."""

from __future__ import annotations

import time
from typing import Any

from collectors.errors import CollectorError

from ..models import Queue, Replay
from ..refused import DeedRefused
from ..secrets import SecretError
from ..snapshot import iso
from . import orders, wide
from .planned import Plan

SAFETY = (
    "Each copy is kept here until the broker confirms that its letter is in the queue again. After a crash it resumes; "
    "what may be there twice is named."
)


def planned(queue: Queue, left: int) -> Plan:
    """A broker that does not answer now is asked again by the worker (`must_fit`), before anything is put back."""
    plan = _plan(queue, left)
    try:
        broker = orders.adapter(queue.broker)
        try:
            wide.bounded(plan, broker, [queue.key])
        finally:
            broker.close()
    except (CollectorError, SecretError):
        pass
    plan.confirm = left if plan.loses else None
    return plan


def must_fit(replay: Replay, queue: Queue, broker: Any, left: int) -> None:
    """Raises DeedRefused where the queue would push its oldest out for what is put back, and nobody accepted that."""
    plan = _plan(queue, left)
    wide.bounded(plan, broker, [queue.key])
    if plan.loses and not (replay.plan or {}).get("loses"):
        raise DeedRefused(
            "confirm", f"{' '.join(plan.warnings)} Nothing was put back: restore it anew, with the count."
        )


def _plan(queue: Queue, left: int) -> Plan:
    return Plan(
        at=iso(time.time()) or "", count=left, safety=SAFETY, destinations=[{"queue_id": queue.pk, "name": queue.name}]
    )
