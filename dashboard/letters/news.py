"""Word of new causes, for those who wait for it (alerts lie above this package and listen).

A cause is news when letters of it come to a queue that was known before: not while a queue is read for the first time.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from collectors.causes import Cause as Why

from ..models import Cause, Place, Queue

log = logging.getLogger("weir.letters")


@dataclass(frozen=True, slots=True)
class NewCause:
    """A cause that was never seen before, and how many letters of it came at once."""

    fingerprint: str
    title: str
    count: int

    def sentence(self, queue: str) -> str:
        return f"{self.title} is new in {queue}: {self.count:,} dead letter{'' if self.count == 1 else 's'}."


Listener = Callable[[Queue, NewCause], None]
#: Is told of causes that have other titles under new masks: {before: after}.
MaskListener = Callable[[Mapping[str, str]], None]
_listeners: list[Listener] = []
_mask_listeners: list[MaskListener] = []


def listen(listener: Listener) -> None:
    """Be told of each new cause, in the thread that took its letters in, after they are written."""
    if listener not in _listeners:
        _listeners.append(listener)


def listen_to_masks(listener: MaskListener) -> None:
    """Be told whenever a mask was added, also where no title is another by it."""
    if listener not in _mask_listeners:
        _mask_listeners.append(listener)


def masked(titles: Mapping[str, str]) -> None:
    """Tell of what masks have changed. Raises what a listener raises: what is masked must not stay elsewhere unsaid."""
    for listener in _mask_listeners:
        listener(titles)


def unheard(causes: Mapping[str, Why]) -> set[str]:
    """Which of these fingerprints were never seen."""
    if not causes:
        return set()
    return causes.keys() - set(Cause.objects.filter(fingerprint__in=list(causes)).values_list("fingerprint", flat=True))


def tell(queue: Queue, found: list[NewCause]) -> None:
    """Tell everybody. One who fails keeps nothing from the index, nor from the others."""
    place = Place.objects.filter(queue=queue).first() if found else None
    if place is None or (place.complete_at if place.free else place.looked_at) is None:
        return
    for one in found:
        for listener in _listeners:
            try:
                listener(queue, one)
            except Exception:
                log.exception("Nobody could be told of a new cause in %s.", queue.name)
