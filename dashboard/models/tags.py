"""Tags that a file gives to queues by their names (`manage.py apply`)."""

from __future__ import annotations

from typing import ClassVar

from django.db import models


class TagRule(models.Model):
    """Queues whose name matches `queues`, of brokers whose name matches `broker`, have these tags. Both are globs."""

    broker = models.CharField(max_length=200, default="*")
    queues = models.CharField(max_length=600, default="*")
    tags = models.JSONField(default=list)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=("broker", "queues"), name="tag_rule_once")]

    def __str__(self) -> str:
        return f"{self.broker}/{self.queues}: {', '.join(self.tags)}"
