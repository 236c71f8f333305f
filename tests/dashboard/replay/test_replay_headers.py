"""Headers that are edited: each keeps its type, what is masked stays, and what cannot be is said in a sentence."""

from __future__ import annotations

import json
import re

import pytest

from dashboard.letters.masking import Masking
from dashboard.refused import DeedRefused
from dashboard.replay import headers

MASKS = Masking(("secret",), ("authorization",))
BEFORE = {
    "tenant": "acme", "x-tenant": "b", "attempt": 3, "score": 1.5, "vip": True, "none": None, "raw": b"\xff",
    "trace": {"id": 1}, "tags": ["a"], "authorization": "Bearer s", "deep": {"secret": "s", "open": 1},
    "x-death": [{"queue": "q"}], "replay-id": "abc.1", "CC": ["q"], "long": "x" * 10_001, "od\u202ed": "v",
    "…": "2 more",
}  # fmt: skip


def test_a_form_says_of_each_what_it_is_and_what_can_be_done_with_it():
    shown = {one["name"]: one for one in headers.editable(BEFORE, MASKS)}
    assert [name for name, one in shown.items() if not one["fixed"]] == [
        "tenant",
        "x-tenant",
        "attempt",
        "score",
        "vip",
    ]
    kinds = {name: shown[name]["kind"] for name in ("tenant", "attempt", "vip", "none", "raw", "trace", "tags")}
    assert list(kinds.values()) == ["text", "number", "true or false", "nothing", "bytes", "table", "list"]
    assert (shown["attempt"]["value"], shown["vip"]["value"], shown["trace"]["value"]) == ("3", "true", '{"id": 1}')
    assert not {"x-death", "replay-id", "CC", "…"} & set(shown)
    staying = [name for name, one in shown.items() if one["stays"]]
    assert staying[:2] == ["authorization", "deep"] and len(staying) == 3 and "\u202e" not in staying[2]
    assert shown["authorization"]["fixed"] == "masked" and "Bearer" not in str(shown) and "'s'" not in str(shown)
    assert shown["long"]["fixed"] == "too long" and len(shown["long"]["value"]) == headers.SHOWN


def test_tables_and_lists_are_shown_as_json_that_can_be_read_with_what_is_masked_in_them():
    before = {
        "context": {"trace": {"id": "0af7651916cd43dd", "secret": "s3cr3t"}, "hops": [1, 2], "odd": "a\u202eb"},
        "many": list(range(5000)),
    }
    context, many = headers.editable(before, MASKS)
    shown = json.loads(context["value"])
    assert context["value"].splitlines()[:3] == ["{", '  "trace": {', '    "id": "0af7651916cd43dd",']
    assert shown["trace"]["secret"].endswith("masked by rule secret") and shown["hops"] == [1, 2]
    assert "\u202e" not in context["value"] and (context["fixed"], context["stays"]) == ("masked", True)
    assert (many["kind"], many["fixed"], many["stays"]) == ("list", "too long", False)
    assert len(many["value"]) <= headers.SHOWN_TREE + 2 and many["value"].endswith("\n…")


def test_what_is_typed_has_the_type_that_the_header_had():
    asked = {
        "tenant": "bolt", "attempt": " 4 ", "score": "2", "vip": "false", "raw": None, "x-tenant": 7, "new": 1.5,
        "never": None,
    }  # fmt: skip
    changed = headers.merged(BEFORE, asked, MASKS)
    assert changed == {
        "tenant": "bolt", "attempt": 4, "score": 2.0, "vip": False, "raw": None, "x-tenant": "7", "new": 1.5,
    }  # fmt: skip
    assert isinstance(changed["score"], float) and isinstance(changed["attempt"], int) and changed["vip"] is False
    assert headers.merged(BEFORE, {"tenant": "acme", "attempt": "3", "vip": True}, MASKS) == {}


def test_numbers_that_a_broker_tells_as_text_stay_numbers():
    types = headers.types_of((("message id", "x"), ("type of price", "Number"), ("type of kind", "String.custom")))
    before = {"price": "12.50", "kind": "k"}
    assert [one["kind"] for one in headers.editable(before, MASKS, types)] == ["number", "text"]
    assert headers.merged(before, {"price": " 13.750 ", "kind": "2"}, MASKS, types) == {"price": "13.750", "kind": "2"}
    with pytest.raises(DeedRefused, match="The header price is a number, and 'dear' is none"):
        headers.merged(before, {"price": "dear"}, MASKS, types)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"attempt": "3x"}, "The header attempt is a whole number, and '3x' is none."),
        ({"attempt": 3.5}, "is a whole number, and '3.5' is none"),
        ({"attempt": "9" * 30}, "is a whole number"),
        ({"score": "inf"}, "is a number, and 'inf' is none"),
        ({"vip": "maybe"}, "The header vip is true or false."),
        ({"trace": "x"}, "The header trace is a table: it can be taken away, not changed."),
        ({"raw": "x"}, "The header raw is bytes"),
        ({"authorization": "x"}, "The header authorization is masked: it cannot be changed or taken away."),
        ({"authorization": None}, "cannot be changed or taken away"),
        ({"deep": None}, "cannot be changed or taken away"),
        ({"x-death": None}, "The header x-death is not for people to set."),
        ({"CC": "queue"}, "The header CC is not for people to set."),
        ({"replay-count": 0}, "not for people to set"),
        ({"": "x"}, "not for people to set"),
        ({"tenant": ["a"]}, "must be a text, a number, true, false or null"),
        ({"tenant": "•••• masked by rule authorization"}, "still holds a mask"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(asked, said):
    with pytest.raises(DeedRefused, match=re.escape(said)):
        headers.merged(BEFORE, asked, MASKS)
