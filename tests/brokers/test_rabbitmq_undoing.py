"""Deletions on RabbitMQ, broken off and undone: each letter is put back once and as it was, or is named."""

from __future__ import annotations

import time
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from struct import pack
from types import SimpleNamespace
from typing import Any

import pika
import pytest

from collectors import registry
from collectors.brokers.rabbitmq import sending
from collectors.brokers.rabbitmq.fields import Fields, written
from collectors.brokers.rabbitmq.link import Link
from collectors.brokers.rabbitmq.sending import Posted, Sender
from collectors.errors import BadAnswer, CollectorError
from collectors.letters import Bounds, Destination, Letter, Outcome
from dashboard.replay import keeping
from dashboard.replay.journal import Journal
from dashboard.replay.runner import Runner
from dashboard.replay.undoing import Restoring
from tests.brokers.rabbitmq_letters import QUORUM, declare, drain, put, unread, waiting
from tests.brokers.rabbitmq_letters import key as key_of
from tests.brokers.rabbitmq_polls import polling
from tests.dashboard.replays import Crash, Desk, FailingJournal, order
from tests.servers.rabbitmq import Node

pytestmark = [pytest.mark.slow, pytest.mark.rabbitmq, pytest.mark.usefixtures("alone")]

BODIES = [b"letter %d" % n for n in range(10)]
DELETION: Any = SimpleNamespace(own="deletion", selection={})


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, settings: Any) -> Path:
    settings.WEIR_DATA = tmp_path
    return tmp_path


def delete(url: str, key: str, journal: Journal) -> Desk:
    """All letters of a queue, by a worker that may die."""
    desk, what = Desk(), order(key, "kept", stamps=False, judges=False)
    try:
        Runner(desk, lambda: registry.connect(registry.parse(url)), what, journal, keeping.wrapper(DELETION)).run()
    finally:
        journal.close()
    return desk


def restore(url: str, key: str, doubtful: Counter[str] | None = None) -> Restoring:
    broker = registry.connect(registry.parse(url))
    with keeping.opened("deletion") as db:
        one = Restoring(broker, key, db, Desk(), doubtful)
        one.run()
    broker.close()
    return one


def test_it_is_put_back_as_it_was(rabbitmq_node: Node, vhost: str, folder: Path) -> None:
    """With all its headers, how large they are, and their types, times and decimals too."""
    headers = {
        "text": "t\u00fc", "large": 1 << 40, "yes": True, "none": None, "decimal": Decimal("3.14"), "raw": b"\xff\x00",
        "when": datetime(2026, 1, 1, tzinfo=UTC), "list": [1, "a", {"x": [None]}], "trace": "line\n" * 20_000,
    }  # fmt: skip
    url, key = rabbitmq_node.url(vhost=vhost), declare(rabbitmq_node, vhost, "dead")
    with rabbitmq_node.connect(vhost) as connection:
        channel = connection.channel()
        to_dead = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead"}
        channel.queue_declare("orders", durable=True, arguments=to_dead)
        channel.confirm_delivery()
        properties = pika.BasicProperties("a/b", "gzip", headers, 2, 3, "c", "r", "60000", "m", 1700000000, "type")
        channel.basic_publish("", "orders", b"body\xff\x00", properties, mandatory=True)
        method, _, _ = channel.basic_get("orders")
        channel.basic_reject(method.delivery_tag, requeue=False)
    while not waiting(rabbitmq_node, vhost, "dead"):
        time.sleep(0.05)
    broker = registry.connect(registry.parse(url))
    (before,) = broker.look(key, Bounds()).letters
    assert delete(url, key, Journal(folder / "j", "me")).state == "done" and not waiting(rabbitmq_node, vhost, "dead")
    assert restore(url, key).counts.removed == 1
    (after,) = broker.look(key, Bounds()).letters
    broker.close()
    assert (after.body, after.headers, after.deaths) == (before.body, before.headers, before.deaths)
    assert after.properties == before.properties


