"""Messages on their way back: only what their library would change is changed, and nothing in them breaks us."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.dialects import RETURNING, splice
from collectors.dialects.bullmq import apart as bullmq
from collectors.dialects.dramatiq import apart as dramatiq
from collectors.dialects.keeping import moment, number, seconds
from collectors.dialects.rq import apart as rq

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from(["a", "b", "c", "d"])
INDENTS = st.sampled_from([None, 1, 4])


@given(st.dictionaries(NAMES, VALUES), st.dictionaries(NAMES, st.none() | st.integers()), INDENTS, st.booleans())
def test_members_change_and_others_stay(before: dict, changes: dict, indent: int | None, ascii_: bool) -> None:
    raw = json.dumps(before, indent=indent, ensure_ascii=ascii_).encode("utf-8", "surrogatepass")
    after = splice.changed(raw, {k: None if v is None else str(v) for k, v in changes.items()})
    expected = {k: v for k, v in {**before, **changes}.items() if k not in changes or changes[k] is not None}
    assert json.loads(after.decode("utf-8", "surrogatepass")) == expected
    if not changes:
        assert after == raw


@pytest.mark.parametrize(
    ("raw", "changes", "after"),
    [
        (b'{"n":123456789012345678901234567890,"at":1}', {"at": None}, b'{"n":123456789012345678901234567890}'),
        (b'{"x": 1.10e400 , "a" :[ 1 ]}', {"a": "2"}, b'{"x": 1.10e400 , "a" :2}'),
        (b'{"a":{"b":1,"c":"\xff"}}', {"a": {"b": None}}, b'{"a":{"c":"\xff"}}'),
        (b'{"a":1,"a":2}', {"a": "3"}, b'{"a":3,"a":3}'),
        (b" {} ", {"a": "1"}, b' {"a":1} '),
        (b'{"n":' + b"9" * 10_000 + b"}", {"a": "1"}, b'{"n":' + b"9" * 10_000 + b',"a":1}'),
    ],
)
def test_every_other_byte_stays(raw: bytes, changes: splice.Changes, after: bytes) -> None:
    assert splice.changed(raw, changes) == after


@pytest.mark.parametrize("raw", [b"", b"[]", b"{", b'{"a"', b'{"a":}', b"{1:2}", b'{"a":' + b"[" * 100_000, b"\xff"])
def test_what_is_no_object_is_not_changed(raw: bytes) -> None:
    with pytest.raises(ValueError, match="no JSON object"):
        splice.changed(raw, {"a": "1"})
    assert splice.read(raw) is None


FIELDS = [
    "jid", "class", "args", "queue", "retry_count", "created_at", "enqueued_at", "failed_at", "body", "content-type",
    "headers", "properties", "actor_name", "queue_name", "kwargs", "message_id", "options",
]  # fmt: skip
SHAPES = st.fixed_dictionaries({}, optional=dict.fromkeys(FIELDS, VALUES))


@given(st.one_of(st.binary(max_size=60), SHAPES.map(lambda value: json.dumps(value).encode())))
def test_no_message_breaks_a_dialect(raw: bytes) -> None:
    for one in RETURNING:
        told = one.told(raw, b"dead")
        if told is not None:
            again = one.again(raw, b"queue:mail", 1.7e9, frozenset(one.options))
            assert json.loads(again) and one.entrance(raw, b"queue:mail", frozenset()).key.startswith(b"queue:mail")
    for find, key in ((rq, b"rq:failed:mail"), (dramatiq, b"dramatiq:mail.XQ"), (bullmq, b"bull:mail:failed")):
        apart = find(key)
        assert apart is not None
        fields = {b"": raw, b"origin": raw, b"created_at": raw, b"ended_at": raw, b"atm": raw, b"timestamp": raw}
        apart.told(b"id", fields, 1.7e12)


@pytest.mark.parametrize("value", ["1" * 50, b"x", "nan", "inf", True, None, [], {}, 10**400, float("nan"), "-1e999"])
def test_what_is_no_number_or_time_is_none(value: object) -> None:
    assert seconds(value) in (None, 1.0)
    found = number(value)
    assert found is None or abs(found) < 1e18
    assert moment(value) is None
