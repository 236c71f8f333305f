"""A shop whose tasks fail, for `record_letters`: the same work for Celery, Dramatiq and RQ."""

from __future__ import annotations

import os

import celery
import dramatiq
from dramatiq.brokers.redis import RedisBroker

URL = os.environ.get("LETTERS_REDIS", "redis://127.0.0.1:1/0")


class CardDeclinedError(Exception):
    """The card was declined."""


def capture(order: int, amount: str) -> None:
    raise CardDeclinedError(f"Card declined for order {order}: amount {amount} EUR")


app = celery.Celery("shop", broker=URL, backend=URL)
app.conf.update(result_extended=True, worker_send_task_events=True, task_send_sent_event=True, accept_content=["json"])
app.conf.update(broker_connection_retry_on_startup=True, worker_enable_remote_control=False)


old = celery.Celery("old", broker=URL)
old.conf.task_protocol = 1


@app.task(name="billing.capture")
def capture_task(order: int, amount: str = "1.00") -> None:
    capture(order, amount)


dramatiq.set_broker(RedisBroker(url=URL))


@dramatiq.actor(queue_name="billing", max_retries=1, min_backoff=10, max_backoff=20, actor_name="capture")
def capture_actor(order: int, amount: str = "1.00") -> None:
    capture(order, amount)


def capture_job(order: int, amount: str = "1.00") -> None:
    capture(order, amount)
