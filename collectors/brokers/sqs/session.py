"""The HTTP of botocore, with answers that are bounded in size and in time, and that are what they should be.

botocore reads whatever comes, for as long as it comes, and takes half an answer, or a page of HTML that asks for a
sign-in, for an answer without any queue.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import orjson
from botocore import exceptions as aws
from botocore.awsrequest import AWSResponse
from urllib3 import exceptions as failures

from ...errors import BadAnswer, TimedOut

#: Bytes of one answer that are taken at most: ten messages of 1 MiB, of which JSON may make three times as much.
LARGEST_ANSWER = 48 << 20
PIECE = 1 << 16
#: Time-outs (each is that of one piece) that a whole answer may take.
PATIENCE = 4


class BoundedSession:
    """Stands in front of botocore's own session. `place` is "SQS in eu-west-1"; `json`: a good answer is an object."""

    def __init__(self, session: Any, place: str, timeout: float, *, json: bool) -> None:
        self._session, self._place, self._timeout, self._json = session, place, timeout, json

    def send(self, request: Any) -> AWSResponse:
        """Raises BadAnswer, TimedOut, and what botocore raises."""
        request.stream_output = True  # then botocore leaves the reading to us
        answer = self._session.send(request)
        try:
            body = self._read(answer.raw)
        except failures.ReadTimeoutError as error:
            raise aws.ReadTimeoutError(endpoint_url=request.url, error=error) from error
        except failures.HTTPError as error:
            raise aws.ConnectionClosedError(endpoint_url=request.url, error=error, request=request) from error
        finally:
            answer.raw.release_conn()
        if self._json and answer.status_code == 200 and not _is_object(body):
            raise BadAnswer(
                f"{self._place} did not answer with JSON, or its answer broke off; is there a proxy in between?"
            )
        return AWSResponse(answer.url, answer.status_code, answer.headers, _Read(body))

    def close(self) -> None:
        self._session.close()

    def _read(self, raw: Any) -> bytes:
        deadline = time.monotonic() + PATIENCE * self._timeout
        body = bytearray()
        while piece := raw.read1(PIECE):
            body += piece
            if len(body) > LARGEST_ANSWER:
                raw.close()
                body.clear()  # whoever keeps the error keeps this frame
                raise BadAnswer(f"{self._place} sent more than {LARGEST_ANSWER >> 20} MB, which no call should need.")
            if time.monotonic() > deadline:
                raw.close()
                raise TimedOut(f"{self._place} did not finish its answer within {PATIENCE * self._timeout:g} s.")
        return bytes(body)


def _is_object(body: bytes) -> bool:
    try:
        return isinstance(orjson.loads(body), dict)
    except orjson.JSONDecodeError:
        return False


class _Read:
    """A body that was read already, as botocore asks for one."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self, *_: Any, **__: Any) -> Iterator[bytes]:
        yield self._body
