"""What was done, by whom, when, to what, with what result: one line per deed, never changed."""

from __future__ import annotations

from typing import Any

from .models import AuditEntry


def record(who: str, action: str, target: str = "", result: str = "done", **details: Any) -> AuditEntry:
    """Write one entry. `action` is a verb with its object ("add broker"), `target` a name.

    Nothing secret may be passed: entries are shown to administrators as they stand.
    """
    return AuditEntry.objects.create(
        who=who[:150], action=action[:64], target=target[:300], result=result[:300], details=details
    )
