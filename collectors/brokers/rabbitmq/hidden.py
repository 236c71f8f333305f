"""Queues that are machinery: timers, reply queues, remote control. They are kept out of the default view."""

from __future__ import annotations

import re

from .inventory import QueueRow

_BY_NAME = (
    (re.compile(r"^celery_delayed_\d+$"), "a timer of Celery's delayed delivery"),
    (re.compile(r"^nsb\.v2\.delay-level-\d+$"), "a timer of NServiceBus's delayed delivery"),
    (re.compile(r"\.pidbox$"), "Celery's remote control of its workers"),
    (re.compile(r"^celeryev(\.|$)"), "Celery's events about its workers"),
    (re.compile(r"^amq\.(gen|rabbitmq|ctag)-"), "named by the broker for one connection"),
    (re.compile(r"(^|[._-])reply[._-]?to([._-]|$)|^amq\.rabbitmq\.reply-to|[._-]reply[._-]"), "for replies"),
)

_TIMERS = _BY_NAME[:2]


def why_hidden(row: QueueRow) -> str:
    """Why a queue is hidden, in words; "" for one that is shown."""
    for pattern, why in _BY_NAME:
        if pattern.search(row.queue):
            return why
    return "exclusive to one connection" if row.exclusive else ""


def is_timer(row: QueueRow) -> bool:
    """Whether messages wait in this queue by design until their time has come."""
    return any(pattern.search(row.queue) for pattern, _ in _TIMERS)
