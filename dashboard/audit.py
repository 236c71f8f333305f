"""What was done, by whom, when, to what, with what result: one line per deed, never changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db.models import Q, QuerySet
from django.utils import timezone

from .environment import seconds
from .models import AuditEntry
from .refused import DeedRefused


def record(who: str, action: str, target: str = "", result: str = "done", **details: Any) -> AuditEntry:
    """Write one entry. `action` is a verb with its object ("add broker"), `target` a name.

    Nothing secret may be passed: entries are shown to administrators as they stand.
    """
    texts = {"who": who[:150], "action": action[:64], "target": target[:300], "result": result[:300]}
    return AuditEntry.objects.create(**without_nul(texts), details=without_nul(details))


def without_nul(value: Any) -> Any:
    """A JSON value without the one character that PostgreSQL has not."""
    if isinstance(value, str):
        return value.replace("\0", "")
    if isinstance(value, dict):
        return {without_nul(name): without_nul(one) for name, one in value.items()}
    return [without_nul(one) for one in value] if isinstance(value, list | tuple) else value


@dataclass(frozen=True, slots=True)
class Search:
    """Which entries are asked for; what is empty does not matter. Words are looked for in every text of an entry."""

    words: str = ""
    who: str = ""
    action: str = ""
    target: str = ""
    start: datetime | None = None
    end: datetime | None = None

    @classmethod
    def read(cls, asked: Mapping[str, str]) -> Search:
        """From the parameters of an address. Raises DeedRefused for a time that is none."""
        words, who, action, target = (_text(asked, name) for name in ("filter", "who", "action", "target"))
        start, last = moment(asked, "start"), asked.get("last", "").strip()
        if last:
            since = timezone.now() - _span(last)
            start = max(start, since) if start else since
        return cls(words, who, action, target, start, moment(asked, "end"))

    def found(self) -> QuerySet[AuditEntry]:
        """The entries, newest first."""
        found = AuditEntry.objects.order_by("-id")
        for word in self.words.split():
            anywhere = Q(who__icontains=word) | Q(action__icontains=word) | Q(target__icontains=word)
            found = found.filter(anywhere | Q(result__icontains=word))
        exact = {"action": self.action, "at__gte": self.start, "at__lt": self.end}
        inside = {"who__icontains": self.who, "target__icontains": self.target}
        return found.filter(**{name: value for name, value in (exact | inside).items() if value})


def _text(asked: Mapping[str, str], field: str) -> str:
    return asked.get(field, "").replace("\0", "").strip()[:300]


def moment(asked: Mapping[str, str], field: str) -> datetime | None:
    """The time under this name, None when none is given. Raises DeedRefused."""
    text = asked.get(field, "").strip()
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text)
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        sentence = f"{field} is '{text[:40]}'; write a time such as 2026-03-31T14:00, in UTC."
        raise DeedRefused(field, sentence) from None


def _span(text: str) -> timedelta:
    try:
        return min(timedelta(seconds=seconds("last", text[:40])), timedelta(days=36500))
    except (ImproperlyConfigured, OverflowError):
        raise DeedRefused("last", f"last is '{text[:40]}'; write a duration such as 90m, 24h or 30d.") from None
