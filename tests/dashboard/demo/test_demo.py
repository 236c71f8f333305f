"""The demo, with a real server: what it shows, and that nothing of it stays behind."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from random import Random
from types import SimpleNamespace

import numpy as np
import psutil
import pytest
import redis

import dashboard.demo
from collectors import registry
from dashboard import nearby
from dashboard.demo import Demo, DemoUnavailable, server, sqs
from dashboard.demo.flow import Bucket, Moment, cycle
from dashboard.insight.states import Judge, State
from dashboard.management.commands import up
from dashboard.models import Broker
from dashboard.ticks import Ring, Tick
from tests.servers.redis import ENGINES, binary

ROOT = Path(__file__).parents[3]


@pytest.fixture
def demo():
    with Demo() as running:
        yield running


@pytest.fixture(scope="module")
def busy_demo():
    """One that several tests watch as it goes on."""
    with Demo() as running:
        yield running


def until(condition, seconds: float = 60.0) -> bool:
    """Whether the condition came true in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return False


def group(client: redis.Redis, stream: str, name: str) -> dict:
    return next(g for g in client.xinfo_groups(stream) if g["name"].decode() == name)


def test_a_cycle_goes_through_its_parts_for_ever():
    course = cycle((10, 1), (5, 7))
    assert [course(t) for t in (0, 9.9, 10, 14.9, 15, 25, 30)] == [1, 1, 7, 7, 1, 7, 1]


def test_a_bucket_is_uneven_for_a_moment_and_right_in_the_long_run():
    bucket, dice = Bucket(), Random(3)
    taken = [bucket.take(3.5, Moment(t=0.25 * i, dt=0.25, now=0, dice=dice)) for i in range(4000)]
    assert len(set(taken)) > 1
    assert sum(taken) == pytest.approx(3500, rel=0.03)


def test_it_starts_in_a_moment_with_queues_of_every_kind(demo):
    client = demo.server.client()
    kinds = {client.type(key).decode() for key in client.scan_iter()}
    assert {"stream", "list", "set"} <= kinds
    assert client.llen("webhooks") > 100
    assert client.pubsub_numsub("stock-changes") == [(b"stock-changes", 2)]
    assert group(client, "shipments", "carrier")["consumers"] == 0
    assert client.xinfo_groups("page-visits") == []


def test_its_url_says_that_it_is_a_demo(demo):
    assert re.fullmatch(r"redis://127\.0\.0\.1:\d+/0\?name=demo&interval=2s&tags=demo", demo.url)
    assert "invented" in demo.describe()


@pytest.mark.django_db
def test_a_later_start_has_the_same_brokers_and_no_start_without_it_has_any(monkeypatch):
    ports = iter((4001, 4002))

    @contextmanager
    def demo_sqs(ready, unavailable):
        port = next(ports, None)
        yield ready(sqs.url_of(port)) if port else unavailable("The demo goes without SQS.")

    monkeypatch.setattr(dashboard.demo, "DemoSQS", demo_sqs)
    monkeypatch.setattr(up, "connection", SimpleNamespace(close=lambda: None))  # there it is a thread's own
    monkeypatch.setattr(nearby, "find", lambda: iter(()))

    def start(demo: bool | None) -> dict[str, tuple[int, str, bool]]:
        with ExitStack() as stack:
            up.Command(stderr=io.StringIO())._offer(stack, demo)
            return {row.name: (row.pk, row.safe_url, row.paused) for row in Broker.objects.all()}

    first, second = start(None), start(True)
    assert first.keys() == second.keys() == {"demo", "demo-sqs"}
    assert {name: id for name, (id, _, _) in first.items()} == {name: id for name, (id, _, _) in second.items()}
    assert not any(paused for _, _, paused in second.values()), "they wait only until their servers are there"
    assert "4001" in first["demo-sqs"][1] and "4002" in second["demo-sqs"][1]
    assert start(None).keys() == {"demo"}
    assert start(False) == {}


