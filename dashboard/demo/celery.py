"""A Celery queue on Redis, as kombu lays it out: a list per priority, a set of bindings, messages in hand in a hash.

Names of keys and the envelope are kombu's (kombu/transport/redis.py and virtual/base.py, 5.7). On Redis
priority 0 is the most urgent one and goes to the list without a suffix.
"""

from __future__ import annotations

import base64
from collections import deque
from typing import Any
from uuid import UUID

import orjson
from redis.client import Pipeline

from .bodies import Task
from .flow import Bucket, Course, Moment

SEPARATOR = "\x06\x16"


class CeleryFlow:
    """Queue `name` receives tasks of `priorities` (steps 0, 3, 6, 9); its worker holds each for `seconds`."""

    def __init__(
        self, name: str, task: Task, arrivals: Course, completions: Course,
        priorities: tuple[int, ...] = (0,), standing: int = 0, seconds: float = 1.5, most: int = 3000,
    ) -> None:  # fmt: skip
        self.name, self.task = name, task
        self.arrivals, self.completions = arrivals, completions
        self.standing, self.seconds, self.most = standing, seconds, most
        self.keys = {step: name if step == 0 else f"{name}{SEPARATOR}{step}" for step in priorities}
        self.depths = dict.fromkeys(priorities, 0)
        self.in_hand: deque[tuple[float, str]] = deque()  # (done at, delivery tag)
        self._taken: list[bytes] = []
        self._popped: list[int] = []
        self._in, self._out = Bucket(), Bucket()

    def begin(self, pipe: Pipeline, moment: Moment) -> None:
        pipe.sadd(f"_kombu.binding.{self.name}", f"{self.name}{SEPARATOR}{SEPARATOR}{self.name}")
        self._ask(pipe)

    def step(self, pipe: Pipeline, moment: Moment) -> None:
        depth = sum(self.depths.values())
        arriving = min(self._in.take(self.arrivals(moment.t), moment), self.most - depth)
        for _ in range(arriving):
            priority = moment.dice.choice(list(self.keys))
            pipe.lpush(self.keys[priority], self._message(priority, moment))
        self._settle(pipe, moment)
        self._hold(pipe, moment)
        wait = int(self.standing * moment.dice.uniform(0.7, 1.3))
        self._pop(pipe, min(self._out.take(self.completions(moment.t), moment), depth - wait))
        self._ask(pipe)

    def learn(self, answers: list[Any]) -> None:
        lengths = answers[len(answers) - len(self.keys) :]
        self.depths = dict(zip(self.keys, lengths, strict=True))
        popped = answers[len(answers) - len(self.keys) - len(self._popped) : len(answers) - len(self.keys)]
        self._taken = [message for messages in popped for message in messages or []]
        self._popped = []

    def _pop(self, pipe: Pipeline, count: int) -> None:
        """Take up to `count`, the most urgent first."""
        for priority, key in self.keys.items():
            n = min(count, self.depths[priority])
            if n > 0:
                pipe.rpop(key, n)
                self._popped.append(priority)
                count -= n

    def _ask(self, pipe: Pipeline) -> None:
        for key in self.keys.values():
            pipe.llen(key)

    def _hold(self, pipe: Pipeline, moment: Moment) -> None:
        """What the last step took lies in `unacked` until it is done."""
        for message in self._taken:
            tag = orjson.loads(message)["properties"]["delivery_tag"]
            pipe.hset("unacked", tag, orjson.dumps([orjson.Fragment(message), self.name, self.name]))
            pipe.zadd("unacked_index", {tag: moment.now})
            self.in_hand.append((moment.t + self.seconds, tag))
        self._taken = []

    def _settle(self, pipe: Pipeline, moment: Moment) -> None:
        done = []
        while self.in_hand and self.in_hand[0][0] <= moment.t:
            done.append(self.in_hand.popleft()[1])
        if done:
            pipe.hdel("unacked", *done)
            pipe.zrem("unacked_index", *done)

    def _message(self, priority: int, moment: Moment) -> bytes:
        name, kwargs = self.task(moment)
        task_id, tag = _uuid(moment), _uuid(moment)
        body = [[], kwargs, {"callbacks": None, "errbacks": None, "chain": None, "chord": None}]
        headers = {
            "lang": "py", "task": name, "id": task_id, "root_id": task_id, "parent_id": None, "group": None,
            "retries": 0, "eta": None, "expires": None, "timelimit": [None, None], "origin": "shop@demo",
            "argsrepr": "()", "kwargsrepr": repr(kwargs), "ignore_result": False,
        }  # fmt: skip
        properties = {
            "correlation_id": task_id, "reply_to": "", "delivery_mode": 2, "priority": priority,
            "delivery_info": {"exchange": "", "routing_key": self.name},
            "body_encoding": "base64", "delivery_tag": tag,
        }  # fmt: skip
        return orjson.dumps(
            {
                "body": base64.b64encode(orjson.dumps(body)).decode(),
                "content-encoding": "utf-8",
                "content-type": "application/json",
                "headers": headers,
                "properties": properties,
            }
        )


def _uuid(moment: Moment) -> str:
    return str(UUID(int=moment.dice.getrandbits(128), version=4))
