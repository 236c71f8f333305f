"""Frames and properties of AMQP, byte for byte, against any cut of the stream and against nonsense."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from decimal import Decimal
from struct import pack
from typing import Any

import pytest
from amqp.serialization import dumps, loads
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.brokers.rabbitmq import frames
from collectors.brokers.rabbitmq.copies import Copier
from collectors.brokers.rabbitmq.fields import Fields, entry, kind_of, written
from collectors.brokers.rabbitmq.frames import Arrived, Reader, Said
from collectors.errors import BadAnswer

FRAME_MAX = 4096
#: A header of every type that RabbitMQ knows, as bytes behind its name.
EVERY_TYPE = {
    b"bool": b"t\x01", b"int8": b"b\xff", b"uint8": b"B\xff", b"int16": b"s\xff\xfe", b"uint16": b"u\xff\xfe",
    b"int32": b"I\xff\xff\xff\xfe", b"uint32": b"i\xff\xff\xff\xfe", b"int64": b"l" + b"\xff" * 7 + b"\xfe",
    b"float": b"f" + pack(">f", 1.5), b"double": b"d" + pack(">d", 0.1), b"decimal": b"D\x02" + pack(">i", -1234),
    b"text": b"S\x00\x00\x00\x04gr\xc3\xbc", b"bad text": b"S\x00\x00\x00\x02\xff\xfe",
    b"bytes": b"x\x00\x00\x00\x02\x00\xff",
    b"time": b"T" + pack(">Q", 1767225600), b"null": b"V", b"table": b"F\x00\x00\x00\x04\x01kt\x01",
    b"array": b"A\x00\x00\x00\x03t\x00V",
}  # fmt: skip
VALUES: dict[bytes, Any] = {
    b"bool": True, b"int8": -1, b"uint8": 255, b"int16": -2, b"uint16": 65534, b"int32": -2, b"uint32": 4294967294,
    b"int64": -2, b"float": 1.5, b"double": 0.1, b"decimal": Decimal("-12.34"), b"text": "grü",
    b"bad text": b"\xff\xfe",
    b"bytes": b"\x00\xff", b"time": datetime(2026, 1, 1, tzinfo=UTC), b"null": None, b"table": {"k": True},
    b"array": [False, None],
}  # fmt: skip


def header(name: bytes, value: bytes) -> bytes:
    return bytes([len(name)]) + name + value


def table(headers: dict[bytes, bytes]) -> bytes:
    return b"".join(header(name, value) for name, value in headers.items())


def properties(headers: dict[bytes, bytes] | None = None, **texts: str) -> bytes:
    parts = {name: bytes([len(text)]) + text.encode() for name, text in texts.items()}
    return written(parts, None if headers is None else table(headers))


def delivered(channel: int, tag: int, body: bytes, raw: bytes = b"\x00\x00") -> bytes:
    first = frames.method(channel, frames.DELIVER, b"\x04weir" + pack(">Q", tag) + b"\x00" + b"\x00\x04dead")
    return frames.content(first, channel, raw, body, FRAME_MAX)


# --- the stream ------------------------------------------------------------------------------------------------------
@settings(max_examples=60, deadline=None)
@given(
    bodies=st.lists(st.sampled_from([0, 1, 4088, 4089, 9000]), min_size=1, max_size=6),
    cuts=st.lists(st.integers(1, 5000), max_size=8),
    keep=st.sampled_from([None, 0, 5, 4088, 5000]),
)
def test_a_stream_is_read_the_same_however_it_is_cut(bodies: list[int], cuts: list[int], keep: int | None) -> None:
    sent = [bytes([n]) * size for n, size in enumerate(bodies)]
    stream = b""
    for number, body in enumerate(sent, 1):
        stream += frames.HEARTBEAT_FRAME + delivered(1 + number % 2, number, body, properties({b"n": b"t\x01"}))
        stream += frames.method(9, frames.ACK, pack(">QB", number, 1))
    reader, found, at = Reader(FRAME_MAX, keep), [], 0
    for size in [*cuts, len(stream)]:
        reader.feed(stream[at : at + size], found.append)
        at += size
    messages = [one for one in found if isinstance(one, Arrived)]
    assert [one.body for one in messages] == [body[:keep] for body in sent]
    assert [one.size for one in messages] == bodies
    assert all(one.properties == properties({b"n": b"t\x01"}) for one in messages)
    assert [one.arguments for one in found if isinstance(one, Said)] == [
        pack(">QB", n + 1, 1) for n in range(len(sent))
    ]
    cut = [(one, body) for one, body in zip(messages, sent, strict=True) if len(body) > len(one.body)]
    assert all(one.digest == hashlib.sha256(body).digest() for one, body in cut)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 400))
def test_nonsense_on_the_wire_is_refused_in_a_sentence(noise: bytes, at: int) -> None:
    good = delivered(1, 1, b"x" * 100, properties({b"n": b"t\x01"}, message_id="m"))
    reader, found = Reader(FRAME_MAX), []
    try:
        reader.feed(good[:at] + noise + good[at:], found.append)
    except BadAnswer as error:
        assert str(error).endswith((".", "?"))
    assert len(found) <= 200


def test_a_frame_larger_than_was_agreed_is_not_waited_for() -> None:
    with pytest.raises(BadAnswer, match="larger than was agreed"):
        Reader(FRAME_MAX).feed(pack(">BHI", 3, 1, 1 << 30) + b"x", lambda thing: None)


# --- properties ------------------------------------------------------------------------------------------------------
def test_every_type_is_read_and_kept_byte_for_byte() -> None:
    raw = properties(EVERY_TYPE, content_type="text/plain", message_id="m-1", app_id="shop")
    fields = Fields.read(raw)
    assert {name.encode(): value for name, value in fields.values().items()} == VALUES
    assert Copier().copy(fields) == raw
    assert fields.text("message_id") == "m-1" and fields.text("reply_to") == ""


def test_an_edited_header_keeps_its_type() -> None:
    fields = Fields.read(properties(EVERY_TYPE))
    copy = Fields.read(
        Copier().copy(fields, {"int8": 5, "uint16": 7, "float": 2.5, "text": "neu", "time": None, "new": 1})
    )
    assert dict(copy.headers or [])[b"int8"] == header(b"int8", b"b\x05")
    assert dict(copy.headers or [])[b"uint16"] == header(b"uint16", b"u\x00\x07")
    assert copy.header(b"float") == 2.5 and copy.header(b"text") == "neu" and copy.header(b"new") == 1
    assert copy.header(b"time") is None and copy.header(b"uint32") == 4294967294


def test_a_time_and_a_decimal_number_that_are_typed_as_text_stay_what_they_were() -> None:
    at, price = datetime(2026, 11, 26, 1, 2, 3, tzinfo=UTC), Decimal("12.50")
    before = Fields.read(written({}, entry("at", at) + entry("price", price)))
    kept = Fields.read(Copier().copy(before, {"at": "2026-11-27 00:00:00+00:00", "price": "9.75"}))
    assert kept.values() == {"at": datetime(2026, 11, 27, tzinfo=UTC), "price": Decimal("9.75")}
    assert [kind_of(one) for one in kept.headers or []] == ["T", "D"]
    for wrong, kind in (({"at": "tomorrow"}, "a time"), ({"price": "dear"}, "a decimal number")):
        with pytest.raises(BadAnswer, match=f"A header holds {kind}, and '.*' is none"):
            Copier().copy(before, wrong)


simple = st.one_of(
    st.booleans(), st.integers(-(1 << 63), (1 << 63) - 1), st.floats(allow_nan=False), st.text(max_size=20),
    st.binary(max_size=20), st.none(), st.datetimes(datetime(1971, 1, 1), datetime(2200, 1, 1)).map(
        lambda at: at.replace(microsecond=0, tzinfo=UTC)
    ),
)  # fmt: skip
nested = st.recursive(
    simple,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=10,
)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.text(min_size=1, max_size=20), nested, max_size=5))
def test_what_is_written_is_read_again(values: dict[str, Any]) -> None:
    raw = written({}, b"".join(entry(name, value) for name, value in values.items()))
    assert Fields.read(raw).values() == values


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=120), st.integers(0, 60), st.binary(max_size=3))
def test_broken_properties_are_refused_in_a_sentence(noise: bytes, at: int, spoiled: bytes) -> None:
    good = properties(EVERY_TYPE, message_id="m")
    for raw in (noise, good[:at] + spoiled + good[at + len(spoiled) :]):
        try:
            fields = Fields.read(raw)
            fields.values()
            assert Copier().copy(fields)
        except BadAnswer as error:
            assert str(error).endswith(".")


def test_a_table_that_is_nested_without_end_is_left_as_bytes() -> None:
    value = b"V"
    for _ in range(2000):
        value = b"A" + pack(">I", len(value)) + value
    fields = Fields.read(properties({b"deep": value}))
    assert fields.values() == {"deep": value}
    with pytest.raises(BadAnswer, match="'deep'"):
        fields.header(b"deep")
    assert Copier().copy(fields) == properties({b"deep": value})


def test_what_other_clients_write_is_read() -> None:
    told = {"text": "grü", "number": 7, "list": [1, "two", {"three": 3.0}], "none": None, "yes": True}
    raw = b"\x20\x00" + dumps("F", [told])
    assert Fields.read(raw).values() == told
    ours = Copier().copy(Fields.read(raw))
    assert loads("F", ours[2:], 0)[0][0] == told
