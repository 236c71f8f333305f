"""Masking, against whatever a body may be: nothing that a rule means gets through, and nothing else changes."""

from __future__ import annotations

import base64
import json

from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.decoding import decode
from collectors.letters import Letter
from dashboard.letters import bodies, contents, showing
from dashboard.letters.masking import Masking
from dashboard.letters.reading import read

SECRET = "s3cr3t-4111"
MASKING = Masking(("card.*", "$.token", "*.pass?ord"), ("x-secret*",))

leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=12)
keys = st.sampled_from(["a", "CARD", "card", "cards", "token", "password", "passw0rd", "list"]) | st.text(max_size=6)
values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4), max_leaves=12
)


@settings(max_examples=150, deadline=None)
@given(
    around=values, path=st.lists(keys, max_size=3), cut=st.integers(0, 30), pack=st.sampled_from(["", "text", "b64"])
)
def test_what_a_rule_means_is_nowhere_to_be_seen(around, path, cut, pack):
    value = {"card": {"n": [SECRET]}, "around": around}
    for key in reversed(path):
        value = {key: value, "beside": [around]}
    raw = json.dumps(value).encode()
    if pack == "text":
        raw = json.dumps(raw.decode()).encode()
    if pack == "base64":
        raw = base64.b64encode(raw)
    kept = raw[: len(raw) - cut]
    letter = Letter("1", kept, len(raw), {"x-secret-key": SECRET, "envelope": {"card": {"n": SECRET}}})
    one = read(letter, MASKING, "orders.dlq")
    shown = json.dumps([showing.inside(one), showing.preview(one), contents.body_text(one.masked), str(one.cause)])
    assert SECRET not in shown and base64.b64encode(SECRET.encode())[:8].decode() not in shown
    assert one.masked.touched and (not cut or one.masked.structured or one.masked.hidden)


@settings(max_examples=100, deadline=None)
@given(value=values)
def test_without_a_rule_nothing_changes_and_what_is_kept_comes_back(value):
    raw = json.dumps(value).encode()
    none = Masking()
    masked = none.decoded(decode(raw), raw)
    assert not masked.touched and not masked.hidden
    told = {"text": "naïve\ud800", "n": 2**70, "deep": [[{"a": b"\xff"}]], "when": 1.5, "none": None}
    letter = Letter("id", raw, len(raw), told, (("priority", "5"),), "application/json", died_at=3.0, attempts=2)
    back = bodies.unpacked(bodies.packed(letter))
    assert back.body == raw and back.whole and back.properties == letter.properties
    assert {**back.headers, "n": hex(2**70)} == {**told, "n": hex(2**70)}
    assert (back.id, back.content_type, back.died_at, back.attempts) == ("id", "application/json", 3.0, 2)
