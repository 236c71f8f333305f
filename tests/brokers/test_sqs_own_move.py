"""SQS's own move through Weir: offered by the plan, begun, followed and cancelled by workers; begun once."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from django.db import connections

from dashboard.live.bus import the_bus
from dashboard.models import AuditEntry, Letter, Replay
from dashboard.replay import ownmove
from dashboard.replay.working import Replayer
from tests.dashboard.letterbox import Watched
from tests.dashboard.web import Api, operator_api, web  # noqa: F401
from tests.servers.aws_proxy import in_front_of
from tests.servers.sqs import Peer

from .sqs_letters import counts, everything, url_of
from .sqs_move_double import MoveDouble
from .test_sqs_moving import MESSAGES, dead  # noqa: F401

pytestmark = pytest.mark.django_db(transaction=True)


class Shop(Watched):
    """moto behind a double of the calls about moves, watched by Weir."""

    def __init__(self, peer: Peer, double: MoveDouble, endpoint: str) -> None:
        super().__init__("aws", "sqs", peer.url(endpoint=endpoint))
        self.peer, self.double = peer, double

    def count(self, name: str) -> int:
        return counts(self.peer, url_of(self.peer, self.peer.key(name)))[0]


@pytest.fixture
def shop(web: None, sqs_peer: Peer, dead: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:  # noqa: F811
    monkeypatch.setattr(ownmove, "EVERY", 0.2)
    monkeypatch.setattr(ownmove, "SOON", 0.1)
    with in_front_of(sqs_peer.port) as proxy:
        shop = Shop(sqs_peer, MoveDouble(sqs_peer, proxy), proxy.endpoint)
        shop.poll()
        yield shop
        connections.close_all()


@pytest.fixture
def worker(shop: Shop) -> Iterator[Replayer]:
    worker = Replayer(the_bus())
    worker.start()
    yield worker
    worker.stop()


def body(shop: Shop, **more: object) -> dict:
    return {"queue_id": shop.queue("dead").pk, "selection": {"all": True}} | more


def reached(id: int, *states: str) -> Replay:
    """The replay, once it is in one of these states and no worker is at it any more."""
    end = time.monotonic() + 60
    while True:
        row = Replay.objects.get(pk=id)
        if row.state in states and not row.owner and not row.handle:
            return row
        assert time.monotonic() < end, (row.state, row.reason, row.trouble)
        time.sleep(0.05)


def test_the_plan_offers_it_and_it_is_followed_to_its_end(shop: Shop, operator_api: Api, worker: Replayer) -> None:  # noqa: F811
    operator_api.send("post", f"queues/{shop.queue('dead').pk}/looks", {"limit": 50}, 201)
    assert Letter.objects.filter(gone_at=None).exists()
    plain = operator_api.send("post", "replays", body(shop), 201)
    assert "At most 500 a second" in plain["planned"]["own_move"] and plain["how"] == "weir"
    made = operator_api.send("post", "replays", body(shop, how="broker", rate=900), 201)
    plan = made["planned"]
    assert plan["count"] == MESSAGES and "not undone" in plan["warnings"][0] + plan["warnings"][1]
    assert any("500 a second at most, not 900" in one for one in plan["warnings"])
    operator_api.send("post", f"replays/{made['id']}/start")
    row, end = reached(made["id"], "done"), time.monotonic() + 60
    assert (row.sent, row.removed, row.total) == (MESSAGES, MESSAGES, MESSAGES)
    assert shop.double.tasks[0]["MaxNumberOfMessagesPerSecond"] == 500
    assert len(everything(shop.peer, url_of(shop.peer, shop.peer.key("orders")), MESSAGES)) == MESSAGES
    assert not Letter.objects.filter(gone_at=None).exists()
    told = operator_api.get(f"replays/{made['id']}")
    assert told["came_back"] is None and "does not tell" in told["reason"]
    assert operator_api.get(f"replays/{made['id']}/messages")["total"] == 0
    while not (ends := AuditEntry.objects.filter(action="end replay").values_list("result", "details")):
        assert time.monotonic() < end  # it is written when the replay was let go of
        time.sleep(0.05)
    assert [(result, details["how"]) for result, details in ends] == [("done", "broker")]


def test_stopping_cancels_it_and_the_rest_stays(shop: Shop, operator_api: Api, worker: Replayer) -> None:  # noqa: F811
    made = operator_api.send("post", "replays", body(shop, how="broker", rate=1, dry_run=False), 201)
    shop.double.far = 5  # it does not come to its end before it is stopped
    path, end = f"replays/{made['id']}", time.monotonic() + 60
    while not operator_api.get(path)["sent"]:
        assert time.monotonic() < end
        time.sleep(0.05)
    assert "no pause" in operator_api.send("post", f"{path}/pause", status=409)["error"]["message"]
    assert "rate" in operator_api.send("patch", path, {"rate": 5}, 409)["error"]["message"]
    operator_api.send("post", f"{path}/stop")
    row = reached(made["id"], "stopped")
    assert [one["Status"] for one in shop.double.tasks] == ["CANCELLED"]
    assert 1 <= row.sent < MESSAGES and shop.count("orders") == row.sent and shop.count("dead") == MESSAGES - row.sent


def test_a_move_that_was_stopped_while_nobody_worked_is_cancelled_too(shop: Shop, operator_api: Api) -> None:  # noqa: F811
    made = operator_api.send("post", "replays", body(shop, how="broker"), 201)
    handle = shop.adapter.start_move(shop.queue("dead").key, None, 1.0)
    Replay.objects.filter(pk=made["id"]).update(state="running", handle=handle, started_at="2026-11-25T12:00:00Z")
    operator_api.send("post", f"replays/{made['id']}/stop")
    worker = Replayer(the_bus())
    worker.start()
    try:
        reached(made["id"], "stopped")
    finally:
        worker.stop()
    assert [one["Status"] for one in shop.double.tasks] == ["CANCELLED"]


@pytest.mark.parametrize("begun", [True, False])
def test_a_worker_that_dies_over_the_start_leaves_a_mark(shop: Shop, operator_api: Api, begun: bool) -> None:  # noqa: F811
    """It asked SQS, or not yet, and never heard the handle: the next one finds the move, or begins it; one move."""
    made = operator_api.send("post", "replays", body(shop, how="broker"), 201)
    mark = shop.adapter.mark_move(shop.queue("dead").key)
    if begun:
        shop.adapter.start_move(shop.queue("dead").key, None, None)
    Replay.objects.filter(pk=made["id"]).update(
        state="running", handle=mark, owner="dead", owned_until="2020-01-01T00:00Z"
    )
    worker = Replayer(the_bus())
    worker.start()
    try:
        row = reached(made["id"], "done")
    finally:
        worker.stop()
    assert len(shop.double.tasks) == 1 and row.sent == MESSAGES and shop.count("orders") == MESSAGES


def test_what_it_cannot_do_is_refused(shop: Shop, operator_api: Api) -> None:  # noqa: F811
    other = {"queue_id": shop.queue("other").pk}
    wrong: list[tuple[dict, str]] = [
        ({"selection": {"oldest": 3}}, "how"), ({"deed": "copy", "to": other}, "how"), ({"trial": 5}, "trial"),
    ]  # fmt: skip
    for more, field in wrong:
        answer = operator_api.send("post", "replays", body(shop, how="broker", **more), 400)
        assert answer["error"]["field"] == field and answer["error"]["message"].endswith(".")
    elsewhere = other | {"to": {"queue_id": shop.queue("dead").pk}, "how": "broker"}
    made = operator_api.send("post", "replays", body(shop, **elsewhere), 201)
    assert made["state"] == "failed" and "no queue sends its dead letters to 'other'" in made["reason"]
