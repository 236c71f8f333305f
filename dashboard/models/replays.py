"""Replays: letters on their way back, and how far each is. What became of each message is in its journal."""

from __future__ import annotations

import secrets
from typing import ClassVar

from django.db import models
from django.utils import timezone

from .queues import Queue


def new_own() -> str:
    """What copies of a replay bear: short, and never used twice, by any Weir."""
    return secrets.token_hex(8)


class Replay(models.Model):
    """Letters of one queue that are sent again, moved, copied or deleted.

    It belongs to one worker at a time: `owner` holds it until `owned_until`, taken and renewed by a conditional
    update. `place` is the data folder that its journal lies in: only workers there can go on with it. `state` is
    also the order: a person writes "paused" or "stopped" there, and the worker lets go. `followed_by`: another one
    that began on its queue while this one only watched, which it then does no longer.
    """

    class Deed(models.TextChoices):
        REPLAY = "replay"
        MOVE = "move"
        COPY = "copy"
        DELETE = "delete"
        RESTORE = "restore"

    class State(models.TextChoices):
        PLANNING = "planning"
        PLANNED = "planned"
        TRIAL = "trial"
        RAMPING = "ramping"
        RUNNING = "running"
        YIELDING = "yielding"
        PAUSED = "paused"
        WATCHING = "watching"
        DONE = "done"
        STOPPED = "stopped"
        FAILED = "failed"

    class How(models.TextChoices):
        WEIR = "weir"  # letter by letter, with a journal
        BROKER = "broker"  # the broker's own move (`collectors.letters.MovesByItself`)

    own = models.CharField(max_length=32, unique=True, default=new_own)
    deed = models.CharField(max_length=16, choices=Deed.choices, default=Deed.REPLAY)
    queue = models.ForeignKey(Queue, on_delete=models.SET_NULL, null=True, related_name="replays")
    queue_name = models.CharField(max_length=600)
    broker_name = models.CharField(max_length=100)
    selection = models.JSONField(default=dict)  # {"all": true}, {"ids": [...]}, {"filter"}, {"cause"}, {"oldest": n}
    to = models.JSONField(null=True)  # {"queue_id": n}, {"exchange", "routing_key"}; None: each to where it died
    rate = models.FloatField(null=True)  # messages a second; None = no limit
    trial = models.PositiveIntegerField(default=0)
    how = models.CharField(max_length=8, choices=How.choices, default=How.WEIR)
    stages = models.BooleanField(default=False)  # moves aside what was not chosen, so that a choice fits
    allow_replayed = models.BooleanField(default=False)
    options = models.JSONField(default=list)
    limits = models.JSONField(default=dict)
    secret_edit = models.TextField(blank=True)  # {"body", "headers"} of an edited copy, encrypted
    plan = models.JSONField(null=True)
    repeats = models.ForeignKey("self", on_delete=models.SET_NULL, null=True, related_name="repeated_by")
    followed_by = models.ForeignKey("self", on_delete=models.SET_NULL, null=True, related_name="ends_watch_of")

    state = models.CharField(max_length=16, choices=State.choices, default=State.PLANNING, db_index=True)
    reason = models.CharField(max_length=1000, blank=True)
    trouble = models.CharField(max_length=1000, blank=True)
    waits_until = models.DateTimeField(null=True)  # at the latest, for what its reason says
    total = models.PositiveIntegerField(null=True)
    sent = models.PositiveIntegerField(default=0)
    removed = models.PositiveIntegerField(default=0)
    came_back = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)
    skipped = models.PositiveIntegerField(default=0)
    possibly_duplicated = models.PositiveIntegerField(default=0)

    made_at = models.DateTimeField(default=timezone.now, db_index=True)
    made_by = models.CharField(max_length=150)
    started_at = models.DateTimeField(null=True)
    started_by = models.CharField(max_length=150, blank=True)
    busy_seconds = models.FloatField(default=0.0)  # while copies were sent: without waits, pauses, watching
    told_at = models.DateTimeField(null=True)  # when the worker last said how far it is
    ended_at = models.DateTimeField(null=True)

    handle = models.TextField(blank=True)  # of the broker's own move, while it is under way
    place = models.CharField(max_length=32, blank=True)
    owner = models.CharField(max_length=64, blank=True)
    owned_until = models.DateTimeField(null=True)
    undone_until = models.DateTimeField(null=True)  # of a deletion: until when its copies are kept
    kept_bytes = models.BigIntegerField(default=0)
    unmarked = models.PositiveIntegerField(default=0)  # copies that bear no mark, and such that bear only some
    part_marked = models.PositiveIntegerField(default=0)
    unreplicated = models.PositiveIntegerField(default=0)  # moves that no replica of the server had in time
    journal_removed_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ("-id",)

    def __str__(self) -> str:
        return f"replay {self.pk} of {self.queue_name}"

    @property
    def active(self) -> bool:
        return self.state in ACTIVE

    @property
    def over(self) -> bool:
        return self.state in OVER


_S = Replay.State
#: A worker is, or is to be, at it.
ACTIVE = (_S.TRIAL, _S.RAMPING, _S.RUNNING, _S.YIELDING, _S.WATCHING)
OVER = (_S.DONE, _S.STOPPED, _S.FAILED)
#: For the owner of one that was stopped while no worker had it: the next to come closes its books.
UNCLOSED = "nobody"
#: Plans that were dropped before anybody started them: kept for the audit, not shown in lists.
DROPPED = models.Q(state__in=(_S.STOPPED, _S.FAILED), started_at=None)
_TEXTS = ("deed", "queue_name", "broker_name", "made_by")


def holding(words: str) -> models.Q:
    """Those of which deed, queue, broker, or who made it hold each of these words; a number may be their own."""
    found = models.Q()
    for word in words.replace("\0", "").split():
        either = models.Q(pk=int(word)) if word.isascii() and word.isdigit() and len(word) < 19 else models.Q()
        for text in _TEXTS:
            either |= models.Q(**{f"{text}__icontains": word})
        found &= either
    return found
