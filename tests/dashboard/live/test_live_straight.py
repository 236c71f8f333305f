"""The short way of frames into the sockets: the same bytes as by the server's own, in order, to slow readers too."""

from __future__ import annotations

import json
import socket as sockets
import time

import pytest
from autobahn.websocket.compress import PerMessageDeflateOffer
from autobahn.websocket.protocol import PreparedMessage
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.frames import Frame, Opcode

from dashboard.live.straight import Straight, _accepted, framed, packed
from tests.dashboard.live.test_live import ask, depths, frame
from tests.dashboard.live.test_live_limits import deaf
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


@pytest.mark.parametrize("payload", [b"", b"x", bytes(range(256)) * 300, b'{"depth": 12}' * 9000])
def test_what_is_packed_is_what_another_implementation_unpacks_whatever_came_before(payload):
    extension = ClientPerMessageDeflateFactory().process_response_params([("client_no_context_takeover", None)], [])
    for _ in range(3):
        wire = packed(payload)
        assert wire[0] == 0xC1
        data = wire[{126: 4, 127: 10}.get(wire[1], 2) :]
        assert extension.decode(Frame(Opcode.TEXT, data, rsv1=True)).data == payload
        other = extension.decode(Frame(Opcode.TEXT, b"in between", rsv1=False))
        assert other.data == b"in between"


def test_a_browser_with_a_small_window_is_sent_frames_as_they_are():
    offer = PerMessageDeflateOffer.parse({"server_max_window_bits": ["10"]})
    assert _accepted([offer]) is None
    accepted = _accepted([offer, PerMessageDeflateOffer.parse({"client_max_window_bits": [True]})])
    assert accepted.get_extension_string() == "permessage-deflate; client_no_context_takeover"


def test_a_server_that_is_not_known_sends_in_its_own_way():
    async def send(message):
        raise AssertionError(message)

    assert Straight.of(send) is None


@pytest.mark.slow
@pytest.mark.parametrize("compression", ["deflate", None])
def test_frames_of_daphne_take_the_short_way(site, compression):
    site.say(set=["dashboard.live.straight", "_TEXT", 0x82])  # "bytes": no other way says that of a frame
    try:
        with site.connect(max_size=None, compression=compression) as reader:
            ask(reader, view="queues", limit=3)
            assert isinstance(reader.recv(timeout=30), bytes)
    finally:
        site.say(set=["dashboard.live.straight", "_TEXT", 0x81])


@pytest.mark.slow
def test_large_frames_come_compressed_and_what_goes_the_usual_way_is_read_beside_them(site):
    sizes: list[int] = []
    with site.connect(max_size=None) as reader, site.connect(max_size=None, compression=None) as other:
        assert "permessage-deflate" in reader.response.headers["Sec-WebSocket-Extensions"]
        assert "Sec-WebSocket-Extensions" not in other.response.headers
        [extension] = reader.protocol.extensions
        before = extension.decode
        extension.decode = lambda one, **more: (sizes.append(len(one.data)), before(one, **more))[1]
        for n in range(3):
            for one in (reader, other):
                ask(one, view="queues", sort="depth", limit=200)
            ask(reader, view="nonsense")
            assert frame(reader, of=lambda told: "error" in told)["error"]["field"] == "view"
            site.tick(depth=[7 * n + i for i in range(300)])
            seen = [frame(one, of=lambda told, n=n: depths(told)[0] == 7 * n) for one in (reader, other)]
            one, same = ([bare(row) for row in told["rows"]] for told in seen)
            assert one == same
    assert len(json.dumps(seen[0])) > 100_000 > 30_000 > max(sizes)


@pytest.mark.slow
def test_who_reads_late_gets_every_frame_whole_and_in_order(site):
    site.tick(depth=1)
    with deaf(site) as late, site.connect(max_size=None) as reader:
        ask(reader, view="queues", limit=1)
        frame(reader)
        for n in range(12):
            site.tick(depth=n)
            frame(reader, of=lambda one, n=n: depths(one) == [n])
        late.settimeout(30)
        found = [told for one in messages(late, 10) if "rows" in (told := json.loads(one))]
    seen = [one["seq"] for one in found]
    assert seen == sorted(set(seen)) and len(seen) > 5  # on a busy machine heartbeats are among the ten
    assert all(len(one["rows"]) == 200 for one in found)
    assert all(len({row["depth"] for row in one["rows"]}) == 1 for one in found)


def bare(row: dict) -> dict:
    """A row without the line of its depth: whoever asked before the turn of a half minute has one point of it less."""
    return {name: value for name, value in row.items() if name not in ("spark", "point")}


def messages(raw: sockets.socket, many: int) -> list[bytes]:
    """The next messages from a socket, of any size."""
    data, found = bytearray(), []
    until = time.monotonic() + 60
    while len(found) < many:
        assert time.monotonic() < until
        data += raw.recv(1 << 16)
        while len(data) >= 10:
            assert data[0] == 0x81 and data[1] < 0x80, data[:20]
            more = {126: 2, 127: 8}.get(data[1], 0)
            size = int.from_bytes(data[2 : 2 + more], "big") if more else data[1]
            if len(data) < 2 + more + size:
                break
            found.append(bytes(data[2 + more : 2 + more + size]))
            del data[: 2 + more + size]
    return found
