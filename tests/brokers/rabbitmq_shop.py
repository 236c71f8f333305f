"""What the workers of `test_letters_workers` run: tasks that fail on RabbitMQ. SHOP_AMQP is the server.

`python -m tests.brokers.rabbitmq_shop celery` (or `dramatiq`) puts the tasks into their queues.
"""

from __future__ import annotations

import os
import sys

import celery
import dramatiq
from celery.exceptions import Reject
from dramatiq.brokers.rabbitmq import RabbitmqBroker
from kombu import Queue

URL = os.environ["SHOP_AMQP"]
dramatiq.set_broker(RabbitmqBroker(url=URL))
app = celery.Celery("shop", broker=URL)
app.conf.update(
    broker_connection_retry_on_startup=True,
    accept_content=["json", "pickle", "msgpack"],
    task_default_queue="mail",
    task_queues=[
        Queue("mail", queue_arguments={"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "mail.dlq"})
    ],
)


class CardDeclined(Exception):
    """What a payment says."""


@app.task(name="shop.send_mail", acks_late=True)
def send_mail(n: int, to: str = "") -> None:
    raise Reject(f"mail {n} to {to} is not wanted", requeue=False)


@dramatiq.actor(queue_name="billing", max_retries=1, min_backoff=10, max_backoff=20)
def charge(n: int) -> None:
    raise CardDeclined(f"order {n} was declined")


@dramatiq.actor(queue_name="billing", max_retries=0)
def refund(n: int) -> None:
    raise CardDeclined(f"order {n} cannot be refunded")


#: The ways in which Celery's producers write the same task: serialiser, compression.
WAYS = (("json", None), ("json", "gzip"), ("msgpack", "bzip2"), ("json", "lzma"), ("pickle", None))


def produce_celery() -> None:
    for n, (serializer, compression) in enumerate(WAYS):
        send_mail.apply_async((n,), {"to": "ana"}, serializer=serializer, compression=compression)
    old = celery.Celery("old", broker=URL, set_as_current=False)
    old.conf.update(task_protocol=1, task_queues=app.conf.task_queues, task_default_queue="mail")
    old.send_task("shop.send_mail", (len(WAYS),), {"to": "ana"})
    app.send_task("shop.was_deleted", (1,))


def produce_dramatiq() -> None:
    for n in (101, 202):
        charge.send(n)
    refund.send(303)


if __name__ == "__main__":
    {"celery": produce_celery, "dramatiq": produce_dramatiq}[sys.argv[1]]()
