"""Dead-letter queues by their names: what people and libraries call the queue of another queue's dead letters. Pure.

`queue_of` finds the queue only among those that exist; few names say it `alone`. Where a broker says itself where
dead letters go, it is believed and no name is asked. Queues of messages that will be tried again (`orders.retry`,
`orders.DQ`, `orders.delay`) are not dead letters.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator

#: What a relation that was found here says of itself.
BY_NAME = "by its name"

#: Habit, Dramatiq (XQ), Spring (parkingLot); MassTransit's _error and _skipped only with its own separator.
_WORDS = "dlq|dlt|xq|dead|failed|poison|dead[-_.]?letters?(?:[-_.]?queue)?|parking[-_.]?lot"
_AFTER = re.compile(rf"(?P<queue>.+?)(?:[-.:/_](?:{_WORDS})|_error|_skipped)", re.IGNORECASE | re.DOTALL)
_BEFORE = re.compile(r"(?:dlq|dlt|dead[-_.]?letters?)[-.:/_](?P<queue>.+)", re.IGNORECASE | re.DOTALL)
_SURE = "dlq|dlt|dead[-_.]?letters?(?:[-_.]?queue)?|parking[-_.]?lot"
_ALONE = re.compile(rf"(?:.+[-.:/_])?(?:{_SURE})|(?:{_SURE})[-.:/_].+", re.IGNORECASE | re.DOTALL)
#: SQS wants it at the very end of a name.
_FIFO = ".fifo"
#: What the queue itself may have where its dead-letter queue has the word: `orders-queue` and `orders-dlq`.
_QUEUE = ("queue", "q")
#: Longest name that is looked at.
_LONGEST = 1000


def alone(name: str) -> bool:
    """Whether a name says so beyond doubt, also where the queue that it belongs to is not seen.

    On Redis a list that is empty is not there, so that `orders:dlq` often stands alone. "dead", "failed" and "error"
    alone are names of many things.
    """
    return len(name) <= _LONGEST and _ALONE.fullmatch(name.removesuffix(_FIFO)) is not None


def is_dead_letters(name: str) -> bool:
    """Whether a name says that dead letters lie there."""
    return next(candidates(name), None) is not None


def candidates(name: str) -> Iterator[str]:
    """The names that the queue may have whose dead letters arrive in the queue of this name, the likeliest first."""
    if len(name) > _LONGEST:
        return
    fifo = _FIFO if name.endswith(_FIFO) else ""
    stem = name.removesuffix(fifo)
    for pattern in (_AFTER, _BEFORE):
        found = pattern.fullmatch(stem)
        if found is None:
            continue
        queue = found["queue"]
        yield queue + fifo
        if pattern is _AFTER:
            separator = stem[len(queue)]
            yield from (f"{queue}{separator}{word}{fifo}" for word in _QUEUE)
        return


def queue_of(name: str, known: Container[str]) -> str | None:
    """Of the queues that are known, the one whose dead letters arrive in the queue of this name; None = none."""
    return next((queue for queue in candidates(name) if queue != name and queue in known), None)
