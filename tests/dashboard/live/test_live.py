"""The live view over real sockets: a real Daphne in a child process, fed with made-up ticks."""

from __future__ import annotations

import json
import time
from contextlib import suppress

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from dashboard.live.hub import CHECK_EVERY
from tests.servers.site import Site

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    with Site(tmp_path_factory.mktemp("weir"), queues=30) as site:
        site.tick(depth=5)
        yield site


def ask(socket, **message) -> None:
    socket.send(json.dumps(message))


def frame(socket, timeout=30.0, of=lambda frame: True):
    """The next frame that is no heartbeat and that `of` accepts; every frame is acknowledged."""
    end = time.monotonic() + timeout
    while True:
        told = json.loads(socket.recv(timeout=max(0.01, end - time.monotonic())))
        if "seq" in told:
            ask(socket, ack=told["seq"])
        if ("rows" in told or "error" in told) and of(told):
            return told


def depths(told):
    return [row["depth"] for row in told["rows"]]


def close_code(socket) -> int:
    with socket, pytest.raises(ConnectionClosed) as closed:
        while True:
            socket.recv(timeout=30)
    return closed.value.rcvd.code


def test_a_view_is_answered_with_its_rows_at_once_and_with_new_ones_after_a_tick(site):
    site.tick(depth=list(range(30)), out_rate=2.5)
    with site.connect() as socket:
        ask(socket, view="queues", sort="-depth", limit=3)
        first = frame(socket)
        assert depths(first) == [29, 28, 27] and first["total"] == 30
        row = first["rows"][0]
        assert row["name"] == "queue-0029" and row["out_rate"] == 2.5 and row["in_rate"] is None
        assert 29 in row["spark"]["values"][-2:] and len(row["spark"]["values"]) == 60  # its half minute may be over
        assert first["summary"]["backlog"] == sum(range(30)) and first["summary"]["queues"] == 30
        site.tick(depth=list(range(30, 60)))
        later = frame(socket)
        assert depths(later) == [59, 58, 57] and later["seq"] > first["seq"]
        assert "spark" not in later["rows"][0]


def test_the_view_of_one_queue_shows_that_queue(site):
    with site.connect() as socket:
        ask(socket, view="queue", id=site.ids[4], range="1h")
        frame(socket)
        site.tick(depth=list(range(30)))
        told = frame(socket)
        assert [row["id"] for row in told["rows"]] == [site.ids[4]]
        assert told["point"]["depth"] == 4 and time.time() - told["point"]["at"] < 60


def test_a_queue_that_is_not_known_is_an_empty_frame(site):
    with site.connect() as socket:
        ask(socket, view="queue", id=999_999)
        assert frame(socket)["rows"] == []


def test_a_wrong_filter_is_answered_with_a_sentence_its_field_and_its_position(site):
    with site.connect() as socket:
        ask(socket, view="queues", filter="name:x dpth>5")
        error = frame(socket)["error"]
        assert error["field"] == "filter" and error["position"] == 8 and "dpth" in error["message"]
        ask(socket, view="queues", filter="queue-0001")
        assert [row["name"] for row in frame(socket)["rows"]] == ["queue-0001"]


def test_while_a_client_holds_the_order_stays_and_the_values_go_on(site):
    site.tick(depth=list(range(30)))
    with site.connect() as socket:
        ask(socket, view="queues", sort="-depth", limit=3)
        before = [row["id"] for row in frame(socket)["rows"]]
        ask(socket, hold=True)
        frame(socket)
        site.tick(depth=list(range(30, 0, -1)))
        held = frame(socket)
        assert [row["id"] for row in held["rows"]] == before and depths(held) == [1, 2, 3]
        ask(socket, view="queues", sort="-depth", limit=3, offset=3)
        assert depths(frame(socket, of=lambda told: told["view"]["offset"] == 3)) == [4, 5, 6]
        ask(socket, hold=False)
        assert depths(frame(socket, of=lambda told: depths(told) != [4, 5, 6])) == [27, 26, 25]


def test_a_heartbeat_says_how_old_the_data_is_while_nothing_is_new(site):
    with site.connect() as socket:
        ask(socket, view="queues", limit=1)
        first = frame(socket)
        beat = json.loads(socket.recv(timeout=30))
        assert "rows" not in beat and beat["age"] > first["age"] and beat["seq"] > first["seq"]


def test_who_is_not_signed_in_is_closed_with_4401(site):
    origin = {"Origin": f"http://127.0.0.1:{site.port}"}
    assert close_code(site.connect(origin)) == 4401
    assert close_code(site.connect({**origin, "Cookie": "weir_session=nonsense"})) == 4401
    assert close_code(site.connect({"Authorization": "Bearer weir_nonsense"})) == 4401


def test_a_token_in_the_header_is_as_good_as_a_session(site):
    with site.connect({"Authorization": f"Bearer {site.told['token']}"}) as socket:
        ask(socket, view="queues", limit=2)
        assert len(frame(socket)["rows"]) == 2


@pytest.mark.parametrize("origin", ["http://evil.example", "http://127.0.0.1:1", "https://127.0.0.1", "null", None])
def test_a_page_of_another_origin_is_refused(site, origin):
    headers = {name: value for name, value in {**site.headers, "Origin": origin}.items() if value is not None}
    with pytest.raises(InvalidStatus) as refused:
        site.connect(headers)
    assert refused.value.response.status_code == 403


def test_signing_out_closes_the_sockets_of_that_session_at_once(site):
    with site.connect() as leaving, site.connect({"Authorization": f"Bearer {site.told['token']}"}) as staying:
        for socket in (leaving, staying):
            ask(socket, view="queues", limit=1)
            frame(socket)
        began = time.monotonic()
        site.say(note=["signed_out", {"session": site.told["session"]}])
        assert close_code(leaving) == 4401 and time.monotonic() - began < CHECK_EVERY / 2, "it was heard, not found out"
        site.tick(depth=77)
        assert depths(frame(staying)) == [77]


def test_a_message_that_is_no_message_is_answered_and_too_many_end_the_connection(site):
    with site.connect() as socket:
        for wrong in ("nonsense", "[1]", '{"view": "pages"}', '{"ack": "1"}', '{"hold": 1}', " " * 5000):
            socket.send(wrong)
            assert json.loads(socket.recv(timeout=30))["error"]["code"] == "bad_message"
        with suppress(ConnectionClosed):  # it may be over before all are sent
            for _ in range(30):
                socket.send("{")
        assert close_code(socket) == 4429


def test_too_many_messages_end_the_connection(site):
    with site.connect() as socket:
        with suppress(ConnectionClosed):  # it may be over before all are sent
            for _ in range(200):
                socket.send('{"ack": 1}')
        assert close_code(socket) == 4429


def test_collectors_are_told_which_queues_are_looked_at(site):
    site.say(notes=True)
    with site.connect() as socket:
        ask(socket, view="queue", id=site.ids[7])
        frame(socket)
        watched, end = [], time.monotonic() + 60
        while {"broker": site.told["broker"], "queues": [site.ids[7]]} not in watched:
            assert time.monotonic() < end, watched  # a page of an earlier test may be seen to have gone a round later
            watched += [fields for kind, fields in site.say(notes=True) if kind == "watch"]
