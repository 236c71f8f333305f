"""A Redis stream with its consumer groups: XADD, XREADGROUP, XACK, and a poison loop by XCLAIM."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

from redis.client import Pipeline

from .bodies import Body
from .flow import Bucket, Course, Moment, always


class Group:
    """A consumer group that completes at most `completions` per second while `consumers` is above 0.

    seconds    how long a consumer holds a message before it settles it
    behind     how many entries have been left unread when the demo begins
    standing   how far behind it usually is while all goes well
    poison     while above 0, so many messages are never settled: a consumer takes them over again and again
    """

    def __init__(
        self, name: str, completions: Course, consumers: Course | int = 2, seconds: float = 0.6,
        behind: int = 0, standing: int = 0, poison: Course | None = None,
    ) -> None:  # fmt: skip
        self.name, self.completions = name, completions
        self.consumers = always(consumers) if isinstance(consumers, int) else consumers
        self.seconds, self.behind, self.standing, self.poison = seconds, behind, standing, poison or always(0)
        self.waiting = behind
        self.alive = 0
        self.in_hand: deque[tuple[float, bytes]] = deque()  # (settled at, entry id)
        self.stuck: list[bytes] = []
        self._reading = False
        self._turn = 0
        self._out = Bucket()

    def step(self, pipe: Pipeline, key: str, moment: Moment) -> None:
        """Settle, start or end consumers, take over the poison, and read at last: its answer is the last one."""
        self._settle(pipe, key, moment)
        self._staff(pipe, key, round(self.consumers(moment.t)))
        self._take_over(pipe, key, moment)
        wait = int(self.standing * moment.dice.uniform(0.7, 1.3))
        count = min(self._out.take(self.completions(moment.t), moment), self.waiting - wait)
        self._reading = self.alive > 0 and count > 0
        if self._reading:
            self._turn += 1
            pipe.xreadgroup(self.name, self._consumer(self._turn), {key: ">"}, count=count)

    def learn(self, answers: list[Any], moment: Moment) -> None:
        """The entries that were read, if there was a reading: `answers` ends with them."""
        if not self._reading:
            return
        entries = [entry for _stream, entries in answers[-1] or () for entry, _fields in entries]
        self.waiting = max(self.waiting - len(entries), 0) if entries else 0
        for entry in entries:
            if len(self.stuck) < self.poison(moment.t):
                self.stuck.append(entry)
            else:
                self.in_hand.append((moment.t + self.seconds, entry))

    def _consumer(self, turn: int) -> str:
        return f"{self.name}-{turn % self.alive + 1}"

    def _settle(self, pipe: Pipeline, key: str, moment: Moment) -> None:
        done = []
        while self.in_hand and self.in_hand[0][0] <= moment.t:
            done.append(self.in_hand.popleft()[1])
        while len(self.stuck) > self.poison(moment.t):
            done.append(self.stuck.pop())
        if done:
            pipe.xack(key, self.name, *done)

    def _staff(self, pipe: Pipeline, key: str, wanted: int) -> None:
        for number in range(self.alive + 1, wanted + 1):
            pipe.xgroup_createconsumer(key, self.name, f"{self.name}-{number}")
        if wanted < self.alive and (self.in_hand or self.stuck):
            return  # a consumer ends when nothing is in hand: what it held would be lost with it
        for number in range(wanted + 1, self.alive + 1):
            pipe.xgroup_delconsumer(key, self.name, f"{self.name}-{number}")
        self.alive = wanted

    def _take_over(self, pipe: Pipeline, key: str, moment: Moment) -> None:
        if self.stuck and self.alive:
            self._turn += 1
            pipe.xclaim(key, self.name, self._consumer(self._turn), 0, list[Any](self.stuck))


class StreamFlow:
    """Stream `key` receives `arrivals` per second, and keeps about `most` entries."""

    def __init__(
        self, key: str, body: Body, arrivals: Course, groups: Sequence[Group] = (),
        at_start: int = 0, most: int = 4000,
    ) -> None:  # fmt: skip
        self.key, self.body, self.arrivals, self.groups = key, body, arrivals, groups
        self.at_start, self.most = at_start, most
        self._in = Bucket()
        self._spans: list[tuple[Group, int, int]] = []
        self._moment: Moment | None = None

    def begin(self, pipe: Pipeline, moment: Moment) -> None:
        """Entries that every group has read, then each group's backlog. One entry a second until now."""
        for group in self.groups:
            pipe.xgroup_create(self.key, group.name, "0", mkstream=True)  # from the very start: its lag stays exact
        total = self.at_start + max((group.behind for group in self.groups), default=0)
        first = int(moment.now * 1000) - 1000 * total
        for number in range(total):
            pipe.xadd(self.key, {"body": self.body(moment)}, id=f"{first + 1000 * number}-0")
        for group in self.groups:
            pipe.xreadgroup(group.name, "past", {self.key: ">"}, count=total - group.behind, noack=True)
            pipe.xgroup_delconsumer(self.key, group.name, "past")

    def step(self, pipe: Pipeline, moment: Moment) -> None:
        self._moment, first = moment, len(pipe)
        arriving = self._in.take(self.arrivals(moment.t), moment)
        for _ in range(arriving):
            pipe.xadd(self.key, {"body": self.body(moment)}, maxlen=self.most, approximate=True)
        self._spans = []
        for group in self.groups:
            group.waiting = min(group.waiting + arriving, self.most)
            before = len(pipe)
            group.step(pipe, self.key, moment)
            self._spans.append((group, before - first, len(pipe) - first))

    def learn(self, answers: list[Any]) -> None:
        for group, start, end in self._spans:
            if self._moment:
                group.learn(answers[start:end], self._moment)
