"""Looking at the messages of SQS, and replaying them: the powers of `collectors.letters`, put together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from ...letters import Bounds, Look, Price
from .asking import attributes_of
from .attributes import Attributes
from .looking import Looking, price_of
from .places import Places
from .queue import Queue
from .target import Target


class KeepsLetters:
    """What an adapter of SQS can do with letters. `look_only`: nothing may be sent or deleted."""

    def __init__(self, targets: Sequence[Target], look_only: bool) -> None:
        self._places, self._look_only = Places(targets), look_only

    @property
    def options(self) -> Mapping[str, str]:
        return {}

    def price(self, key: str) -> Price:
        """What a look into this queue costs."""
        return price_of(*self._asked(key), Bounds(), self._look_only)

    def look(self, key: str, bounds: Bounds, after: str = "", stop: Callable[[], bool] = lambda: False) -> Look:
        """See letters, in no order that SQS would promise; `after` means nothing here: no place can be gone back to."""
        return Looking(*self._asked(key), bounds, stop).look(self._look_only)

    def _asked(self, key: str) -> tuple[Queue, Attributes]:
        """A queue, and what SQS tells of it now."""
        queue = self._places.queue(key)
        return queue, attributes_of(queue)
