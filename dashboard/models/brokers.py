"""Brokers: what is polled, who polls it, and how that goes."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils import timezone

#: A broker is silent when it has not answered for this many intervals.
SILENT_AFTER_INTERVALS = 3


class Broker(models.Model):
    """One broker. Its URLs are kept encrypted (`dashboard.secrets`); `safe_url`, `safe_acting_url` may be shown.

    The acting URL is the same broker with a stronger credential, for looking and replaying; "" = there is none.
    `managed_by`: "page" (people may change it here), "environment", "command line", "apply" or "demo"
    (read-only on the page), or "found" (on this machine by `up`: look-only until a person confirms it).
    A broker belongs to one collector at a time: `owner` holds it until `owned_until`, taken and renewed by a
    conditional update.
    """

    class Managed(models.TextChoices):
        PAGE = "page"
        ENVIRONMENT = "environment"
        COMMAND_LINE = "command line"
        APPLY = "apply"
        DEMO = "demo"
        FOUND = "found"

    name = models.CharField(max_length=100, unique=True)
    kind = models.CharField(max_length=32)
    secret_url = models.TextField()
    safe_url = models.TextField()
    secret_acting_url = models.TextField(blank=True)
    safe_acting_url = models.TextField(blank=True)
    managed_by = models.CharField(max_length=16, choices=Managed.choices, default=Managed.PAGE)
    interval = models.FloatField(default=10.0)
    look_only = models.BooleanField(default=False)
    paused = models.BooleanField(default=False)
    created_at = models.DateTimeField(default=timezone.now)
    revision = models.PositiveIntegerField(default=0)  # rises with each change: the collector reconnects
    marks = models.PositiveIntegerField(default=0)  # rises when its queues are tagged, hidden, deleted: readers reload

    owner = models.CharField(max_length=64, blank=True)
    owned_until = models.DateTimeField(null=True)

    last_poll_at = models.DateTimeField(null=True)  # last attempt
    last_answer_at = models.DateTimeField(null=True)  # last poll that brought samples
    last_error = models.TextField(blank=True)
    last_error_at = models.DateTimeField(null=True)
    last_error_answered = models.BooleanField(default=False)
    problems = models.JSONField(default=list)
    poll_seconds = models.FloatField(null=True)
    poll_requests = models.PositiveIntegerField(null=True)
    poll_bytes = models.PositiveBigIntegerField(null=True)
    queue_count = models.PositiveIntegerField(null=True)
    method = models.CharField(max_length=300, blank=True)
    version = models.CharField(max_length=100, blank=True)
    details = models.JSONField(default=list)

    class Meta:
        ordering: ClassVar = ("name",)

    def __str__(self) -> str:
        return self.name

    def state(self, now: float | None = None) -> str:
        """new, reporting, failing (answers, but with an error or in part), silent (three intervals long), paused."""
        if self.paused:
            return "paused"
        if self.last_poll_at is None and not self.last_error:
            return "new"
        now = timezone.now().timestamp() if now is None else now
        answered = self.last_answer_at.timestamp() if self.last_answer_at else self.created_at.timestamp()
        if now - answered > SILENT_AFTER_INTERVALS * self.interval:
            return "failing" if self.last_error and self.last_error_answered else "silent"
        return "failing" if self.last_error or self.problems else "reporting"
