"""A plain Redis list: producers LPUSH, consumers RPOP."""

from __future__ import annotations

from typing import Any

from redis.client import Pipeline

from .bodies import Body
from .flow import Bucket, Course, Moment


class ListFlow:
    """`key` receives `arrivals` per second, and at most `completions` per second are taken.

    standing   how many usually wait while all goes well (a worker's polling pause)
    at_start   how many wait when the demo begins
    most       arrivals stop there: the demo stays small
    """

    def __init__(
        self, key: str, body: Body, arrivals: Course, completions: Course,
        standing: int = 0, at_start: int = 0, most: int = 4000,
    ) -> None:  # fmt: skip
        self.key, self.body = key, body
        self.arrivals, self.completions = arrivals, completions
        self.standing, self.at_start, self.most = standing, at_start, most
        self.depth = 0
        self._in, self._out = Bucket(), Bucket()

    def begin(self, pipe: Pipeline, moment: Moment) -> None:
        if self.at_start:
            pipe.lpush(self.key, *[self.body(moment) for _ in range(self.at_start)])
        pipe.llen(self.key)

    def step(self, pipe: Pipeline, moment: Moment) -> None:
        arriving = min(self._in.take(self.arrivals(moment.t), moment), self.most - self.depth)
        if arriving > 0:
            pipe.lpush(self.key, *[self.body(moment) for _ in range(arriving)])
        wait = int(self.standing * moment.dice.uniform(0.7, 1.3))
        leaving = min(self._out.take(self.completions(moment.t), moment), self.depth + arriving - wait)
        if leaving > 0:
            pipe.rpop(self.key, leaving)
        pipe.llen(self.key)

    def learn(self, answers: list[Any]) -> None:
        self.depth = answers[-1]
