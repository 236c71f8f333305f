"""A Pub/Sub channel with its subscribers."""

from __future__ import annotations

from typing import Any

import redis
from redis.client import Pipeline

from .bodies import Body
from .flow import Bucket, Course, Moment


class PubSubFlow:
    """`channel` gets `rate` messages per second; `subscribers` connections read them all."""

    def __init__(self, channel: str, body: Body, rate: Course, subscribers: int) -> None:
        self.channel, self.body, self.rate, self.subscribers = channel, body, rate, subscribers
        self._connections: list[Any] = []
        self._out = Bucket()

    def connect(self, client: redis.Redis) -> None:
        """Subscribe; called once, before the first step."""
        for _ in range(self.subscribers):
            subscriber = client.pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call]
            subscriber.subscribe(self.channel)
            self._connections.append(subscriber)

    def begin(self, pipe: Pipeline, moment: Moment) -> None:
        """Nothing is kept, so nothing is there."""

    def step(self, pipe: Pipeline, moment: Moment) -> None:
        for _ in range(self._out.take(self.rate(moment.t), moment)):
            pipe.publish(self.channel, self.body(moment))

    def learn(self, answers: list[Any]) -> None:
        """A subscriber that does not read is cut off by the server: read what has come."""
        for subscriber in self._connections:
            while subscriber.get_message(timeout=0) is not None:
                continue
