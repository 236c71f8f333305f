"""Letting go: of letters that are gone for long, of bodies, looks and causes that nobody needs. In bounded steps."""

from __future__ import annotations

import logging
from collections.abc import Callable

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, Max, OuterRef

from ..models import Cause, Letter, Look, Queue
from . import bodies
from .columns import next_revision, pruned

log = logging.getLogger("weir.work")

_BATCH, _ROUNDS = 500, 200


def prune(now: float, stop: Callable[[], bool] = lambda: False) -> int:
    """One round of everything; how many letters were let go of. Ends early when it is asked to."""
    Look.objects.filter(expires_at__lte=now).delete()
    bodies.prune(now)
    _mark_gone(now)
    dropped, through = 0, 0
    for _ in range(_ROUNDS):
        old = Letter.objects.filter(gone_at__lt=now - settings.WEIR_RETENTION_LETTERS)
        ids = list(old.values_list("id", flat=True)[:_BATCH])
        if not ids or stop():
            break
        found = Letter.objects.filter(id__in=ids)
        through = max(through, found.aggregate(n=Max("revision"))["n"] or 0)
        bodies.forget(ids)
        dropped += found.delete()[0]
    if dropped:
        pruned(through)
        log.info("Dead letters: %d that are gone for long were let go of.", dropped)
    _drop_causes(now)
    return dropped


def _mark_gone(now: float) -> None:
    """Letters that their brokers dropped by now, those of queues that are no more, what was seen in live queues."""
    there = Letter.objects.filter(gone_at=None)
    live = there.filter(queue__place__inbox=False, last_seen__lt=now - settings.WEIR_RETENTION_BODIES)
    for lost in (there.filter(expires_at__lt=now), there.filter(queue__in=Queue.objects.exclude(gone_at=None)), live):
        for _ in range(_ROUNDS):
            ids = list(lost.values_list("id", flat=True)[:_BATCH])
            if not ids:
                break
            with transaction.atomic():
                Letter.objects.filter(id__in=ids).update(gone_at=now, revision=next_revision())


def _drop_causes(now: float) -> None:
    """Causes without letters, of which nobody said anything."""
    used = Exists(Letter.objects.filter(cause=OuterRef("pk")))
    old = Cause.objects.filter(~used, note="", first_seen__lt=now - settings.WEIR_RETENTION_LETTERS)
    ids = list(old.filter(snoozed_until=None).values_list("id", flat=True)[:_BATCH])
    Cause.objects.filter(id__in=ids).delete()
