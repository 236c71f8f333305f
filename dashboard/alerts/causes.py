"""New causes of dead letters, for rules that wait for them."""

from __future__ import annotations

from ..letters import news
from ..models import Queue
from .incidents import happened


def register() -> None:
    """Hear of new causes from now on."""
    news.listen(_heard)


def _heard(queue: Queue, cause: news.NewCause) -> None:
    happened("cause", cause.sentence(queue.name), cause.fingerprint, queue=queue.pk, values={"count": cause.count})
