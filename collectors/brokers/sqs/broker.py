"""The adapter of SQS: one poll, put together from what is asked now and what is remembered."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from ...errors import CollectorError, Unreachable
from ...protocol import Check, Cost, Poll, QueueFacts, Relation, Sample
from ...url import BrokerURL
from . import facts
from .acting import check_acting
from .asking import Asking
from .budget import Budget
from .check import check
from .discovery import Discovery
from .letters import KeepsLetters
from .monitoring import Monitoring
from .options import PARAMETERS, Options
from .queue import Queue
from .samples import sample_of
from .target import Meter, Target
from .telling import details, method
from .turns import Turns

#: Facts and relations are told when they changed, and all of them again so often, in seconds.
TELL_EVERY = 600.0


class SQS(KeepsLetters):
    """The queues of one or several regions and accounts. A poll asks those whose turn it is (`Turns`)."""

    PARAMETERS = PARAMETERS

    def __init__(self, url: BrokerURL) -> None:
        self._url = url
        self._options = options = Options.of(url)
        self._budget = Budget(options.calls, time.monotonic())
        self._meter = Meter(self._budget)
        self._targets = [
            Target(options, region, role, self._meter) for region in options.regions for role in options.roles or ("",)
        ]
        super().__init__(self._targets, url.get_bool("look_only"))
        self._discoveries = [Discovery(url, options, target) for target in self._targets]
        self._turns = Turns(options.moving_every, options.quiet_every)
        self._asking = Asking(self._turns, self._budget)
        self._monitoring = Monitoring(options)
        self._queues: dict[str, Queue] = {}
        self._facts: dict[str, QueueFacts] = {}
        self._relations: list[Relation] | None = None
        self._told_at = float("-inf")
        self._closed = threading.Event()
        self._version = self._targets[0].place() if options.endpoint else "Amazon SQS"

    def poll(self) -> Poll:
        """Measure the queues whose turn it is; the others keep their values. Raises CollectorError."""
        at, began = time.time(), time.monotonic()
        self._closed.clear()
        self._meter.begin()
        go_on = self._go_on_until(began)
        problems = self._discover(began)
        problems += self._asking.ask(self._queues, at, go_on)
        problems += self._monitoring.ask(self._queues, at, go_on)
        problems += self._asking.tags(self._queues, at, go_on)
        problems += self._asking.sources(self._queues, self._targets_known(), self._options.narrowed, go_on)
        if self._closed.is_set():
            raise Unreachable("The connection to SQS was closed while a poll was under way.")
        for key in self._asking.gone:
            self._forget(key)
        found, relations = self._tell(began)
        poll = Poll(at, self._samples(at), problems, version=self._version, facts=found, relations=relations)
        poll.complete = all(discovery.known for discovery in self._discoveries)
        poll.method = method(len(self._queues), self._asking.asked, self._options, self._budget)
        poll.details = details(self._queues, at, self._options, self._budget)
        poll.cost = Cost(self._meter.requests, self._meter.bytes, time.monotonic() - began)
        return poll

    def watch(self, keys: Sequence[str]) -> None:
        """Ask these queues at every poll."""
        self._turns.watched = frozenset(keys)

    def check(self) -> list[Check]:
        """Try each action once, and name the IAM permission that is missing. The first line is about polling."""
        return check(self._options, self._targets, self._discoveries)

    def check_acting(self, keys: Sequence[str], replaying: bool) -> list[Check]:
        """Try the actions that looking and replaying need."""
        return check_acting(self._targets, self._discoveries, keys, replaying)

    @property
    def requests(self) -> int:
        """Calls made since the last poll began, or ever where nothing is polled; retries included."""
        return self._meter.requests

    def close(self) -> None:
        """Let go of every connection. May be called twice, from another thread too."""
        self._closed.set()
        for target in self._targets:
            target.close()

    # --- which queues --------------------------------------------------------------------------------------------
    def _go_on_until(self, began: float) -> Callable[[], bool]:
        """A poll takes up nothing new after its interval is over; what is left is due in the next one."""
        until = began + min(max(self._url.interval or 10.0, 2.0), 15.0)
        return lambda: time.monotonic() < until and not self._closed.is_set()

    def _discover(self, now: float) -> list[str]:
        """Bring the list of queues up to date. Raises when no target has ever given one."""
        made = [discovery.refresh(now) for discovery in self._discoveries]
        failed = [discovery.problem for discovery in self._discoveries if discovery.problem is not None]
        if failed and not any(discovery.known for discovery in self._discoveries):
            for discovery in self._discoveries:
                discovery.soon()
            raise failed[0]
        if any(made) or not self._queues:  # a check may have made the list before
            self._queues = {key: queue for d in self._discoveries for key, queue in d.queues.items()}
            self._turns.keep(self._queues)
        return [_listing(problem) for problem in failed]

    def _forget(self, key: str) -> None:
        """SQS says that a queue of the list does not exist."""
        self._queues.pop(key, None)
        self._turns.keep(self._queues)
        for discovery in self._discoveries:
            if discovery.queues.pop(key, None):
                discovery.soon()

    # --- what is told --------------------------------------------------------------------------------------------
    def _targets_known(self) -> frozenset[str]:
        return facts.targets(self._relations or ())

    def _samples(self, at: float) -> list[Sample]:
        leads = self._targets_known()
        every = self._options.cloudwatch_every
        return [sample_of(queue, at, queue.key in leads, every) for queue in self._queues.values()]

    def _tell(self, now: float) -> tuple[dict[str, QueueFacts] | None, list[Relation] | None]:
        """Facts that changed, and all relations where any changed; None for nothing new."""
        everything = now - self._told_at >= TELL_EVERY
        if everything:
            self._told_at, self._facts = now, {}
        changed = self._asking.changed
        relations = facts.relations(self._queues)
        leads, led = facts.targets(relations), self._targets_known()
        made = {
            key: facts.of_queue(queue, self._queues, self._options.cloudwatch, key in leads)
            for key, queue in self._queues.items()
            if everything or key in changed or key not in self._facts or _dead_letter_target(queue) in changed
            or (key in leads) != (key in led)
        }  # fmt: skip
        found = {key: one for key, one in made.items() if self._facts.get(key) != one}
        self._facts.update(found)
        if not everything and relations == self._relations:
            return found or None, None
        self._relations = relations
        return found or None, relations


def _dead_letter_target(queue: Queue) -> str:
    redrive = queue.attributes.redrive if queue.attributes else None
    return redrive.target if redrive else ""


def _listing(problem: CollectorError) -> str:
    return f"The list of queues could not be brought up to date, so that new ones are not seen: {problem}"
