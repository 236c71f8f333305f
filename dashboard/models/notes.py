"""What people write onto the time axis: a deployment, a campaign, a cause found."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils import timezone

from .brokers import Broker
from .queues import Queue


class Note(models.Model):
    """A text at a moment: about a queue, about all queues of a broker, or, with neither, about every queue."""

    at = models.DateTimeField(db_index=True)
    text = models.CharField(max_length=200)
    queue = models.ForeignKey(Queue, on_delete=models.CASCADE, null=True, related_name="notes")
    broker = models.ForeignKey(Broker, on_delete=models.CASCADE, null=True, related_name="notes")
    by = models.CharField(max_length=150)
    written_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering: ClassVar = ("-at", "-id")
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(queue=None) | models.Q(broker=None), name="note_about_one_queue_or_broker"
            )
        ]

    def __str__(self) -> str:
        return self.text
