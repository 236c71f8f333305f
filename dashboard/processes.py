"""Which processes there are, and what they need of each other.

`manage.py up` is web, collector and worker in one. Apart, they meet in the database, the store
and Redis: without `REDIS_URL` a process that stands alone would stream nothing, so it refuses to start.
"""

from __future__ import annotations

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

_alone = False


def all_in_one() -> None:
    """Say that this process holds everything (`up`, tests): no bus between processes is needed."""
    global _alone
    _alone = True


def is_alone() -> bool:
    """Whether this process holds everything."""
    return _alone


def needs_bus(process: str) -> None:
    """Raise ImproperlyConfigured when `process` runs apart from the others without a bus."""
    if not _alone and not settings.REDIS_URL:
        raise ImproperlyConfigured(
            f"{process} runs apart from the other processes and needs REDIS_URL to meet them; "
            "set it, or run everything in one process with: manage.py up"
        )
