"""A proxy in front of a peer that speaks an AWS protocol: counts calls by action, and answers some itself."""

from __future__ import annotations

import http.client
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import orjson

from .ports import free_port

#: What is answered instead of asking the peer: HTTP status, error code and message. None = the peer is asked.
Answer = tuple[int, str, str] | None


class AwsProxy:
    """`answers` is asked about each call, with its action ("ListQueues") and body; `garbage` goes out with a 200.

    `entries` is asked about each entry of a batch, with the action: one for which it gives an error code is not passed
    on, and is among those that failed. `loses` is asked about each call when the peer has answered it: true = the
    connection is cut instead of answering. `replies` may answer a call well instead of the peer. However many calls
    come at once, the first three are asked about one after the other.
    """

    def __init__(self, port: int) -> None:
        self.calls: Counter[str] = Counter()
        self.answers: Callable[[str, bytes], Answer] = lambda action, body: None
        self.replies: Callable[[str, dict[str, Any]], dict[str, Any] | None] = lambda action, call: None
        self.entries: Callable[[str, dict[str, Any]], str] = lambda action, entry: ""
        self.loses: Callable[[str], bool] = lambda action: False
        self.garbage: bytes | None = None
        self.lock = threading.Lock()
        self._server = _Server(("127.0.0.1", free_port()), _handler(self, port))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64  # of the usual five the sixth waits for seconds where many connect at once


def _handler(outer: AwsProxy, port: int) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            action = (self.headers.get("X-Amz-Target") or "").rpartition(".")[2]
            with outer.lock:
                outer.calls[action] += 1
                answer = outer.answers(action, body)
            if outer.garbage is not None:
                self._reply(200, outer.garbage)
            elif answer is not None:
                status, code, message = answer
                self._reply(status, _refusal(code, message, json=bool(action)))
            elif (reply := outer.replies(action, orjson.loads(body) if action else {})) is not None:
                self._reply(200, orjson.dumps(reply))
            else:
                self._forward(action, body)

        def _forward(self, action: str, body: bytes) -> None:
            body, failed = _without_failing(outer, action, body)
            if failed and not orjson.loads(body)["Entries"]:
                self._reply(200, _with_failed(b'{"Successful": []}', failed))
                return
            peer = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            try:
                headers = {**self.headers, "Content-Length": str(len(body))}
                peer.request("POST", self.path, body, headers)
                reply = peer.getresponse()
                answer = _with_failed(reply.read(), failed)
                with outer.lock:
                    lost = outer.loses(action)
                if lost:
                    self.close_connection = True
                else:
                    self._reply(reply.status, answer, reply.getheader("Content-Type") or "")
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

    return Handler


def _without_failing(proxy: AwsProxy, action: str, body: bytes) -> tuple[bytes, list[dict[str, Any]]]:
    """A call without the entries that are to fail, and what is to be said of those."""
    if not action.endswith("Batch"):
        return body, []
    call = orjson.loads(body)
    with proxy.lock:
        codes = [(entry, proxy.entries(action, entry)) for entry in call["Entries"]]
    failed = [{"Id": entry["Id"], "Code": code, "SenderFault": True} for entry, code in codes if code]
    call["Entries"] = [entry for entry, code in codes if not code]
    return (orjson.dumps(call), failed) if failed else (body, [])


def _with_failed(answer: bytes, failed: list[dict[str, Any]]) -> bytes:
    return orjson.dumps({**orjson.loads(answer), "Failed": failed}) if failed else answer


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
