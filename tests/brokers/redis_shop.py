"""What the workers of `test_redis_workers` run: tasks that fail until `fixed` is set. SHOP_REDIS is the server."""

from __future__ import annotations

import os

import celery
import dramatiq
import redis
from dramatiq.brokers.redis import RedisBroker

URL = os.environ["SHOP_REDIS"]
client = redis.Redis.from_url(URL)
dramatiq.set_broker(RedisBroker(url=URL))
app = celery.Celery("shop", broker=URL)
app.conf.broker_connection_retry_on_startup = True


@dramatiq.actor(queue_name="billing", max_retries=1, min_backoff=10, max_backoff=20)
def actor(n: int) -> None:
    _work("dramatiq", n)


def job(n: int) -> None:
    _work("rq", n)


@app.task(name="shop.mail")
def task(n: int) -> None:
    _work("celery", n)


def _work(library: str, n: int) -> None:
    if client.get("fixed") != b"yes":
        raise ValueError(f"order {n} was declined")
    client.rpush(f"done:{library}", n)
