"""HTTP to a RabbitMQ: bounded in time and size, and every failure is one sentence of the error tree."""

from __future__ import annotations

import ssl
import time
from pathlib import Path

import orjson
import urllib3
from urllib3 import exceptions as failures

from collectors.certificates import why_untrusted
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

from .connections import Connections
from .endpoints import Endpoint

#: The broker itself may wait up to 10 s for a node that is unwell, so less would give up on good answers.
TIMEOUT = 25.0
CONNECT_TIMEOUT = 5.0
#: Bytes of an answer that are taken at most, unpacked: 100,000 queues are about 60 MB, and come with their length.
#: What comes without one is taken for something that may never end much sooner.
LARGEST_ANSWER, LARGEST_UNANNOUNCED = 128 << 20, 32 << 20
PIECE = 1 << 18
_BROKEN = (failures.IncompleteRead, failures.InvalidChunkLength, failures.InvalidHeader, failures.DecodeError)
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class Http:
    """A small pool of connections, used by one poll at a time and by the threads of its scrape.

    Raises BadURL when `ca_file` is no file.
    `requests` and `bytes` count what was sent and received (decoded) since they were last set to 0.
    """

    def __init__(self, *, timeout: float = TIMEOUT, ca_file: str = "", verify: bool = True) -> None:
        if ca_file and not Path(ca_file).is_file():
            raise BadURL(f"ca_file={ca_file} is not a file that can be read.")
        self._timeout = timeout
        self._pool = Connections(
            maxsize=4,
            retries=False,
            timeout=urllib3.Timeout(connect=min(CONNECT_TIMEOUT, timeout), read=timeout),
            cert_reqs="CERT_REQUIRED" if verify else "CERT_NONE",
            ca_certs=ca_file or None,
        )
        self.requests = 0
        self.bytes = 0

    def get(self, endpoint: Endpoint, path: str) -> bytes:
        """The body of a successful answer to GET. Raises any CollectorError; NotSupported for a 404."""
        where = endpoint.address
        self.requests += 1
        try:
            response = self._pool.request(
                "GET", where + path, headers=_headers(endpoint), preload_content=False, redirect=False
            )
            try:
                body = self._read(response, where)
            finally:
                response.release_conn()
        except CollectorError:
            raise
        except failures.HTTPError as error:
            raise _failure(error, where, self._timeout) from error
        if response.status != 200:
            raise _refusal(response.status, body, endpoint)
        return body

    def close(self) -> None:
        """Let go of every connection; a request that another thread is making ends with Unreachable."""
        self._pool.hang_up()

    def _read(self, response: urllib3.BaseHTTPResponse, where: str) -> bytes:
        deadline = time.monotonic() + self._timeout
        announced = response.headers.get("content-length", "")
        most = LARGEST_ANSWER if announced.isdecimal() else LARGEST_UNANNOUNCED
        body = bytearray()
        if announced.isdecimal() and int(announced) > most:
            response.close()
            raise BadAnswer(f"{where} announces {int(announced) >> 20} MB, which no poll should need.")
        while piece := response.read1(PIECE, decode_content=True):  # what is there: one that drips must end as well
            body += piece
            if len(body) > most:
                response.close()
                body.clear()  # whoever keeps the error keeps this frame
                raise BadAnswer(f"{where} sent more than {most >> 20} MB, which no poll should need.")
            if time.monotonic() > deadline:
                response.close()
                raise TimedOut(f"{where} did not finish its answer within {self._timeout:g} s.")
        self.bytes += len(body)
        return bytes(body)


def decode_json(body: bytes, where: str) -> object:
    """JSON as Python values. Raises BadAnswer."""
    if not body:
        raise BadAnswer(f"{where} answered with nothing at all; the answer may have broken off.")
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        raise BadAnswer(f"{where} answered with something that is not JSON; is it RabbitMQ's management API?") from None


def _headers(endpoint: Endpoint) -> dict[str, str]:
    # Compressing costs the broker more than it saves when nothing crosses a network.
    headers = {} if endpoint.host in _LOOPBACK else {"accept-encoding": "gzip"}
    if endpoint.user:
        headers |= urllib3.make_headers(basic_auth=f"{endpoint.user}:{endpoint.password}")
    return headers


def _failure(error: failures.HTTPError, where: str, timeout: float) -> CollectorError:
    if isinstance(error, failures.NameResolutionError):
        return Unreachable(f"The host name of {where} was not found; check its spelling.")
    if isinstance(error, failures.NewConnectionError):  # before the time-outs, of which urllib3 thinks it is one
        return Unreachable(f"No connection to {where}: it was refused or has no route; is it running there?")
    if isinstance(error, failures.ConnectTimeoutError | failures.ReadTimeoutError):
        return TimedOut(f"{where} did not answer within {timeout:g} s.")
    if isinstance(error, failures.SSLError):
        cause = error.args[0] if error.args else None
        if isinstance(cause, ssl.SSLCertVerificationError):
            return Unreachable(f"The certificate of {where} is not trusted: {why_untrusted(cause)}.")
        return Unreachable(f"No TLS connection to {where}: does it speak plain HTTP there?")
    if isinstance(error, failures.LocationValueError):
        return BadURL(f"{where} is not an address that can be asked.")
    if isinstance(error, _BROKEN):
        return BadAnswer(f"The answer of {where} broke off or cannot be unpacked.")
    if isinstance(error, failures.ProtocolError):
        cause = error.args[1] if len(error.args) > 1 else None
        if isinstance(cause, OSError):
            return Unreachable(f"{where} closed the connection.")
        return BadAnswer(f"The answer of {where} broke off or is not HTTP.")
    return Unreachable(f"{where} cannot be asked: {_reason(error)}.")


def _reason(error: Exception) -> str:
    text = str(error.args[0] if error.args else error)
    return text.split("(_ssl.c")[0].strip(" .")


def _refusal(status: int, body: bytes, endpoint: Endpoint) -> CollectorError:
    where, said = endpoint.address, _said(body)
    user = f"user '{endpoint.user}'" if endpoint.user else "a user without a name"
    if status in (401, 403):
        if "Login failed" in said or not said:  # by whatever stands before it where a 403 says nothing
            kind = AccessRefused if status == 403 and not said else SignInRefused
            return kind(f"{where} refused {user}: wrong user name or password.")
        if "Not management user" in said:
            return AccessRefused(f"{where} refused {user}: it lacks the tag 'monitoring' (or 'management').")
        if "Not monitor user" in said:
            return AccessRefused(f"{where} refused {user}: it lacks the tag 'monitoring'.")
        if "virtual host" in said:
            return AccessRefused(f"{where} refused {user}: it has no permission in that virtual host.")
        return AccessRefused(f"{where} refused {user}: {said}.")
    if status == 404:
        return NotSupported(f"{where} does not know what was asked for (404).")
    if 300 <= status < 400:
        return BadAnswer(f"{where} sends elsewhere ({status}); name the final address in the broker URL.")
    return BadAnswer(f"{where} answered with an error ({status}{': ' + said if said else ''}).")


def _said(body: bytes) -> str:
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        return ""
    reason = answer.get("reason") or answer.get("error") if isinstance(answer, dict) else None
    return reason.strip(" .")[:200] if isinstance(reason, str) else ""
