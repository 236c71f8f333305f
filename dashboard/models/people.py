"""People and machines that may use Weir."""

from __future__ import annotations

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.utils import timezone


class Role(models.TextChoices):
    """What a person or a token may do; each includes the one before. The deeds are listed in `dashboard.access`."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"


class User(AbstractUser):
    """A person."""

    role = models.CharField(max_length=16, choices=Role.choices, default=Role.VIEWER)


class Token(models.Model):
    """A machine's key to the API. Only a hash is kept; the text is shown once, when it is made."""

    name = models.CharField(max_length=100, unique=True)
    role = models.CharField(max_length=16, choices=Role.choices, default=Role.VIEWER)
    hash = models.CharField(max_length=64, unique=True)
    hint = models.CharField(max_length=12)  # its first characters, to tell tokens apart
    created_at = models.DateTimeField(default=timezone.now)
    created_by = models.CharField(max_length=150, blank=True)
    last_used_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.name


class SignInLink(models.Model):
    """A link that signs a person in once, within ten minutes. Only a hash of its token is kept.

    `user` None: for the first person, who is made when the link is used.
    """

    user = models.ForeignKey(User, on_delete=models.CASCADE, null=True)
    hash = models.CharField(max_length=64, unique=True)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)
    loopback_only = models.BooleanField(default=True)

    def __str__(self) -> str:
        return f"for {self.user_id or 'the first person'} until {self.expires_at:%H:%M}"
