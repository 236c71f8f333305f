"""The inbox as the server paints it, the forms around it: masking, and saying by hand what holds dead letters."""

from __future__ import annotations

import json
import re

import pytest

from dashboard.models import AuditEntry, DeadLetterMark, MaskRule, Queue

from ..web import seen, web  # noqa: F401

pytestmark = pytest.mark.django_db


@pytest.fixture
def queues(web) -> list[Queue]:  # noqa: F811
    """Two queues of one broker, polled once."""
    seen(queues=2)
    return list(Queue.objects.order_by("id"))


def boot(page) -> dict:
    """What the page's script starts from."""
    text = re.search(r'<script id="boot" type="application/json">(.*?)</script>', page.content.decode(), re.S)
    return json.loads(text[1])


def test_the_first_frame_comes_with_the_page(client_viewer, queues):
    page = client_viewer.get("/dead-letters/?group=queue")
    assert page.status_code == 200
    frame = boot(page)["frame"]
    assert frame["view"] == {"view": "dead-letters", "filter": "", "group": "queue", "since": None}
    assert frame["summary"]["messages"] == 0 and boot(page)["error"] is None


def test_a_wrong_filter_is_said_with_its_place_and_the_page_comes_all_the_same(client_viewer, queues):
    told = boot(client_viewer.get("/dead-letters/?filter=size>many"))
    assert told["error"]["field"] == "filter" and told["error"]["position"] == 6
    assert told["frame"]["view"]["filter"] == ""


def test_a_filter_by_contents_is_refused_to_those_who_do_not_see_them(client_viewer, client_operator, queues):
    assert "your role does not see" in boot(client_viewer.get("/dead-letters/?filter=body:x"))["error"]["message"]
    assert boot(client_operator.get("/dead-letters/?filter=body:x"))["error"] is None


def test_the_page_says_from_whom_contents_are_withheld(client_viewer, client_operator, queues, settings):
    assert "what is in letters needs the role operator." in client_viewer.get("/dead-letters/").content.decode()
    settings.WEIR_PAYLOADS = "nobody"
    assert "is shown to nobody here (WEIR_PAYLOADS)." in client_operator.get("/dead-letters/").content.decode()


def test_script_in_the_address_is_no_script_in_the_page(client_viewer, queues):
    page = client_viewer.get("/dead-letters/", {"filter": "</script><script>alert(1)</script>"}).content.decode()
    assert "<script>alert" not in page


def test_masks_are_made_and_taken_back_on_the_settings_page(client_admin, client_operator):
    assert client_operator.post("/settings/masking/", {"kind": "path", "pattern": "card"}).status_code == 403
    page = client_admin.post("/settings/masking/", {"kind": "path", "pattern": "card.*"}, follow=True)
    assert "card.* is masked from now on" in page.content.decode()
    again = client_admin.post("/settings/masking/", {"kind": "path", "pattern": "card.*"})
    assert again.status_code == 400 and "There is a rule card.* already." in again.content.decode()
    rule = MaskRule.objects.get()
    client_admin.post(f"/settings/masking/{rule.pk}/delete/")
    assert not MaskRule.objects.exists()
    assert set(AuditEntry.objects.values_list("action", flat=True)) >= {"add mask", "delete mask"}


def test_it_is_said_by_hand_which_queue_holds_the_dead_letters_of_which(client_operator, queues):
    orders, dead = queues
    graveyard = dead.pk
    said = {"holds": "yes", "sources": orders.name}
    page = client_operator.post(f"/queues/{graveyard}/dead-letters/", said, follow=True).content.decode()
    assert f"{dead.name} holds dead letters." in page
    mark = DeadLetterMark.objects.get()
    assert mark.queue_id == graveyard and [one.pk for one in mark.sources.all()] == [orders.pk]
    page = client_operator.post(f"/queues/{graveyard}/dead-letters/", {"holds": "yes", "sources": "gone"}, follow=True)
    assert "has no queue named gone." in page.content.decode() and DeadLetterMark.objects.get() == mark
    client_operator.post(f"/queues/{graveyard}/dead-letters/", {"holds": "auto"})
    assert not DeadLetterMark.objects.exists()