#: A header of each type that AMQP knows, two of them beside one another in a table and in an array.
WIDTHS = b"".join(
    bytes([2 + len(kind)]) + b"h-" + kind + kind + value
    for kind, value in {
        b"b": b"\xfb", b"B": b"\xfb", b"s": b"\xff\xfe", b"u": b"\xff\xfe", b"I": pack(">i", -5), b"i": pack(">I", 5),
        b"l": pack(">q", -5), b"f": pack(">f", 0.1), b"d": pack(">d", 0.1), b"D": b"\x02" + pack(">i", 314),
        b"T": pack(">Q", 1700000000), b"t": b"\x01", b"V": b"", b"S": pack(">I", 2) + b"\xff\x00",
        b"x": pack(">I", 2) + b"\xff\x00", b"F": pack(">I", 9) + b"\x01as\x00\x01\x01bb\x02",
        b"A": pack(">I", 5) + b"b\x01s\x00\x02",
    }.items()
)  # fmt: skip


@pytest.mark.parametrize("arguments", [{}, QUORUM], ids=["classic", "quorum"])
def test_each_header_is_put_back_of_the_type_that_it_had_and_nowhere_else(
    rabbitmq_node: Node, vhost: str, folder: Path, arguments: dict[str, Any]
) -> None:
    """Byte for byte, short and unsigned numbers and floats among them; CC does not send it to other queues again."""
    url, key = rabbitmq_node.url(vhost=vhost), declare(rabbitmq_node, vhost, "dead", arguments)
    declare(rabbitmq_node, vhost, "other")
    routed = b"\x02CCA" + pack(">I", 10) + b"S" + pack(">I", 5) + b"other"
    parts = {"delivery_mode": b"\x01", "priority": b"\x03", "user_id": b"\x05guest"}
    sender = Sender(registry.parse(url), vhost, lambda queue: True)
    sender.post([Posted(1, ("", "dead"), written(parts, WIDTHS + routed), b"body")])
    assert sender.next(20.0).outcome is Outcome.SENT
    sender.close()
    assert [body for body, _ in drain(rabbitmq_node, vhost, "other")] == [b"body"]
    before = Fields.read(wire(url, key))
    unread(rabbitmq_node, vhost, "dead")
    delete(url, key, Journal(folder / "j", "me"))
    assert restore(url, key).counts.removed == 1 and not waiting(rabbitmq_node, vhost, "other")
    after = Fields.read(wire(url, key))
    own = {name: raw for name, raw in before.headers or () if name.startswith(b"h-")}
    assert len(own) == 17 and own.items() <= dict(after.headers or ()).items()
    others = {name for name, _ in after.headers or ()} - own.keys() - {b"x-delivery-count"}
    assert others == {b"replay-cc", b"replay-user-id"}
    assert after.parts == {name: part for name, part in before.parts.items() if name != "user_id"}


def wire(url: str, key: str) -> bytes:
    """Headers and properties of the one letter of a queue, as the broker sends them."""
    broker = registry.connect(registry.parse(url))
    lease = broker.lease(key, 20.0)
    (held,) = lease.take(1, 10.0)
    raw = held.wire
    lease.close()
    broker.close()
    return raw


