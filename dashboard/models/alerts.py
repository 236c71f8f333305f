"""Rules, incidents, silences, notifiers, and the outbox of what is to be told."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone

from .brokers import Broker
from .queues import Queue


def new_key() -> str:
    """By which receivers know an incident or a message again."""
    return uuid.uuid4().hex


class Severity(models.TextChoices):
    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


class Notifier(models.Model):
    """One way of telling people. Its URL is kept encrypted; `safe_url` may be shown.

    One worker at a time sends to it: `owner` until `leased_until`, taken by a conditional update.
    """

    name = models.CharField(max_length=100, unique=True)
    secret_url = models.TextField()
    safe_url = models.CharField(max_length=300)
    scheme = models.CharField(max_length=32)
    allow_private = models.BooleanField(default=False)  # may speak to loopback and private addresses: admins only
    per_minute = models.PositiveIntegerField(default=20)
    managed_by = models.CharField(max_length=16, default="page")
    created_by = models.CharField(max_length=150, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    last_sent_at = models.DateTimeField(null=True)
    last_error = models.TextField(blank=True)
    failing_since = models.DateTimeField(null=True)  # a message was given up, and none arrived since
    owner = models.CharField(max_length=64, blank=True)
    leased_until = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ("name",)

    def __str__(self) -> str:
        return self.name


class Rule(models.Model):
    """What to watch. `condition` is what `alerts.conditions.Condition.read` takes.

    per          "queue": an incident for each queue; "rule": one for all of them
    escalation   [{"after_seconds", "notifiers": [ids]}]: told when nobody has acknowledged for so long
    quiet        {"from": "22:00", "to": "07:00", "timezone"} in which nothing is told, or {}
    managed_by   "page", "apply", or "weir" (there from the start)
    """

    name = models.CharField(max_length=120, unique=True)
    filter = models.CharField(max_length=2000, blank=True)
    condition = models.JSONField()
    severity = models.CharField(max_length=16, choices=Severity.choices, default=Severity.WARNING)
    per = models.CharField(max_length=8, default="queue")
    notifiers = models.ManyToManyField(Notifier, blank=True, related_name="rules")
    escalation = models.JSONField(default=list, blank=True)
    quiet = models.JSONField(default=dict, blank=True)
    enabled = models.BooleanField(default=True)
    managed_by = models.CharField(max_length=16, default="page")
    created_by = models.CharField(max_length=150, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering: ClassVar = ("name",)

    def __str__(self) -> str:
        return self.name


class Silence(models.Model):
    """A mute with a reason and an end, for incidents of queues that a filter finds, of one rule or of all.

    `repeat` "daily" or "weekly": a maintenance window that comes again, until `until`.
    """

    filter = models.CharField(max_length=2000, blank=True)
    rule = models.ForeignKey(Rule, on_delete=models.CASCADE, null=True, related_name="silences")
    reason = models.CharField(max_length=300)
    created_by = models.CharField(max_length=150)
    created_at = models.DateTimeField(default=timezone.now)
    starts_at = models.DateTimeField(default=timezone.now)
    ends_at = models.DateTimeField()
    repeat = models.CharField(max_length=8, blank=True)
    until = models.DateTimeField(null=True)
    managed_by = models.CharField(max_length=16, default="page")

    class Meta:
        ordering: ClassVar = ("-starts_at", "-id")

    def __str__(self) -> str:
        return f"{self.filter or 'everything'}: {self.reason}"


class Incident(models.Model):
    """An alert that is open or closed. It outlives its rule, its queue and its broker.

    open_key    rule and queue while it is open, None when it is closed: so there is never a second one
    members     one for all queues of a rule: {queue id: name} of those that fire
    values      what was measured when it opened: {"value", "row": {...}, "changed": [sentences]}
    """

    key = models.CharField(max_length=32, default=new_key, unique=True)
    open_key = models.CharField(max_length=200, null=True, unique=True)
    rule = models.ForeignKey(Rule, on_delete=models.SET_NULL, null=True, related_name="incidents")
    rule_name = models.CharField(max_length=120)
    queue = models.ForeignKey(Queue, on_delete=models.SET_NULL, null=True, related_name="incidents")
    queue_name = models.CharField(max_length=600, blank=True)
    broker = models.ForeignKey(Broker, on_delete=models.SET_NULL, null=True, related_name="incidents")
    broker_name = models.CharField(max_length=100, blank=True)
    severity = models.CharField(max_length=16, choices=Severity.choices)
    reason = models.TextField()
    values = models.JSONField(default=dict)
    members = models.JSONField(default=dict)
    opened_at = models.DateTimeField(db_index=True)
    seen_at = models.DateTimeField(null=True)  # when it last happened, where it is something that happens
    acknowledged_at = models.DateTimeField(null=True)
    acknowledged_by = models.CharField(max_length=150, blank=True)
    closed_at = models.DateTimeField(null=True, db_index=True)
    closed_because = models.CharField(max_length=300, blank=True)
    silence = models.ForeignKey(Silence, on_delete=models.SET_NULL, null=True, related_name="incidents")
    escalated = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering: ClassVar = ("-opened_at", "-id")

    def __str__(self) -> str:
        return f"{self.rule_name}: {self.queue_name or self.broker_name}"

    @property
    def around(self) -> tuple[int, int]:
        """Epoch seconds between which it is seen, with what led to it."""
        opened, ended = self.opened_at.timestamp(), (self.closed_at or timezone.now()).timestamp()
        room = min(max(900.0, (ended - opened) / 2), 6 * 3600.0)
        return int(opened - room), int(min(ended + room, timezone.now().timestamp() + 60))

    @property
    def lasted(self) -> float:
        """Seconds from opening to closing, or to now."""
        return ((self.closed_at or timezone.now()) - self.opened_at).total_seconds()

    @property
    def state(self) -> str:
        """open, acknowledged, silenced, closed."""
        if self.closed_at is not None:
            return "closed"
        if self.silence_id is not None:
            return "silenced"
        return "acknowledged" if self.acknowledged_at is not None else "open"


class IncidentNote(models.Model):
    """One line of an incident's story: opened, told, acknowledged, silenced, said, closed."""

    incident = models.ForeignKey(Incident, on_delete=models.CASCADE, related_name="notes")
    at = models.DateTimeField(default=timezone.now)
    who = models.CharField(max_length=150)
    what = models.CharField(max_length=32)
    text = models.TextField(blank=True)

    class Meta:
        ordering: ClassVar = ("at", "id")

    def __str__(self) -> str:
        return f"{self.who} {self.what}"