def test_nothing_is_left_after_stop():
    demo = Demo()
    demo.start()
    folder, process = demo.server._folder, psutil.Process(demo.server.client().info("server")["process_id"])
    demo.stop()
    demo.stop()
    assert not process.is_running()
    assert not folder.exists()
    with pytest.raises(redis.ConnectionError):
        demo.server.client().ping()


@pytest.mark.parametrize(
    "command", [("CONFIG", "SET", "dir", "/tmp"), ("SHUTDOWN",), ("SAVE",), ("REPLICAOF", "127.0.0.1", "1")]
)
def test_what_touches_files_or_other_servers_is_refused(demo, command):
    with pytest.raises(redis.exceptions.NoPermissionError):
        demo.server.client().execute_command(*command)


def test_what_an_observer_asks_is_allowed(demo):
    client = demo.server.client()
    assert client.config_get("maxmemory") == {"maxmemory": str(64 * 1024 * 1024)}
    assert client.client_list(_type="pubsub")
    assert client.info("commandstats")


def test_a_port_that_is_taken_is_said_in_a_sentence(demo):
    with pytest.raises(DemoUnavailable, match=rf"{demo.server.port} is already in use"):
        Demo(port=demo.server.port).start()
    assert demo.server.client().ping()


@pytest.mark.slow
def test_a_port_that_something_else_holds_is_said_with_the_servers_own_words(monkeypatch):
    monkeypatch.setattr(server, "STARTS", 5.0)
    said = pytest.raises(DemoUnavailable, match=r"did not start on port .* It said: .*in use")
    with socket.create_server(("127.0.0.1", 0)) as held, said:
        Demo(port=held.getsockname()[1]).start()


def test_a_port_that_is_taken_in_the_last_moment_is_tried_again(demo, monkeypatch):
    found, taken = server._free_port, [demo.server.port]
    monkeypatch.setattr(server, "_free_port", lambda: taken.pop() if taken else found())
    with Demo() as second:
        assert second.server.port != demo.server.port


