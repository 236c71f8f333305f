"""What was done, by whom, when, to what, with what result."""

from __future__ import annotations

from django.db import models


class AuditEntry(models.Model):
    """One deed. Written by `dashboard.audit.record`, never changed."""

    at = models.DateTimeField(auto_now_add=True, db_index=True)
    who = models.CharField(max_length=150)
    action = models.CharField(max_length=64)
    target = models.CharField(max_length=300, blank=True)
    result = models.CharField(max_length=300, blank=True)
    details = models.JSONField(default=dict, blank=True)

    class Meta:
        ordering = ("-at", "-id")
        verbose_name_plural = "audit entries"

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M} {self.who} {self.action} {self.target}"
