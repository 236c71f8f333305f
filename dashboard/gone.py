"""Whether who asked is still there: a browser that went away while a view works for it.

Django cancels a view only where it awaits; a thread that is talking to a broker is never told. So each request carries
an event, which is set as soon as its client is gone.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from threading import Event
from typing import Any

from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest

_KEY = "weir.gone"

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Application = Callable[[Mapping[str, Any], Receive, Any], Awaitable[None]]


def heard(application: Application) -> Application:
    """The application, whose requests know when their client has gone."""

    async def listening(scope: Mapping[str, Any], receive: Receive, send: Any) -> None:
        gone = Event()

        async def hear() -> MutableMapping[str, Any]:
            message = await receive()
            if message["type"] == "http.disconnect":
                gone.set()
            return message

        await application({**scope, _KEY: gone}, hear, send)

    return listening


def gone(request: HttpRequest) -> Callable[[], bool]:
    """Asks whether the client of a request has gone; never, where the server does not tell."""
    event = request.scope.get(_KEY) if isinstance(request, ASGIRequest) else None
    return event.is_set if isinstance(event, Event) else lambda: False
