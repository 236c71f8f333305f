"""New causes of dead letters, told at once to rules that wait for them; `happenings` finds what a death left untold.
What masks let causes say from now on, incidents say as well."""

from __future__ import annotations

from ..letters import news
from ..models import Queue
from . import quotes
from .happenings import key_of
from .incidents import happened


def register() -> None:
    """Hear of new causes from now on."""
    news.listen(_heard)
    news.listen_to_masks(quotes.masked)


def _heard(queue: Queue, cause: news.NewCause) -> None:
    key = key_of(cause.fingerprint, queue.pk)
    values = {"count": cause.count, "causes": {cause.fingerprint: cause.title}}
    happened("cause", cause.sentence(queue.name), key, queue=queue.pk, values=values)
