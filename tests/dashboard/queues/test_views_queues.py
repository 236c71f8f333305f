"""The queues page and the queue page as they leave the server."""

from __future__ import annotations

import json
import re
import time

import pytest
from django.utils import timezone

from collectors.protocol import Poll, QueueFacts, Relation, Sample
from dashboard.live.bus import the_bus
from dashboard.models import Broker, Queue
from dashboard.pipeline import Ingest
from dashboard.samples import the_store

NAME = "orders </script><b>x</b> & co"


@pytest.fixture
def shop(web) -> Broker:
    """A broker with three queues, one of which dead-letters to another, polled once."""
    broker = Broker.objects.create(
        name="shop", kind="memory", secret_url="", safe_url="memory://shop", last_poll_at=timezone.now()
    )
    poll = Poll(
        at=time.time(),
        samples=[
            Sample(key="a", name=NAME, kind="classic", depth=12, in_rate=3.5, out_rate=0, consumers=0),
            Sample(key="b", name="orders.dlq", kind="classic", depth=2, consumers=0),
            Sample(key="c", name="timer", kind="classic", depth=0),
        ],
        facts={
            "a": QueueFacts((("Delivery limit", "5"),), tags=("team:shop",)),
            "c": QueueFacts(hidden=True, why_hidden="a timer"),
        },
        relations=[Relation("a", "b", "dead_letters", "argument")],
    )
    Ingest(broker.id, the_store(), the_bus().publish)(poll)
    Broker.objects.filter(pk=broker.pk).update(last_answer_at=timezone.now())
    return broker


def boot(page: str) -> dict:
    """What a page hands to its script."""
    found = re.search(r'<script id="boot" type="application/json">(.*?)</script>', page, re.DOTALL)
    assert found
    return json.loads(found[1])


def test_the_first_rows_come_with_the_page(client_viewer, shop) -> None:
    page = client_viewer.get("/").content.decode()
    frame = boot(page)["frame"]
    assert [row["name"] for row in frame["rows"]] == [NAME, "orders.dlq"]
    assert frame["rows"][0]["depth"] == 12
    assert frame["summary"]["queues"] == 2
    assert "</script><b>" not in page


def test_the_address_chooses_filter_and_order(client_viewer, shop) -> None:
    frame = boot(client_viewer.get("/?filter=depth<10&sort=-depth").content.decode())["frame"]
    assert [row["name"] for row in frame["rows"]] == ["orders.dlq"]
    hidden = boot(client_viewer.get("/?filter=is:hidden").content.decode())["frame"]
    assert [row["name"] for row in hidden["rows"]] == ["timer"]


@pytest.mark.parametrize("query", ["filter=depth>", "sort=colour"])
def test_a_wrong_address_is_told_and_shows_every_queue(query: str, client_viewer, shop) -> None:
    told = boot(client_viewer.get(f"/?{query}").content.decode())
    assert told["error"]["field"] == query.split("=")[0]
    assert told["error"]["message"]
    assert len(told["frame"]["rows"]) == 2


def test_an_offset_that_is_no_number_is_the_beginning(client_viewer, shop) -> None:
    assert len(boot(client_viewer.get("/?offset=x").content.decode())["frame"]["rows"]) == 2


def test_without_brokers_the_page_helps(client_viewer, web) -> None:
    page = client_viewer.get("/").content.decode()
    assert "No broker yet" in page
    assert "js/queues.js" not in page


def test_the_demo_is_called_one(client_viewer, shop) -> None:
    assert "This is the demo" not in client_viewer.get("/").content.decode()
    Broker.objects.update(managed_by=Broker.Managed.DEMO)
    assert "This is the demo" in client_viewer.get("/").content.decode()


def test_a_queue_page_says_what_is_known_of_it(client_viewer, shop) -> None:
    queue = Queue.objects.get(key="a")
    page = client_viewer.get(f"/queues/{queue.id}/").content.decode()
    other = Queue.objects.get(key="b")
    assert "Delivery limit" in page
    assert "team:shop" in page
    assert "Dead letters go to" in page
    assert f'href="/queues/{other.id}/"' in page
    assert boot(page)["rows"][0]["depth"] == 12
    assert "<b>x</b>" not in page
    assert "Dead letters come from" in client_viewer.get(f"/queues/{other.id}/").content.decode()


def test_a_queue_that_is_gone_says_since_when(client_viewer, shop) -> None:
    Queue.objects.filter(key="b").update(gone_at="2026-01-02T03:04:00Z")
    page = client_viewer.get(f"/queues/{Queue.objects.get(key='b').id}/").content.decode()
    assert "This queue is gone" in page
    assert "2026-01-02 03:04 UTC" in page


def test_only_ranges_that_are_kept_are_offered(client_viewer, shop, settings) -> None:
    settings.WEIR_RETENTION_HOUR = 6 * 3600
    page = client_viewer.get(f"/queues/{Queue.objects.get(key='a').id}/?range=7d").content.decode()
    assert re.findall(r'<a [^>]*data-range="(\w+)"', page) == ["15m", "1h", "6h"]


def test_a_young_queue_opens_with_a_quarter_of_an_hour(client_viewer, shop) -> None:
    address = f"/queues/{Queue.objects.get(key='a').id}/"
    assert 'data-range="15m" aria-current' in client_viewer.get(address).content.decode()
    Queue.objects.update(first_seen="2026-01-02T03:04:00Z")
    assert 'data-range="1h" aria-current' in client_viewer.get(address).content.decode()
    assert 'data-range="6h" aria-current' in client_viewer.get(f"{address}?range=6h").content.decode()


def test_an_unknown_queue_is_a_404_with_a_sentence(client_viewer, shop) -> None:
    answer = client_viewer.get("/queues/424242/")
    assert answer.status_code == 404
    assert "There is no queue with the number 424242" in answer.content.decode()


@pytest.mark.parametrize("address", ["/", "/queues/1/"])
def test_a_stranger_is_sent_to_sign_in(address: str, client, web) -> None:
    answer = client.get(address)
    assert answer.status_code == 302
    assert answer["Location"].startswith("/sign-in/?next=")


def test_pages_hold_no_script_or_style_that_the_policy_forbids(client_viewer, shop) -> None:
    for address in ("/", f"/queues/{Queue.objects.get(key='a').id}/"):
        answer = client_viewer.get(address)
        page = answer.content.decode()
        assert "script-src 'self'" in answer["Content-Security-Policy"]
        assert not re.search(r"<style|\sstyle=|\son\w+=", page)
        assert all("src=" in tag or "application/json" in tag for tag in re.findall(r"<script[^>]*>", page))
