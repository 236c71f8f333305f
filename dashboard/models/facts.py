"""Single facts about this installation, such as which store of samples it belongs to."""

from __future__ import annotations

from django.db import models


class Fact(models.Model):
    """A named text: `store_uuid`, `tidied_at` ..."""

    name = models.CharField(max_length=64, primary_key=True)
    value = models.TextField()

    def __str__(self) -> str:
        return self.name
