"""The made-up shop: which queues it has, what happens to them, and the thread that makes it happen.

Everything runs in slow cycles, a function of the seconds since the start, so that within the first minute
every state is to be seen, and each queue changes its own within minutes: a sale begins, consumers die and
come back, an import leaves a backlog, one payment is poison.
"""

from __future__ import annotations

import logging
import threading
import time
from random import Random
from typing import Any

import redis

from . import bodies
from .celery import CeleryFlow
from .deadletters import ORDER_CAUSES, PAYMENT_CAUSES, DeadList, DeadStream
from .flow import Flow, Moment, always, cycle
from .lists import ListFlow
from .pubsub import PubSubFlow
from .streams import Group, StreamFlow

logger = logging.getLogger("weir.demo")

STEP = 0.25  # seconds

#: Arrivals times so much: a sale of four minutes in every twelve, the first one at the start.
SALE = cycle((240, 2.0), (480, 1.0))


def _streams() -> list[Flow]:
    outage = cycle((150, 0), (450, 3))  # the carrier's consumers
    return [
        StreamFlow(
            "orders", bodies.order, lambda t: 7 * SALE(t), at_start=50, most=6000,
            groups=[
                Group("fulfilment", always(11), consumers=3, behind=40),  # 14/s in a sale: grows, then drains
                Group("invoicing", always(20), standing=6),
                Group("loyalty", cycle((300, 24), (240, 6), (180, 9)), consumers=1, behind=900),  # drains first
            ],
        ),
        StreamFlow(
            "payments", bodies.payment, always(3), at_start=20,
            groups=[Group("capture", always(6), seconds=0.8, poison=cycle((240, 3), (180, 0)))],
        ),
        StreamFlow(
            "shipments", bodies.shipment, always(2), at_start=10,
            groups=[Group("carrier", lambda t: 9 if outage(t) else 0, consumers=outage, behind=180)],
        ),
        StreamFlow(
            "returns", bodies.refund, cycle((300, 0), (4, 1.5), (116, 0)), at_start=12,
            groups=[Group("refunds", always(5), consumers=1)],
        ),
        StreamFlow("page-visits", bodies.visit, always(6), at_start=40, most=1500),  # nobody reads it by a group
    ]  # fmt: skip


def _lists() -> list[Flow]:
    return [
        ListFlow("thumbnails", bodies.picture, cycle((420, 1), (8, 300), (172, 1)), always(6), at_start=2400),
        ListFlow("search-index", bodies.search_document, always(6), cycle((360, 4), (240, 9)), at_start=60),
        ListFlow("webhooks", bodies.webhook, always(1.5), cycle((180, 0), (300, 6)), at_start=260),
        ListFlow("warehouse:pick", bodies.shipment, always(5), always(9), standing=25, at_start=25),
        CeleryFlow("celery", bodies.update_task, always(5), always(8), priorities=(0, 3, 9), standing=18),
        CeleryFlow("emails", bodies.mail_task, lambda t: 3 * SALE(t), always(5), standing=8),
        CeleryFlow("reports", bodies.report_task, cycle((200, 0), (5, 10), (95, 0)), always(1), seconds=3),
    ]


def _dead_letters() -> list[Flow]:
    return [
        DeadStream("orders:dlq", bodies.order, ORDER_CAUSES, every=20, at_start=41, most=300),
        DeadList("payments.dlq", bodies.payment, PAYMENT_CAUSES, every=35, at_start=17, most=300),
    ]


class Shop:
    """All flows on one connection, in one thread, a round trip every quarter of a second."""

    def __init__(self, client: redis.Redis, seed: int = 7) -> None:
        self.channels = [
            PubSubFlow("stock-changes", bodies.stock, always(2), subscribers=2),
            PubSubFlow("prices", bodies.price, always(1), subscribers=1),
        ]
        self.flows: list[Flow] = [*_streams(), *_lists(), *_dead_letters(), *self.channels]
        self._client = client
        self._dice = Random(seed)
        self._began = self._last = time.monotonic()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="weir-demo", daemon=True)

    def open(self) -> None:
        """Write what is there at the start, then go on in a thread. Raises redis.RedisError."""
        for channel in self.channels:
            channel.connect(self._client)
        self._began = self._last = time.monotonic()
        self._write("begin", self._moment())
        self._thread.start()

    def close(self) -> None:
        """End the thread; what was written stays. May be called twice, and before `open`."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(timeout=10)

    def _run(self) -> None:
        while not self._ended.wait(STEP):
            try:
                self._write("step", self._moment())
            except redis.RedisError as error:
                if self._ended.is_set():
                    return
                logger.warning("The demo's traffic stopped for a moment: %s", error)
                self._ended.wait(5)

    def _moment(self) -> Moment:
        """Now. After a pause (a suspended laptop) the shop goes on where it was: no burst makes up for it."""
        now = time.monotonic()
        step = now - self._last
        if step > 2:
            self._began += step - STEP
            step = STEP
        self._last = now
        return Moment(t=now - self._began, dt=step, now=time.time(), dice=self._dice)

    def _write(self, deed: str, moment: Moment) -> None:
        """Let each flow put its commands into one pipeline, and tell each its own answers."""
        pipe = self._client.pipeline(transaction=False)
        spans: list[tuple[Flow, int, int]] = []
        for flow in self.flows:
            before = len(pipe)
            getattr(flow, deed)(pipe, moment)
            spans.append((flow, before, len(pipe)))
        answers: list[Any] = pipe.execute()
        for flow, start, end in spans:
            flow.learn(answers[start:end])
