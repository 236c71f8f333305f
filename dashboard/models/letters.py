"""Dead letters as Weir knows them: an index of letters and their causes, how each queue may be looked into, what
looks saw. Bodies are in a cache of their own, encrypted, for a while.

Times here are epoch seconds in floats: a million of them are read into columns at once (`letters.columns`), and
broker protocols speak so too. Times of deeds (a note, a mark) are dates as everywhere.
"""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils import timezone

from .queues import Queue


class DeadLetterMark(models.Model):
    """What people say of a queue: that it holds dead letters, and of which queues, or that it does not.

    It stands above what the broker says and what names suggest. `sources`: queues whose dead letters arrive in it,
    beside those that the broker knows of.
    """

    queue = models.OneToOneField(Queue, on_delete=models.CASCADE, primary_key=True, related_name="dead_letter_mark")
    holds = models.BooleanField()
    sources = models.ManyToManyField(Queue, related_name="+")
    by = models.CharField(max_length=150)
    at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"{self.queue_id} {'holds' if self.holds else 'does not hold'} dead letters"


class LetterClock(models.Model):
    """One row: `revision` rises with each change of letters or causes, which carry it.

    Writers raise it first and hold the row until they commit, so revisions become visible in their order: who
    knows everything up to one needs only what is above it. `pruned`: rows up to it may have been deleted.
    `token`: another database has another one.
    """

    revision = models.BigIntegerField(default=0)
    pruned = models.BigIntegerField(default=0)
    token = models.CharField(max_length=32)

    def __str__(self) -> str:
        return str(self.revision)


class Cause(models.Model):
    """Why letters died (`collectors.causes.Cause`), and what people say to it. Snoozed: aside until a time."""

    fingerprint = models.CharField(max_length=16, unique=True)
    title = models.CharField(max_length=200)
    error_class = models.CharField(max_length=300, blank=True)
    message = models.TextField(blank=True)
    frame = models.CharField(max_length=700, blank=True)
    reason = models.CharField(max_length=300, blank=True)
    source = models.CharField(max_length=100, blank=True)
    queue = models.CharField(max_length=300, blank=True)
    first_seen = models.FloatField()
    note = models.CharField(max_length=2000, blank=True)
    noted_by = models.CharField(max_length=150, blank=True)
    snoozed_until = models.FloatField(null=True)
    snoozed_by = models.CharField(max_length=150, blank=True)
    revision = models.BigIntegerField(db_index=True)

    def __str__(self) -> str:
        return self.title


class Letter(models.Model):
    """One dead letter in one queue; letters that are equal are one row, `count` times.

    `key` is `collectors.letters.Letter.id`. `gone_at`: a complete look no longer had it, or Weir itself removed it;
    `missed`: looks in a row that had everything as far as could be told, but not this one.
    `read_as`: the version of the reading that gave it its cause (`letters.causes`).
    `last_seen` is written when something about it changed; a complete look says of all the rest that they were there.
    """

    queue = models.ForeignKey(Queue, on_delete=models.CASCADE, related_name="letters")
    key = models.CharField(max_length=200)
    count = models.PositiveIntegerField(default=1)
    cause = models.ForeignKey(Cause, on_delete=models.PROTECT, related_name="letters")
    read_as = models.PositiveIntegerField(default=0, db_default=0)
    type = models.CharField(max_length=200, blank=True)
    size = models.BigIntegerField(default=0)
    enqueued_at = models.FloatField(null=True)
    died_at = models.FloatField(null=True)
    attempts = models.PositiveIntegerField(null=True)
    replayed = models.PositiveIntegerField(default=0)
    replay_id = models.CharField(max_length=100, blank=True)
    origin = models.CharField(max_length=600, blank=True)
    place = models.CharField(max_length=200, blank=True)
    expires_at = models.FloatField(null=True)
    first_seen = models.FloatField()
    last_seen = models.FloatField()
    gone_at = models.FloatField(null=True)
    missed = models.PositiveSmallIntegerField(default=0)
    revision = models.BigIntegerField(db_index=True)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=("queue", "key"), name="letter_key_in_queue")]

    def __str__(self) -> str:
        return f"{self.key} in {self.queue_id}"


