"""The queues that were seen, and how they hang together. Their numbers are in the store."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils import timezone

from .brokers import Broker


class Queue(models.Model):
    """Any named backlog on a broker. `key` is its identity there, `name` what people call it.

    `hidden` and `tags` are what the broker says; what people say is beside it, and stays when polls write anew.
    """

    broker = models.ForeignKey(Broker, on_delete=models.CASCADE, related_name="queues")
    key = models.CharField(max_length=600)
    name = models.CharField(max_length=600)
    kind = models.CharField(max_length=32)
    dialect = models.CharField(max_length=32, blank=True)
    hidden = models.BooleanField(default=False)
    why_hidden = models.CharField(max_length=200, blank=True)
    facts = models.JSONField(default=list)  # [[label, value], ...]
    tags = models.JSONField(default=list)
    hidden_by_hand = models.BooleanField(null=True)  # None: as the broker says
    hidden_by = models.CharField(max_length=150, blank=True)  # who said so
    tags_by_hand = models.JSONField(default=list)
    keeps_seconds = models.FloatField(null=True)  # the age at which the broker drops a message for good
    first_seen = models.DateTimeField(default=timezone.now)
    gone_at = models.DateTimeField(null=True)  # absent from a complete poll since

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=("broker", "key"), name="queue_key_in_broker")]

    def __str__(self) -> str:
        return self.name


class Relation(models.Model):
    """How two queues hang together, as the broker says (`collectors.protocol.Relation`)."""

    source = models.ForeignKey(Queue, on_delete=models.CASCADE, related_name="leads_to")
    target = models.ForeignKey(Queue, on_delete=models.CASCADE, related_name="comes_from")
    kind = models.CharField(max_length=32)
    via = models.CharField(max_length=300, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=("source", "target", "kind"), name="relation_once"),
        ]

    def __str__(self) -> str:
        return f"{self.source_id} {self.kind} {self.target_id}"
