"""Letters that nobody meant to write: for each decoder valid bytes that are cut, flipped, joined and wrapped."""

from __future__ import annotations

import base64
import bz2
import gzip
import json
import lzma
import pickle
import re
import tomllib
import zlib
from collections.abc import Callable
from dataclasses import astuple
from pathlib import Path
from typing import Any

import msgpack
import zstandard
from hypothesis import strategies as st

from collectors.causes import cause_of
from collectors.decoding import Limits, decode
from collectors.registry import FAILURES, SHAPES

RECORDINGS = Path(__file__).parents[1] / "recordings"

PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "zlib": zlib.compress,
    "bzip2": bz2.compress,
    "xz": lambda data: lzma.compress(data, preset=0),
    "zstd": zstandard.compress,
    "base64": base64.b64encode,
    "JSON text": lambda data: json.dumps(data.decode("utf-8", "replace")).encode(),
    "pickle": pickle.dumps,
    "frame": lambda data: b"\x00\x00\x00\x00\x07" + data,
    "nothing": bytes,
}

leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
)
CONTENT_TYPES = [
    *("", "application/json", "application/x-msgpack", "application/x-python-serialize", "application/x-yaml"),
    *("text/plain;charset=big5", "application/cloudevents+json", "application/vnd.masstransit+json"),
]
CONTENT_ENCODINGS = ["", "base64", "deflate", "gzip", "utf-8", "utf-16", "binary", "shift_jis"]


def seeds() -> list[bytes]:
    """Bodies that a real decoder or shape takes apart."""
    recorded = [json.loads(path.read_text()) for path in sorted((RECORDINGS / "letters").glob("*.json"))]
    written = tomllib.loads((RECORDINGS / "written" / "letters.toml").read_text("utf-8"))["letter"]
    return [base64.b64decode(one["body"]) for one in recorded] + [one["body"].encode() for one in written]


def header_values() -> st.SearchStrategy[Any]:
    texts = st.text(max_size=60) | st.binary(max_size=60) | leaves
    return texts | st.lists(
        st.dictionaries(st.sampled_from(["queue", "reason", "count"]), texts, max_size=3), max_size=2
    )


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """Something that was once meant, and what happened to it."""
    body = draw(
        st.binary(max_size=400)
        | st.sampled_from(seeds())
        | values.map(lambda value: json.dumps(value).encode())
        | st.binary(max_size=40).map(lambda raw: msgpack.packb({"raw": raw, "n": [1, 2.5, None]}))
    )
    for _ in range(draw(st.integers(0, 3))):
        body = PACKERS[draw(st.sampled_from(sorted(PACKERS)))](body)
        if draw(st.booleans()):
            body = broken(draw, body)
    return body


def broken(draw: st.DrawFn, body: bytes) -> bytes:
    """The body with some bytes lost, changed, added or repeated."""
    start = draw(st.integers(0, len(body)))
    end = draw(st.integers(start, min(len(body), start + 20)))
    return body[:start] + draw(st.binary(max_size=6) | st.just(body[start:end] * 2)) + body[end:]


NAMES = [
    "x-death", "x-exception-stacktrace", "x-exception-message", "MT-Fault-ExceptionType", "MT-Fault-StackTrace",
    "task", "id", "argsrepr", "description", "origin", "created_at", "status", "exc_string", "exc_info",
    "failedReason", "stacktrace", "name", "opts", "timestamp", "ce_type", "ce_id", "rbs2-error-details",
    "DeadLetterReason", "__connect.errors.exception.class.name", "kafka_dlt-exception-fqcn",
    "kafka_dlt-exception-stacktrace", "error", "NServiceBus.EnclosedMessageTypes",
    "NServiceBus.ExceptionInfo.ExceptionType", "ErrorMessage", "RequestID",
]  # fmt: skip
headers = st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=10), header_values(), max_size=6)

_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufeff]")


def check(body: bytes, told: dict[str, Any], content_type: str, content_encoding: str, limit: int) -> None:
    """What holds for every body: nothing is raised, everything is bounded, and what is shown can be shown."""
    limits = Limits(bytes=limit)
    decoded = decode(body, told, content_type, content_encoding, SHAPES, limits)
    assert decoded.size == len(body)
    assert 1 <= len(decoded.steps) <= limits.steps + 1
    shown, left_out = decoded.shown(2_000)
    assert len(shown) <= 2_000
    tree = json.dumps(decoded.tree().value, ensure_ascii=False, allow_nan=False)
    for text in (shown, left_out, tree, *decoded.notes):
        text.encode()
        assert not _UNSAFE.search(text), ascii(text)
    cause = cause_of(decoded.headers, decoded.value, message_type=decoded.message_type, readers=FAILURES)
    again = decode(body, told, content_type, content_encoding, SHAPES, limits)
    assert cause == cause_of(again.headers, again.value, message_type=again.message_type, readers=FAILURES)
    assert re.fullmatch("[0-9a-f]{16}", cause.fingerprint)
    assert len(cause.title) <= 120
    for text in (*astuple(cause), decoded.message_type, *(step.detail for step in decoded.steps)):
        assert len(text) <= 600 and not _UNSAFE.search(text), ascii(text)


EVERYTHING = {
    "body": bodies(),
    "told": headers,
    "content_type": st.sampled_from(CONTENT_TYPES),
    "content_encoding": st.sampled_from(CONTENT_ENCODINGS),
    "limit": st.sampled_from([16, 200, 1 << 16]),
}
