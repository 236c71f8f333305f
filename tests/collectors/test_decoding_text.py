"""What a reader sees cannot mislead: signs for what hides, cuts that are said, cells that are no formulas."""

from __future__ import annotations

import json

import pytest

from collectors.decoding import Number, decode, defused, tree, visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "␛[31mred␛[0m"),
        ("\x1b]0;title\x07", "␛]0;title␇"),
        ("a\x00b\x7f", "a␀b␡"),
        ("over\rwritten", "over␍written"),
        ("one\r\ntwo\tthree\n", "one\ntwo\tthree\n"),
        ("\u202egpj.exe", "⟦U+202E⟧gpj.exe"),
        ("zero\u200bwidth\ufeff", "zero⟦U+200B⟧width⟦U+FEFF⟧"),
        ("\x9b31m", "⟦U+009B⟧31m"),
        ("half \ud800", "half \ufffd"),
        ("tag \U000e0041", "tag ⟦U+E0041⟧"),
        ("Größe ✓ 注文 👍", "Größe ✓ 注文 👍"),
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),  # a page escapes it; here nothing is lost
    ],
)
def test_what_hides_or_acts_is_shown_by_its_sign(text, shown):
    assert visible(text) == shown


@pytest.mark.parametrize(
    "text", ["=1+1", "+49", "-1", "@SUM(A1)", "\t=1", " =1", "\r=1", "\n=1", "＝1", '=HYPERLINK("http://x")', "\x00=1"]
)
def test_a_formula_is_defused(text):
    assert defused(text) == "'" + text


@pytest.mark.parametrize("text", ["", "order 1042", "a=b", "'quoted'", "1-2", "注文"])
def test_other_text_is_left_alone(text):
    assert defused(text) == text


def test_text_with_hidden_characters_says_so():
    decoded = decode("invoice\u202efdp.exe")
    assert decoded.shown() == ("invoice⟦U+202E⟧fdp.exe", "")
    assert decoded.notes == ("Has characters that hide or turn text: shown by their number.",)


def test_keys_and_values_of_json_are_made_visible_and_halves_of_pairs_replaced():
    decoded = decode(rb'{"a\u001b[0m": "\ud83d\ude00 \ud800 \\ud800 \u202e"}')
    assert decoded.tree().value == {"a␛[0m": "😀 \ufffd \\ud800 ⟦U+202E⟧"}
    json.dumps(decoded.value, ensure_ascii=False).encode()


def test_a_tree_has_so_many_nodes_and_counts_the_rest():
    shown = tree({"a": list(range(100))}, nodes=12)
    assert shown.value == {"a": [*range(10), "… 90 more"]}
    assert shown.left_out == "Not all is shown: 1 part is cut at “…”."


def test_a_tree_is_so_deep():
    assert tree([[[[1]]]], depth=2).value == [["…"]]
    assert tree([[[]]], depth=2).value == [[[]]]


def test_a_tree_has_so_many_characters():
    shown = tree(["x" * 100, "y" * 100, "z"], characters=150)
    assert shown.value == ["x" * 100, "y" * 49 + "…", "… 1 more"]


def test_what_json_does_not_know_is_shown_in_words():
    value = {1: b"\x00\x01", None: float("nan"), (1, 2): 2**60, "n": Number("1.10"), "e": {}, "l": [], "h": 10**2000}
    shown = tree(value).value
    assert shown == {
        "1": "2 bytes: 00 01",
        "None": "nan",
        "(1, 2)": "1152921504606846976",
        "n": "1.10",
        "e": {},
        "l": [],
        "h": hex(10**2000),
    }
    json.dumps(shown, allow_nan=False)


def test_keys_that_look_alike_are_kept_apart():
    assert tree({1: "number", "1": "text"}).value == {"1": "number", "1 (1)": "text"}


def test_shown_text_is_cut_and_says_so():
    text, left_out = decode("x" * 200_000).shown(1000)
    assert (len(text), text[-1], left_out) == (1000, "…", "Shown: the first 1,000 characters.")
