"""Saved views: a filter and an order under a name, one's own or everybody's."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils import timezone

from .people import User


class SavedView(models.Model):
    """`owner` None: shared, for everybody. Names are used once among the shared ones, and once by each person."""

    owner = models.ForeignKey(User, on_delete=models.CASCADE, null=True, related_name="views")
    name = models.CharField(max_length=60)
    filter = models.CharField(max_length=2000, blank=True)
    sort = models.CharField(max_length=40, blank=True)
    created_by = models.CharField(max_length=150, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering: ClassVar = ("name", "id")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=("owner", "name"), name="own_view_once"),
            models.UniqueConstraint(fields=("name",), condition=models.Q(owner=None), name="shared_view_once"),
        ]

    def __str__(self) -> str:
        return self.name
