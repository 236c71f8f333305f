"""Wallboard links: a view for a screen on the wall, without signing in."""

from __future__ import annotations

from django.db import models
from django.utils import timezone


class Wallboard(models.Model):
    """A link that shows one view, and nothing else. Only a hash of its token is kept; the link is shown once."""

    name = models.CharField(max_length=100, unique=True)
    filter = models.CharField(max_length=2000, blank=True)
    sort = models.CharField(max_length=40, blank=True)
    hash = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(default=timezone.now)
    created_by = models.CharField(max_length=150, blank=True)
    last_used_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.name
