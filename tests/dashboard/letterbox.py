"""What tests of dead letters share: brokers that were polled into the fleet, and letters in a memory world."""

from __future__ import annotations

import itertools
import json
import time
from datetime import UTC, datetime

import pytest

from collectors import registry
from collectors.brokers.memory import world
from collectors.letters import Death
from dashboard.live import bus, feed
from dashboard.models import Broker, Queue
from dashboard.pipeline import Ingest
from dashboard.samples import the_store
from dashboard.secrets import encrypt

_names = itertools.count(1)


class Watched:
    """A broker that Weir watches. `poll` takes it in as the collector does."""

    def __init__(self, name: str, kind: str, url: str, **columns) -> None:
        self.name = name
        self.broker = Broker.objects.create(
            name=name, kind=kind, secret_url=encrypt(url), safe_url=registry.parse(url).safe, interval=3600.0, **columns
        )
        self.adapter = registry.connect(registry.parse(url))
        self._ingest = None
        self._at = time.time()

    def poll(self) -> None:
        feed.fleet()
        if self._ingest is None:
            self._ingest = Ingest(self.broker.pk, the_store(), bus.the_bus().publish)
        poll = self.adapter.poll()
        self._at = poll.at = max(poll.at, self._at + 0.001)
        self._ingest(poll)
        at = datetime.fromtimestamp(poll.at, UTC)
        Broker.objects.filter(pk=self.broker.pk).update(last_poll_at=at, last_answer_at=at)
        feed.fleet().refresh()

    def queue(self, name="orders.dlq") -> Queue:
        return Queue.objects.select_related("broker").get(broker=self.broker, name=name)

    @property
    def dlq(self) -> Queue:
        return self.queue()


class Letterbox(Watched):
    """A memory world with a queue `orders` and its dead letters in `orders.dlq`."""

    def __init__(self, **columns) -> None:
        name = f"letterbox-{next(_names)}"
        self.world = world(name)
        super().__init__(name, "memory", f"memory://{name}", **columns)
        self.world.queue("orders", dead_letters_to="orders.dlq")
        self.world.queue("orders.dlq")

    def put(self, n=1, queue="orders.dlq", error="CardDeclined", body=None, at=None, **headers) -> None:
        """Letters that are told apart by a number; `body` as it is, once."""
        for i in range(n):
            told = {"x-error-class": error, "x-error-message": f"no funds on card {i}", **headers}
            death = Death("orders", "rejected", at=at if at is not None else time.time() - 60)
            letter = body if body is not None else json.dumps({"order": i, "card": {"number": f"4111-{i}"}}).encode()
            self.world.put_letter(queue, letter, [death], **told)

    def ready(self, name="orders.dlq") -> list[bytes]:
        """The bodies that lie in a queue, in order."""
        with self.world.still() as queues:
            return [message.body for message in queues[name].ready]


@pytest.fixture
def box(web):
    """A box with 45 dead letters of two causes, polled."""
    box = Letterbox()
    box.put(40)
    box.put(5, error="Timeout")
    box.poll()
    return box


@pytest.fixture
def looked(box, operator_api):
    """The same box, looked through."""
    operator_api.send("post", f"queues/{box.dlq.pk}/looks", {"limit": 100}, 201)
    return box
