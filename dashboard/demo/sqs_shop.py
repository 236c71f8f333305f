"""What the made-up shop does on SQS: six queues, one of them FIFO, one with a redrive policy to a dead-letter queue."""

from __future__ import annotations

import json
from collections import deque
from contextlib import suppress
from typing import Any

from . import bodies
from .bodies import Body
from .flow import Bucket, Course, Moment, always, cycle

#: Receipts of deleted messages that moto remembers; the demo forgets them beyond this.
RECEIPTS = 5000
#: One message in so many fails each time it is tried, where a flow has failures.
FAILS_ONE_IN = 40


class SQSFlow:
    """Queue `name` receives `arrivals` per second; consumers take up to `completions`, and hold each for `seconds`.

    `standing` waits on most days; `most` is kept at most. With `dead_letters`, some messages fail, come back after
    two seconds, and land there after three receives.
    """

    def __init__(
        self, name: str, body: Body, arrivals: Course, completions: Course, seconds: float = 1.5,
        standing: int = 0, at_start: int = 0, most: int = 600, dead_letters: str = "",
    ) -> None:  # fmt: skip
        self.name, self.body = name, body
        self.arrivals, self.completions, self.seconds = arrivals, completions, seconds
        self.standing, self.at_start, self.most, self.dead_letters = standing, at_start, most, dead_letters
        self._in, self._out = Bucket(), Bucket()
        self._in_hand: deque[tuple[float, str]] = deque()  # (done at, receipt)

    def begin(self, backend: Any, moment: Moment) -> None:
        """Create the queue, with what is there when the demo starts."""
        attributes: dict[str, str] = {}
        if self.name.endswith(".fifo"):
            attributes |= {"FifoQueue": "true", "ContentBasedDeduplication": "false"}
        if self.dead_letters:
            target = backend.get_queue(self.dead_letters).queue_arn
            attributes["RedrivePolicy"] = json.dumps({"deadLetterTargetArn": target, "maxReceiveCount": 3})
        if self.name.endswith("-dlq"):
            attributes["MessageRetentionPeriod"] = "1209600"
        backend.create_queue(self.name, {"team": "shop", "stage": "demo"}, **attributes)
        for _ in range(self.at_start):
            self._send(backend, moment)

    def step(self, backend: Any, moment: Moment) -> None:
        """Half a second of traffic."""
        queue = backend.get_queue(self.name)
        self._settle(backend, moment)
        for _ in range(min(self._in.take(self.arrivals(moment.t), moment), self.most - len(queue._messages))):
            self._send(backend, moment)
        waiting = queue.approximate_number_of_messages - int(self.standing * moment.dice.uniform(0.7, 1.3))
        self._receive(backend, moment, min(self._out.take(self.completions(moment.t), moment), waiting))
        if len(queue.deleted_messages) > RECEIPTS:
            queue.deleted_messages.clear()
        if len(queue._messages) > self.most:
            queue._messages = queue._messages[-self.most :]

    def _send(self, backend: Any, moment: Moment) -> None:
        more: dict[str, Any] = {}
        if self.name.endswith(".fifo"):
            number = f"{moment.dice.getrandbits(64):x}"
            more = {"deduplication_id": number, "group_id": f"account-{moment.dice.randrange(40)}"}
        backend.send_message(self.name, self.body(moment).decode(), **more)

    def _receive(self, backend: Any, moment: Moment, count: int) -> None:
        if count <= 0:
            return
        for message in backend.receive_message(self.name, count, 0, 2 if self.dead_letters else 60):
            if self.dead_letters and int(message.id[:6], 16) % FAILS_ONE_IN == 0:
                continue  # it fails, and is hidden for two seconds
            self._in_hand.append((moment.t + self.seconds, message.receipt_handle))

    def _settle(self, backend: Any, moment: Moment) -> None:
        from moto.sqs.exceptions import ReceiptHandleIsInvalid  # moto takes a second to load

        while self._in_hand and self._in_hand[0][0] <= moment.t:
            with suppress(ReceiptHandleIsInvalid):  # handed out again while the machine slept, and moved on as dead
                backend.delete_message(self.name, self._in_hand.popleft()[1])


def flows() -> list[SQSFlow]:
    """The queues, dead-letter queues first: a redrive policy names one that exists."""
    nobody = always(0)
    return [
        SQSFlow("partner-hooks-dlq", bodies.webhook, nobody, nobody, at_start=23, most=300),
        SQSFlow("partner-hooks", bodies.webhook, always(1.5), always(3), dead_letters="partner-hooks-dlq"),
        SQSFlow("checkout-events", bodies.order, always(3), always(6), standing=14, at_start=14),
        SQSFlow("image-resize", bodies.picture, cycle((150, 3), (150, 0.5)), always(1.6), at_start=120),
        SQSFlow("ledger.fifo", bodies.payment, always(1), always(2), standing=5, at_start=5),
        SQSFlow(
            "nightly-exports", bodies.search_document, cycle((20, 2), (580, 0)), cycle((420, 0), (180, 1)), at_start=40
        ),
    ]
