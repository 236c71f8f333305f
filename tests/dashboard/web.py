"""What tests of pages and API share: a store and a feed of their own, tokens, and forms as a browser sends them."""

from __future__ import annotations

import orjson
import pytest
from django.test import Client

from dashboard.access import new_token
from dashboard.live import bus, feed
from dashboard.samples import close_store, the_store

from .fleets import made_up_broker, made_up_tick


@pytest.fixture
def web(db, settings, tmp_path):
    """An empty store in a folder of its own, an empty bus and feed, gone after the test."""
    settings.WEIR_DATA = tmp_path
    _reset()
    yield
    _reset()


def _reset() -> None:
    feed.stop()
    bus.close_bus()
    close_store()


def kept(tick) -> None:
    """A tick as the collector leaves it: stored, and told to everybody."""
    the_store().append(tick)
    feed.fleet()
    bus.the_bus().publish(tick)


def seen(name="prod", queues=3, **metrics):
    """A broker with queues that were polled once: the broker, and the ids of its queues."""
    broker, ids = made_up_broker(name, queues)
    kept(made_up_tick(broker.pk, ids, **metrics))
    return broker, ids


class Api:
    """The API with a token of some role."""

    def __init__(self, role: str, name: str = "") -> None:
        self.text = new_token(name or f"{role} in a test", role)[1]
        self.client = Client(enforce_csrf_checks=True, headers={"Authorization": f"Bearer {self.text}"})

    def get(self, path: str, status: int = 200, **query):
        return self._answer(self.client.get(f"/api/v1/{path}", query), status)

    def send(self, method: str, path: str, body=None, status: int = 200, **headers):
        data = "" if body is None else orjson.dumps(body)
        call = getattr(self.client, method)
        return self._answer(call(f"/api/v1/{path}", data, content_type="application/json", headers=headers), status)

    def _answer(self, response, status: int):
        assert response.status_code == status, (response.status_code, response.content[:500])
        self.last = response
        return orjson.loads(response.content) if response.content else None


@pytest.fixture
def admin_api(web) -> Api:
    return Api("admin")


@pytest.fixture
def operator_api(web) -> Api:
    return Api("operator")


@pytest.fixture
def viewer_api(web) -> Api:
    return Api("viewer")
