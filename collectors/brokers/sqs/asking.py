"""Asking the queues whose turn it is: their attributes, and seldom their tags and their sources."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from ...errors import BadAnswer, CollectorError, NotSupported
from .attributes import Attributes, read
from .budget import Budget
from .failures import Denied, Gone, Throttled
from .names import key_of_url
from .parallel import Round
from .powers import POWERS
from .queue import Queue
from .turns import Turns

#: Tags are asked for again after so many seconds, with at most this part of the calls that are left.
TAGS_EVERY, TAGS_PART = 6 * 3600.0, 0.2
#: A queue that could not be asked for so long is said to be unknown again, in seconds.
CARRIED_AT_MOST = 1800.0
#: A refused action is tried again after so many seconds.
REFUSED_AGAIN = 600.0
_DEAD_WORDS = ("dlq", "dead", "failed", "poison")

GoOn = Callable[[], bool]


class Asking:
    """`asked`, `changed` (keys with new attributes, tags or sources) and `gone` are about the last poll."""

    def __init__(self, turns: Turns, budget: Budget) -> None:
        self._turns, self._budget = turns, budget
        self._refused: dict[str, tuple[float, str]] = {}  # action -> monotonic time, sentence
        self.asked = 0
        self.changed: set[str] = set()
        self.gone: set[str] = set()

    def ask(self, queues: Mapping[str, Queue], at: float, go_on: GoOn) -> list[str]:
        """Measure the queues whose turn it is; sentences on what failed. Raises when nothing at all was answered."""
        self.changed, self.gone = set(), set()
        # a poll that begins with an empty purse still asks one queue: it has to know whether anybody answers
        most = max(self._budget.left(time.monotonic()), 1)
        due = [queues[key] for key in self._turns.next(time.monotonic(), most)]
        throttled: list[Queue] = []

        def one(queue: Queue) -> Attributes:
            try:
                return attributes_of(queue)
            except Throttled:
                throttled.append(queue)
                raise

        answers = Round(one, lambda: go_on() and not throttled).run(due)
        failures = [(q, error) for q, error in answers if isinstance(error, CollectorError)]
        for queue, answer in answers:
            if isinstance(answer, Attributes):
                self._take(queue, answer, at)
            else:
                self._failed(queue, answer, at)
        self.asked = len(answers) - len(failures)
        if throttled:
            self._budget.throttled()
        else:
            self._budget.went_well()
        problems = [error for queue, error in failures if not isinstance(error, Gone)]
        if problems and not self.asked:
            raise problems[0]
        return _in_words(problems, len(answers))

    def _take(self, queue: Queue, answer: Attributes, at: float) -> None:
        before, queue.attributes = queue.attributes, answer
        queue.measured_at, queue.failed = at, False
        queue.trend.observe(at, answer.depth)
        self._turns.asked(queue.key, time.monotonic(), before is None or before.counts != answer.counts)
        if before is None or _without_counts(before) != _without_counts(answer):
            self.changed.add(queue.key)

    def _failed(self, queue: Queue, error: CollectorError | Attributes, at: float) -> None:
        if isinstance(error, Gone):
            self.gone.add(queue.key)
            return
        self._turns.asked(queue.key, time.monotonic(), changed=False)
        queue.failed = True
        if queue.measured_at is not None and at - queue.measured_at > CARRIED_AT_MOST:
            queue.measured_at = None
            queue.trend.observe(at, None)

    # --- seldom --------------------------------------------------------------------------------------------------
    def tags(self, queues: Mapping[str, Queue], at: float, go_on: GoOn) -> list[str]:
        """Tags of some queues that were never asked for them, or long ago."""
        action = "sqs:ListQueueTags"
        if sentence := self._is_refused(action):
            return [sentence] if POWERS[action] in sentence else []
        most = int(self._budget.left(time.monotonic()) * TAGS_PART)
        due = [q for q in queues.values() if (q.tags is None or at - q.tags_at > TAGS_EVERY) and q.attributes][:most]

        def one(queue: Queue) -> tuple[str, ...]:
            found = queue.target.call("sqs", "list_queue_tags", QueueUrl=queue.url).get("Tags") or {}
            return tuple(sorted(f"{name}:{value}" if value else str(name) for name, value in found.items()))

        for queue, answer in Round(one, lambda: go_on() and action not in self._refused).run(due):
            if isinstance(answer, tuple):
                queue.tags_at = at
                if answer != (queue.tags or ()):
                    self.changed.add(queue.key)
                queue.tags = answer
            else:
                self._note(action, answer)
        sentence = self._is_refused(action)
        return [sentence] if POWERS[action] in sentence else []

    def sources(self, queues: Mapping[str, Queue], targets: frozenset[str], narrowed: bool, go_on: GoOn) -> list[str]:
        """Which queues send their dead letters to the queues that are looked at, where that is not known already.

        Only for what may be a dead-letter queue whose sources are out of view, because the URL narrows it.
        """
        action = "sqs:ListDeadLetterSourceQueues"
        if not narrowed or self._is_refused(action):
            return []
        due = [
            queue
            for queue in (queues.get(key) for key in self._turns.watched)
            if queue and queue.sources is None and queue.key not in targets and _may_hold_dead_letters(queue)
        ]
        for queue, answer in Round(sources_of, go_on).run(due):
            if isinstance(answer, tuple):
                queue.sources = answer
                self.changed.add(queue.key)
            else:
                self._note(action, answer)
        sentence = self._is_refused(action)
        return [sentence] if POWERS[action] in sentence else []

    def _note(self, action: str, error: CollectorError) -> None:
        """An action that may not be called, or is not known here, is left alone for a while."""
        if isinstance(error, Denied):
            self._refused[action] = (time.monotonic(), f"{str(error).rstrip('.')}; without it {POWERS[action]}.")
        elif isinstance(error, NotSupported) and not isinstance(error, Gone):
            self._refused[action] = (time.monotonic(), "not known here")

    def _is_refused(self, action: str) -> str:
        at, sentence = self._refused.get(action, (0.0, ""))
        if sentence and time.monotonic() - at > REFUSED_AGAIN:
            del self._refused[action]
            return ""
        return sentence


def attributes_of(queue: Queue) -> Attributes:
    """What SQS tells of a queue now. Raises CollectorError."""
    answer = queue.target.call("sqs", "get_queue_attributes", QueueUrl=queue.url, AttributeNames=["All"])
    told = answer.get("Attributes")
    if not isinstance(told, dict) or not told:
        raise BadAnswer(f"{queue.target.place()} answered sqs:GetQueueAttributes without any attribute.")
    return read(told)


def sources_of(queue: Queue) -> tuple[str, ...]:
    """Keys of the queues whose redrive policies lead to this one. Raises CollectorError."""
    pages = queue.target.pages("sqs", "list_dead_letter_source_queues", QueueUrl=queue.url, MaxResults=1000)
    urls = [url for page in pages for url in page.get("queueUrls") or ()]
    return tuple(sorted(key for url in urls if (key := key_of_url(queue.target.region, url))))


def _without_counts(attributes: Attributes) -> tuple[object, ...]:
    a = attributes
    return (
        a.created, a.retention, a.visibility_timeout, a.delay, a.largest, a.kms_key, a.own_encryption, a.redrive,
        a.allow, a.allowed_sources, a.fifo, a.deduplicates_by_body, a.deduplication_scope, a.throughput_limit,
    )  # fmt: skip


def _may_hold_dead_letters(queue: Queue) -> bool:
    named = any(word in queue.short.lower() for word in _DEAD_WORDS)
    return named or bool(queue.attributes and queue.attributes.allow)


def _in_words(problems: Sequence[CollectorError], asked: int) -> list[str]:
    """One sentence for each kind of failure, with how many queues it was about."""
    kinds: dict[type, list[CollectorError]] = {}
    for error in problems:
        kinds.setdefault(type(error), []).append(error)
    return [
        f"{len(errors):,} of {asked:,} queues could not be measured and keep their last values: {errors[0]}"
        for errors in kinds.values()
    ]
