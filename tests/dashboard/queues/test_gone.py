"""A browser that goes away while Weir looks: the look ends, and nothing more is taken."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
from django.core.handlers.asgi import ASGIHandler
from django.db import connections

from dashboard.access import new_token
from dashboard.gone import heard
from dashboard.models import Look

from ..letterbox import Letterbox

pytestmark = pytest.mark.django_db(transaction=True)


async def call(path: str, token: str, hung_up: Event, left: Event) -> list[dict]:
    """A call whose client hangs up as soon as `hung_up` is set; `left` once the server was told."""
    sent: list[dict] = []
    messages = [{"type": "http.request", "body": b'{"limit": 50}'}]

    async def receive() -> dict:
        if messages:
            return messages.pop()
        while not hung_up.is_set():
            await asyncio.sleep(0.01)
        asyncio.get_running_loop().call_later(0.05, left.set)
        return {"type": "http.disconnect"}

    async def send(message: dict) -> None:
        sent.append(message)

    headers = [(b"host", b"localhost"), (b"authorization", f"Bearer {token}".encode())]
    scope = {"type": "http", "method": "POST", "path": path, "query_string": b"", "http_version": "1.1"}
    headers.append((b"content-type", b"application/json"))
    await heard(ASGIHandler())({**scope, "headers": headers}, receive, send)
    return sent


@pytest.mark.parametrize("hangs_up", [True, False])
def test_a_look_ends_when_its_browser_has_gone(web, hangs_up):
    box = Letterbox()
    box.put(40)
    box.poll()
    before, hung_up, left = box.ready(), Event(), Event()

    def at_the_broker(step: str, numbers: object) -> None:
        if hangs_up:
            hung_up.set()
            assert left.wait(30)

    box.world.interrupt = at_the_broker
    token = new_token("browser", "operator")[1]
    try:
        with ThreadPoolExecutor(1) as apart:  # a browser test may have left its event loop in this thread
            asked = call(f"/api/v1/queues/{box.dlq.pk}/looks", token, hung_up, left)
            sent = apart.submit(asyncio.run, asked).result()
    finally:
        box.world.interrupt = None
        connections.close_all()
    look = Look.objects.get()
    assert len(look.letters) == (0 if hangs_up else 40) and box.ready() == before
    assert [m["status"] for m in sent if m["type"] == "http.response.start"] == ([] if hangs_up else [201])
