"""Receivers of messages, real ones: an HTTP server and a mail server that answer as told, late, badly, or never."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

from aiosmtpd.controller import Controller

from .ports import free_port


class Hook:
    """An HTTP server that keeps what it was sent. `answers` are used one after another, the last one for ever.

    An answer is a status, (status, headers), "hang", "drop" (the connection, after the request was read) or "nonsense".
    """

    def __init__(self) -> None:
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
def hook() -> Iterator[Hook]:
    server = Hook()
    try:
        yield server
    finally:
        server.close()


class Postbox:
    """What a mail server does with messages: keeps them, or answers `refusal`."""

    def __init__(self) -> None:
        self.got: list[Any] = []
        self.refusal = ""

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        if self.refusal:
            return self.refusal
        self.got.append(envelope)
        return "250 kept"


@contextmanager
def mailbox() -> Iterator[tuple[Postbox, int]]:
    """A mail server: what it got, and its port."""
    box, port = Postbox(), free_port()
    server = Controller(box, hostname="127.0.0.1", port=port)
    server.start()
    try:
        yield box, port
    finally:
        server.stop()
