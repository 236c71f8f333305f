"""The WebSocket side of Weir: two addresses, the origin checked, the person read from the session (or a wallboard)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import SplitResult, urlsplit

from channels.auth import AuthMiddlewareStack
from channels.routing import URLRouter
from channels.security.websocket import WebsocketDenier
from django.conf import settings
from django.http.request import validate_host
from django.urls import path, re_path

from .consumers import LiveConsumer
from .straight import Straight

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_PORTS = {"http": 80, "https": 443}


class OriginChecked:
    """Lets in browsers that show a page of Weir itself, and programs with a token; refuses others (403).

    A browser sends the cookies of Weir along with a socket that any page opens, and always says which
    page that is: its origin must be this host and port, or that of WEIR_PUBLIC_URL. Who sends no
    origin is no browser, and needs a token.
    """

    def __init__(self, application: App) -> None:
        self.application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope.get("headers", ()))
        origin = headers.get(b"origin")
        good = b"authorization" in headers if origin is None else from_here(origin.decode("latin-1"), headers)
        if good:
            scope["straight"] = Straight.of(send)
            await self.application(scope, receive, send)
        else:
            await receive()
            await send({"type": "websocket.close", "code": 4403})


def from_here(origin: str, headers: MutableMapping[bytes, bytes]) -> bool:
    """Whether an origin is a page of this installation."""
    try:
        page = urlsplit(origin)
        public = urlsplit(settings.WEIR_PUBLIC_URL)
        if settings.WEIR_PUBLIC_URL and _place(page) == _place(public):
            return True
        host = urlsplit(f"{page.scheme}://{headers.get(b'host', b'').decode('latin-1')}")
        same = page.scheme in _PORTS and _place(page) == _place(host)
    except ValueError:  # a port that is none
        return False
    return same and validate_host(host.hostname and _bracketed(host.hostname), settings.ALLOWED_HOSTS)


def _place(url: SplitResult) -> tuple[str, str | None, int | None]:
    return url.scheme, url.hostname, url.port or _PORTS.get(url.scheme)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


_live = LiveConsumer.as_asgi()
_prefix = urlsplit(settings.WEIR_PUBLIC_URL).path.strip("/")  # a proxy in front may take it off or leave it
_addresses = ("ws/live/", "ws/wallboard/<str:wallboard>/")
_routes = [
    *(path(address, _live) for address in _addresses),
    *(path(f"{_prefix}/{address}", _live) for address in _addresses if _prefix),
    re_path("", WebsocketDenier.as_asgi()),
]
websocket_application = OriginChecked(AuthMiddlewareStack(URLRouter(_routes)))