def test_one_connection_serves_all_until_it_is_lost_or_something_is_refused(
    rabbitmq_node: Node, vhost: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, opened = declare(rabbitmq_node, vhost, "dead"), list[Any]()
    monkeypatch.setattr(sending, "Link", lambda *of: opened.append(of) or Link(*of))
    with polling(rabbitmq_node.url(vhost=vhost, timeout="3")) as broker:

        def put_back(n: int, to: str = key) -> int:
            broker.put_back(Destination(to), Letter(str(n), b"letter %d" % n, 8), b"", "once")
            return len(opened)

        assert [put_back(n) for n in range(3)] == [1, 1, 1]
        rabbitmq_node.control("close_all_connections", "--vhost", vhost, "maintenance")
        assert [put_back(n) for n in range(3, 5)] == [2, 2]
        with pytest.raises(BadAnswer, match="There is no queue 'gone'"):
            put_back(9, key_of(vhost, "gone"))
        assert [put_back(n) for n in range(5, 7)] == [3, 3]
        rabbitmq_node.control("set_vm_memory_high_watermark", "0.00000001")
        try:
            while "memory" not in rabbitmq_node.control("eval", "rabbit_alarm:get_alarms()."):
                time.sleep(0.2)
            with pytest.raises(CollectorError):  # the first one passes, as the broker's own limit is late
                for n in range(7, 9):
                    put_back(n)
        finally:
            rabbitmq_node.control("set_vm_memory_high_watermark", "0.4")
    left = [body for body, _ in drain(rabbitmq_node, vhost, "dead")]
    assert left[:7] == [b"letter %d" % n for n in range(7)]


@pytest.mark.parametrize(("left", "after"), [(3, True), (4, False), (4, True)])
def test_what_was_kept_by_a_worker_that_died_is_not_kept_twice(
    rabbitmq_node: Node, vhost: str, folder: Path, left: int, after: bool
) -> None:
    url, key = rabbitmq_node.url(vhost=vhost), declare(rabbitmq_node, vhost, "dead")
    put(rabbitmq_node, vhost, "dead", BODIES)
    with pytest.raises(Crash):
        delete(url, key, FailingJournal(folder / "j", left, after))
    assert delete(url, key, Journal(folder / "j", "other")).state == "done" and not waiting(
        rabbitmq_node, vhost, "dead"
    )
    assert restore(url, key).counts.possibly_duplicated == 0
    assert sorted(body for body, _ in drain(rabbitmq_node, vhost, "dead")) == BODIES


def test_what_was_kept_and_perhaps_not_deleted_is_named(rabbitmq_node: Node, vhost: str, folder: Path) -> None:
    """The deletion is not gone on with: what it had kept is put back, lest it is lost."""
    url, key = rabbitmq_node.url(vhost=vhost), declare(rabbitmq_node, vhost, "dead")
    put(rabbitmq_node, vhost, "dead", BODIES)
    with pytest.raises(Crash):
        delete(url, key, FailingJournal(folder / "j", 4, False))
    while waiting(rabbitmq_node, vhost, "dead") < len(BODIES):
        time.sleep(0.05)  # the broker gives back what the dead worker held when it hears of it
    with Journal(folder / "j", "undoing") as journal:
        doubtful = keeping.surplus("deletion", journal)
    told = restore(url, key, doubtful)
    found = Counter(body for body, _ in drain(rabbitmq_node, vhost, "dead"))
    assert set(found) == set(BODIES) and found.total() - len(BODIES) == told.counts.possibly_duplicated == len(BODIES)
    assert told.words() == "10 were put back. 10 of them may be there twice."


def test_an_answer_that_is_lost_ends_it_and_what_is_put_back_again_is_named(
    rabbitmq_node: Node, vhost: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, key = rabbitmq_node.url(vhost=vhost), declare(rabbitmq_node, vhost, "dead")
    put(rabbitmq_node, vhost, "dead", BODIES)
    delete(url, key, Journal(folder / "j", "me"))
    asked: list[int] = []
    real, confirmed = Sender.next, Sender._confirmed

    def ask(sender: Sender, seconds: float) -> Any:
        asked.append(1)
        return real(sender, seconds)

    monkeypatch.setattr(Sender, "next", ask)
    monkeypatch.setattr(Sender, "_confirmed", lambda one, event: None if len(asked) == 4 else confirmed(one, event))
    told = restore(f"{url}&timeout=4", key)
    assert told.broken and told.counts.sent == 3 and "The rest is still kept: resume it." in told.words()
    assert keeping.counts("deletion") == {"kept": 10, "restored": 3, "not_restored": 0, "kept_bytes": 80}
    monkeypatch.undo()
    again = restore(url, key)
    found = Counter(body for body, _ in drain(rabbitmq_node, vhost, "dead"))
    assert set(found) == set(BODIES) and found.total() == 11 and again.counts.possibly_duplicated == 1
    assert restore(url, key).counts.possibly_duplicated == 1  # and it stays so
