"""Looking into real queues of RabbitMQ harms nothing: fifty looks; one that is killed, cut, refused, or too large."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from collectors import registry
from collectors.brokers.rabbitmq import look as looks
from collectors.errors import AccessRefused, BadAnswer, CollectorError, NotSupported, Unreachable
from collectors.letters import Bounds, Look
from tests.brokers.rabbitmq_letters import QUORUM, STREAM, declare, drain, drained, key, put, waiting
from tests.brokers.rabbitmq_polls import polling
from tests.servers.proxy import Proxy, Weather
from tests.servers.rabbitmq import Node

pytestmark = [pytest.mark.slow, pytest.mark.rabbitmq, pytest.mark.usefixtures("alone")]

BODIES = [b"letter %d" % n for n in range(24)]


def look(url: str, where: str, bounds: Bounds | None = None, after: str = "") -> Look:
    with polling(url) as broker:
        return broker.look(where, bounds or Bounds(), after)


def bodies(found: Look) -> list[bytes]:
    return [letter.body for letter in found.letters]


@pytest.mark.parametrize(
    ("arguments", "keeps_places"),
    [
        pytest.param({}, True, id="classic"),
        pytest.param(QUORUM, True, id="quorum without a limit"),
        pytest.param({**QUORUM, "x-delivery-limit": 5}, False, id="quorum with a limit and no way out"),
        pytest.param({**QUORUM, "x-delivery-limit": 1}, False, id="quorum with the narrowest limit"),
    ],
)
def test_fifty_looks_lose_nothing(
    rabbitmq_node: Node, vhost: str, arguments: dict[str, Any], keeps_places: bool
) -> None:
    where = declare(rabbitmq_node, vhost, "dead", arguments)
    put(rabbitmq_node, vhost, "dead", BODIES)
    seen: set[bytes] = set()
    ids: dict[bytes, str] = {}
    highest = 0
    with polling(rabbitmq_node.url(vhost=vhost)) as broker:
        for _ in range(50):
            found = broker.look(where, Bounds(messages=8))
            assert len(found.letters) == 8 and found.of == len(BODIES) and found.notes == []
            assert [ids.setdefault(one.body, one.id) for one in found.letters] == [one.id for one in found.letters]
            seen.update(bodies(found))
            highest = max(highest, found.deliveries or 0)
    left = drained(rabbitmq_node, vhost, "dead", len(BODIES))
    assert sorted(left) == sorted(BODIES)
    if keeps_places:
        assert left == BODIES and seen == set(BODIES[:8])
    else:
        assert highest < arguments["x-delivery-limit"], "a letter came near its limit"


@pytest.mark.parametrize(
    "arguments", [{}, QUORUM, {**QUORUM, "x-delivery-limit": 20}], ids=["classic", "quorum", "limit"]
)
def test_many_letters_keep_their_order(rabbitmq_node: Node, vhost: str, arguments: dict[str, Any]) -> None:
    """More than 32 at once, which a quorum queue would give back in no order."""
    sent = [b"letter %d" % n for n in range(100)]
    where = declare(rabbitmq_node, vhost, "dead", arguments)
    put(rabbitmq_node, vhost, "dead", sent)
    for _ in range(3):
        assert bodies(look(rabbitmq_node.url(vhost=vhost), where, Bounds(messages=80))) == sent[:80]
    assert drained(rabbitmq_node, vhost, "dead", 100) == sent


def test_fifty_looks_at_a_stream_page_through_it(rabbitmq_node: Node, vhost: str) -> None:
    where = declare(rabbitmq_node, vhost, "kept", STREAM)
    put(rabbitmq_node, vhost, "kept", BODIES)
    with polling(rabbitmq_node.url(vhost=vhost)) as broker:
        assert broker.price(where).free
        for _ in range(50 // 5):
            pages, after = [], ""
            for _ in range(5):
                page = broker.look(where, Bounds(messages=6), after)
                pages, after = pages + page.letters, page.after
                if not after:
                    break
            assert [one.body for one in pages] == BODIES
            assert [one.id for one in pages] == [str(n) for n in range(len(BODIES))]
        assert bodies(broker.look(where, Bounds(messages=5), "recent")) == BODIES[-5:]
        with pytest.raises(BadAnswer, match="no place in a stream"):
            broker.look(where, Bounds(), "yesterday")


@pytest.mark.parametrize(
    "arguments", [{}, QUORUM, {**QUORUM, "x-delivery-limit": 9}], ids=["classic", "quorum", "limit"]
)
def test_a_look_that_is_killed_loses_nothing(rabbitmq_node: Node, vhost: str, arguments: dict[str, Any]) -> None:
    """kill -9 while letters are held: they come back in order, and a look afterwards sees all."""
    where = declare(rabbitmq_node, vhost, "dead", arguments)
    put(rabbitmq_node, vhost, "dead", BODIES)
    script = """
        import sys, time
        from collectors import registry
        from collectors.letters import Bounds
        asked = []
        def stop():
            asked.append(1)
            if len(asked) > 8:
                print("held", flush=True)
                time.sleep(300)
            return False
        registry.connect(registry.parse(sys.argv[1])).look(sys.argv[2], Bounds(), stop=stop)
    """
    url = rabbitmq_node.url(vhost=vhost)
    child = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script), url, where],
        cwd=Path(__file__).parents[2], stdout=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert child.stdout is not None and child.stdout.readline() == b"held\n"
        assert waiting(rabbitmq_node, vhost, "dead") < len(BODIES)
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
    assert drained(rabbitmq_node, vhost, "dead", len(BODIES)) == BODIES


def test_a_look_whose_connection_is_cut_loses_nothing(rabbitmq_node: Node, vhost: str) -> None:
    where = declare(rabbitmq_node, vhost, "dead")
    put(rabbitmq_node, vhost, "dead", [b"x" * 20_000 for _ in BODIES])
    with Proxy(rabbitmq_node.amqp) as proxy:
        url = rabbitmq_node.url(vhost=vhost).replace(f":{rabbitmq_node.amqp}/", f":{proxy.port}/")
        for after in (1_000, 30_000, 150_000):
            proxy.weather = Weather("the answer breaks off", cut_after=after, ends="reset")
            with polling(url) as broker, pytest.raises(CollectorError) as caught:
                broker.look(where, Bounds())
            assert isinstance(caught.value, Unreachable) and "closed the connection" in str(caught.value)
    assert len(drained(rabbitmq_node, vhost, "dead", len(BODIES))) == len(BODIES)


def test_a_body_beyond_all_bounds_ends_the_look_in_a_sentence(
    rabbitmq_node: Node, vhost: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = declare(rabbitmq_node, vhost, "dead")
    huge = b"h" * (12 << 20)
    put(rabbitmq_node, vhost, "dead", [b"first", huge, b"last"])
    bounds = Bounds(bytes=1 << 20, body_bytes=1000)
    url = rabbitmq_node.url(vhost=vhost)
    read = look(url, where, bounds)
    assert bodies(read)[:2] == [b"first", huge[:1000]] and read.letters[1].size == len(huge)
    assert bodies(read)[2:] == [b"last"] and read.notes == []
    few = look(url, where, Bounds(bytes=5, body_bytes=1000))
    assert bodies(few) == [b"first"] and "as large as it may read" in few.notes[0]
    monkeypatch.setattr(looks, "THROUGH", 1 << 20)
    broken = look(url, where, bounds)
    assert broken.letters[1].size == len(huge) and len(broken.letters[1].body) <= 1000
    assert broken.notes == ["The look was broken off at a letter of 12 MB, of which only the beginning was read."]
    assert drained(rabbitmq_node, vhost, "dead", 3) == [b"first", huge, b"last"]


@pytest.mark.parametrize("arguments", [{}, {**QUORUM, "x-delivery-limit": 20}], ids=["classic", "limit"])
def test_a_huge_body_costs_no_memory_and_hides_nothing(
    rabbitmq_node: Node, vhost: str, arguments: dict[str, Any]
) -> None:
    """100 MB, the most that this RabbitMQ takes as it comes; by hand with 200 MB too."""
    where = declare(rabbitmq_node, vhost, "dead", arguments)
    sent = [b"before", b"huge" * (25 << 20), b"behind"]
    put(rabbitmq_node, vhost, "dead", sent)
    script = """
        import sys
        from collectors import registry
        from collectors.letters import Bounds
        broker = registry.connect(registry.parse(sys.argv[1]))
        found = broker.look(sys.argv[2], Bounds(body_bytes=6, seconds=60))
        print([(one.body.decode(), one.size) for one in found.letters], found.notes)
        told = dict(line.split(":", 1) for line in open("/proc/self/status"))
        print(int(told["VmHWM"].split()[0]) // 1024)
    """
    child = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), rabbitmq_node.url(vhost=vhost), where],
        cwd=Path(__file__).parents[2], capture_output=True, check=True, text=True, timeout=90,
    )  # fmt: skip
    seen, megabytes = child.stdout.splitlines()
    assert seen == f"{[('before', 6), ('hugehu', 100 << 20), ('behind', 6)]} []"
    assert int(megabytes) < 90, "a look keeps more of a body than it may"
    assert drained(rabbitmq_node, vhost, "dead", 3) == sent


def test_without_the_permission_to_write_a_limited_queue_is_not_touched(rabbitmq_node: Node, vhost: str) -> None:
    limited = declare(rabbitmq_node, vhost, "limited", {**QUORUM, "x-delivery-limit": 5})
    classic = declare(rabbitmq_node, vhost, "classic")
    put(rabbitmq_node, vhost, "limited", BODIES)
    put(rabbitmq_node, vhost, "classic", BODIES)
    rabbitmq_node.api("PUT", "users/reader", {"password": "pass-word", "tags": "management"})
    rabbitmq_node.api("PUT", f"permissions/{vhost}/reader", {"configure": "^$", "write": "^$", "read": ".*"})
    try:
        url = rabbitmq_node.url(user="reader:pass-word", vhost=vhost)
        with pytest.raises(AccessRefused, match=r"amq\.default") as caught:
            look(url, limited)
        assert "pass-word" not in str(caught.value)
        assert bodies(look(url, classic)) == BODIES
    finally:
        rabbitmq_node.api("DELETE", "users/reader")
    counts = {properties.headers.get("x-delivery-count") for _, properties in drain(rabbitmq_node, vhost, "limited")}
    assert counts == {0}, "a letter was taken before the permission was known to be missing"


def test_what_must_not_be_looked_at_is_refused(rabbitmq_node: Node, vhost: str) -> None:
    single = declare(rabbitmq_node, vhost, "single", {"x-single-active-consumer": True})
    with rabbitmq_node.connect(vhost) as connection:
        connection.channel().queue_declare("mine", exclusive=True)
        for where, why in ((single, "single active consumer"), (key(vhost, "mine"), "one connection alone")):
            with pytest.raises(NotSupported, match=why):
                look(rabbitmq_node.url(vhost=vhost), where)
    with pytest.raises(BadAnswer, match="There is no queue"):
        look(rabbitmq_node.url(vhost=vhost), key(vhost, "not-there"))


def test_a_user_without_the_tag_is_told_of_it(rabbitmq_node: Node, vhost: str) -> None:
    where = declare(rabbitmq_node, vhost, "dead")
    rabbitmq_node.api("PUT", "users/reader", {"password": "pass-word", "tags": ""})
    rabbitmq_node.api("PUT", f"permissions/{vhost}/reader", {"configure": "^$", "write": "^$", "read": ".*"})
    try:
        broker = registry.connect(registry.parse(rabbitmq_node.url(user="reader:pass-word", vhost=vhost)))
        with pytest.raises(AccessRefused, match="needs the tag 'management'"):
            broker.price(where)  # type: ignore[attr-defined]
    finally:
        rabbitmq_node.api("DELETE", "users/reader")
