"""Dead letters where applications usually put them on Redis: a stream or a list named after its queue."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
from redis.client import Pipeline

from .bodies import Body
from .flow import Bucket, Moment


@dataclass(frozen=True, slots=True)
class Cause:
    """Why messages die, and after how many attempts. `{}` in the message becomes a number."""

    error: str
    message: str
    where: str
    attempts: int


ORDER_CAUSES = (
    Cause("ValidationError", "total_cents is {}: it does not match the lines", "shop/orders/check.py", 1),
    Cause("KeyError", "'article': kettle-{} is not in the catalogue", "shop/orders/lines.py", 3),
    Cause("TimeoutError", "the warehouse did not answer within {} s", "shop/warehouse/client.py", 5),
)
PAYMENT_CAUSES = (
    Cause("CardDeclined", "the bank refused transaction {}: do not honour", "shop/payments/capture.py", 1),
    Cause("ConnectionError", "payments.example.com: connection reset, request {}", "shop/payments/client.py", 5),
    Cause("DuplicateCapture", "authorisation {} has been captured already", "shop/payments/capture.py", 2),
)


class DeadLetterFlow:
    """`key` ends as `:dlq` or `.dlq`, as is the custom: a letter dies every `every` seconds, `most` are kept."""

    def __init__(self, key: str, body: Body, causes: tuple[Cause, ...], every: float, at_start: int, most: int) -> None:
        self.key, self.body, self.causes = key, body, causes
        self.every, self.at_start, self.most = every, at_start, most
        self._in = Bucket()

    def begin(self, pipe: Pipeline, moment: Moment) -> None:
        for _ in range(self.at_start):
            self.bury(pipe, moment)

    def step(self, pipe: Pipeline, moment: Moment) -> None:
        for _ in range(self._in.take(1 / self.every, moment)):
            self.bury(pipe, moment)

    def learn(self, answers: list[Any]) -> None:
        """Nobody reads here: nothing to learn."""

    def bury(self, pipe: Pipeline, moment: Moment) -> None:
        """Write one dead letter."""
        raise NotImplementedError

    def cause(self, moment: Moment) -> Cause:
        """The first cause is the most frequent one."""
        return moment.dice.choices(self.causes, weights=(5, 3, 2)[: len(self.causes)])[0]


class DeadStream(DeadLetterFlow):
    """A stream: one field each for the body, the error, and where it came from."""

    def bury(self, pipe: Pipeline, moment: Moment) -> None:
        cause = self.cause(moment)
        fields: dict[Any, Any] = {
            "body": self.body(moment),
            "stream": self.key.rpartition(":")[0],
            "error": cause.error,
            "error_message": cause.message.format(moment.dice.randrange(10, 99)),
            "attempts": cause.attempts,
            "failed_at": _time(moment),
        }
        pipe.xadd(self.key, fields, maxlen=self.most, approximate=False)


class DeadList(DeadLetterFlow):
    """A list of JSON envelopes."""

    def bury(self, pipe: Pipeline, moment: Moment) -> None:
        cause = self.cause(moment)
        letter = {
            "queue": self.key.rpartition(".")[0],
            "message": orjson.Fragment(self.body(moment)),
            "error": {
                "type": cause.error,
                "message": cause.message.format(moment.dice.randrange(1000, 9999)),
                "where": cause.where,
            },
            "attempts": cause.attempts,
            "failed_at": _time(moment),
        }
        pipe.lpush(self.key, orjson.dumps(letter))
        pipe.ltrim(self.key, 0, self.most - 1)


def _time(moment: Moment) -> str:
    return datetime.fromtimestamp(moment.now, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
