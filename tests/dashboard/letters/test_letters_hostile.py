"""Hostile letters from a look to the answer of the API: bounded in time and memory, shown safely or refused."""

from __future__ import annotations

import gzip
import json
import time
import tracemalloc

import orjson
import pytest

from collectors.decoding import visible
from collectors.letters import Letter as Seen
from dashboard.letters import looks, taking
from dashboard.letters.masking import Masking
from dashboard.letters.reading import read
from dashboard.models import Letter, LetterBody

from ..letterbox import Letterbox

DEEP = b"[" * 100_000 + b"]" * 100_000
BOMB = gzip.compress(gzip.compress(b"\x00" * 200_000_000))
HOSTILE = {
    "nested": DEEP,
    "digits": b'{"n": ' + b"9" * 10_000 + b"}",
    "bomb": BOMB,
    "not UTF-8": b'{"a": "\xff\xfe\xc3"}',
    "script": b'{"a": "<script>alert(1)</script>"}',
    "terminal": b"\x1b]0;owned\x07\x1b[2J\x9b31m",
    "formula": b"=cmd|' /C calc'!A0",
    "surrogate": b'{"\\ud800": "\\udfff \\u202e"}',
    "nul": b'{"type": "a\\u0000b", "task": "\\u0000"}',
    "empty": b"",
    "keys": json.dumps({f"k{i}": i for i in range(50_000)}).encode(),
}
HEADERS = {
    "x-error-class": "<img src=x onerror=alert(1)>\x00\ud800",
    "x-error-message": "\x1b[31m" + "9" * 100_000,
    "<script>": {"deep": [[[[{"a": 10**400}]]]], "bytes": b"\x00\xff", "when": object()},
    "x" * 5000: "long name",
}


@pytest.fixture
def box(web):
    return Letterbox()


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_letter_is_taken_in_listed_searched_shown_and_exported(box, operator_api, admin_api, kind):
    admin_api.send("post", "masking", {"kind": "path", "pattern": "secret.*"}, 201)
    box.put(1, body=HOSTILE[kind], **HEADERS)
    box.poll()
    operator_api.send("post", f"queues/{box.dlq.pk}/looks", {}, 201)
    id = Letter.objects.get().pk
    answers = [
        operator_api.get("dead-letters", preview="true", filter="-header.x-y:z body:* OR size>=0"),
        operator_api.get("dead-letters/causes"),
        operator_api.get("dead-letters/causes", group="type"),
        operator_api.get(f"dead-letters/{id}"),
        orjson.loads(b"".join(operator_api.client.get("/api/v1/dead-letters/export").streaming_content)),
    ]
    assert answers[0]["total"] == 1 and answers[1]["total"] == 1
    for answer in answers:
        told = json.dumps(answer, ensure_ascii=False)
        assert len(told) < 600_000
        shown = json.dumps({k: v for k, v in answer.items() if k != "body"}, ensure_ascii=False)
        assert visible(shown) == shown, "a character that hides or acts"
    assert LetterBody.objects.get().bytes < 400_000


@pytest.mark.slow
def test_two_hundred_megabytes_cost_little_more_than_what_is_kept(box, operator_api):
    big = b'{"order": "' + b"x" * 200_000_000 + b'"}'
    box.put(1, body=big, at=1_700_000_000.0)
    box.poll()
    seen = box.adapter.look("orders.dlq", looks.Bounds(1, looks.MOST_BYTES, looks.MOST_OF_ONE))
    tracemalloc.start()
    began = time.process_time()
    [id] = taking.take(box.dlq, seen.letters)
    message = operator_api.get(f"dead-letters/{id}")
    spent, (_, peak) = time.process_time() - began, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert message["size_bytes"] == len(big) and len(message["body"]) == 64 * 1024
    assert "of 200,000,013 bytes" in message["hidden"]
    assert message["decoded"]["notes"][0] == "Kept: the first 262,144 of 200,000,013 bytes."
    assert peak < 64_000_000 and spent < 30, (peak, spent)
    assert LetterBody.objects.get().bytes < 400_000


def test_what_cannot_be_taken_apart_is_hidden_when_a_rule_may_be_meant(box, operator_api, admin_api):
    admin_api.send("post", "masking", {"kind": "path", "pattern": "card.*"}, 201)
    box.put(1, body=b'{"card": {"number": "4111"}, "cut off')
    box.put(1, body=b"\x00\x01\x02 card 4111 \xff\xfe\xfd\x03\x04")
    box.put(1, body=b'{"order": 7}')
    box.put(1, body=b'{"big": "' + b"y" * 2_000_000 + b'", "card": {"number": "4111"}}')
    box.poll()
    look = operator_api.send("post", f"queues/{box.dlq.pk}/looks", {}, 201)
    cut, binary, plain, big = look["items"]
    for hidden in (cut, binary, big):
        assert hidden["body"] is None and "4111" not in json.dumps(hidden), hidden
    assert "card.*" in json.dumps(cut) and "rule masks" in big["hidden"] and plain["body"] == '{"order": 7}'


def test_rules_find_their_paths():
    masking = Masking(("card.*", "$.top", "a.*.secret", "pass?ord"), ("X-Auth*",))

    def gone(value):
        return masking.value(value)

    m = "•••• masked by rule "
    assert gone({"card": "4111"}) == {"card": m + "card.*"}
    assert gone({"x": [{"Card": {"number": 1, "cvc": [1]}}]}) == {
        "x": [{"Card": {"number": m + "card.*", "cvc": m + "card.*"}}]
    }
    assert gone({"top": 1, "below": {"top": 1}}) == {"top": m + "$.top", "below": {"top": 1}}
    assert gone({"a": {"b": {"secret": 1}, "secret": 2}})["a"] == {"b": {"secret": m + "a.*.secret"}, "secret": 2}
    assert gone({"password": {"old": 1}, "cards": 1}) == {"password": m + "pass?ord", "cards": 1}
    assert masking.headers({"x-authorization": "t", "other": {"card": {"n": 1}}}) == {
        "x-authorization": m + "X-Auth*",
        "other": {"card": {"n": m + "card.*"}},
    }
    assert Masking(("a" + "*a" * 90 + "b",)).value({"a" * 5000: 1}) == {"a" * 5000: 1}


def test_letters_say_themselves_when_and_after_how_many_attempts_they_died():
    def told(value, **headers):
        one = read(Seen("1", json.dumps(value).encode(), 10, headers), Masking(), "q")
        return one.attempts, one.died_at

    assert told({"failed_at": "2026-01-02T03:04:05Z", "attempts": 3}) == (3, 1767323045.0)
    assert told({}, failed_at=b"1767323045000", attempts=b"5") == (5, 1767323045.0)
    assert told({"failed_at": 1767323045.5, "retry_count": "7"}) == (7, 1767323045.5)
    strange = [True, -1, "9" * 9999, 10**400, "soon", [], {}, 1e308, float("nan"), "2926-01-01", "0001-01-01T00:00"]
    for one in strange:
        assert told({"failed_at": one, "attempts": one}) == (None, None), one
