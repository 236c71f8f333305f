"""Looking at the messages of SQS, and replaying them: the powers of `collectors.letters`, put together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ...errors import NotSupported
from ...letters import Bounds, Destination, Letter, Look, Price
from ...powers import MoveProgress, RenewalBook
from . import making, moving, receiving
from .asking import attributes_of
from .attributes import Attributes
from .copying import put_back, send_new
from .failures import Gone
from .lease import FIRST, LONGER, SQSLease
from .looking import Looking, price_of
from .message import MOST_ATTRIBUTES
from .places import Places
from .queue import Queue
from .sources import with_sources
from .target import Target


class KeepsLetters:
    """What an adapter of SQS can do with letters. `look_only`: nothing may be sent or deleted."""

    def __init__(self, targets: Sequence[Target], look_only: bool) -> None:
        self._places, self._look_only = Places(targets), look_only
        self._book: RenewalBook | None = None

    most_headers: int | None = MOST_ATTRIBUTES

    @property
    def options(self) -> Mapping[str, str]:
        return {}

    def price(self, key: str) -> Price:
        """What a look into this queue costs."""
        return price_of(*self._asked(key), Bounds(), self._look_only)

    def look(self, key: str, bounds: Bounds, after: str = "", stop: Callable[[], bool] = lambda: False) -> Look:
        """See letters, in no order that SQS would promise; `after` means nothing here: no place can be gone back to."""
        queue, attributes = self._asked(key)
        queue.book = self._book
        return Looking(queue, with_sources(queue, attributes), bounds, stop).look(self._look_only)

    def lease(self, key: str, seconds: float) -> SQSLease:
        """Hold letters for at most so long, six hours at most. Raises NotSupported where a look would be refused."""
        queue, attributes = self._asked(key)
        if refused := price_of(queue, attributes, Bounds(), self._look_only).refused:
            raise NotSupported(refused)
        queue.book = self._book
        return SQSLease(queue, with_sources(queue, attributes), self._places, seconds)

    def give_back(self, key: str, handles: Sequence[str]) -> float:
        """Those of another worker, which is dead."""
        return FIRST if receiving.let_go(self._places.queue(key), handles) else LONGER

    def note_renewals(self, book: RenewalBook) -> None:
        """Of letters that are near what the redrive policy of their own queue allows."""
        self._book = book

    def out_of_sight(self, key: str) -> int:
        return int(self._asked(key)[1].in_flight or 0)

    def stamps(self, key: str, to: Destination) -> str:
        """Copies bear as many as there is room for: a letter with ten attributes of its own bears none."""
        return ""

    def receivers(self, to: Destination, beside: str = "") -> list[str] | None:
        """A queue reaches itself. What subscribes to topics is not known to SQS."""
        if to.exchange is not None:
            return []
        try:
            queue, _ = self._asked(to.queue)
        except Gone:
            return []
        return [queue.short]

    def send_new(self, to: Destination, body: bytes, headers: Mapping[str, Any], properties: Mapping[str, str]) -> str:
        """Properties: `group` and `deduplication_id` for FIFO queues, `delay_seconds` for others."""
        return send_new(self._places.destination(to), body, headers, properties)

    def put_back(self, to: Destination, letter: Letter, wire: bytes, once: str) -> None:
        """Its attributes keep their types; a FIFO queue keeps its message group."""
        put_back(self._places.destination(to), letter, once)

    # --- a queue beside another ----------------------------------------------------------------------------------
    kept_as_is: frozenset[str] = frozenset()

    def not_beside(self, key: str) -> str:
        return making.unfit(self._places.queue(key))

    def make_beside(self, key: str, mark: str) -> tuple[str, str]:
        """Needs `sqs:CreateQueue`."""
        return making.make_beside(*self._asked(key), mark)

    def remove_beside(self, key: str) -> str:
        """Never: what arrives between a count and a deletion would be lost."""
        return "SQS cannot delete a queue on the condition that it is empty"

    # --- SQS's own move ------------------------------------------------------------------------------------------
    move_terms, fastest_move = moving.TERMS, moving.FASTEST

    def fits(self, key: str, to: Destination | None) -> str:
        """Why SQS's own move cannot be used here."""
        return moving.unfit(self._places.queue(key), self._to(to))

    def mark_move(self, key: str) -> str:
        return moving.mark(self._places.queue(key))

    def start_move(self, key: str, to: Destination | None, rate: float | None) -> str:
        return moving.start(self._places.queue(key), self._to(to), rate)

    def move_progress(self, key: str, handle: str) -> MoveProgress:
        return moving.progress(self._places.queue(key), handle)

    def cancel_move(self, key: str, handle: str) -> None:
        moving.cancel(self._places.queue(key), handle)

    def _to(self, to: Destination | None) -> Queue | None:
        """None = each letter to where it died."""
        return None if to is None else self._places.destination(to)

    def _asked(self, key: str) -> tuple[Queue, Attributes]:
        """A queue, and what SQS tells of it now."""
        queue = self._places.queue(key)
        return queue, attributes_of(queue)