class Telling(models.Model):
    """One message to one notifier: the outbox. It is retried until it is sent or given up.

    event     opened, closed, escalated, still (a silence or quiet hours ended), test
    group     tellings of one group that still wait are made one
    """

    class State(models.TextChoices):
        WAITING = "waiting"
        SENT = "sent"
        GIVEN_UP = "given up"
        DROPPED = "dropped"  # what it would have told was over before it was due

    key = models.CharField(max_length=32, default=new_key, unique=True)
    notifier = models.ForeignKey(Notifier, on_delete=models.CASCADE, related_name="tellings")
    event = models.CharField(max_length=16)
    group = models.CharField(max_length=64, blank=True)
    incidents = models.ManyToManyField(Incident, related_name="tellings")
    state = models.CharField(max_length=16, choices=State.choices, default=State.WAITING)
    created_at = models.DateTimeField(default=timezone.now)
    due_at = models.DateTimeField()
    attempts = models.PositiveIntegerField(default=0)
    sent_at = models.DateTimeField(null=True)
    last_error = models.TextField(blank=True)

    class Meta:
        ordering: ClassVar = ("id",)
        indexes: ClassVar = [
            models.Index(fields=["notifier", "id"], condition=Q(state="waiting"), name="tellings_waiting"),
        ]

    def __str__(self) -> str:
        return f"{self.event} to {self.notifier_id}"


class RuleMemory(models.Model):
    """Where every queue of a broker stands with each rule, as of its last change: what a restart goes on from."""

    broker = models.OneToOneField(Broker, on_delete=models.CASCADE, primary_key=True)
    at = models.FloatField()
    kept = models.BinaryField()

    def __str__(self) -> str:
        return f"broker {self.broker_id} at {self.at}"
