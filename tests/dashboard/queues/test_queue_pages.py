"""The forms of a queue's page: tags, hiding, deleting from the archive."""

from __future__ import annotations

import pytest

from dashboard.models import Queue

from ..web import seen
from .test_queue_marks import with_gone


def test_tags_and_hiding_by_form(client_operator, web):
    _, [id] = seen(queues=["orders"], depth=1)
    page = client_operator.post(f"/queues/{id}/tags/", {"tags": "team:shop ,, tier:1"}, follow=True).content.decode()
    assert "The tags are saved." in page and 'filter=tag:team%3Ashop"' in page
    assert Queue.objects.get().tags_by_hand == ["team:shop", "tier:1"]
    page = client_operator.post(f"/queues/{id}/hide/", {"hidden": "true"}, follow=True).content.decode()
    assert "orders is hidden" in page and "hidden: by operator" in page and "Show it again" in page
    client_operator.post(f"/queues/{id}/hide/", {"hidden": "false"})
    assert Queue.objects.get().hidden_by_hand is None


def test_a_tag_that_is_none_is_said(client_operator, web):
    _, [id] = seen(queues=["orders"], depth=1)
    page = client_operator.post(f"/queues/{id}/tags/", {"tags": "x" * 101}, follow=True).content.decode()
    assert "A tag is a text of at most 100" in page


def test_a_viewer_sees_no_buttons_for_what_he_may_not(client_viewer, web):
    _, [id] = seen(queues=["orders"], depth=1)
    assert "Tags by hand" not in client_viewer.get(f"/queues/{id}/").content.decode()
    page = client_viewer.get("/").content.decode()
    assert "data-marks" not in page and "hide-all" not in page and "delete-all" not in page


def test_deleting_says_what_goes_and_then_does_it(client_admin, web):
    _, by_name = with_gone(("orders", "old-1", "old-2", "kept"), ("old-1", "old-2", "kept"))
    page = client_admin.get("/queues/delete/?filter=is:gone old-*").content.decode()
    assert "forgets 2 queues" in page and "old-1" in page and "kept" not in page
    done = client_admin.post("/queues/delete/", {"filter": "is:gone old-*"}, follow=True).content.decode()
    assert "2 queues are deleted" in done
    assert sorted(Queue.objects.values_list("name", flat=True)) == ["kept", "orders"]
    client_admin.post(f"/queues/{by_name['kept']}/delete/")
    assert list(Queue.objects.values_list("name", flat=True)) == ["orders"]


@pytest.mark.parametrize("address", ["/queues/delete/?filter=orders", "/queues/{orders}/delete/"])
def test_what_is_there_is_not_offered(client_admin, web, address):
    _, by_name = with_gone()
    page = client_admin.get(address.format(**by_name)).content.decode()
    assert "Nothing here is gone" in page and '<button class="btn danger"' not in page
    client_admin.post(address.format(**by_name), {"filter": "orders"})
    assert Queue.objects.filter(name="orders").exists()


def test_a_wrong_filter_is_said(client_admin, web):
    response = client_admin.get("/queues/delete/?filter=depth>>1")
    assert response.status_code == 400 and b"position" in response.content
