"""Deletions on SQS undone: each letter is put back with the types of its attributes, and none is swallowed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from collectors import registry
from dashboard.replay import keeping
from dashboard.replay.journal import Journal
from dashboard.replay.runner import Runner
from dashboard.replay.undoing import Restoring
from tests.dashboard.replays import Desk, order
from tests.servers.sqs import Peer

from .sqs_letters import everything, put, url_of

pytestmark = pytest.mark.slow
ATTRIBUTES = {
    "text": {"DataType": "String", "StringValue": "5"},
    "labelled": {"DataType": "String.uuid", "StringValue": "a-b"},
    "whole": {"DataType": "Number.int", "StringValue": "42"},
    "exact": {"DataType": "Number", "StringValue": "1.50"},
    "long": {"DataType": "Number", "StringValue": "12345678901234567890123456789"},
    "raw": {"DataType": "Binary.gzip", "BinaryValue": b"\xff\x00"},
}


@pytest.fixture(params=["", ".fifo"])
def key(ministack_peer: Peer, request: pytest.FixtureRequest, tmp_path: Path, settings: Any) -> Iterator[str]:
    settings.WEIR_DATA = tmp_path
    ministack_peer.create(f"dead{request.param}")
    key = ministack_peer.key(f"dead{request.param}")
    yield key
    ministack_peer.client().delete_queue(QueueUrl=url_of(ministack_peer, key))


def delete_and_restore(peer: Peer, key: str, path: Path, own: str) -> None:
    def connect() -> Any:
        return registry.connect(registry.parse(peer.url()))

    deletion: Any = SimpleNamespace(own=own, selection={})
    desk, what = Desk(), order(key, "kept", stamps=False, judges=False)
    with Journal(path / own, "me") as journal:
        Runner(desk, connect, what, journal, keeping.wrapper(deletion)).run()
    assert desk.state == "done" and keeping.counts(own)["kept"] == 2, desk.reason
    broker = connect()
    with keeping.opened(own) as db:
        one = Restoring(broker, key, db, Desk(), own=own)
        assert one.run() and one.counts.removed == 2, [*db.execute("select why from kept")]
    broker.close()


def test_types_and_groups_stay_and_one_that_is_restored_twice_within_minutes_is_there(
    ministack_peer: Peer, key: str, tmp_path: Path
) -> None:
    """SQS swallows a deduplication id that it has just seen, and says that it was sent."""
    for body in ("first", "second"):
        put(ministack_peer, key, body, group="g7", MessageAttributes=ATTRIBUTES)
    for own in ("one", "two") if key.endswith(".fifo") else ("one",):
        delete_and_restore(ministack_peer, key, tmp_path, own)
    found = everything(ministack_peer, url_of(ministack_peer, key), at_least=2)
    assert sorted(one["Body"] for one in found) == ["first", "second"]
    for one in found:
        assert one["MessageAttributes"] == ATTRIBUTES
        assert not key.endswith(".fifo") or one["Attributes"]["MessageGroupId"] == "g7"
