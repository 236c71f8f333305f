"""What a broker, or what stands in its place, may answer: every failure is one clear sentence, and none is a number."""

from __future__ import annotations

import gzip
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer

import pytest

from collectors.brokers.rabbitmq import http
from collectors.brokers.rabbitmq.endpoints import Endpoint, Endpoints
from collectors.brokers.rabbitmq.management import Management
from collectors.errors import (
    AccessRefused,
    BadAnswer,
    BadURL,
    CollectorError,
    NotSupported,
    SignInRefused,
    TimedOut,
    Unreachable,
)
from collectors.registry import parse
from tests.servers.ports import free_port


@contextmanager
def answering(status: int = 200, body: bytes = b"[]", *, wait: float = 0, **headers: str) -> Iterator[Endpoint]:
    """A server that gives one answer to everything."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            time.sleep(wait)
            self.send_response(status)
            for name, value in {"Content_Length": str(len(body)), **headers}.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    server: HTTPServer = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield Endpoint(f"http://127.0.0.1:{server.server_port}", "watcher", "secret-word")
    server.shutdown()
    server.server_close()


def failure(endpoint: Endpoint, *, timeout: float = 5.0) -> CollectorError:
    client = http.Http(timeout=timeout)
    with pytest.raises(CollectorError) as caught:
        Management(client, endpoint, None).queues("")
    client.close()
    said = str(caught.value)
    assert said.endswith((".", "?")) and "\n" not in said and "secret-word" not in said
    return caught.value


def test_nothing_listens():
    assert isinstance(failure(Endpoint(f"http://127.0.0.1:{free_port()}")), Unreachable)


def test_a_host_name_that_does_not_exist():
    assert isinstance(failure(Endpoint("http://no-such-host.invalid:15672")), Unreachable)


def test_no_answer_in_time():
    with answering(wait=3) as endpoint:
        assert isinstance(failure(endpoint, timeout=0.5), TimedOut)


def test_a_connection_that_is_closed_without_an_answer():
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=lambda: server.accept()[0].close(), daemon=True)
        thread.start()
        assert isinstance(failure(Endpoint(f"http://127.0.0.1:{server.getsockname()[1]}")), Unreachable)
        thread.join(5)


def test_an_answer_that_breaks_off():
    with answering(body=b'[{"name"', Content_Length="100000") as endpoint:
        assert isinstance(failure(endpoint), BadAnswer)


@pytest.mark.parametrize("body", [b"<html>Sign in</html>", b'{"no": "list"}', b"[1, 2]", b"", b"[{", b"\xff\xfe"])
def test_an_answer_that_is_not_understood(body: bytes):
    with answering(body=body) as endpoint:
        assert isinstance(failure(endpoint), BadAnswer)


def test_an_answer_that_is_too_large(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(http, "LARGEST_ANSWER", 1 << 20)
    bomb = gzip.compress(b" " * (64 << 20))  # 64 MB in 64 KB
    with answering(body=bomb, Content_Encoding="gzip") as endpoint:
        assert isinstance(failure(endpoint), BadAnswer)


def test_compressed_rubbish():
    with answering(body=b"not gzip", Content_Encoding="gzip") as endpoint:
        assert isinstance(failure(endpoint), BadAnswer)


@pytest.mark.parametrize(
    ("status", "body", "kind", "word"),
    [
        (401, b'{"error":"not_authorized","reason":"Login failed"}', SignInRefused, "password"),
        (401, b'{"error":"not_authorised","reason":"Not management user"}', AccessRefused, "'monitoring'"),
        (401, b'{"error":"not_authorised","reason":"Not monitor user"}', AccessRefused, "'monitoring'"),
        (403, b"Forbidden", AccessRefused, "watcher"),
        (404, b'{"error":"Object Not Found"}', NotSupported, "404"),
        (302, b"", BadAnswer, "302"),
        (500, b'{"error":"Internal Server Error"}', BadAnswer, "500"),
        (503, b"<html>busy</html>", BadAnswer, "503"),
    ],
)
def test_a_refusal_says_what_is_missing(status: int, body: bytes, kind: type[CollectorError], word: str):
    with answering(status, body) as endpoint:
        error = failure(endpoint)
    assert type(error) is kind
    assert word in str(error)


def test_tls_where_none_is_spoken():
    with answering() as endpoint:
        assert isinstance(failure(Endpoint(endpoint.address.replace("http:", "https:"))), Unreachable)


def test_a_certificate_file_that_does_not_exist(tmp_path):
    with pytest.raises(BadURL, match="ca_file"):
        http.Http(ca_file=str(tmp_path / "none.pem"))


def endpoints(text: str) -> Endpoints:
    return Endpoints.of(parse(text))


def test_the_management_api_is_on_the_usual_port_of_the_same_host_with_the_same_user():
    found = endpoints("amqp://me:pw@rabbit.example/shop").management
    assert (found.address, found.user, found.password) == ("http://rabbit.example:15672", "me", "pw")
    assert endpoints("amqps://rabbit.example/").management.address == "https://rabbit.example:15671"


def test_the_management_api_may_have_its_own_address_path_and_user():
    found = endpoints("amqp://me:pw@h/?management=https://you:other@m.example/rabbit/").management
    assert (found.address, found.user, found.password) == ("https://m.example:15671/rabbit", "you", "other")


def test_prometheus_endpoints_get_no_password_unless_they_name_one():
    found = endpoints("amqp://me:pw@h/?prometheus=http://a&prometheus=http://x:y@b:9000").prometheus
    assert [(e.address, e.user) for e in found] == [("http://a:15692", ""), ("http://b:9000", "x")]


@pytest.mark.parametrize(
    ("path", "vhost"), [("", None), ("/", None), ("/%2f", "/"), ("/shop", "shop"), ("/a%2Fb", "a/b")]
)
def test_the_path_is_the_virtual_host(path: str, vhost: str | None):
    assert endpoints(f"amqp://h{path}").vhost == vhost


@pytest.mark.parametrize("text", ["ftp://h", "h:15672", "http://", "http://h:port", "http://h/?x=1"])
def test_an_address_that_cannot_be_one_is_refused_by_the_name_of_its_parameter(text: str):
    with pytest.raises(BadURL, match="management"):
        endpoints(f"amqp://h/?management={text.replace('?', '%3F').replace('=', '%3D')}")


def test_nobody_shows_a_password():
    found = endpoints("amqp://me:secret-word@h/?management=http://you:secret-word@m&prometheus=http://x:secret-word@b")
    assert "secret-word" not in repr(found)
