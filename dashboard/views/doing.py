"""A deed done from a page's form: the next page says that it is done, or why not."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib import messages
from django.http import HttpRequest

from ..refused import DeedRefused


def do(request: HttpRequest, deed: Callable[[], object], done: str) -> None:
    """Do it, and say `done`, or why it was refused."""
    try:
        deed()
    except DeedRefused as refused:
        messages.error(request, str(refused))
    else:
        messages.success(request, done)
