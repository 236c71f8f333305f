"""Answers to writing API calls, kept for a day so that a repeated call is not done twice."""

from __future__ import annotations

from typing import ClassVar

from django.db import models


class KeptAnswer(models.Model):
    """What a call with an `Idempotency-Key` was answered. `status` None: it is being worked on."""

    principal = models.CharField(max_length=80)  # "person 7", "token 3"
    key = models.CharField(max_length=200)
    request_hash = models.CharField(max_length=64)  # of method, path and body
    status = models.PositiveSmallIntegerField(null=True)
    body = models.TextField(blank=True)
    at = models.DateTimeField(auto_now_add=True, db_index=True)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=("principal", "key"), name="answer_once")]

    def __str__(self) -> str:
        return f"{self.principal} {self.key}"
