"""Names with every character that a broker allows, and very many queues at once, right through to the page."""

from __future__ import annotations

import html
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.test import Client

from collectors import registry
from collectors.brokers import memory
from collectors.protocol import Poll
from dashboard.live import feed
from dashboard.live.bus import InProcess
from dashboard.live.feed import Feed
from dashboard.models import Broker, Queue
from dashboard.pipeline import Ingest
from dashboard.store import open_store
from tests.servers.rabbitmq import Node
from tests.servers.redis import Server

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True), pytest.mark.timeout(240)]

#: What every broker here takes.
NAMES = [
    "plain",
    "a/b//c/",
    "../../etc/passwd",
    "two\nlines",
    "tab\tand\rreturn",
    "quoted \"so\" and 'so'",
    "back\\slash\\n",
    '{curly,labels="1"}',
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>&amp;",
    "{{ 7|add:7 }} {% now %}",
    "'; DROP TABLE dashboard_queue; --",
    "مرحبا بالعالم",
    "\u202eright to left\u202c",
    "\u200bzero\u200bwidth",
    "emoji 🐇🐰",
    "é" * 127,
    "x" * 255,
    "%2F%00?#&=+ ",
    " leading and trailing ",
    "*?[a-z]",
    "\x7f\x01",
]


class Page:
    """The way from a poll to the page."""

    def __init__(self, folder: Path, kind: str) -> None:
        self.bus, self.store = InProcess(), open_store(folder)
        self.broker = Broker.objects.create(name="strange", kind=kind, secret_url="", safe_url="", interval=3600)
        self.feed = Feed(self.bus, self.store)
        self._ingest = Ingest(self.broker.id, self.store, self.bus.publish)

    def take(self, poll: Poll) -> list[dict]:  # type: ignore[type-arg]
        """The rows of the page after a poll."""
        self._ingest(poll)
        snapshot = self.feed.fleet.snapshot()
        return [snapshot.row(i) for i in range(len(snapshot))]

    def stop(self) -> None:
        self.feed.stop()
        self.store.close()


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Page]:
    desk = Page(tmp_path, "redis")
    monkeypatch.setattr(feed, "the_feed", lambda: desk.feed)
    yield desk
    desk.stop()


def shown_whole(desk: Page, rows: list[dict], client: Client, names: list[str], depth: int = 1) -> None:  # type: ignore[type-arg]
    """Every name is one row, its own in the database, and stands on its page as text, never as markup."""
    assert len(rows) == len(names) == len({row["id"] for row in rows}) == len({row["name"] for row in rows})
    assert {row["depth"] for row in rows} == {depth}
    kept = dict(Queue.objects.values_list("id", "name"))
    for row in rows:
        assert kept[row["id"]] == row["name"]
        answer = client.get(f"/queues/{row['id']}/")
        assert answer.status_code == 200
        text = answer.content.decode()
        assert html.escape(row["name"]) in text or html.escape(row["name"]).replace("\r", "\n") in text
        assert "<script>alert" not in text and "<img src=x" not in text
        assert client.get(f"/api/v1/queues/{row['id']}").json()["name"] == row["name"]
    listed = client.get("/api/v1/queues?limit=100").json()
    assert {row["name"] for row in listed["items"]} == {row["name"] for row in rows}


def test_names_of_redis(desk: Page, redis7: Server, client_viewer: Client) -> None:
    client = redis7.client(db=5)
    bytes_too = [name.encode() for name in NAMES] + [b"\xff\xfe\x00binary", b"", b"nul\x00inside", b"k" * 100_000]
    for name in bytes_too:
        client.lpush(name, "a")
    broker = registry.connect(registry.parse(f"redis://127.0.0.1:{redis7.port}/5"))
    broker.poll()
    rows = desk.take(broker.poll())
    client.flushdb()
    broker.close()
    shown_whole(desk, rows, client_viewer, [repr(name) for name in bytes_too])
    assert not any("\n" in row["name"] or "\x00" in row["name"] or "\u202e" in row["name"] for row in rows)


@pytest.mark.rabbitmq
@pytest.mark.parametrize("way", ["prometheus", "management"])
def test_names_of_rabbitmq(desk: Page, rabbitmq_node: Node, vhost: str, client_viewer: Client, way: str) -> None:
    # By AMQP line ends are taken out of names; by definitions they are let in.
    queues = [{"name": name, "durable": True, "auto_delete": False, "arguments": {}} for name in NAMES]
    rabbitmq_node.api("POST", f"definitions/{vhost}", {"queues": queues})
    url = rabbitmq_node.url(vhost=vhost) if way == "prometheus" else rabbitmq_node.without_prometheus_url(vhost=vhost)
    broker = registry.connect(registry.parse(url))
    deadline = time.monotonic() + 60
    poll = broker.poll()
    while {sample.depth for sample in poll.samples} != {0}:
        assert time.monotonic() < deadline, poll
        time.sleep(0.5)
        poll = broker.poll()
    broker.watch([sample.key for sample in poll.samples])
    poll = broker.poll()
    assert poll.complete, poll.problems
    rows = desk.take(poll)
    broker.close()
    assert {row["name"] for row in rows} == {f"{vhost}/{name}" for name in NAMES}
    shown_whole(desk, rows, client_viewer, NAMES, depth=0)


# --- very many, and ever others --------------------------------------------------------------------------------------
def test_a_hundred_thousand_queues_at_once(desk: Page) -> None:
    world = memory.world("crowd")
    world.put("first", 1)
    broker = registry.connect(registry.parse("memory://crowd"))
    desk.take(broker.poll())
    for n in range(100_000):
        world.put(f"queue-{n}", 1)
    began = time.process_time()
    desk._ingest(broker.poll())
    desk._ingest(broker.poll())
    snapshot = desk.feed.fleet.snapshot()
    assert len(snapshot) == 100_001 and Queue.objects.count() == 100_001
    took = time.process_time() - began
    print(f"\nSEEN 100,000 queues: two polls to the page in {took:.1f} s")
    assert took < 120


def test_a_hundred_thousand_lists_in_redis_are_cut_and_say_so(redis7: Server) -> None:
    client = redis7.client(db=6)
    broker = registry.connect(registry.parse(f"redis://127.0.0.1:{redis7.port}/6"))
    client.lpush("first", "a")
    assert len(broker.poll().samples) == 1
    pipe = client.pipeline(transaction=False)
    for n in range(100_000):
        pipe.lpush(f"queue-{n}", "a")
    pipe.execute()
    polls = []
    for _ in range(8):
        began = time.monotonic()
        poll = broker.poll()
        polls.append(time.monotonic() - began)
        assert "first" in {sample.name for sample in poll.samples}  # what is known is kept
    print(f"\nSEEN 100,000 lists: {len(poll.samples)} watched, polls of {min(polls):.2f} to {max(polls):.2f} s")
    assert len(poll.samples) == 20_000 and not poll.complete
    assert any("name those that matter with keys=" in problem for problem in poll.problems)
    client.flushdb()
    broker.close()


def test_queues_that_come_and_go_each_second_are_bounded(desk: Page) -> None:
    world = memory.world("flicker")
    broker = registry.connect(registry.parse("memory://flicker"))
    for n in range(60):
        world.put(f"stays-{n % 3}", 1)
        world.put(f"brief-{n}", 1)
        poll = broker.poll()
        poll.at = 1_800_000_000.0 + n
        rows = desk.take(poll)
        world.delete(f"brief-{n}")
        names = {row["name"] for row in rows if row["state"] != "gone" and not row.get("gone_at")}
        assert f"brief-{n}" in names
