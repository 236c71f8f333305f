"""Letters that are known are read again where the way of reading changed: no old title stays, and no note is lost."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from django.utils import timezone

from dashboard.access import Principal
from dashboard.alerts import causes as alerts
from dashboard.alerts import quotes
from dashboard.letters import causes, deeds, looks, news, reading
from dashboard.models import Cause, Incident, Letter, LetterBody, Rule

from ..letterbox import Letterbox

MIRA = Principal("person", 1, "mira", "operator")
ADMIN = Principal("person", 2, "ada", "admin")


@pytest.fixture
def box(web):
    """Six letters of two causes, the first of which has a note and is snoozed."""
    box = Letterbox()
    box.put(4, error="Declined", kind="card")
    box.put(2, error="Timeout")
    box.poll()
    looks.look(MIRA, box.dlq)
    declined = Cause.objects.get(error_class="Declined")
    deeds.note_cause(MIRA, declined, "the bank knows")
    deeds.snooze_cause(MIRA, declined, time.time() + 3600)
    return box


def read_otherwise(monkeypatch, say) -> None:
    """The readers of the next release: what they say of a cause is changed by `say`."""
    before = reading.cause_of
    monkeypatch.setattr(reading, "cause_of", lambda *of, **told: say(before(*of, **told)))
    monkeypatch.setattr(causes, "VERSION", causes.VERSION + 1)


def counted() -> dict[str, int]:
    return {row.title: row.letters.count() for row in Cause.objects.all() if row.letters.exists()}


def test_a_cause_with_a_better_title_has_it_after_the_next_look(box, monkeypatch):
    read_otherwise(monkeypatch, lambda why: replace(why, title=why.title.replace("Declined", "The card was declined")))
    looks.look(MIRA, box.dlq)
    assert counted() == {"The card was declined: no funds on card <n>": 4, "Timeout: no funds on card <n>": 2}
    assert Cause.objects.get(error_class="Declined").note == "the bank knows"
    revision = Letter.objects.order_by("-revision").first().revision
    looks.look(MIRA, box.dlq)
    assert Letter.objects.order_by("-revision").first().revision == revision, "it is read again once"


def test_letters_of_another_fingerprint_take_note_and_snooze_along_and_are_no_news(box, monkeypatch):
    heard = []
    monkeypatch.setattr(news, "_listeners", [lambda queue, one: heard.append(one)])
    box.world.take("orders.dlq", 1)
    box.world.ack("orders.dlq", 1)
    box.poll()
    looks.look(MIRA, box.dlq)
    gone = Letter.objects.exclude(gone_at=None).get()
    read_otherwise(monkeypatch, lambda why: replace(why, fingerprint=why.fingerprint[::-1]))
    box.put(1, error="Declined", body=b'{"order": 99}')
    looks.look(MIRA, box.dlq)
    assert counted() == {"Declined: no funds on card <n>": 5, "Timeout: no funds on card <n>": 2}
    heir = Letter.objects.get(pk=gone.pk).cause
    assert (heir.error_class, heir.note, heir.noted_by) == ("Declined", "the bank knows", "mira")
    assert heir.snoozed_until and Cause.objects.exclude(note="").count() == 1 and heard == []


def test_a_new_mask_holds_for_causes_that_are_known_at_once(box):
    other = Letterbox()
    other.world.put_letter("orders.dlq", b'{"error": "KeyError: sku"}', [])
    other.poll()
    looks.look(MIRA, other.dlq)
    before = counted()
    deeds.add_mask(ADMIN, "path", "card.number")
    assert counted() == before, "a mask that means nothing of what they say changes nothing"
    deeds.add_mask(ADMIN, "header", "x-error-message")
    assert "no funds" not in str(counted()) and counted()["KeyError: sku"] == 1
    assert "no funds" not in str(list(Cause.objects.values()))
    assert Cause.objects.get(error_class="Declined").note == "the bank knows"
    looks.look(MIRA, box.dlq)
    assert "no funds" not in str(counted()) and sum(counted().values()) == 7


def test_a_cause_of_which_no_letter_is_kept_says_little_from_a_new_mask_to_the_next_look(box, admin_api):
    LetterBody.objects.all().delete()
    admin_api.send("post", "masking", {"kind": "path", "pattern": "token"}, 201)
    assert set(counted()) == {causes.WITHHELD} and Cause.objects.filter(message="", error_class="").count() == 2
    assert "no funds" not in str(admin_api.get("dead-letters/causes"))
    looks.look(MIRA, box.dlq)
    assert counted() == {"Declined: no funds on card <n>": 4, "Timeout: no funds on card <n>": 2}
    assert Cause.objects.get(error_class="Declined").note == "the bank knows"


def test_incidents_that_quote_a_cause_obey_a_new_mask_at_once_as_it_does(box, admin_api):
    """Closed ones too, and those of an earlier Weir; when a cause is read to say something else, so do they."""
    Rule.objects.create(name="news", condition={"kind": "event", "value": "cause"})
    declined, timeout = Cause.objects.get(error_class="Declined"), Cause.objects.get(error_class="Timeout")
    for cause in (declined, timeout):
        alerts._heard(box.dlq, news.NewCause(cause.fingerprint, cause.title, 2))
    first, second = Incident.objects.order_by("pk")
    Incident.objects.filter(pk=first.pk).update(closed_at=timezone.now(), open_key=None)
    Incident.objects.filter(pk=second.pk).update(values={"count": 2})
    before = [one["reason"] for one in admin_api.get("incidents")["items"]]
    assert len(before) == 2 and all("no funds" in reason for reason in before)
    quotes.look()
    admin_api.send("post", "masking", {"kind": "header", "pattern": "x-error-message"}, 201)
    after = admin_api.get("incidents")
    assert "no funds" not in str(after) and after["total"] == 2
    assert "no funds" not in str(list(Incident.objects.values()))
    assert {one["reason"].rpartition(" is new in ")[2] for one in after["items"]} == {"orders.dlq: 2 dead letters."}
    told = Cause.objects.get(pk=declined.pk)
    assert Incident.objects.get(pk=first.pk).reason == f"{told.title} is new in orders.dlq: 2 dead letters."
    Cause.objects.filter(pk=declined.pk).update(title="Declined by the bank", revision=10**6)
    quotes.look()
    assert Incident.objects.get(pk=first.pk).reason.startswith("Declined by the bank is new in")
