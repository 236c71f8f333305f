"""The store of samples that belongs to this installation: one per process, opened on first use."""

from __future__ import annotations

from threading import Lock

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from .models import Fact
from .store import open_store
from .store.base import Store

_lock = Lock()
_store: Store | None = None


def the_store() -> Store:
    """The process-wide store. Raises StoreError when it cannot be opened, ImproperlyConfigured when it is another's.

    Its uuid stands in the state database: samples are about the queues of that database, and no other.
    """
    global _store
    with _lock:
        if _store is None:
            store = open_store(settings.WEIR_DATA)
            fact, _ = Fact.objects.get_or_create(name="store_uuid", defaults={"value": store.uuid})
            if fact.value != store.uuid:
                store.close()
                raise ImproperlyConfigured(
                    f"The samples in {settings.WEIR_DATA} belong to another database than the one that DATABASE_URL "
                    "names; point WEIR_DATA and DATABASE_URL to a pair that was used together."
                )
            _store = store
        return _store


def close_store() -> None:
    """Close it, at the end of a process or a test."""
    global _store
    with _lock:
        if _store is not None:
            _store.close()
            _store = None


def say_generated(broker: int, until: float) -> None:
    """Note that what is kept of a broker's queues before `until` (epoch seconds) was made up, for the demo."""
    Fact.objects.update_or_create(name=f"generated_until:{broker}", defaults={"value": str(until)})


def generated_until(broker: int) -> float | None:
    """The end of the made-up past of a broker's queues, epoch seconds; None: all of it was measured."""
    fact = Fact.objects.filter(name=f"generated_until:{broker}").first()
    return float(fact.value) if fact else None
