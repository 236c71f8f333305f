"""A proxy in front of a peer that speaks an AWS protocol: counts calls by action, and answers some itself."""

from __future__ import annotations

import http.client
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import orjson

from .ports import free_port

#: What is answered instead of asking the peer: HTTP status, error code and message. None = the peer is asked.
Answer = tuple[int, str, str] | None


class AwsProxy:
    """`answers` is asked about each call, with its action ("ListQueues") and body; `garbage` goes out with a 200."""

    def __init__(self, port: int) -> None:
        self.calls: Counter[str] = Counter()
        self.answers: Callable[[str, bytes], Answer] = lambda action, body: None
        self.garbage: bytes | None = None
        self._lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                action = (self.headers.get("X-Amz-Target") or "").rpartition(".")[2]
                with outer._lock:
                    outer.calls[action] += 1
                answer = outer.answers(action, body)
                if outer.garbage is not None:
                    self._reply(200, outer.garbage)
                elif answer is not None:
                    status, code, message = answer
                    self._reply(status, _refusal(code, message, json=bool(action)))
                else:
                    self._forward(body)

            def _forward(self, body: bytes) -> None:
                peer = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
                try:
                    peer.request("POST", self.path, body, dict(self.headers.items()))
                    reply = peer.getresponse()
                    self._reply(reply.status, reply.read(), reply.getheader("Content-Type") or "")
                finally:
                    peer.close()

            def _reply(self, status: int, body: bytes, kind: str = "application/x-amz-json-1.0") -> None:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Nothing on the terminal."""

        self._server = ThreadingHTTPServer(("127.0.0.1", free_port()), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


def _refusal(code: str, message: str, json: bool) -> bytes:
    """An error in the protocol that was spoken: JSON with a target in the header, else query and XML."""
    if json:
        return orjson.dumps({"__type": code, "message": message})
    error = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>"
    return f"<ErrorResponse>{error}</ErrorResponse>".encode()


@contextmanager
def in_front_of(port: int) -> Iterator[AwsProxy]:
    """A proxy for as long as the block lasts."""
    proxy = AwsProxy(port)
    try:
        yield proxy
    finally:
        proxy.stop()