def test_without_any_server_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(server.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(DemoUnavailable, match="install"):
        Demo().start()


@pytest.mark.parametrize("engine", ENGINES)
def test_the_shop_runs_on_every_server(engine, monkeypatch, caplog):
    found = binary(engine)
    if found is None:
        pytest.skip(f"{engine} is not installed")
    monkeypatch.setattr(server, "find_server", lambda: found)
    with Demo() as demo:
        client = demo.server.client()
        before = client.xlen("orders")
        assert until(lambda: client.xlen("orders") > before + 5 and client.hlen("unacked") > 0)
    assert caplog.messages == []


def test_dead_letters_are_json_of_several_causes(demo):
    client = demo.server.client()
    letters = [json.loads(letter) for letter in client.lrange("payments.dlq", 0, -1)]
    assert len({letter["error"]["type"] for letter in letters}) == 3
    assert all(letter["message"]["order"].startswith("A-") for letter in letters)
    entries = [fields for _id, fields in client.xrange("orders:dlq")]
    assert len({fields[b"error"] for fields in entries}) == 3
    assert all(json.loads(fields[b"body"])["type"] == "order.placed" for fields in entries)


def test_celery_messages_are_what_kombu_reads(demo):
    from kombu import Connection

    client = demo.server.client()
    assert until(lambda: client.llen("emails") > 0)
    assert client.smembers("_kombu.binding.reports") == {b"reports\x06\x16\x06\x16reports"}
    with Connection(demo.url.partition("?")[0]) as connection:
        message = connection.SimpleQueue("emails").get(timeout=30)
        assert message.headers["task"] == "shop.mail.send"
        assert message.payload[1]["to"].endswith("@example.com")
        message.ack()


@pytest.mark.slow
def test_the_backlogs_move_as_the_shop_says(busy_demo):
    client = busy_demo.server.client()
    assert until(lambda: client.llen("thumbnails") < 2400 - 30), "the import's backlog is worked off"
    assert until(lambda: client.llen("search-index") > 60 + 10), "the index falls behind"
    assert until(lambda: client.llen("webhooks") > 260 + 5), "nobody takes the webhooks"
    assert until(lambda: group(client, "shipments", "carrier")["lag"] > 180)
    oldest = client.lindex("webhooks", -1)
    carrier = group(client, "shipments", "carrier")
    assert carrier["consumers"] == 0
    time.sleep(3)
    assert client.lindex("webhooks", -1) == oldest
    assert group(client, "shipments", "carrier")["last-delivered-id"] == carrier["last-delivered-id"]


@pytest.mark.slow
def test_poison_is_delivered_again_and_again(busy_demo):
    """In its first four minutes."""
    client = busy_demo.server.client()

    def often() -> int:
        pending = client.xpending_range("payments", "capture", "-", "+", 100)
        return sum(one["times_delivered"] > 20 for one in pending)

    assert until(lambda: often() >= 3)


@pytest.mark.slow
def test_every_state_is_to_be_seen_within_a_minute(demo):
    broker = registry.connect(registry.parse(demo.url))
    ring, judge, ids, seen = Ring(), Judge(), {}, set()

    def judged_states() -> set[State]:
        poll = broker.poll()
        numbers = [ids.setdefault(sample.key, len(ids) + 1) for sample in poll.samples]
        tick = Tick.of(poll, 1, np.array(numbers))
        tick.judgement = judge(ring, tick)
        ring.push(tick)
        time.sleep(2)
        return {State(code) for code in tick.judgement.state}

    shop = demo._shop  # by its own clock, which stands still where the machine did
    while seen != set(State) and shop._last - shop._began < 60:
        seen |= judged_states()
    broker.close()
    assert {state.name for state in State} == {state.name for state in seen}


@pytest.mark.slow
def test_the_shop_stays_bounded_in_the_long_run(demo):
    """Half an hour, gone through without waiting."""
    demo._shop.close()
    client, shop, now = demo.server.client(), demo._shop, time.time()
    start = shop._moment().t
    for quarter in range(4 * 60 * 30):
        t = start + quarter / 4
        shop._write("step", Moment(t=t, dt=0.25, now=now + t, dice=shop._dice))
    lags = [g["lag"] for stream in ("orders", "payments", "shipments") for g in client.xinfo_groups(stream)]
    assert all(0 <= lag < 1500 for lag in lags)
    assert max(client.llen(key) for key in ("thumbnails", "search-index", "webhooks", "warehouse:pick")) < 3000
    assert client.xlen("orders:dlq") <= 300
    assert client.info("memory")["used_memory"] < 16e6


@pytest.mark.slow
def test_it_stays_small(busy_demo):
    client = busy_demo.server.client()
    assert client.info("memory")["used_memory"] < 16e6
    process = psutil.Process(os.getpid())
    before, began = sum(process.cpu_times()[:2]), time.monotonic()
    time.sleep(4)
    share = (sum(process.cpu_times()[:2]) - before) / (time.monotonic() - began)
    assert share < 0.10  # about 0.01 on an idle machine


def started_command() -> tuple[subprocess.Popen, int]:
    """`manage.py demo` and its server's port."""
    process = subprocess.Popen([sys.executable, "manage.py", "demo"], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    for line in process.stdout:
        found = re.search(r"redis://127\.0\.0\.1:(\d+)/", line)
        if found:
            return process, int(found[1])
    raise AssertionError("the command printed no URL")


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_the_command_takes_its_server_with_it(number):
    process, port = started_command()
    client = redis.Redis(port=port)
    about = client.info("server")
    process.send_signal(number)
    code = process.wait(timeout=60)
    assert code == (0 if number != signal.SIGKILL else -signal.SIGKILL)
    assert until(lambda: not psutil.pid_exists(about["process_id"]))
    assert until(lambda: not Path(about["config_file"]).parent.exists())
