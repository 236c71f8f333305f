"""Ignoring a queue: polls leave it out, its history stays, and it can be watched again."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from django.db import connections

from collectors.brokers.memory import world
from dashboard.brokers import save_broker, url_of
from dashboard.collecting import Collector
from dashboard.live.bus import the_bus
from dashboard.models import AuditEntry, Broker, Queue
from dashboard.samples import the_store

pytestmark = pytest.mark.django_db(transaction=True)
URL = "memory://weir:s3cret@shop?tags=eu&exclude=tmp-*,old"


def until(true, seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.02)


@pytest.fixture
def broker(web) -> Broker:
    for name in ("orders", "a*[b]? c,d&e#f%+g", "tmp-1"):
        world("shop").put(name, 3)
    return save_broker(URL, name="prod", interval=1.0, look_only=True)


@pytest.fixture
def collector(broker) -> Iterator[Collector]:
    collector = Collector(the_store(), the_bus())
    collector.start()
    until(lambda: Queue.objects.filter(gone_at=None).count() == 2)
    yield collector
    collector.stop()
    connections.close_all()


@pytest.mark.parametrize("name", ["orders", "a*[b]? c,d&e#f%+g"])
def test_an_ignored_queue_is_polled_no_more_and_keeps_its_history(collector, client_admin, name):
    queue = Queue.objects.get(name=name)
    path = f"/queues/{queue.pk}/"
    assert "Ignore it" in client_admin.get(path).content.decode()
    client_admin.post(f"{path}ignore/", {"ignored": "true"})
    until(lambda: not Queue.objects.filter(pk=queue.pk, gone_at=None).exists())
    assert Queue.objects.filter(gone_at=None).count() == 1  # the other one stays
    page = client_admin.get(path).content.decode()
    assert "This queue is ignored" in page and "Watch it again" in page
    row = Broker.objects.get()
    kept = (url_of(row).password, row.interval, row.look_only, url_of(row).get_all("exclude")[:2])
    assert kept == ("s3cret", 1.0, True, ("tmp-*", "old"))
    client_admin.post(f"{path}ignore/", {"ignored": "false"})
    until(lambda: Queue.objects.filter(pk=queue.pk, gone_at=None).exists())
    assert url_of(Broker.objects.get()).get_all("exclude") == ("tmp-*", "old")
    done = AuditEntry.objects.filter(target=name).order_by("id").values_list("action", "details")
    assert list(done) == [("ignore queue", {"broker": "prod"}), ("watch queue", {"broker": "prod"})]


class TestRefused:
    @pytest.fixture
    def queue(self, broker) -> Queue:
        return Queue.objects.create(broker=broker, key="tmp-1", name="tmp-1", kind="memory")

    def test_what_another_glob_leaves_out_says_where(self, queue, admin_api):
        error = admin_api.send("patch", f"queues/{queue.pk}", {"ignored": False}, 409)["error"]
        assert "exclude= of the URL of prod leaves tmp-1 out" in error["message"]

    def test_a_broker_that_is_managed_elsewhere_says_by_whom(self, queue, admin_api, client_admin):
        Broker.objects.update(managed_by=Broker.Managed.ENVIRONMENT)
        error = admin_api.send("patch", f"queues/{queue.pk}", {"ignored": True}, 409)["error"]
        assert "WEIR_BROKERS" in error["message"]
        page = client_admin.get(f"/queues/{queue.pk}/").content.decode()
        assert "Ignore it" not in page and "exclude= of its URL" in page

    def test_a_url_full_of_names_asks_for_a_glob(self, broker, admin_api):
        queue = Queue.objects.create(broker=broker, key="x", name="x" * 2000, kind="memory")
        error = admin_api.send("patch", f"queues/{queue.pk}", {"ignored": True}, 409)["error"]
        assert "exclude=tmp-*" in error["message"] and Broker.objects.get().revision == broker.revision

    def test_an_operator_hides_and_does_not_ignore(self, queue, operator_api, client_operator):
        operator_api.send("patch", f"queues/{queue.pk}", {"ignored": True}, 403)
        assert "Ignore it" not in client_operator.get(f"/queues/{queue.pk}/").content.decode()
        assert not AuditEntry.objects.filter(action="ignore queue").exists()
