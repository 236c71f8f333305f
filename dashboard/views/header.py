"""What the header of every page says beside its links."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from ..live.feed import fleet
from ..live.summary import dead_letters


def header(request: HttpRequest) -> dict[str, Any]:
    """For templates. The count is made only where the header is shown, that is, to somebody who is signed in."""
    return {"dead_letters_count": _dead_letters}


def _dead_letters() -> str:
    """How many dead letters lie in all queues; "" = none, or nobody tells."""
    count = dead_letters(fleet().snapshot())
    return f"{count:,.0f}" if count else ""