class LetterBody(models.Model):
    """What is in a letter, encrypted (`letters.bodies`), until `expires_at`.

    `letter` is the id of a Letter without a foreign key: a queue with a million letters is deleted in one statement.
    """

    letter = models.BigIntegerField(unique=True)
    queue = models.ForeignKey(Queue, on_delete=models.CASCADE, related_name="+")
    secret = models.BinaryField()
    bytes = models.PositiveIntegerField(db_index=True)  # summed without reading what is beside it
    expires_at = models.FloatField(db_index=True)

    def __str__(self) -> str:
        return f"body of {self.letter}"


class Place(models.Model):
    """How a queue may be looked into: the budget, whose turn it is, what the last look said.

    owner, owned_until    one looks at a time, where looking has a price; taken by a conditional update
    deliveries            the highest count towards the broker's limit that a letter may have: written down before a
                          look, corrected after it. A process that is killed in between leaves it too high
    spent_at              when that was written
    price, free, limit, renews, refused, priced_at    as the broker last said (`collectors.letters.Price`)
    inbox                 what lies there are dead letters, and counted; not so where a person looked into a live queue
    by_itself             a person said that Weir may look by itself, although that has a price
    looked_at, of, exact  the last look: when, how many lay there (None: cannot be told), and whether that is exact
    complete_at           when a look last had everything
    error, tried_at       why the last look failed, "" = it did not
    doubles               ids of letters of which two may lie there (`letters.doubles`), and since when
    """

    queue = models.OneToOneField(Queue, on_delete=models.CASCADE, primary_key=True, related_name="place")
    owner = models.CharField(max_length=64, blank=True)
    owned_until = models.FloatField(default=0.0)
    deliveries = models.PositiveIntegerField(default=0)
    spent_at = models.FloatField(default=0.0)
    price = models.TextField(blank=True)
    free = models.BooleanField(null=True)
    limit = models.PositiveIntegerField(null=True)
    renews = models.BooleanField(default=False)
    refused = models.TextField(blank=True)
    priced_at = models.FloatField(default=0.0)
    inbox = models.BooleanField(default=True)
    by_itself = models.BooleanField(default=False)
    by_itself_by = models.CharField(max_length=150, blank=True)
    looked_at = models.FloatField(null=True)
    of = models.BigIntegerField(null=True)
    exact = models.BooleanField(default=True)
    complete_at = models.FloatField(null=True)
    error = models.TextField(blank=True)
    tried_at = models.FloatField(default=0.0)
    doubles = models.JSONField(default=dict)

    def __str__(self) -> str:
        return f"place {self.queue_id}"


class Look(models.Model):
    """One look of a person (or by itself) into a queue, and what it saw: `letters` are ids, in the queue's order."""

    queue = models.ForeignKey(Queue, on_delete=models.CASCADE, related_name="looks")
    by = models.CharField(max_length=150)
    at = models.FloatField(db_index=True)
    expires_at = models.FloatField()
    price = models.TextField()
    of = models.BigIntegerField(null=True)
    exact = models.BooleanField(default=True)
    renewed = models.PositiveIntegerField(default=0)
    notes = models.JSONField(default=list)
    letters = models.JSONField(default=list)

    def __str__(self) -> str:
        return f"look {self.pk} into {self.queue_id}"


class MaskRule(models.Model):
    """What nobody is shown: `kind` "path" (of keys in bodies: card.*) or "header" (a glob over names)."""

    kind = models.CharField(max_length=8, choices=[("path", "path"), ("header", "header")])
    pattern = models.CharField(max_length=200)
    created_by = models.CharField(max_length=150, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering: ClassVar = ("kind", "pattern")
        constraints: ClassVar = [models.UniqueConstraint(fields=("kind", "pattern"), name="mask_rule_once")]

    def __str__(self) -> str:
        return f"{self.kind} {self.pattern}"
