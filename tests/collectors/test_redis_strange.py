"""A server that answers looks and moves with anything: an error with a sentence, and no letter is told to be moved."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.brokers.redis import holding
from collectors.brokers.redis.lease import RedisLease
from collectors.brokers.redis.look import shelf_of
from collectors.brokers.redis.wire import AnyWire, Refusal
from collectors.errors import CollectorError
from collectors.letters import Bounds, Destination, Outcome, Parcel
from collectors.url import BrokerURL

REPLIES = st.recursive(
    st.none() | st.integers(-5, 400) | st.binary(max_size=12) | st.sampled_from([b"1-1", b"7", Refusal("ERR no")]),
    lambda inner: st.lists(inner, max_size=4),
    max_leaves=10,
)
KEYS = {
    b"list": b"orders:dlq", b"zset": b"dead", b"stream": b"events", b"none": b"rq:failed:mail", b"hash": b"no-queue",
}  # fmt: skip


class StrangeWire:
    """Says of every key the type that it is told, and to everything else one reply after the other."""

    problems = details = ()
    nodes = ("",)

    def __init__(self, kind: bytes, replies: Sequence[Any]) -> None:
        self.url = BrokerURL.parse("redis://localhost/0")
        self._kind, self._replies, self._asked = kind, replies, 0
        self.requests = self.received = self.connections = 0

    def begin(self) -> None: ...
    def close(self) -> None: ...

    def replicated(self, keys: Sequence[bytes], since: int) -> str:
        return ""

    def ask(self, commands: Sequence[bytes]) -> list[Any]:
        return [self._kind if b"TYPE" in command[:20] else self._next() for command in commands]

    def ask_each(self, commands: Sequence[tuple[str, bytes]]) -> list[Any]:
        return self.ask([command for _, command in commands])

    def all(self, *parts: bytes | str | int) -> list[Any]:
        return [self.one(*parts)]

    def one(self, *parts: bytes | str | int) -> Any:
        return self._kind if parts[0] == "TYPE" else self._next()

    def _next(self) -> Any:
        self._asked += 1
        if self._asked > 200:  # it would go on for ever
            raise CollectorError("It fell silent.")
        return self._replies[self._asked % len(self._replies)]


class Strange(holding.HoldsLetters):
    def __init__(self, wire: StrangeWire) -> None:
        super().__init__()
        self._url, self._wire = wire.url, wire

    def _new_wire(self, url: BrokerURL) -> AnyWire:
        return self._wire


@pytest.mark.parametrize("identity", [None, "events\x1fmail", "events\x1fmail\x1fdead", "dramatiq:mail.XQ"])
@settings(max_examples=60)
@given(kind=st.sampled_from(sorted(KEYS)), replies=st.lists(REPLIES, min_size=1, max_size=6))
def test_a_look_fails_with_a_sentence(identity: str | None, kind: bytes, replies: list[Any]) -> None:
    broker = Strange(StrangeWire(kind, replies))
    for asked in (broker.look, broker.price, broker.receivers, broker.send_new, broker.stamps):
        key = identity or KEYS[kind].decode()
        arguments: dict[Any, tuple[Any, ...]] = {
            broker.look: (key, Bounds(5, seconds=0.2)), broker.price: (key,), broker.receivers: (Destination(key),),
            broker.send_new: (Destination(key), b"x", {}, {}), broker.stamps: (key, Destination(key)),
        }  # fmt: skip
        try:
            asked(*arguments[asked])
        except CollectorError as error:
            assert str(error)[-1] in ".?"


@given(kind=st.sampled_from([b"list", b"zset", b"stream"]), replies=st.lists(REPLIES, min_size=1, max_size=6))
def test_a_move_is_told_as_done_only_when_the_server_said_so(kind: bytes, replies: list[Any]) -> None:
    wire = StrangeWire(kind, replies)
    try:
        lease = RedisLease(wire, shelf_of(wire, KEYS[kind].decode()), time.time() + 60)
        taken = lease.take(3, 0.0)
        lease.send([Parcel(one.tag, Destination("orders")) for one in taken])
        receipts = lease.settled()
    except CollectorError as error:
        assert str(error)[-1] in ".?"
        return
    assert sorted(one.tag for one in receipts) == sorted(one.tag for one in taken)
    said = [one for reply in replies if isinstance(reply, list) for one in reply]
    assert all(one.outcome is not Outcome.REMOVED or 1 in said for one in receipts)
