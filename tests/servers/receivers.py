"""Receivers of messages, real ones: an HTTP server and a mail server that answer as told, late, badly, or never."""

from __future__ import annotations

import json
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from .ports import free_port


class Hook:
    """An HTTP server that keeps what it was sent. `answers` are used one after another, the last one for ever.

    An answer is a status, (status, headers), "hang", "drop" (the connection, after the request was read) or "nonsense".
    """

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.got: list[dict[str, Any]] = []
        self.answers: list[Any] = [200]
        self.delay = 0.0
        self.released = Event()
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                hook._take(self)

            def log_message(self, *_: Any) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        if context is not None:
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        Thread(target=self.server.serve_forever, daemon=True).start()

    def _take(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers.get("Content-Length", 0)))
        self.got.append({"path": request.path, "headers": dict(request.headers), "raw": body, **_read(body)})
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        time.sleep(self.delay)
        with suppress(OSError):
            self._answer(request, answer)

    def _answer(self, request: BaseHTTPRequestHandler, answer: Any) -> None:
        if answer == "hang":
            self.released.wait(60)
        if answer in ("hang", "drop"):
            request.connection.close()
            return
        if answer == "nonsense":
            request.wfile.write(b"\x00\xffthis is no HTTP\r\n\r\n" * 100)
            return
        status, headers = answer if isinstance(answer, tuple) else (answer, {})
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(b"thank you" if status < 300 else b"no, <b>sorry</b>")

    @property
    def keys(self) -> list[str]:
        """The key of each message, repetitions too."""
        return [one["json"]["key"] for one in self.got]

    def close(self) -> None:
        self.released.set()
        self.server.shutdown()
        self.server.server_close()


def _read(body: bytes) -> dict[str, Any]:
    try:
        return {"json": json.loads(body)}
    except ValueError:
        return {}


@contextmanager
def hook(context: ssl.SSLContext | None = None) -> Iterator[Hook]:
    """An HTTP server, or with a context of TLS an HTTPS one."""
    server = Hook(context)
    try:
        yield server
    finally:
        server.close()


class Postbox:
    """What a mail server does with messages: keeps them, or answers `refusal`. `password`: whoever logs in says it."""

    def __init__(self, password: str = "") -> None:
        self.got: list[Any] = []
        self.secret: list[bool] = []  # whether each came over TLS
        self.refusal, self.password = "", password

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        if self.refusal:
            return self.refusal
        self.got.append(envelope)
        self.secret.append(server.transport.get_extra_info("sslcontext") is not None)
        return "250 kept"

    def login(self, server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        return AuthResult(success=data.password.decode() == self.password, handled=False)


@contextmanager
def mailbox(tls: str = "", context: ssl.SSLContext | None = None, password: str = "") -> Iterator[tuple[Postbox, int]]:
    """A mail server: what it got, and its port. `tls`: "" for none, "starttls", or "ssl" from the start."""
    box, port = Postbox(password), free_port()
    more: dict[str, Any] = {"authenticator": box.login, "auth_required": True} if password else {}
    if tls == "starttls":
        more |= {"tls_context": context, "require_starttls": True}
    if password and tls != "starttls":
        more |= {"auth_require_tls": False}
    kind = _SecretController if tls == "ssl" else Controller
    more |= {"ssl_context": context} if tls == "ssl" else {}
    server = kind(box, hostname="127.0.0.1", port=port, ready_timeout=60, **more)
    server.start()
    try:
        yield box, port
    finally:
        server.stop()


class _SecretController(Controller):
    """TLS from the start; the controller's own look whether it listens knows no certificates."""

    def _trigger_server(self) -> None:
        with suppress(OSError), socket.create_connection((self.hostname, self.port), 5):
            pass
