"""`manage.py dead_letters`: the inbox for a terminal."""

from __future__ import annotations

import io
import json

import pytest
from django.core.management import CommandError, call_command

from dashboard.models import AuditEntry, Letter, MaskRule

from ..letterbox import Letterbox


def said(*arguments: str) -> str:
    out = io.StringIO()
    call_command("dead_letters", *arguments, stdout=out)
    return out.getvalue()


@pytest.fixture
def box(web):
    box = Letterbox()
    box.put(3)
    box.put(1, error="Timeout", body=b'{"note": "\x1b]0;pwned\x07 \xe2\x80\xae =1+1"}')
    box.poll()
    return box


def test_before_a_look_the_queue_is_named_and_after_it_its_letters_are_there(box):
    assert "never looked into: orders.dlq" in said()
    look = said("look", "orders.dlq").splitlines()
    assert look[-1] == "4 of 4 letters in orders.dlq" and "CardDeclined" in look[1]
    lines = said().splitlines()
    assert lines[1].split()[:2] == ["3", "3"] and "CardDeclined" in lines[1] and "orders.dlq" in lines[1]
    assert lines[-1].startswith("4 dead letters, from 4 of 4, ")
    assert "1 letter" in said("list", "--filter", "error:timeout")
    assert [i["title"] for i in json.loads(said("causes", "--group", "queue", "--json"))["items"]] == ["orders.dlq"]
    assert json.loads(said("--json"))["summary"]["messages"] == 4
    assert said("--filter", "error:timeout").splitlines()[1].split()[0] == "1"
    assert [i["title"] for i in json.loads(said("--group", "queue", "--json"))["items"]] == ["orders.dlq"]
    with pytest.raises(CommandError, match="--filter: At position 2"):
        said("--filter", "(")


def test_one_letter_is_shown_masked_and_nothing_in_it_speaks_to_the_terminal(box):
    MaskRule.objects.create(kind="path", pattern="card.number")
    said("look", "orders.dlq")
    card, hostile = (Letter.objects.filter(cause__error_class=c).first().pk for c in ("CardDeclined", "Timeout"))
    shown = said("show", str(card))
    assert "path     orders → orders.dlq" in shown and "masked by rule card.number" in shown and "4111" not in shown
    id = str(hostile)
    for text in (said("show", id), said("list"), said("show", id, "--json"), said("list", "--json")):
        assert all(c.isprintable() or c == "\n" for c in text) and "pwned" in text
    assert AuditEntry.objects.filter(action="see letter", who__contains="command line").count() == 3


def test_what_is_withheld_is_not_said_to_be_lost(box, settings):
    said("look", "orders.dlq")
    settings.WEIR_PAYLOADS = "nobody"
    lines = said("list").splitlines()
    assert len(lines) == 1 + 4 + 2 and all(line.rstrip().endswith("withheld") for line in lines[1:5])
    assert lines[-1] == "Withheld: what is in letters is shown to nobody here (WEIR_PAYLOADS)."
    assert {one["preview"] for one in json.loads(said("list", "--json"))["items"]} == {None}


def test_the_price_is_said_and_asked_for_where_there_is_one(box):
    with box.world.still() as queues:
        queues["orders.dlq"].limit = 3
    assert "would be dropped. 2 looks are left." in said("look", "orders.dlq", "--price")
    with pytest.raises(CommandError, match="--yes looks without asking"):
        said("look", "orders.dlq")
    said("look", "orders.dlq", "--yes")
    said("look", f"{box.name}/orders.dlq", "--yes", "--json")
    with pytest.raises(CommandError, match=r"budget of orders\.dlq is spent"):
        said("look", "orders.dlq", "--yes")
    assert len(box.ready()) == 4


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("causes", "--filter", "error>x"), "--filter: At position 6"),
        (("list", "--sort", "colour"), "sort must be one of died_at"),
        (("list", "--limit", "0"), "--limit must be 1 or more"),
        (("show", "99999"), "There is no letter 99999"),
        (("look", "nowhere"), "There is no queue 'nowhere'"),
        (("look", "orders.dlq", "--limit", "5000"), "from 1 to 1,000 letters"),
    ],
)
def test_what_is_wrong_is_a_sentence(box, arguments, words):
    with pytest.raises(CommandError, match=words):
        said(*arguments)
