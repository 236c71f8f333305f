"""The web server inside `up`: Daphne in the main thread, ended by SIGINT and SIGTERM."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

from daphne.endpoints import build_endpoint_description_strings
from daphne.server import Server
from django.core.exceptions import ImproperlyConfigured


class _Server(Server):  # type: ignore[misc]
    """Daphne, which says at which port it listens once it does."""

    on_listening: Callable[[int], None]
    failure: str = ""

    def listen_success(self, port: Any) -> None:
        super().listen_success(port)
        self.on_listening(self.listening_addresses[-1][1])

    def listen_error(self, failure: Any) -> None:
        self.failure = failure.getErrorMessage()
        self.stop()


def serve(application: Any, host: str, port: int, on_listening: Callable[[int], None]) -> None:
    """Serve until a signal ends it. Raises ImproperlyConfigured when it cannot listen there."""
    _try_to_bind(host, port)
    server = _Server(
        application,
        endpoints=build_endpoint_description_strings(host=host, port=port),
        application_close_timeout=2,
        server_name="weir",
    )
    server.on_listening = on_listening
    server.run()
    if server.failure:
        raise ImproperlyConfigured(f"Weir cannot listen on {host}:{port}: {server.failure}")


def _try_to_bind(host: str, port: int) -> None:
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise ImproperlyConfigured(
            f"Weir cannot listen on {host}:{port}: {error.strerror}. Choose another port with --port."
        ) from None
