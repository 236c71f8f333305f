"""New causes of dead letters, told at once to rules that wait for them; `happenings` finds what a death left untold."""

from __future__ import annotations

from ..letters import news
from ..models import Queue
from .happenings import key_of
from .incidents import happened


def register() -> None:
    """Hear of new causes from now on."""
    news.listen(_heard)


def _heard(queue: Queue, cause: news.NewCause) -> None:
    key = key_of(cause.fingerprint, queue.pk)
    happened("cause", cause.sentence(queue.name), key, queue=queue.pk, values={"count": cause.count})
