"""The archive of queues that are gone has an end: where queues come and go each second it would fill the disk."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import F

from .models import Broker, Queue
from .store.base import Store

#: Queues of a broker that are kept after they are gone, the newest; those that people tagged or hid beside them.
MOST_KEPT = 20_000
#: Deleted in one round, so that it stays short; the next round goes on.
AT_ONCE = 2_000


def trim(store: Store, now: datetime, kept_for: float) -> int:
    """Delete queues that have been gone for longer than any sample is kept (seconds), and the oldest beyond MOST_KEPT.

    How many. One that comes back afterwards is a new one.
    """
    deleted = 0
    for broker in Broker.objects.values_list("pk", flat=True):
        gone = Queue.objects.filter(broker_id=broker).exclude(gone_at=None)
        outlived = gone.filter(gone_at__lt=now - timedelta(seconds=kept_for))
        unmarked = gone.filter(hidden_by_hand=None, tags_by_hand=[]).order_by("-gone_at", "-pk")
        ids = list(outlived.values_list("pk", flat=True)[:AT_ONCE])
        ids += unmarked.values_list("pk", flat=True)[MOST_KEPT : MOST_KEPT + AT_ONCE]
        if ids:
            Queue.objects.filter(pk__in=ids).exclude(gone_at=None).delete()
            Broker.objects.filter(pk=broker).update(marks=F("marks") + 1)
            store.forget_queues(ids)
            deleted += len(ids)
    return deleted
