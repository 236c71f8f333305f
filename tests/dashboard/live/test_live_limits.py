"""The live view when things are not as they should be: deaf browsers, restarts, several processes."""

from __future__ import annotations

import json
import socket as sockets
import struct
import time
from contextlib import ExitStack

import pytest
from websockets.exceptions import ConnectionClosed

from tests.dashboard.live.test_live import ask, close_code, depths, frame
from tests.servers.site import Site

pytestmark = pytest.mark.slow

QUEUES = 300


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    with Site(tmp_path_factory.mktemp("weir"), queues=QUEUES) as site:
        site.tick(depth=1)
        yield site


def deaf(site) -> sockets.socket:
    """A browser that asks for two hundred rows and never reads."""
    raw = sockets.socket()
    raw.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
    raw.connect(("127.0.0.1", site.port))
    lines = [
        "GET /ws/live/ HTTP/1.1",
        f"Host: 127.0.0.1:{site.port}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
        *(f"{name}: {value}" for name, value in site.headers.items()),
    ]
    raw.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
    assert b"101" in raw.recv(1024)
    message = b'{"view": "queues", "limit": 200}'
    raw.sendall(struct.pack("!BB", 0x81, 0x80 | len(message)) + b"\0\0\0\0" + message)
    return raw


def test_browsers_that_stop_reading_cost_no_memory_and_the_others_get_every_frame(site):
    site.say(every=0.15)
    with site.connect(max_size=None) as reader:
        ask(reader, view="queues", limit=200)
        size = len(json.dumps(frame(reader)))
        time.sleep(2)  # the rings of the fleet are full
        before, dead = site.rss, [deaf(site) for _ in range(20)]
        for _ in range(60):
            frame(reader)
        grown = site.rss - before
        for one in dead:
            one.close()
    site.say(stop_every=True)
    assert size > 100_000
    assert grown < 20 * 10 * size + 30e6 < 20 * 60 * size


def test_who_acknowledges_nothing_for_long_is_let_go(site):
    site.say(set=["dashboard.live.client", "PATIENCE", 0.5])
    try:
        with site.connect() as silent:
            ask(silent, view="queues", limit=1)
            assert close_code(silent) == 4408
        site.say(set=["dashboard.live.client", "PATIENCE", 6.0])  # more than a busy machine keeps an answer back
        with site.connect() as polite:
            ask(polite, view="queues", limit=1)
            for n in range(8):
                site.tick(depth=n)
                assert frame(polite, of=lambda told, n=n: depths(told) == [n])
                time.sleep(0.9)
    finally:
        site.say(set=["dashboard.live.client", "PATIENCE", 60.0])


def test_who_falls_behind_gets_the_newest_state_and_not_what_came_between(site):
    with site.connect(max_size=None) as socket:
        ask(socket, view="queues", limit=1)
        got = [json.loads(socket.recv(timeout=30))]
        while len(got) < 10:  # without an acknowledgement: no more. On a busy machine heartbeats are among them
            site.tick(depth=1000 + len(got))
            got.append(json.loads(socket.recv(timeout=30)))
        for n in range(10, 16):
            site.tick(depth=1000 + n)
        with pytest.raises(TimeoutError):
            socket.recv(timeout=1)
        ask(socket, ack=got[-1]["seq"])
        newest = frame(socket)
        seen = [depths(told)[0] for told in got if "rows" in told]
        assert depths(newest) == [1015] and seen == sorted(seen) and seen[-1] < 1010
        assert newest["seq"] > got[0]["seq"] + 9


def test_one_client_too_many_is_told_so_and_closed(site):
    site.say(set=["dashboard.live.hub", "MOST_CLIENTS", 1])
    try:
        with site.connect() as first, site.connect() as second:
            assert "as many live pages as it takes" in json.loads(second.recv(timeout=30))["error"]["message"]
            assert close_code(second) == 4503
            ask(first, view="queues", limit=1)
            assert len(frame(first)["rows"]) == 1
    finally:
        site.say(set=["dashboard.live.hub", "MOST_CLIENTS", 5000])


def test_a_session_that_ended_unheard_is_found_out(tmp_path):
    with Site(tmp_path) as site, site.connect() as ended, site.connect(_token(site)) as machine:
        site.tick(depth=1)
        for socket in (ended, machine):
            ask(socket, view="queues")
            frame(socket)
        site.say(end_session=True)
        site.say(set=["dashboard.live.hub", "CHECK_EVERY", 0.0])
        assert close_code(ended) == 4401
        site.tick(depth=2)
        assert depths(frame(machine)) == [2, 2, 2]


def test_after_a_restart_a_client_that_comes_back_sees_the_newest_state(tmp_path):
    first = Site(tmp_path, queues=3)
    try:
        first.tick(depth=[1, 2, 3])
        with first.connect() as socket:
            ask(socket, view="queues", sort="depth")
            assert depths(frame(socket)) == [1, 2, 3]
            first.tick(depth=[4, 5, 6])
            assert depths(frame(socket)) == [4, 5, 6]
            first.stop()
            with pytest.raises(ConnectionClosed):
                socket.recv(timeout=30)
    finally:
        first.stop()
    with Site(tmp_path, port=first.port) as again, again.connect(first.headers) as socket:
        ask(socket, view="queues", sort="depth")
        back = frame(socket)
        assert depths(back) == [4, 5, 6] and 4 in back["rows"][0]["spark"]["values"][-2:]  # its half minute may be over


def test_two_web_processes_stream_the_same_over_one_redis(tmp_path, valkey):
    with ExitStack() as stack:
        one = stack.enter_context(Site(tmp_path, queues=2, redis_url=valkey.url))
        _stream_the_same(one, stack.enter_context(Site(tmp_path, redis_url=valkey.url)), valkey.client())


def _stream_the_same(one: Site, other: Site, redis) -> None:
    with one.connect() as near, other.connect() as far, other.connect(one.headers | _origin(other)) as leaving:
        for socket in (near, far, leaving):
            ask(socket, view="queues", sort="depth")
            frame(socket)
        end = time.monotonic() + 30
        while not any(count == 2 for _, count in redis.pubsub_numsub(*redis.pubsub_channels("*:ticks"))):
            assert time.monotonic() < end, "both are subscribed to ticks"
            time.sleep(0.05)
        one.tick(depth=[8, 9])
        assert depths(frame(near)) == depths(frame(far)) == [8, 9]
        one.say(note=["signed_out", {"session": one.told["session"]}])
        assert close_code(leaving) == 4401
        other.tick(depth=[10, 11])
        assert depths(frame(far)) == [10, 11]


def _token(site) -> dict[str, str]:
    return {"Authorization": f"Bearer {site.told['token']}"}


def _origin(site) -> dict[str, str]:
    return {"Origin": site.headers["Origin"]}
