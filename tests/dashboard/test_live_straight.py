"""The short way of frames into the sockets: the same bytes as by the server's own, in order, to slow readers too."""

from __future__ import annotations

import json
import socket as sockets
import time

import pytest
from autobahn.websocket.protocol import PreparedMessage

from dashboard.live.straight import Straight, framed
from tests.dashboard.test_live import ask, depths, frame
from tests.dashboard.test_live_limits import deaf
from tests.servers.site import Site


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    with Site(tmp_path_factory.mktemp("weir"), queues=300) as site:
        site.tick(depth=1)
        yield site


@pytest.mark.parametrize("size", [1, 125, 126, 65_535, 65_536, 300_000])
def test_a_frame_is_framed_as_the_server_would(size):
    payload = b"x" * size
    assert framed(payload) == PreparedMessage(payload, False, False, False).payloadHybi


def test_a_server_that_is_not_known_sends_in_its_own_way():
    async def send(message):
        raise AssertionError(message)

    assert Straight.of(send) is None


@pytest.mark.slow
def test_frames_of_daphne_take_the_short_way(site):
    site.say(set=["dashboard.live.straight", "_TEXT", 0x82])  # "bytes": no other way says that of a frame
    try:
        with site.connect(max_size=None) as reader:
            ask(reader, view="queues", limit=3)
            assert isinstance(reader.recv(timeout=10), bytes)
    finally:
        site.say(set=["dashboard.live.straight", "_TEXT", 0x81])


@pytest.mark.slow
def test_who_reads_late_gets_every_frame_whole_and_in_order(site):
    with deaf(site) as late, site.connect(max_size=None) as reader:
        ask(reader, view="queues", limit=1)
        frame(reader)
        for n in range(12):
            site.tick(depth=n)
            frame(reader, of=lambda one, n=n: depths(one) == [n])
        late.settimeout(10)
        found = [json.loads(one) for one in messages(late, 10)]
    seen = [one["seq"] for one in found]
    assert seen == sorted(set(seen))
    assert all(len(one["rows"]) == 200 for one in found)
    assert all(len({row["depth"] for row in one["rows"]}) == 1 for one in found)


def messages(raw: sockets.socket, many: int) -> list[bytes]:
    """The next messages from a socket, of more than 65,535 bytes each."""
    data, found = bytearray(), []
    until = time.monotonic() + 60
    while len(found) < many:
        assert time.monotonic() < until
        data += raw.recv(1 << 16)
        while len(data) >= 10 and len(data) >= 10 + (size := int.from_bytes(data[2:10], "big")):
            assert data[:2] == b"\x81\x7f", data[:20]
            found.append(bytes(data[10 : 10 + size]))
            del data[: 10 + size]
    return found
